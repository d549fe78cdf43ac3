import pytest
from pydantic import ValidationError

from pivotgym.core.messages import Action, Message, Tool, ToolCall

NESTED = {"id": "c1", "type": "function", "function": {"name": "cd", "arguments": '{"folder": "docs"}'}}


def test_tool_call_reads_the_openai_shape_and_writes_it_back():
    call = ToolCall.model_validate(NESTED)

    assert call == ToolCall(name="cd", arguments={"folder": "docs"}, id="c1")
    assert call.model_dump() == NESTED


@pytest.mark.parametrize("arguments", ["", None, {}, "{}"])
def test_no_arguments_are_an_empty_object(arguments):
    assert ToolCall.model_validate({"name": "ls", "arguments": arguments}).arguments == {}


@pytest.mark.parametrize("arguments", ["{broken", "[1]", "3", '"text"', "[" * 100_000])
def test_arguments_that_are_no_object_are_kept_as_text(arguments):
    call = ToolCall.model_validate({"name": "ls", "arguments": arguments})

    assert call.malformed
    assert call.arguments_text == arguments


def test_unknown_field_of_a_call_is_refused():
    with pytest.raises(ValidationError, match="extra"):
        ToolCall.model_validate({"name": "ls", "extra": 1})


def test_call_of_another_type_is_refused():
    with pytest.raises(ValidationError, match="expected type 'function'"):
        ToolCall.model_validate({"type": "custom", "function": {"name": "ls"}})


def test_tool_reads_nested_and_flat():
    tool = {"name": "ls", "description": "List.", "parameters": {"type": "object"}}

    assert Tool.model_validate({"type": "function", **tool}) == Tool.model_validate(
        {"type": "function", "function": tool}
    )


def test_message_keeps_extension_fields():
    assert Message.model_validate({"role": "user", "content": "hi", "cache": True}).to_json() == {
        "role": "user",
        "content": "hi",
        "cache": True,
    }


def test_reasoning_content_is_read_as_reasoning():
    assert Message.model_validate({"role": "assistant", "reasoning_content": "hm"}).reasoning == "hm"


def test_content_parts_join_to_text():
    assert Message(role="user", content=[{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]).text == "ab"


def test_action_is_the_assistant_message_both_ways():
    message = Message.model_validate({"role": "assistant", "content": "so", "tool_calls": [NESTED]})

    action = Action.from_message(message)

    assert action.tool_calls[0].name == "cd"
    assert Action.model_validate(action.to_json()) == action
    assert action.to_message() == message


def test_action_of_another_role_is_refused():
    with pytest.raises(ValidationError, match="expected the role 'assistant'"):
        Action.model_validate({"role": "user", "content": "hi"})
