"""MiniWoB++'s pages as a site, without a browser."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pivotgym.core.errors import InputError, MissingDependency
from pivotgym.envs.base.contract import Task
from pivotgym.envs.browsing.pages.contract import Request
from pivotgym.envs.browsing.pages.sites import miniwob, site_of
from pivotgym.envs.browsing.pages.sites.miniwob import ADDRESS, MiniWob

ORIGIN = {"kind": "miniwob", "task": "click-test", "seed": "click-test-1"}


@pytest.fixture(scope="module", autouse=True)
def fetched():
    """The package, downloaded once per cache."""
    return miniwob.fetch()


def started(**fields):
    site = site_of(ORIGIN)
    site.start({**ORIGIN, **fields}, 0)
    return site


def got(site, path, method="GET"):
    return site.handle(Request(method, f"{ADDRESS}{path}"))


def test_the_first_page_is_the_tasks_own():
    assert MiniWob().start(ORIGIN, 0) == "http://miniwob.test/miniwob/click-test.html"


def test_a_page_and_what_it_loads_are_served_with_their_types():
    site = started()
    page, script, style = (
        got(site, f"/{name}") for name in ("miniwob/click-test.html", "core/core.js", "core/core.css")
    )
    assert [one.status for one in (page, script, style)] == [200, 200, 200]
    assert [one.headers["content-type"].partition(";")[0] for one in (page, script, style)] == [
        "text/html",
        "text/javascript",
        "text/css",
    ]


NO_FILES = ["/miniwob/none.html", "/", "/../__init__.py", "/%2e%2e/__init__.py", "/%00", "/%ff", "/" + "x" * 5000]


@pytest.mark.parametrize("path", NO_FILES)
def test_what_is_no_file_of_the_pages_is_not_served(path):
    assert got(started(), path).status == 404


@given(st.text(max_size=60), st.sampled_from(["GET", "POST", "HEAD", "PUT", ""]))
def test_any_request_is_answered(path, method):
    assert got(started(), f"/{path}", method).status in (200, 404, 405)


def test_files_are_read_only():
    assert got(started(), "/core/core.js", "POST").status == 405


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"task": "click-moon"}, "origin.task: 'click-moon' is no page of miniwob 1.1.0"),
        ({"task": "../core/core"}, "origin.task: '../core/core' is no page"),
        ({"seed": 1.5}, "origin.seed: expected a text or a whole number, got 1.5"),
        ({"seed": True}, "origin.seed: expected a text or a whole number, got True"),
        ({"difficulty": 3}, "origin.difficulty: unknown field"),
    ],
)
def test_an_origin_with_a_mistake_is_refused(fields, told):
    with pytest.raises(InputError, match=told):
        started(**fields)


def test_without_the_package_it_is_said_how_to_get_it(monkeypatch, tmp_path):
    monkeypatch.setenv("PIVOTGYM_CACHE", str(tmp_path))
    with pytest.raises(MissingDependency, match="pivotgym fetch miniwob"):
        started()


def test_a_seed_is_written_into_the_script_as_data():
    script = started(seed='1"); alert("').ready_script()
    assert script.startswith(
        'Math.seedrandom("1\\"); alert(\\""); core.EPISODE_MAX_TIME = 100000000; core.startEpisodeReal();'
    )


def test_the_seed_of_the_call_is_taken_where_the_origin_has_none():
    site = MiniWob()
    site.start({"kind": "miniwob", "task": "click-test"}, 7)
    assert "Math.seedrandom(7);" in site.ready_script()


def test_another_seed_is_another_state():
    assert started().digest() == started().fork().digest() != started(seed="2").digest()


@pytest.mark.parametrize(
    ("ended", "outcome"),
    [
        ({"done": True, "reward": 1}, 1.0),
        ({"done": False, "reward": 1}, 0.0),
        ({"done": True, "reward": 0.7}, 0.0),
        ({"done": True, "reward": -1}, 0.0),
        ({}, 0.0),
        ({"answer": "1"}, 0.0),
    ],
)
def test_only_the_full_reward_of_an_ended_episode_counts(ended, outcome):
    task = Task(id="one", origin=None, messages=[], tools=[])
    assert started().outcome(task, ended) == outcome
