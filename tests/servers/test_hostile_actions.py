"""What a policy does wrong is a verdict `invalid` worth 0; what a caller does wrong is a 4xx. Never a 500."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pivotgym.envs.tool_use import domain
from pivotgym.servers.serve import BackgroundServer

pytestmark = pytest.mark.usefixtures("bfcl")

PARAMETERS = {
    "type": "object",
    "properties": {"order_id": {"type": "string"}, "amount": {"type": "number"}, "fast": {"type": "boolean"}},
    "required": ["order_id", "amount"],
}
EXPERT = {"order_id": "W1", "amount": 10}
PIVOT = {
    "id": "refunds:0",
    "domain": "tool_use",
    "messages": [{"role": "user", "content": "refund 10 of W1"}],
    "tools": [{"type": "function", "function": {"name": "refund", "description": "", "parameters": PARAMETERS}}],
    "reference": {
        "tool_calls": [{"type": "function", "function": {"name": "refund", "arguments": json.dumps(EXPERT)}}]
    },
    "origin": {"kind": "none"},
}
SEVERAL = [HealthCheck.function_scoped_fixture]
texts = st.text(st.characters() | st.just("\ud800"), max_size=6)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)


@pytest.fixture(scope="module")
def http() -> Iterator[httpx.Client]:
    with (
        BackgroundServer(domain(), process=False) as server,
        httpx.Client(base_url=server.url, trust_env=False, timeout=20) as made,
    ):
        yield made
        page = made.get("/metrics").text
        assert 'status="500"' not in page
        assert "pivotgym_sessions_live 0.0" in page


def calling(name: str, arguments: str) -> dict[str, Any]:
    return {"tool_calls": [{"type": "function", "function": {"name": name, "arguments": arguments}}]}


def verdict(http: httpx.Client, action: dict[str, Any]) -> dict[str, Any]:
    answer = http.post("/verify", content=json.dumps({"pivot": PIVOT, "action": action}))
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_expert_is_worth_one(http: httpx.Client) -> None:
    assert verdict(http, calling("refund", json.dumps(EXPERT)))["reward"] == 1.0


INVALID = {
    "no such tool": calling("fly", "{}"),
    "arguments that are no JSON": calling("refund", '{"order_id": '),
    "arguments that are no object": calling("refund", "[1]"),
    "a required argument missing": calling("refund", '{"order_id": "W1"}'),
    "an argument nobody knows": calling("refund", json.dumps(EXPERT | {"surprise": 1})),
    "an argument of a wrong type": calling("refund", json.dumps(EXPERT | {"amount": "ten"})),
    "deep nesting": calling("refund", '{"order_id": "W1", "amount": ' + "[" * 5000 + "]" * 5000 + "}"),
    "nothing at all": {"content": ""},
    "text cut short": {"content": "I will", "truncated": True},
    "text its format cannot read": {"text": "<tool_call>{", "format": "hermes"},
}


@pytest.mark.parametrize("action", INVALID.values(), ids=INVALID.keys())
def test_what_the_policy_did_wrong_is_invalid_and_worth_nothing(http: httpx.Client, action: dict[str, Any]) -> None:
    found = verdict(http, action)
    assert (found["outcome"], found["reward"]) == ("invalid", 0.0)
    assert found["reason"]


@pytest.mark.parametrize("amount", ["NaN", "Infinity", "1e999", '"\\ud800"'])
def test_what_json_has_no_form_for_is_worth_nothing(http: httpx.Client, amount: str) -> None:
    assert verdict(http, calling("refund", f'{{"order_id": "W1", "amount": {amount}}}'))["reward"] == 0.0


def test_lone_surrogate_in_the_body_itself_is_no_json(http: httpx.Client) -> None:
    body = json.dumps({"pivot": PIVOT, "action": calling("\ud800", "{}")})
    answer = http.post("/verify", content=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")
    assert answer.json()["message"].startswith("body: expected JSON, got something else: unexpected end of hex escape")


@given(name=st.text(max_size=6) | st.just("refund"), arguments=anything)
@settings(max_examples=120, deadline=None, suppress_health_check=SEVERAL)
def test_any_call_gets_a_verdict_and_only_the_expert_s_is_paid(http: httpx.Client, name: str, arguments: Any) -> None:
    found = verdict(http, calling(name, json.dumps(arguments)))
    assert found["reward"] == 0.0
    assert found["outcome"] in ("invalid", "different")


@given(text=st.text(max_size=40) | st.binary(max_size=40).map(lambda raw: "<tool_call>" + raw.decode("latin-1")))
@settings(max_examples=120, deadline=None, suppress_health_check=SEVERAL)
def test_any_text_gets_a_verdict(http: httpx.Client, text: str) -> None:
    assert verdict(http, {"text": text, "format": "hermes"})["reward"] == 0.0


@given(field=st.sampled_from(sorted(PIVOT)), value=anything)
@settings(max_examples=120, deadline=None, suppress_health_check=SEVERAL)
def test_any_pivot_is_scored_or_refused(http: httpx.Client, field: str, value: Any) -> None:
    action = PIVOT["reference"]
    for path, body in (
        ("/verify", {"pivot": PIVOT | {field: value}, "action": action}),
        ("/verify/batch", {"items": [{"pivot": PIVOT | {field: value}, "action": action}]}),
        ("/sessions", {"pivot": PIVOT | {field: value}}),
    ):
        answer = http.post(path, content=json.dumps(body))
        assert answer.status_code in (200, 413, 422), answer.text
        if answer.status_code == 200 and path == "/sessions":
            http.delete(f"/sessions/{answer.json()['session_id']}")


def test_of_a_key_given_twice_the_last_counts(http: httpx.Client) -> None:
    right, wrong = json.dumps(calling("refund", json.dumps(EXPERT))), json.dumps(calling("fly", "{}"))
    for first, second, reward in ((wrong, right, 1.0), (right, wrong, 0.0)):
        body = f'{{"pivot": {json.dumps(PIVOT)}, "action": {first}, "action": {second}}}'
        assert http.post("/verify", content=body).json()["reward"] == reward
