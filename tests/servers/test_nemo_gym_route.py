"""NeMo Gym's verify body over the wire."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from toy_domain import StoreDomain

from pivotgym.core.errors import ConfigError
from pivotgym.core.trajectory import Origin
from pivotgym.servers.app import create_app
from pivotgym.servers.serve import BackgroundServer
from pivotgym.servers.settings import Settings
from pivotgym.verifiers.tool_calls import ToolCallComparator

pytestmark = pytest.mark.usefixtures("bfcl")

RULE = "nemo_gym.single_step_tool_use_with_argument_comparison"
TOOL = {
    "type": "function",
    "name": "set",
    "parameters": {"type": "object", "properties": {"key": {"type": "string"}, "value": {"type": "number"}}},
    "strict": True,
}


class Calls(StoreDomain):
    """The toy domain with the verifier of tool calls."""

    comparator = ToolCallComparator()

    def executable(self, origin: Origin) -> bool:
        return origin.kind != "none"


@pytest.fixture(scope="module")
def server() -> Iterator[BackgroundServer]:
    with BackgroundServer(Calls()) as running:
        yield running


def item(**arguments: Any) -> dict[str, Any]:
    return {"type": "function_call", "name": "set", "call_id": "c", "arguments": json.dumps(arguments)}


def text(said: str) -> dict[str, Any]:
    return {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": said}]}


def body(*output: dict[str, Any], expected: Any = None, **more: Any) -> dict[str, Any]:
    return {
        "responses_create_params": {"input": [{"role": "user", "content": "Set a to 1."}], "tools": [TOOL]},
        "expected_action": expected or item(key="a", value=1),
        "response": {"id": "r", "object": "response", "output": list(output), "status": "completed"},
        **more,
    }


def send(http: httpx.Client, sent: Any) -> httpx.Response:
    return http.post("/nemo_gym/verify", json=sent)


def test_the_answer_is_the_body_with_a_reward(http: httpx.Client) -> None:
    sent = body(item(key="a", value=1), uuid="u", pass_rate=0.5)

    answer = send(http, sent).json()

    assert answer.pop("verdict")["outcome"] == "equivalent"
    assert answer == {**sent, "reward": 1.0}


def test_our_functional_rule_decides(http: httpx.Client) -> None:
    assert send(http, body(item(key="a", value=1.0))).json()["reward"] == 1.0
    answer = send(http, body(item(key="a", value=2))).json()
    assert (answer["reward"], answer["verdict"]["executed"]) == (0.0, False)


def test_a_stored_answer_can_be_scored_again(http: httpx.Client) -> None:
    first = send(http, body(item(key="a", value=2))).json()
    first["expected_action"] = item(key="a", value=2)

    again = send(http, first).json()

    assert (again["reward"], again["verdict"]["outcome"]) == (1.0, "equivalent")


def test_a_body_with_white_space_around_it_is_answered_as_json(http: httpx.Client) -> None:
    sent = "\n " + json.dumps(body(item(key="a", value=1)), indent=1) + " \n\t"

    assert http.post("/nemo_gym/verify", content=sent).json()["reward"] == 1.0


@pytest.mark.parametrize("output", [[], [{"type": "reasoning", "summary": []}], [{"type": "web_search_call"}]])
def test_a_response_that_says_nothing_is_invalid(http: httpx.Client, output: list[Any]) -> None:
    answer = send(http, body(*output)).json()

    assert (answer["reward"], answer["verdict"]["outcome"]) == (0.0, "invalid")


def test_a_response_that_was_cut_is_invalid(http: httpx.Client) -> None:
    sent = body(item(key="a", value=1))
    sent["response"]["status"] = "incomplete"

    assert send(http, sent).json()["verdict"]["truncated"] is True


def test_one_of_nemo_gyms_rules_decides_where_the_server_is_told_so(serving: Any) -> None:
    running = serving(nemo_gym_rule=f"{RULE}?word_count_similarity_threshold=0.1")
    with httpx.Client(base_url=running.url, trust_env=False) as http:
        spoken = send(http, body(text("No."), expected={"type": "message", "content": "Yes, of course."})).json()
        number = send(http, body(item(key="a", value=1.0))).json()
        empty = send(http, body({**item(), "arguments": ""}, expected=item())).json()

    assert (spoken["reward"], spoken["verdict"]["method"]) == (1.0, RULE)
    assert number["reward"] == empty["reward"] == 0.0


def test_a_rule_of_the_harness_reads_the_row(serving: Any) -> None:
    running = serving(nemo_gym_rule="nemo_gym.terminus_judge")
    answer = json.dumps({"analysis": "", "plan": "", "commands": [{"keystrokes": "ls\n"}]})
    sent = body(text(answer), expected_answer=answer, metadata={"harness": "terminus_2"})
    sent["expected_action"] = None
    with httpx.Client(base_url=running.url, trust_env=False) as http:
        assert send(http, sent).json()["reward"] == 1.0


def test_an_unknown_rule_is_refused_at_the_start() -> None:
    with pytest.raises(ConfigError, match="rule: expected one of"):
        create_app(StoreDomain(), settings=Settings(nemo_gym_rule="lax"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"expected_action": None}, "row: expected_action: expected an action"),
        ({"expected_action": {"type": "dance"}}, "row: expected_action.type: expected message"),
        ({"expected_action": {**item(), "arguments": "{"}}, "row: expected_action.arguments: expected a JSON object"),
        ({"expected_action": {**item(), "arguments": ""}}, "row: expected_action.arguments: expected a JSON object"),
        ({"responses_create_params": 1}, "body: responses_create_params: Input should be a valid dictionary"),
        ({"response": None}, "body: response: Input should be a valid dictionary"),
        ({"response": {"output": "x"}}, "body: response.output: expected the items of a response of the Responses API"),
        ({"response": {"output": [1]}}, "body: response.output.0: expected an object, got int"),
        ({"response": {"output": [{"type": "function_call"}]}}, "body: response.output.0.name: expected a tool's name"),
    ],
)
def test_a_broken_body_is_refused_and_named(http: httpx.Client, change: dict[str, Any], message: str) -> None:
    answer = send(http, {**body(item(key="a", value=1)), **change})

    assert answer.status_code == 422
    assert answer.json()["message"].startswith(message)


@pytest.mark.parametrize(
    ("expected", "message"),
    [
        ({**item(key="a"), "name": "fly"}, "row: expected_action: no tool is called 'fly'; the tools are ['set']"),
        (item(key=1), "row: expected_action: set: argument 'key' does not fit its schema: 1 is not of type 'string'"),
        ({"type": "message", "content": " "}, "row: expected_action: the action is empty"),
    ],
)
def test_an_expert_that_our_rule_calls_invalid_is_refused(http: httpx.Client, expected: Any, message: str) -> None:
    for output in (expected, item(key="a", value=1)):
        answer = send(http, body(output if output["type"] != "message" else text("Hi"), expected=expected))
        assert (answer.status_code, answer.json()["code"]) == (422, "pivot_refused")
        assert message in answer.json()["message"]


def test_a_broken_row_says_that_the_policy_is_not_to_blame(http: httpx.Client) -> None:
    answer = send(http, body(item(), expected={"type": "dance"})).json()

    assert answer["hint"] == "the row is broken, not the policy's answer: leave it out"


def test_a_body_that_is_no_object_is_refused(http: httpx.Client) -> None:
    assert send(http, [1]).json()["message"].startswith("body: ")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
mixed = st.fixed_dictionaries(
    {},
    optional={
        "responses_create_params": st.just({"input": "x"})
        | st.fixed_dictionaries({"input": json_values})
        | json_values,
        "expected_action": st.just(item(a=1)) | st.fixed_dictionaries({"type": st.just("message")}) | json_values,
        "expected_answer": json_values,
        "response": st.fixed_dictionaries({"output": st.lists(st.just(item(a=1)) | json_values, max_size=3)})
        | json_values,
        "metadata": json_values,
        "reward": json_values,
    },
)


@pytest.fixture(scope="module")
def kept_http(server: BackgroundServer) -> Iterator[httpx.Client]:
    """A client for many examples."""
    with httpx.Client(base_url=server.url, trust_env=False, timeout=20) as made:
        yield made


@given(sent=mixed | json_values)
def test_any_json_gets_a_reward_or_a_refusal(kept_http: httpx.Client, sent: Any) -> None:
    answer = send(kept_http, sent)

    assert answer.status_code in (200, 400, 422)
    assert ("reward" in answer.json()) == (answer.status_code == 200)


def test_the_payloads_of_the_benchmark_are_scored(http: httpx.Client, shared_data: Any) -> None:
    names = ("single_step_tool_use", "single_step_tool_use_lean", "single_step_tool_use_200k", "swe_pivot")
    for name in names:
        sent = (shared_data / "payloads" / f"{name}.json").read_bytes()
        assert http.post("/nemo_gym/verify", content=sent).json()["reward"] == 1.0
