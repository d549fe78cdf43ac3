"""The page's views by their JSON twins: what is shown of domains, sessions, runs and pivots."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from gateways import HTTP, RunningGateway
from run_folders import log_line, profiled, samples_of, write_run
from toy_domain import StoreDomain, make_pivot

from pivotgym.core.jsonl import Appender, write_records
from pivotgym.servers.client import Client
from pivotgym.servers.gateway.web import lines
from pivotgym.servers.serve import BackgroundServer

PIVOTS = [profiled(number) for number in range(120)]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    write_run(folder / "demo", PIVOTS)
    write_run(folder / "swept" / "seed-1", PIVOTS[:2])
    return folder


@pytest.fixture(scope="module")
def url(runs: Path) -> Iterator[str]:
    with (
        BackgroundServer(StoreDomain(), pivots=map(make_pivot, range(3))) as server,
        RunningGateway(f"toy={server.url}", runs=runs) as running,
    ):
        yield running.url


def get(url: str, path: str) -> Any:
    answer = HTTP.get(url + path)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_overview_has_domains_with_their_servers(url: str) -> None:
    (domain,) = get(url, "/ui.json")["domains"]

    assert (domain["name"], domain["state"], domain["description"]) == ("toy", "ready", "a key-value store")
    assert [(server["state"], server["pivots"]) for server in domain["servers"]] == [("ready", 3)]


def test_domain_without_a_server_says_what_is_amiss() -> None:
    with RunningGateway("toy=http://127.0.0.1:9", wait=False) as running:
        HTTP.get(f"{running.url}/ready")
        (domain,) = get(running.url, "/ui.json")["domains"]

    assert domain["state"] == "not ready"
    assert "nobody listens there" in str(domain["troubles"])


def test_sessions_are_listed_until_they_end(url: str) -> None:
    with Client(f"{url}/toy") as client:
        with client.session(task_id="goal-1") as session, session.fork() as twin:
            during = {one["id"]: one["by"] for one in get(url, "/ui.json")["sessions"]}
            ids = {session.id: "session", twin.id: "fork"}
        after = {one["id"] for one in get(url, "/ui.json")["sessions"]}

    assert ids.items() <= during.items()
    assert not after & set(ids)


def test_runs_are_listed_wherever_they_are_below_the_folder(url: str) -> None:
    listed = {run["name"]: run["stages"] for run in get(url, "/ui/runs.json")["runs"]}

    assert set(listed) == {"demo", "swept~seed-1"}
    assert listed["demo"] == ["profile", "pivot set", "grpo", "evaluation"]


def test_gateway_without_runs_says_so() -> None:
    with RunningGateway("toy=http://127.0.0.1:9", wait=False) as running:
        assert get(running.url, "/ui/runs.json") == {"folder": None, "runs": []}
        assert "PIVOTGYM_RUNS" in HTTP.get(f"{running.url}/ui/runs").text


def test_folder_of_runs_comes_from_the_environment(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIVOTGYM_RUNS", str(runs))
    with RunningGateway("toy=http://127.0.0.1:9", wait=False) as running:
        assert len(get(running.url, "/ui/runs.json")["runs"]) == 2


def test_folder_of_runs_may_come_later(tmp_path: Path) -> None:
    with RunningGateway("toy=http://127.0.0.1:9", wait=False, runs=tmp_path / "later") as running:
        before = get(running.url, "/ui/runs.json")["runs"]
        write_run(tmp_path / "later" / "demo", PIVOTS[:1])
        after = get(running.url, "/ui/runs.json")["runs"]

    assert (before, len(after)) == ([], 1)


def test_run_has_curves_of_its_training(url: str) -> None:
    (training,) = get(url, "/ui/runs/demo.json")["training"]
    curves = {curve["name"]: curve["values"] for curve in training["curves"]}

    assert (training["stage"], training["step"]) == ("grpo", 12)
    assert curves["kl"] == [log_line(step)["kl"] for step in range(1, 13)]
    assert {"reward_mean", "zero_variance_share", "masked"} < set(curves)


def test_curves_follow_the_log(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "demo", PIVOTS[:2], steps=2)
    with RunningGateway("toy=http://127.0.0.1:9", wait=False, runs=tmp_path) as running:
        before = get(running.url, "/ui/runs/demo.json")
        with Appender(folder / "grpo" / "log.jsonl") as log:
            log.append(log_line(3))
        with open(folder / "grpo" / "log.jsonl", "ab") as log_file:
            log_file.write(b'{"step": 4, "rew')  # as it is while a line is written
        after = get(running.url, "/ui/runs/demo.json")

    assert (before["training"][0]["step"], after["training"][0]["step"]) == (2, 3)
    assert before["revision"] != after["revision"]


def test_profile_is_a_histogram_with_the_filters_lines(url: str) -> None:
    profile = get(url, "/ui/runs/demo.json")["profile"]

    assert profile["bins"] == [30, 0, 30, 0, 0, 0, 30, 0, 0, 30]
    assert profile["flat"] == [30, 0, 0, 0, 0, 0, 0, 0, 0, 30]
    assert (profile["kept"], profile["rule"], profile["lambda_diff"]) == (60, "pivots", 0.6)


def test_run_has_stages_evaluations_and_a_report(url: str) -> None:
    view = get(url, "/ui/runs/demo.json")

    assert [stage["stage"] for stage in view["stages"]] == ["profile", "grpo"]
    assert [(arm["arm"], arm["mean"]) for arm in view["arms"]] == [("sft", 0.0), ("grpo", 1.0)]
    assert "The report" in HTTP.get(f"{url}/ui/runs/demo/report").text


def test_report_can_do_nothing(url: str) -> None:
    policy = HTTP.get(f"{url}/ui/runs/demo/report").headers["content-security-policy"]

    assert policy.startswith("sandbox; default-src 'none'")


def test_pivots_come_by_the_page(url: str) -> None:
    pages = [get(url, f"/ui/runs/demo/pivots.json?page={page}") for page in (1, 2, 3)]

    assert [len(page["pivots"]) for page in pages] == [50, 50, 20]
    assert [row["id"] for page in pages for row in page["pivots"]] == [pivot.id for pivot in PIVOTS]
    assert pages[0]["pivots"][0] == {
        "id": "toy/a:0",
        "domain": "toy",
        "state": "blue",
        "action": 'set({"key": "color", "value": "red"})',
        "mean": pytest.approx(2 / 3),
        "scored": 3,
        "masked": 1,
        "kept": True,
    }


def test_page_after_the_last_is_the_last(url: str) -> None:
    assert get(url, "/ui/runs/demo/pivots.json?page=999999999")["page"] == 3


@pytest.mark.parametrize(("kept", "found"), [("", 120), ("yes", 60), ("no", 60)])
def test_pivots_are_told_by_whether_the_filter_kept_them(url: str, kept: str, found: int) -> None:
    view = get(url, f"/ui/runs/demo/pivots.json?kept={kept}")

    assert view["found"] == found
    assert {row["kept"] for row in view["pivots"]} <= ({True, False} if not kept else {kept == "yes"})


@pytest.mark.parametrize(("q", "found"), [("A:11", 11), ('"red"', 120), ("BLUE", 120), ("nowhere", 0)])
def test_pivots_are_found_by_id_message_and_action(url: str, q: str, found: int) -> None:
    assert get(url, f"/ui/runs/demo/pivots.json?q={quote(q)}")["found"] == found


@pytest.mark.parametrize("query", ["page=x", "page=-1", "page=", "kept=maybe", "size=3", "q=" + 201 * "a"])
def test_wrong_query_is_refused_by_name(url: str, query: str) -> None:
    answer = HTTP.get(f"{url}/ui/runs/demo/pivots.json?{query}")

    assert answer.status_code == 422
    assert query.partition("=")[0] in answer.json()["message"]


def test_pivot_has_state_expert_and_samples_with_their_verdicts(url: str) -> None:
    view = get(url, f"/ui/runs/demo/pivots/{quote('toy/a:0', safe='')}.json")

    assert [message["role"] for message in view["messages"]] == ["user", "assistant", "tool"]
    assert view["expert"]["calls"] == [{"name": "set", "arguments": '{"key": "color", "value": "red"}'}]
    assert [(one["times"], (one["verdict"] or {}).get("outcome"), one["error"]) for one in view["samples"]] == [
        (2, "equivalent", None),
        (1, "different", None),
        (1, None, "world_failed: the store caught fire"),
    ]
    assert (view["before"], view["after"], view["served"]) == (None, "toy/a:1", True)


def test_text_that_was_no_action_is_shown(url: str) -> None:
    samples = get(url, "/ui/runs/demo/pivots/toy%2Fa:1.json")["samples"]

    assert samples[0]["malformed"] == "I would paint it"
    assert samples[0]["verdict"]["outcome"] == "invalid"


def test_samples_of_another_state_of_that_name_are_not_shown(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "demo", PIVOTS[:1])
    other = samples_of(profiled(0, tools=[]))
    write_records(folder / "profile.samples.jsonl", [other])
    with RunningGateway("toy=http://127.0.0.1:9", wait=False, runs=tmp_path) as running:
        view = get(running.url, "/ui/runs/demo/pivots/toy%2Fa:0.json")

    assert (view["samples"], len(view["rewards"])) == (None, 4)


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/ui/runs/none", "there are: demo, swept~seed-1"),
        ("/ui/runs/demo/pivots/toy%2Fa:999", "the first are: toy/a:0"),
        ("/ui/nothing", "/ui/runs/RUN/pivots"),
        ("/ui/runs/..%2f..%2fetc", "no page at"),
        ("/ui/runs/demo~..", "there are: demo"),
    ],
)
def test_what_is_not_there_is_answered_with_what_is(url: str, path: str, says: str) -> None:
    page = HTTP.get(url + path)
    assert page.status_code == 404
    assert page.headers["content-type"].startswith("text/html")
    assert says in page.text
    if "demo" in says or "first" in says:
        twin = HTTP.get(f"{url}{path}.json")
        assert (twin.status_code, says in twin.text + twin.json()["hint"]) == (404, True)


def test_run_outside_the_folder_is_not_found_by_a_link(runs: Path, tmp_path: Path) -> None:
    outside = write_run(tmp_path / "outside", PIVOTS[:1])
    inside = write_run(tmp_path / "inside" / "mine", PIVOTS[:1])
    (inside.parent / "linked").symlink_to(outside)
    (inside / "candidates.jsonl").unlink(missing_ok=True)
    (inside / "report.html").unlink()
    (inside / "report.html").symlink_to(outside / "report.html")
    with RunningGateway("toy=http://127.0.0.1:9", wait=False, runs=inside.parent) as running:
        listed = get(running.url, "/ui/runs.json")["runs"]

    assert [(run["name"], run["report"]) for run in listed] == [("mine", False)]


def test_lines_that_are_none_are_counted_and_the_others_shown(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "demo", PIVOTS[:2])
    with open(folder / "profile.jsonl", "ab") as file:
        file.write(b'nonsense\n{"no": "id"}\n[1]\n{"id": "odd:0", "messages": 3}\n')
    with RunningGateway("toy=http://127.0.0.1:9", wait=False, runs=tmp_path) as running:
        view = get(running.url, "/ui/runs/demo/pivots.json")
        odd = HTTP.get(f"{running.url}/ui/runs/demo/pivots/odd:0.json")

    assert (view["total"], view["bad"], len(view["reasons"])) == (3, 3, 3)
    assert view["reasons"][0].startswith("line 3:")
    assert (odd.status_code, odd.json()["code"]) == (422, "invalid_input")
    assert "'odd:0' is no pivot" in odd.json()["message"]


def test_run_that_is_still_being_read_says_so_and_when_to_come_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_run(tmp_path / "demo", PIVOTS[:2])
    with RunningGateway("toy=http://127.0.0.1:9", wait=False, runs=tmp_path) as running:
        monkeypatch.setattr(lines, "WAIT_S", 0.0)
        pages = [HTTP.get(f"{running.url}/ui/runs/demo{path}") for path in ("/pivots", "/pivots/toy%2Fa:0", "")]
        monkeypatch.setattr(lines, "WAIT_S", 20.0)
        then = HTTP.get(f"{running.url}/ui/runs/demo/pivots/toy%2Fa:0").status_code

    assert [page.status_code for page in pages] == [200, 503, 200]
    assert all("for the first time" in page.text for page in pages)
    assert (pages[1].headers["retry-after"], then) == ("2", 200)
