"""Verdicts and sessions of the search world through a real server."""

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from pivotgym.envs.browsing import domain
from pivotgym.servers.serve import BackgroundServer
from pivotgym.servers.settings import Settings

TASK = "almanac/larger-0"


def action(name, **arguments):
    return {"tool_calls": [{"name": name, "arguments": arguments}]}


def pivot(reference, corpus="almanac"):
    return {
        "id": "run:0",
        "domain": "browsing",
        "messages": [{"role": "user", "content": "Which islands are there?"}],
        "tools": [],
        "origin": {"kind": "corpus", "corpus": corpus},
        "reference": reference,
    }


SEARCH = action("search", query=["islands of the Sorrin group"])


@pytest.fixture(scope="module")
def http():
    with (
        BackgroundServer(domain(), settings=Settings(threads=2)) as server,
        httpx.Client(base_url=server.url, trust_env=False, timeout=60) as client,
    ):
        yield client


@pytest.mark.parametrize(
    ("query", "outcome"), [("Sorrin group of islands", "equivalent"), ("a lighthouse", "different"), ("", "invalid")]
)
def test_verdicts(http, query, outcome):
    answer = http.post("/verify", json={"pivot": pivot(SEARCH), "action": action("search", query=[query])})
    assert answer.json()["outcome"] == outcome, answer.text


def test_verdicts_of_many_at_once(http):
    body = {"pivot": pivot(SEARCH), "action": action("search", query=["Great Sorrin islands"])}
    with ThreadPoolExecutor(8) as pool:
        rewards = set(pool.map(lambda _: http.post("/verify", json=body).json()["reward"], range(32)))
    assert len(rewards) == 1


def test_a_corpus_that_is_not_configured_is_an_error_with_a_code(http):
    answer = http.post("/verify", json={"pivot": pivot(SEARCH, "other"), "action": action("search", query=["x"])})
    assert (answer.status_code // 100, answer.json()["code"]) == (4, "missing_dependency")


def test_a_task_is_played_to_its_outcome(http):
    made = http.post("/sessions", json={"task_id": TASK}).json()
    gold = next(task for task in domain().tasks() if task.id == TASK).gold[0]
    for one in gold:
        step = http.post(f"/sessions/{made['session_id']}/step", json={"action": one.to_json()}).json()
    assert (step["reward"], step["terminated"]) == (1.0, True), step
