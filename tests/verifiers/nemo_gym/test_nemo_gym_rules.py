"""What the compatibility modes are known for: the exploit table, options, and their errors."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pivotgym.core.errors import ConfigError, PivotRefused, VerifierFailed
from pivotgym.core.messages import Action, Message, Tool, ToolCall
from pivotgym.core.trajectory import Effects, Pivot
from pivotgym.verifiers.rules import comparator_of, rule_names

SINGLE = "nemo_gym.single_step_tool_use_with_argument_comparison"
SWE = "nemo_gym.swe_pivot"
TERMINUS = "nemo_gym.terminus_judge"
HARNESS = "nemo_gym.terminal_multi_harness"


def call(name="bash", **arguments):
    return Action(tool_calls=(ToolCall(name=name, arguments=arguments),))


def raw(text, name="bash"):
    """A call whose arguments are left as the text that came."""
    return Action(tool_calls=(ToolCall(name=name).model_copy(update={"arguments": text}),))


def say(text):
    return Action(content=text)


def pivot(expected, **fields):
    return Pivot(id="a:0", domain="x", messages=[Message(role="user", content="Go.")], reference=expected, **fields)


def reward(rule, expected, given, **fields):
    verdict = comparator_of(rule).by_rule(pivot(expected, **fields), given)
    assert verdict.method == rule.partition("?")[0]
    assert not verdict.executed
    return verdict.reward


def value(value):
    return call("f", x=value)


SINGLE_STEP = [
    (1, True, 1.0),
    (True, 1, 0.0),
    (1, 1.0, 0.0),
    (1.0, 1, 0.0),
    (1.0, 1.0000005, 1.0),
    (1.0, 1.000002, 0.0),
    (None, None, 1.0),
    ("abc", "ABC", 0.0),
    ("abc", "abc ", 0.0),
    ("one two three four five", "one 2 3 4 5", 1.0),
    ("one two three four five six", "one 2 3 4 5 6", 0.0),
    (["a", "b"], ["b", "a"], 0.0),
    (["a"], ["a", "a"], 0.0),
    ({"a": 1}, {"a": 1, "b": None}, 0.0),
    ("2024-05-01", "2024-05-02", 0.0),
    ("2024-05-01 10:00", "2024-05-02 10:00", 1.0),
]


@pytest.mark.parametrize(("expected", "given", "worth"), SINGLE_STEP)
def test_single_step_compares_values_by_type_and_long_texts_by_words(expected, given, worth):
    assert reward(SINGLE, value(expected), value(given)) == worth


@pytest.mark.parametrize(
    ("threshold", "given", "worth"), [(0.5, "a b c", 1.0), (0.51, "a b c", 0.0), (0.0, "x y z", 1.0)]
)
def test_single_step_similarity_of_equal_texts_is_one_half(threshold, given, worth):
    assert reward(f"{SINGLE}?word_count_similarity_threshold={threshold}", value("a b c"), value(given)) == worth


@pytest.mark.parametrize("text", ["", "Okay."])
def test_single_step_takes_any_text_for_a_message(text):
    assert reward(SINGLE, say("Your flight HAT1 costs 120 dollars."), say(text)) == 1.0


def test_single_step_refuses_a_call_for_a_message_and_a_message_for_a_call():
    assert reward(SINGLE, say("Hi"), value(1)) == reward(SINGLE, value(1), say("Hi")) == 0.0


def test_single_step_surplus_calls_are_free_unless_they_are_counted():
    both = Action(tool_calls=(*value(2).tool_calls, *value(1).tool_calls))

    assert reward(SINGLE, value(1), both) == 1.0
    assert reward(f"{SINGLE}?parallel_tool_call_rewarding=true", value(1), both) == 0.0


@pytest.mark.parametrize("text", ["", "{", '{"x": 1', "[1]"])
def test_single_step_refuses_arguments_that_are_no_object(text):
    assert reward(SINGLE, value(1), raw(text, "f")) == 0.0


def test_single_step_survives_deep_nesting():
    assert reward(SINGLE, value(1), raw("[" * 100_000, "f")) == 0.0


def test_single_step_refuses_a_pivot_whose_expert_wrote_no_json():
    with pytest.raises(PivotRefused, match=r"expert's arguments of 'bash' are no JSON: '\{'"):
        reward(SINGLE, raw("{"), call())


SWE_PIVOT = [
    (call(command="git stash"), call(command="git stash drop"), 0.0),
    (call(command="pytest -q t.py"), call(command="python -m pytest -q t.py"), 0.0),
    (call(command="cat a.py"), raw("{"), 1.0),
    (call(command="cat a.py"), raw("{}"), 1.0),
    (call("think", thought="a"), call("think", thought="b"), 1.0),
    (call("grep", pattern="a"), call("glob", pattern="b"), 1.0),
    (call("grep", pattern="a"), call(command="grep a"), 0.0),
    (
        call("str_replace_editor", command="str_replace", path="a.py", old_str="if x:\n", new_str="if x > 0:\n"),
        call("str_replace_editor", command="str_replace", path="a.py", old_str="if x:\n", new_str="if x < 0:\n"),
        1.0,
    ),
    (
        call("edit", command="view", path="a.py", view_range=[40, 80]),
        call("edit", command="view", path="a.py", view_range=[1, -1]),
        0.0,
    ),
    (call("edit", command="view", path="/w/src/a.py"), call("CodeEditor", command="view", path="/v/src/a.py"), 1.0),
    (call("edit", command="view", path="/w/src/a.py"), call("edit", command="view", path="/w/lib/a.py"), 0.0),
    (call("edit", patch="abc"), call("edit"), 0.0),
    (call(command="ls"), say("ls"), 0.0),
    (call(command="ls"), raw("[1]"), 0.0),
]


@pytest.mark.parametrize(("expected", "given", "worth"), SWE_PIVOT)
def test_swe_pivot_compares_kind_target_and_text(expected, given, worth):
    assert reward(SWE, expected, given) == worth


def test_swe_pivot_pays_partly_when_continuous():
    rule = f"{SWE}?reward_mode=continuous"
    similar = reward(rule, call(command="git stash"), call(command="git stash drop"))

    assert 0.5 < similar < 1.0
    assert reward(rule, call("edit", content="x" * 500), call("edit", content="x" * 500)) == 0.9


def test_swe_pivot_of_the_paper_looks_at_the_kind_of_tool_only():
    rule = f"{SWE}?enable_target_match=false&enable_argument_similarity=false"

    assert reward(rule, call(command="cat a.py"), call(command="rm -rf /")) == 1.0
    assert reward(rule, call(command="cat a.py"), call("edit", path="a.py")) == 0.0


def test_swe_pivot_drops_frequent_characters_of_long_edits():
    line = "for item in items: total += item.price * item.count  # line\n"
    ours = "".join(line for _ in range(14))
    theirs = ours.replace("price", "cost", 4)

    assert reward(SWE, call("edit", content=ours), call("edit", content=theirs)) == 0.0


def test_swe_pivot_refuses_a_pivot_without_exactly_one_call():
    with pytest.raises(PivotRefused, match="expects one call of the expert, got none or several"):
        reward(SWE, say("Hi"), call())


def answer(*keystrokes, done=False, **more):
    commands = [{"keystrokes": keys} for keys in keystrokes]
    return say(json.dumps({"analysis": "", "plan": "", "commands": commands, "task_complete": done, **more}))


TERMINAL = {"metadata": {"nemo_gym": {"row": {"metadata": {"harness": "terminus_2"}}}}}


@pytest.mark.parametrize(
    ("expected", "given", "worth"),
    [
        (answer("ls -la"), answer("ls -la"), 1.0),
        (answer("ls -la"), answer("ls -al"), 0.0),
        (answer("ls\n"), say("<think>{}</think>" + answer("ls\n").content), 1.0),
        (answer("ls\n"), say("ls"), 0.0),
        (answer("ls\n"), answer("ls\n", mood="good"), 0.0),
        (answer("ls\n", done=True), answer("ls\n"), 0.0),
        (answer("ls\n"), answer("ls\n", done=True), 1.0),
        (answer(), answer(), 1.0),
        (answer(), answer("ls\n"), 0.0),
        (answer("ls\n"), call(), 0.0),
    ],
)
def test_terminus_compares_keystrokes(expected, given, worth):
    assert reward(TERMINUS, expected, given, **TERMINAL) == worth


def test_terminus_takes_the_threshold_of_the_row_first():
    row = {"metadata": {"harness": "terminus_2"}, "threshold": 0.8}

    assert reward(TERMINUS, answer("ls -la"), answer("ls -al"), metadata={"nemo_gym": {"row": row}}) == 1.0


def test_terminus_takes_the_harness_of_the_options_first():
    first = say(json.dumps({
        "state_analysis": "", "explanation": "", "is_task_complete": False,
        "commands": [{"keystrokes": "ls", "is_blocking": True, "timeout_sec": 1}],
    }))  # fmt: skip

    assert reward(f"{TERMINUS}?harness=terminus_1", first, first, **TERMINAL) == 1.0


def test_terminus_refuses_a_pivot_without_a_harness():
    with pytest.raises(PivotRefused, match=r"expects metadata.harness to be one of \['terminus_1', 'terminus_2'\]"):
        reward(TERMINUS, answer("ls"), answer("ls"))


def test_terminus_refuses_a_pivot_whose_expert_has_another_shape():
    with pytest.raises(PivotRefused, match="expert's answer has not the shape of terminus_2"):
        reward(TERMINUS, say("{}"), answer("ls"), **TERMINAL)


def test_multi_harness_takes_the_harness_and_the_threshold_of_the_row():
    fields = {"tools": [Tool(name="exec_command")], "metadata": {"nemo_gym": {"row": {"harness": "codex"}}}}
    expected, given = call("exec_command", cmd="ls -la"), call("exec_command", cmd="ls -al")

    assert reward(HARNESS, expected, given, **fields) == 0.0
    fields["metadata"]["nemo_gym"]["row"]["threshold"] = 0.8
    assert reward(HARNESS, expected, given, **fields) == 1.0


def test_multi_harness_refuses_a_pivot_whose_expert_wrote_no_object():
    with pytest.raises(PivotRefused, match="expert's arguments of 'bash' are no JSON object"):
        reward(HARNESS, raw("[]"), call())


@pytest.mark.parametrize("schema", [{"type": 3}, {"$ref": "#/nowhere"}, {"$ref": "http://127.0.0.1:9/schema"}])
def test_multi_harness_refuses_a_pivot_whose_tool_has_a_broken_schema(schema):
    with pytest.raises(PivotRefused, match="tools: the schema of 'bash' cannot be used"):
        reward(HARNESS, call(), call(), tools=[Tool(name="bash", parameters=schema)])


def test_an_unknown_rule_names_those_that_there_are():
    with pytest.raises(ConfigError, match=r"rule: expected one of \['functional', 'strict', 'nemo_gym\..*, got 'lax'"):
        comparator_of("lax")


def test_an_unknown_option_is_named():
    with pytest.raises(ConfigError, match=r"rule nemo_gym.swe_pivot: .*mood"):
        comparator_of(f"{SWE}?mood=good")


def test_an_option_with_a_bad_value_is_named():
    with pytest.raises(ConfigError, match=r"rule nemo_gym.swe_pivot: reward_mode"):
        comparator_of(f"{SWE}?reward_mode=often")


def test_options_that_are_no_pairs_are_shown():
    with pytest.raises(ConfigError, match="expected options as name=value&name=value, got 'x'"):
        comparator_of(f"{SWE}?x")


def test_strict_has_no_options():
    with pytest.raises(ConfigError, match=r"rule strict: it has no options, got \['x'\]"):
        comparator_of("strict?x=1")


def test_effects_are_nothing_for_these_rules():
    with pytest.raises(VerifierFailed, match="this rule compares actions, it was asked to compare effects"):
        comparator_of(SINGLE).compare(pivot(call()), Effects(), Effects())


def test_only_the_quick_rule_answers_at_once():
    with_row = pivot(call(command="ls"), tools=[Tool(name="bash")])

    screened = {rule: comparator_of(rule).screen(with_row, call(command="ls")) for rule in (SINGLE, SWE, HARNESS)}

    assert screened[SINGLE].reward == 1.0
    assert screened[SWE] is screened[HARNESS] is None


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats(-2, 2) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=6,
)
actions = st.lists(
    st.builds(
        lambda name, given: ToolCall(name=name, arguments=given),
        st.sampled_from(["bash", "edit", "grep", "read", "other"]),
        st.dictionaries(st.sampled_from(["command", "path", "view_range", "new_str", "content"]), json_values),
    ),
    min_size=1,
    max_size=3,
).map(lambda calls: Action(tool_calls=tuple(calls)))


@given(action=actions)
def test_the_expert_action_is_worth_one_to_itself(action):
    single = Action(tool_calls=action.tool_calls[:1])
    tools = [Tool(name=name) for name in ("bash", "edit", "grep", "read", "other")]

    assert reward(SINGLE, action, action) == 1.0
    assert reward(SWE, single, single) == 1.0
    assert reward(HARNESS, action, action, tools=tools) == 1.0


@pytest.mark.parametrize("rule", [name for name in rule_names() if name.startswith("nemo_gym.")])
@given(expected=actions, given=actions | st.text(max_size=5).map(say))
def test_any_action_gets_a_verdict(rule, expected, given):
    expected = Action(tool_calls=expected.tool_calls[:1])
    if rule == TERMINUS:
        expected = answer("ls")

    verdict = comparator_of(rule).by_rule(pivot(expected, **TERMINAL), given)

    assert 0.0 <= verdict.reward <= 1.0
