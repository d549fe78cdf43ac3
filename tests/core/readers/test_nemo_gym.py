import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pivotgym.core.canonical import canonical_json
from pivotgym.core.errors import BadLine, InputError
from pivotgym.core.jsonl import read_records, write_records
from pivotgym.core.messages import Action, Message, Tool, ToolCall
from pivotgym.core.readers.nemo_gym import from_nemo_gym_row, read_nemo_gym, to_nemo_gym_row, write_nemo_gym
from pivotgym.core.trajectory import Pivot

TOOL = {
    "type": "function",
    "name": "get_order",
    "parameters": {"type": "object"},
    "strict": True,
    "description": "Get.",
}
CALL = {"type": "function_call", "name": "get_order", "arguments": '{"id":"W1"}', "call_id": "c1"}
OUTPUT = {"type": "function_call_output", "call_id": "c1", "output": "shipped"}
SAYS = {"role": "user", "content": "Where is W1?"}
CONVERSATION = {
    "trajectory_id": 123,
    "responses_create_params": {"input": [SAYS, CALL, OUTPUT], "tools": [TOOL], "parallel_tool_calls": False},
    "expected_action": {"type": "message", "content": "It is under way."},
    "scenario": None,
    "qwen_235b_info": {"rewards": [0.0, 1.0], "reward_mean": 0.5},
    "agent_ref": {"type": "responses_api_agents", "name": "single_step_tool_use_with_argument_comparison_agent"},
}
SWE = {
    "trajectory_id": "t9",
    "responses_create_params": {"input": [SAYS], "tools": [TOOL]},
    "expected_action": CALL,
    "metadata": {"harness": "codex"},
    "ref_patch": None,
    "ref_message": "Look first.",
}
TERMINAL = {
    "uuid": "u1",
    "responses_create_params": {"input": [SAYS]},
    "expected_answer": '{"analysis": "a", "plan": "p", "commands": [{"keystrokes": "ls\\n"}]}',
    "metadata": {"harness": "terminus_2", "source_trajectory_uid": "s7", "pivot_agent_turn_index": 3},
    "schema_version": "terminus2_pre_rp_pivot_sample_v1",
}
SEARCH = {
    "uuid": "u2",
    "responses_create_params": {"input": [SAYS], "tools": [{**TOOL, "name": "web_search"}]},
    "expected_action": {"type": "function_call", "name": "web_search", "arguments": '{"query":"W1"}'},
    "agent_ref": {"type": "responses_api_agents", "name": "google_search_simple_agent"},
}


def read(row):
    return from_nemo_gym_row(row, name="file/0")


def same(row):
    return canonical_json(to_nemo_gym_row(read(row))) == canonical_json(row)


@pytest.mark.parametrize(
    ("row", "domain"), [(CONVERSATION, "tool_use"), (SWE, "swe"), (TERMINAL, "terminal"), (SEARCH, "browsing")]
)
def test_each_public_shape_is_known_and_written_back(row, domain):
    assert read(row).domain == domain
    assert same(row)


def test_items_of_one_turn_are_one_message():
    items = [
        SAYS,
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm."}]},
        {"role": "assistant", "content": "Let me see."},
        CALL,
        OUTPUT,
    ]

    pivot = read({**CONVERSATION, "responses_create_params": {"input": items}})

    assert [message.role for message in pivot.messages] == ["user", "assistant", "tool"]
    turn = pivot.messages[1]
    assert (turn.reasoning, turn.content, turn.tool_calls[0].arguments) == ("Hm.", "Let me see.", {"id": "W1"})


def test_a_text_after_calls_begins_a_new_turn():
    items = [SAYS, CALL, {"role": "assistant", "content": "Done."}]

    assert len(read({**CONVERSATION, "responses_create_params": {"input": items}}).messages) == 3


def test_the_turn_is_counted_in_the_state():
    assert read(CONVERSATION).id == "123:1"


def test_a_terminal_row_is_named_after_its_trajectory_so_that_splits_keep_it_together():
    assert read(TERMINAL).trajectory_id == "s7"


def test_a_row_without_a_name_is_named_after_its_place():
    row = {key: value for key, value in CONVERSATION.items() if key != "trajectory_id"}

    assert read(row).id == "file/0:1"


def test_instructions_are_the_first_message():
    row = {**CONVERSATION, "responses_create_params": {"instructions": "Be kind.", "input": [SAYS]}}

    assert read(row).messages[0] == Message(role="system", content="Be kind.")
    assert same(row)


def test_a_batch_is_one_action_of_several_calls():
    row = {**CONVERSATION, "expected_action": {"type": "function_call_batch", "calls": [CALL, CALL], "ordered": True}}

    assert len(read(row).reference.tool_calls) == 2
    assert same(row)


def test_an_expected_answer_can_be_the_json_of_a_call():
    row = {**TERMINAL, "expected_answer": json.dumps(CALL)}

    assert read(row).reference.tool_calls[0].name == "get_order"
    assert same(row)


def test_long_texts_are_not_kept_twice():
    text = "policy " * 1000
    row = {
        **CONVERSATION,
        "responses_create_params": {"input": [{"type": "message", "role": "system", "content": text}]},
    }

    assert text not in json.dumps(read(row).metadata)


def test_a_changed_pivot_is_written_as_it_is_now():
    pivot = read(SWE)
    changed = pivot.model_copy(update={"reference": Action(tool_calls=(ToolCall(name="ls"),))})

    row = to_nemo_gym_row(changed)

    assert row["expected_action"] == {"type": "function_call", "name": "ls", "arguments": "{}"}
    assert row["ref_message"] == "Look first."


def test_a_pivot_of_ours_is_written_in_the_conversational_shape():
    pivot = Pivot(
        id="mine:0",
        domain="tool_use",
        messages=[Message(role="user", content="Hi")],
        reference=Action(tool_calls=(ToolCall(name="greet", arguments={"who": "you"}),)),
        tools=[Tool(name="greet")],
    )

    again = read(to_nemo_gym_row(pivot))

    assert (again.id, again.messages, again.reference, again.tools) == (
        pivot.id,
        pivot.messages,
        pivot.reference,
        pivot.tools,
    )


def test_pivots_survive_a_pivot_file(tmp_path):
    write_records(tmp_path / "pivots.jsonl", [read(row).to_json() for row in (CONVERSATION, SWE, TERMINAL)])

    rows = [to_nemo_gym_row(pivot) for pivot in read_records(tmp_path / "pivots.jsonl", Pivot)]

    assert list(map(canonical_json, rows)) == list(map(canonical_json, (CONVERSATION, SWE, TERMINAL)))


def test_a_file_is_read_and_written_whole(tmp_path):
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in (CONVERSATION, SWE, TERMINAL)))

    count = write_nemo_gym(tmp_path / "b.jsonl", read_nemo_gym(tmp_path / "a.jsonl"))

    lines = [
        [json.loads(line) for line in (tmp_path / name).read_text().splitlines()] for name in ("a.jsonl", "b.jsonl")
    ]
    assert count == 3
    assert lines[0] == lines[1]


BROKEN = [
    ({"responses_create_params": None}, "responses_create_params: expected an object, got NoneType"),
    ({"responses_create_params": {"input": 3}}, "input: expected a text or a list of items, got int"),
    ({"responses_create_params": {"input": ["x"]}}, "input.0: expected an object, got str"),
    ({"responses_create_params": {"input": [{"role": "pope"}]}}, "input.0.role: expected system, developer"),
    ({"responses_create_params": {"input": [{"type": "web_search_call"}]}}, "input.0.type: expected message, reas"),
    ({"responses_create_params": {"input": [{"role": "user"}]}}, "input.0.content: expected a text or a list of pa"),
    ({"responses_create_params": {"input": [{**CALL, "name": 1}]}}, "input.0.name: expected a tool's name, got 1"),
    ({"responses_create_params": {"input": [{**CALL, "arguments": 1}]}}, "input.0.arguments: expected JSON text"),
    ({"responses_create_params": {"tools": [{"type": "web"}]}}, "tools.0: expected a function tool with a name"),
    ({"expected_action": None}, "expected_action: expected an action"),
    ({"expected_action": {"type": "dance"}}, "expected_action.type: expected message, function_call or"),
    ({"expected_action": {"type": "message"}}, "expected_action.content: expected a text, got NoneType"),
    ({"expected_action": {**CALL, "arguments": "{"}}, "expected_action.arguments: expected a JSON object, got '{'"),
    ({"expected_action": {**CALL, "arguments": ""}}, "expected_action.arguments: expected a JSON object, got ''"),
    ({"expected_action": {"type": "function_call_batch", "calls": []}}, "expected_action.calls: expected a list of"),
    ({"expected_action": {"type": "function_call_batch", "calls": [1]}}, "expected_action.calls.0: expected a call"),
]


@pytest.mark.parametrize(("change", "message"), BROKEN)
def test_a_broken_row_is_named(change, message):
    with pytest.raises(InputError) as caught:
        read({**CONVERSATION, **change})

    assert message in str(caught.value)


def test_a_broken_row_of_a_file_is_a_bad_line(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"responses_create_params": {}}\n')

    with pytest.raises(BadLine, match="expected_action: expected an action"):
        list(read_nemo_gym(tmp_path / "a.jsonl"))


def test_the_recorded_rows_are_written_back_without_loss(shared_data):
    lines = (shared_data / "nemo_gym_conformance" / "nemo_gym_conformance.jsonl").read_text().splitlines()
    rows = [row["request"] for row in map(json.loads, lines) if "request" in row]
    rows += [json.loads(path.read_text()) for path in sorted((shared_data / "payloads").glob("*.json"))]
    rows = [row for row in rows if row.get("expected_action") or row.get("expected_answer")]

    assert len(rows) > 20
    assert [row for row in rows if not same(row)] == []


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-9, 9)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
texts = st.text(max_size=8)
extra = st.dictionaries(st.sampled_from(["id", "status", "type2", "x"]), json_values, max_size=2)
parts = st.lists(st.builds(lambda text, more: {**more, "type": "output_text", "text": text}, texts, extra), max_size=2)
arguments = st.dictionaries(texts, json_values, max_size=3).flatmap(
    lambda value: st.sampled_from([json.dumps(value), json.dumps(value, ensure_ascii=False, separators=(",", ":"))])
)
calls = st.builds(
    lambda name, text, more: {**more, "type": "function_call", "name": name, "arguments": text},
    st.text(min_size=1, max_size=5), arguments, extra | st.just({"call_id": "c"}),
)  # fmt: skip
spoken = st.builds(
    lambda role, content, more: {**more, "role": role, "content": content},
    st.sampled_from(["system", "developer", "user", "assistant"]), texts | parts, extra | st.just({"type": "message"}),
)  # fmt: skip
thoughts = st.builds(
    lambda text, more: {**more, "type": "reasoning", "summary": [{"type": "summary_text", "text": text}]}, texts, extra
)
outputs = st.builds(
    lambda text, more: {**more, "type": "function_call_output", "call_id": "c", "output": text}, texts | parts, extra
)
tools = st.builds(
    lambda name, schema, more: {**more, "type": "function", "name": name, "parameters": schema},
    texts, st.none() | st.dictionaries(texts, json_values, max_size=2), extra | st.just({"strict": None}),
)  # fmt: skip
targets = (
    calls
    | st.builds(lambda text, more: {**more, "type": "message", "content": text}, texts, extra)
    | st.builds(lambda some: {"type": "function_call_batch", "calls": some}, st.lists(calls, min_size=1, max_size=3))
)


@given(
    items=st.lists(spoken | calls | thoughts | outputs, max_size=6) | texts,
    tools=st.none() | st.lists(tools, max_size=2),
    target=targets,
    rest=st.dictionaries(st.text(max_size=6), json_values, max_size=3),
    request=st.dictionaries(st.sampled_from(["model", "instructions", "temperature"]), json_values, max_size=3),
)
def test_any_row_is_written_back_without_loss(items, tools, target, rest, request):
    row = {**rest, "responses_create_params": {**request, "input": items, "tools": tools}, "expected_action": target}

    assert same(row)


@given(answer=st.text(min_size=1), metadata=st.none() | st.dictionaries(texts, json_values, max_size=3))
def test_any_terminal_row_is_written_back_without_loss(answer, metadata):
    assert same({"responses_create_params": {"input": [SAYS]}, "expected_answer": answer, "metadata": metadata})
