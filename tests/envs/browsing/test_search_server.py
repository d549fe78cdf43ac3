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


HOSTILE = {
    "a megabyte": "a " * 500_000,
    "many names": " ".join(f"N{number}ame" for number in range(220)),
    "control characters": "\x00\x1b[31m Sorrin \u202e\ud7ff",
    "query syntax": '"Great Sorrin" +title:x AND (y OR field:[a TO b}^2 ~3 *:*',
    "accents": "e" + "\u0301" * 1900,
    "a list in text": "[" * 1900,
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
@pytest.mark.parametrize(
    ("tool", "argument"), [("search", "query"), ("open", "url"), ("find", "text"), ("finish", "answer")]
)
def test_hostile_values_are_verdicts_and_never_a_failure(http, text, tool, argument):
    reference = SEARCH if tool == "search" else action(tool, **{argument: "Great Sorrin"})
    for candidate in (action(tool, **{argument: text}), action(tool, **{argument: [text] * 20}), {"content": text}):
        answer = http.post("/verify", json={"pivot": pivot(reference), "action": candidate})
        assert answer.status_code in (200, 413, 422), answer.text[:300]
        if answer.status_code == 200:
            assert answer.json()["outcome"] in ("different", "invalid")


@pytest.mark.parametrize(("tool", "argument"), [("search", "query"), ("open", "url"), ("find", "text"), ("other", "x")])
def test_hostile_calls_in_a_session_are_observations(http, tool, argument):
    session = http.post("/sessions", json={"task_id": TASK}).json()["session_id"]
    for text in HOSTILE.values():
        step = http.post(f"/sessions/{session}/step", json={"action": action(tool, **{argument: text})})
        assert step.status_code in (200, 413), step.text[:300]


def test_a_task_is_played_to_its_outcome(http):
    made = http.post("/sessions", json={"task_id": TASK}).json()
    gold = next(task for task in domain().tasks() if task.id == TASK).gold[0]
    for one in gold:
        step = http.post(f"/sessions/{made['session_id']}/step", json={"action": one.to_json()}).json()
    assert (step["reward"], step["terminated"]) == (1.0, True), step


WRONG_TYPES = {
    "null": None,
    "an object": {"a": 1},
    "no queries": [],
    "queries of other types": ["a", None, [1]],
    "ten thousand queries": [f"island {number}" for number in range(10_000)],
}


@pytest.mark.parametrize("value", WRONG_TYPES.values(), ids=WRONG_TYPES.keys())
@pytest.mark.parametrize(("tool", "argument"), [("search", "query"), ("open", "url"), ("find", "text")])
@pytest.mark.parametrize("origin", [{"kind": "corpus", "corpus": "almanac"}, {"kind": "none"}], ids=["corpus", "none"])
def test_values_of_other_types_are_invalid(http, value, tool, argument, origin):
    asked = {**pivot(action(tool, **{argument: "Great Sorrin"})), "origin": origin}
    answer = http.post("/verify", json={"pivot": asked, "action": action(tool, **{argument: value})})
    assert answer.json()["outcome"] == "invalid", answer.text[:300]


def test_lists_too_deep_for_an_action_are_refused(http):
    value = "[" * 200 + "]" * 200
    body = f'{{"pivot": {{}}, "action": {{"tool_calls": [{{"name": "search", "arguments": {{"query": {value}}}}}]}}}}'
    answer = http.post("/verify", content=body, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")
