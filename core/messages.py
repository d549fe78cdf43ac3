"""Messages, tool calls, tools and actions, in OpenAI chat format.

Owns: the shape of one message and of one action, and reading them from OpenAI's nested or the flat form. Does not own:
text of a chat template (`core/formats/`), or files (`core/jsonl`, `core/readers/`).
"""

from __future__ import annotations

import json
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_serializer, model_validator


class ToolCall(BaseModel):
    """One call of a tool.

    Attributes:
        name: The tool's name.
        arguments: A JSON object, or the raw text where the policy wrote something that is not one.
        id: The call's id, which the answering tool message names; `None` when nobody set it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    arguments: dict[str, Any] | str = Field(default_factory=dict)
    id: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_openai(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        data = dict(data)
        if "function" in data:
            function = data.pop("function")
            if data.pop("type", "function") != "function" or not isinstance(function, dict):
                raise ValueError("tool call: expected type 'function' with a `function` object")
            data.pop("index", None)
            data = {**data, **function}
        arguments = data.get("arguments")
        if isinstance(arguments, str):
            data["arguments"] = _object_or_text(arguments)
        elif arguments is None:
            data["arguments"] = {}
        return data

    @model_serializer
    def _to_openai(self) -> dict[str, Any]:
        return {
            **({"id": self.id} if self.id is not None else {}),
            "type": "function",
            "function": {"name": self.name, "arguments": self.arguments_text},
        }

    @property
    def arguments_text(self) -> str:
        """The arguments as JSON text, or the raw text where they are malformed."""
        return self.arguments if isinstance(self.arguments, str) else json.dumps(self.arguments, ensure_ascii=False)

    @property
    def malformed(self) -> bool:
        """Whether the arguments are not a JSON object."""
        return isinstance(self.arguments, str)


def _object_or_text(text: str) -> dict[str, Any] | str:
    if not text.strip():
        return {}
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return value if isinstance(value, dict) else text


class Tool(BaseModel):
    """A tool the policy may call: name, description and JSON Schema of its parameters."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    description: str = ""
    parameters: dict[str, Any] = Field(default_factory=lambda: {"type": "object", "properties": {}})
    strict: bool | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_openai(cls, data: Any) -> Any:
        if isinstance(data, dict) and isinstance(data.get("function"), dict):
            return data["function"]
        return {key: value for key, value in data.items() if key != "type"} if isinstance(data, dict) else data

    @model_serializer
    def _to_openai(self) -> dict[str, Any]:
        function: dict[str, Any] = {
            "name": self.name,
            "description": self.description,
            "parameters": self.parameters,
        }
        if self.strict is not None:
            function["strict"] = self.strict
        return {"type": "function", "function": function}


class Message(BaseModel):
    """One chat message. Extension fields of other tools are kept as they are.

    Attributes:
        role: Who speaks.
        content: Text, a list of content parts, or `None` for an assistant message that only calls tools.
        reasoning: Thinking text; ignored by verdicts.
        tool_calls: The calls of an assistant message.
        tool_call_id: For a tool message, the call it answers.
        name: For a tool message, the tool's name.
    """

    model_config = ConfigDict(extra="allow")

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[dict[str, Any]] | None = None
    reasoning: str | None = None
    tool_calls: list[ToolCall] | None = None
    tool_call_id: str | None = None
    name: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _reasoning_alias(cls, data: Any) -> Any:
        if isinstance(data, dict) and "reasoning_content" in data and "reasoning" not in data:
            data = dict(data)
            data["reasoning"] = data.pop("reasoning_content")
        return data

    @property
    def text(self) -> str:
        """The content as text: parts joined, `None` as the empty string."""
        if isinstance(self.content, list):
            return "".join(str(part.get("text", "")) for part in self.content)
        return self.content or ""

    def to_json(self) -> dict[str, Any]:
        """JSON form without the fields that are not set."""
        return self.model_dump(exclude_none=True)


class Action(BaseModel):
    """One whole assistant message: text and/or tool calls. The unit of PivotRL's actions.

    Attributes:
        content: What is said, possibly empty.
        tool_calls: What is called, in order.
        reasoning: Thinking text, ignored by verdicts.
        truncated: Whether the policy was cut at its token limit; such an action is invalid.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    content: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    reasoning: str | None = None
    truncated: bool = False

    @model_validator(mode="before")
    @classmethod
    def _from_message(cls, data: Any) -> Any:
        if isinstance(data, Message):
            return {"content": data.text, "tool_calls": tuple(data.tool_calls or ()), "reasoning": data.reasoning}
        if not isinstance(data, dict):
            return data
        data = dict(data)
        if data.pop("role", "assistant") != "assistant":
            raise ValueError("action: expected the role 'assistant'")
        for key in ("content", "tool_calls"):
            if data.get(key, ...) is None:
                del data[key]
        if isinstance(data.get("content"), list):
            data["content"] = "".join(str(part.get("text", "")) for part in data["content"])
        return data

    @classmethod
    def from_message(cls, message: Message) -> Self:
        """The action that an assistant message is."""
        return cls.model_validate(message)

    def to_message(self) -> Message:
        """The assistant message that this action is."""
        return Message(
            role="assistant",
            content=self.content or None,
            tool_calls=list(self.tool_calls) or None,
            reasoning=self.reasoning,
        )

    def to_json(self) -> dict[str, Any]:
        """JSON form in OpenAI's shape, with `role`."""
        body: dict[str, Any] = {"role": "assistant", "content": self.content or None}
        if self.tool_calls:
            body["tool_calls"] = [call.model_dump() for call in self.tool_calls]
        if self.reasoning:
            body["reasoning"] = self.reasoning
        if self.truncated:
            body["truncated"] = True
        return body


class Malformed(BaseModel):
    """Text from which no action could be read.

    Attributes:
        text: The policy's text, whole.
        reason: One sentence: what was expected and what came.
        truncated: Whether the text was cut at its token limit.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    text: str
    reason: str
    truncated: bool = False
