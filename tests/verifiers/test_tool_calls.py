import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pivotgym.core.messages import Action, Message, Tool, ToolCall
from pivotgym.core.trajectory import Effects, Pivot, Verdict
from pivotgym.verifiers.reads import facts_of
from pivotgym.verifiers.tool_calls import ToolCallComparator

MAIL = Tool(
    name="mail",
    parameters={
        "type": "object",
        "properties": {
            "to": {"type": "string"},
            "copies": {"type": "integer", "default": 1},
            "urgent": {"type": "boolean"},
        },
        "required": ["to"],
    },
)
PING = Tool(name="ping")
COMPARATOR = ToolCallComparator()


def call(name: str, /, **arguments: object) -> ToolCall:
    return ToolCall(name=name, arguments=arguments)


def act(*calls: ToolCall, content: str = "") -> Action:
    return Action(tool_calls=calls, content=content)


def at(reference: Action, accepted: object = None) -> Pivot:
    state = [Message(role="user", content="Write to Ann.")]
    return Pivot(id="t:0", domain="d", messages=state, reference=reference, tools=[MAIL, PING], accepted=accepted)


EXPERT = act(call("mail", to="Ann"))


def screen(action: Action, reference: Action = EXPERT) -> Verdict | None:
    return COMPARATOR.screen(at(reference), action)


@pytest.mark.parametrize(
    "action",
    [
        EXPERT,
        act(call("mail", to="Ann", copies=1)),
        act(call("mail", to="Ann", copies=1.0)),
        act(call("mail", copies=None, to="Ann", urgent=None)),
        act(call("mail", to="Ann"), content="I will write to Ann."),
    ],
)
def test_the_fast_path_accepts_equal_calls(action: Action) -> None:
    verdict = screen(action)
    assert verdict is not None
    assert (verdict.reward, verdict.method, verdict.executed) == (1.0, "normalised_call", False)


@pytest.mark.parametrize("action", [act(call("mail", to="ann")), act(call("ping")), act(content="Hello Ann")])
def test_the_fast_path_never_rejects(action: Action) -> None:
    assert screen(action) is None


@pytest.mark.parametrize(
    ("action", "reason"),
    [
        (act(), "the action is empty: expected a text or a call"),
        (act(content="  \n"), "the action is empty: expected a text or a call"),
        (act(call("send", to="Ann")), "no tool is called 'send'; the tools are ['mail', 'ping']"),
        (act(call("mail")), "mail: required argument 'to' is missing"),
        (act(call("mail", to=3)), "mail: argument 'to' does not fit its schema: 3 is not of type 'string'"),
        (act(call("mail", to="Ann", bcc="x")), "mail: no argument is called 'bcc'; they are"),
        (act(ToolCall(name="mail", arguments="to: Ann")), "mail: expected a JSON object as arguments, got 'to: Ann'"),
        (act(call("mail", to="Ann"), call("send")), "no tool is called 'send'"),
    ],
)
def test_invalid_actions_say_why(action: Action, reason: str) -> None:
    verdict = screen(action)
    assert verdict is not None
    assert verdict.outcome == "invalid"
    assert reason in verdict.reason


def test_arguments_nested_without_end_are_invalid() -> None:
    value: object = 1
    for _ in range(3000):
        value = [value]
    deep = ToolCall.model_construct(name="ping", arguments={"x": value}, id=None)
    verdict = screen(Action.model_construct(content="", tool_calls=(deep,), reasoning=None, truncated=False))
    assert verdict is None or verdict.outcome == "invalid"


@pytest.mark.parametrize("depth", [100, 300, 500, 900, 3000])
def test_deep_arguments_get_a_verdict_by_rule(depth: int) -> None:
    value: object = 1
    for _ in range(depth):
        value = [value]
    deep = ToolCall.model_construct(name="ping", arguments={"x": value}, id=None)
    action = Action.model_construct(content="", tool_calls=(deep,), reasoning=None, truncated=False)
    pivot = at(act(call("ping", x=[[2]])))
    verdict = COMPARATOR.screen(pivot, action) or COMPARATOR.by_rule(pivot, action)
    assert verdict.reward == 0.0


def effects(*results: str, state: str = "s", before: str = "s", failed: bool = False, name: str = "ping") -> Effects:
    calls = [{"name": name, "arguments": {}} for _ in results]
    return Effects(
        observations=list(results), state=state, before=before, failed=[failed] * len(results), detail={"calls": calls}
    )


def compare(expert: Effects, candidate: Effects) -> Verdict:
    return COMPARATOR.compare(at(EXPERT), expert, candidate)


def test_same_state_and_results_are_equivalent() -> None:
    assert compare(effects('{"a": 1, "b": 2}', state="t"), effects('{"b": 2.0, "a": 1}', state="t")).reward == 1.0


def test_results_pair_in_any_order() -> None:
    assert compare(effects("7 ok", "8 ok", state="t"), effects("8 ok", "7 ok", state="t")).reward == 1.0


@pytest.mark.parametrize(
    ("expert", "candidate", "reason"),
    [
        (effects("ok", state="t"), effects("ok", state="u"), "the state afterwards is another one"),
        (effects("ok", state="t"), effects("ok"), "the expert's action changes the state"),
        (effects("order 12345"), effects("order 12346"), "the state is the same, what was told is not"),
        (effects("7"), effects("7", name="mail"), "the state is the same; what the expert's read told proves nothing"),
        (effects("7"), effects(), "expected a call, got a message"),
        (effects(), effects("7"), "expected a message, got a call"),
    ],
)
def test_each_difference_is_named(expert: Effects, candidate: Effects, reason: str) -> None:
    verdict = compare(expert, candidate)
    assert (verdict.outcome, verdict.executed) == ("different", True)
    assert verdict.reason.startswith(reason)


@pytest.mark.parametrize("result", ["None", "", "[]", '{"matches": []}', '{"done": true}', '{"status": null}'])
def test_silence_is_matched_by_the_same_calls_only(result: str) -> None:
    assert compare(effects(result), effects(result, name="mail")).reward == 0.0
    assert compare(effects(result), effects(result)).reward == 1.0
    assert compare(effects(result, state="t"), effects(result, state="t", name="mail")).reward == 1.0


def test_a_failure_without_effect_is_matched_by_the_same_calls_only() -> None:
    assert compare(effects("Error: no", failed=True), effects("Error: no", failed=True, name="mail")).reward == 0.0


@pytest.mark.parametrize(
    ("one", "other"), [('{"a": 1.0}', '{"a":1}'), ("Paid 12 now", "Paid  12 now\n"), ('["x", 3]', '[ "x", 3.0 ]')]
)
def test_results_have_one_spelling(one: str, other: str) -> None:
    assert facts_of(one) == facts_of(other)


@pytest.mark.parametrize(("one", "other"), [("12.05", "12"), ("true", "1"), ("v1.0.2", "v1.2")])
def test_different_results_stay_different(one: str, other: str) -> None:
    assert facts_of(one) != facts_of(other)


GOLD = [{"mail": {"to": ["Ann", "Ann Lee"], "copies": [1, ""]}}, {"mail": {"to": ["Bob"]}}]


def rule(*calls: ToolCall) -> Verdict:
    return COMPARATOR.by_rule(at(act(call("mail", to="Ann"), call("mail", to="Bob")), GOLD), act(*calls))


def test_accepted_answers_pair_in_any_order() -> None:
    verdict = rule(call("mail", to="bob"), call("mail", to="Ann Lee"))
    assert (verdict.reward, verdict.method, verdict.executed) == (1.0, "accepted_answers", False)


def test_partial_credit_stands_beside_the_reward() -> None:
    verdict = rule(call("mail", to="Bob"), call("mail", to="Eve", copies=1))
    assert verdict.reward == 0.0
    assert verdict.components == {"name": 1.0, "arguments": 0.75, "calls_matched": 0.5, "partial": 0.5}


@pytest.mark.parametrize(
    ("calls", "reason"),
    [
        ([call("mail", to="Ann")], "expected 2 calls, got 1"),
        ([call("mail", to="Ann"), call("ping")], "expected a call of ['mail', 'mail'], got ['mail', 'ping']"),
        ([call("mail", to="Ann"), call("mail", to="Ann")], "the arguments of ['mail', 'mail'] are not among the"),
        ([], "expected a call, got a message"),
    ],
)
def test_rule_differences_are_named(calls: list[ToolCall], reason: str) -> None:
    assert rule(*calls).reason.startswith(reason)


def test_without_accepted_answers_the_experts_arguments_count() -> None:
    verdict = COMPARATOR.by_rule(at(EXPERT), act(call("mail", to="ann", copies=1)))
    assert (verdict.reward, verdict.method) == (1.0, "same_arguments")
    assert COMPARATOR.by_rule(at(EXPERT), act(call("mail", to="Bob"))).reward == 0.0


def test_a_call_where_a_message_was_due_is_different() -> None:
    assert COMPARATOR.by_rule(at(act(content="Which Ann?")), EXPERT).reason == "expected a message, got a call"


arguments = st.fixed_dictionaries(
    {"to": st.text(max_size=8)}, optional={"copies": st.integers(-3, 3), "urgent": st.booleans()}
)
actions = st.lists(arguments.map(lambda given: call("mail", **given)), min_size=1, max_size=3).map(lambda c: act(*c))


@given(actions)
def test_the_experts_own_action_is_always_worth_one(expert: Action) -> None:
    verdict = screen(expert, expert)
    assert verdict is not None
    assert verdict.reward == 1.0
    assert COMPARATOR.by_rule(at(expert), expert).reward == 1.0


@given(actions, st.randoms(use_true_random=False))
def test_key_order_and_filled_defaults_do_not_matter(expert: Action, random) -> None:
    calls = []
    for one in expert.tool_calls:
        items = list({"copies": 1, **one.arguments}.items())  # type: ignore[dict-item]
        random.shuffle(items)
        calls.append(ToolCall(name=one.name, arguments=dict(items)))
    verdict = screen(act(*calls), expert)
    assert verdict is not None
    assert verdict.reward == 1.0


@given(actions, actions)
def test_the_fast_path_and_the_rule_agree_where_the_fast_path_accepts(expert: Action, candidate: Action) -> None:
    if screen(candidate, expert) is not None:
        assert COMPARATOR.by_rule(at(expert), candidate).reward == 1.0


@given(actions, actions)
def test_verdicts_are_deterministic(expert: Action, candidate: Action) -> None:
    assert COMPARATOR.by_rule(at(expert), candidate) == COMPARATOR.by_rule(at(expert), candidate)


CASES = Path(__file__).parents[3] / "shared" / "data" / "verifier_cases" / "tool_use.jsonl"


def _cases() -> list[dict[str, object]]:
    if not CASES.exists():
        return []
    cases = map(json.loads, CASES.read_text(encoding="utf-8").splitlines())
    return [case for case in cases if case["origin"]["kind"] == "functions"]


def _action(body: dict[str, object]) -> Action:
    if body["type"] == "message":
        return Action(content=str(body["content"]))
    return Action.model_validate({"tool_calls": body["tool_calls"]})


@pytest.mark.skipif(not CASES.exists(), reason="the labelled cases are no part of the repository: ../shared is absent")
def test_labelled_cases_without_accepted_answers() -> None:
    wrong = []
    for case in _cases():
        pivot = Pivot.model_validate(
            {
                "id": f"{case['id']}:0",
                "domain": "tool_use",
                "messages": case["context"]["messages"],  # type: ignore[index]
                "tools": case["context"]["tools"],  # type: ignore[index]
                "reference": _action(case["reference_action"]),  # type: ignore[arg-type]
            }
        )
        action = _action(case["candidate_action"])  # type: ignore[arg-type]
        verdict = COMPARATOR.screen(pivot, action) or COMPARATOR.by_rule(pivot, action)
        if verdict.reward != case["label"]:
            wrong.append(case["kind"])
    assert set(wrong) <= {"pos_alt_gold_value"}, "only other gold values, which these cases do not carry, may be missed"


def test_the_experts_own_action_is_invalid_where_it_does_not_fit_the_schema() -> None:
    wrong = act(call("mail", to=3))
    verdict = screen(wrong, wrong)
    assert verdict is not None
    assert verdict.outcome == "invalid"


def test_the_experts_text_is_accepted_as_a_text() -> None:
    message = Action(content="Your trip is booked.")
    verdict = screen(message, message)
    assert verdict is not None
    assert (verdict.method, verdict.reason) == ("same_text", "the text is the expert's")
