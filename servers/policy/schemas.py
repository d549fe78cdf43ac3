"""What the policy server's routes accept and answer: OpenAI's fields, and vLLM's for token ids.

Fields of OpenAI's or vLLM's that this server has no use for are taken where they ask for nothing, and refused by name
where they ask for something.

Owns: names and types on the wire. Does not own: what is done with them (`routes`).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from pivotgym.core.messages import Message, Tool
from pivotgym.servers.schemas import ErrorBody

_NEUTRAL: dict[str, tuple[Any, ...]] = {
    "stream": (False,),
    "stream_options": (),
    "best_of": (1,),
    "echo": (False,),
    "suffix": ("",),
    "frequency_penalty": (0,),
    "presence_penalty": (0,),
    "repetition_penalty": (1,),
    "length_penalty": (1,),
    "top_k": (-1, 0),
    "min_p": (0,),
    "min_tokens": (0,),
    "logit_bias": ({},),
    "ignore_eos": (False,),
    "skip_special_tokens": (False,),
    "response_format": ({"type": "text"},),
    "parallel_tool_calls": (True,),
    "prompt_logprobs": (),
    "include_stop_str_in_output": (False,),
    "modalities": (["text"],),
}
"""Fields with the values, beside `null`, that ask for nothing."""
_UNREAD = ("user", "store", "metadata", "service_tier", "request_id", "priority", "safety_identifier")
"""Fields that change nothing about an answer."""


class Sampled(BaseModel):
    """What both kinds of request may say of sampling.

    Attributes:
        model: This server's model; left out, it is that.
        n: Samples.
        temperature: 0 for greedy.
        top_p: Mass of the nucleus that is drawn from.
        seed: For the same samples again from the same weights.
        stop: Texts at which a sample ends.
        stop_token_ids: Tokens at which it ends, beside the model's own.
        return_token_ids: Whether the answer has `prompt_token_ids` and `token_ids`.
    """

    model_config = ConfigDict(extra="forbid")

    model: str | None = None
    n: Annotated[int, Field(ge=1, strict=True)] = 1
    temperature: Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)] = 1.0
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    seed: Annotated[int | None, Field(ge=-(2**63), lt=2**63, strict=True)] = None
    max_tokens: Annotated[int | None, Field(ge=1, strict=True)] = None
    stop: str | Annotated[list[str], Field(max_length=16)] | None = None
    stop_token_ids: Annotated[list[int], Field(max_length=64)] | None = None
    return_token_ids: bool | None = None

    @model_validator(mode="before")
    @classmethod
    def _without_what_asks_for_nothing(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        for name, values in _NEUTRAL.items():
            value = data.get(name)
            if value is not None and value not in values:
                expected = " or ".join(repr(value) for value in values) or "null"
                raise ValueError(f"{name}: expected {expected}, this server does no other; got {str(value)[:100]!r}")
        known = {name: value for name, value in data.items() if name not in _NEUTRAL and name not in _UNREAD}
        return {name: value for name, value in known.items() if value is not None or name not in cls.model_fields}

    @property
    def stops(self) -> tuple[str, ...]:
        """The texts at which a sample ends."""
        return tuple(text for text in ([self.stop] if isinstance(self.stop, str) else self.stop or ()) if text)


class CompletionRequest(Sampled):
    """A request for the continuation of a text.

    Attributes:
        prompt: The text, or its token ids.
        max_tokens: 16 where it is left out, as OpenAI's.
        logprobs: 0 or 1: whether the answer has the log-probability of each sampled token; of others it has none.
        add_special_tokens: Whether the tokenizer adds the tokens that begin a text.
    """

    prompt: str | list[int]
    logprobs: Annotated[int | None, Field(ge=0, le=1)] = None
    add_special_tokens: bool = True


class ChatRequest(Sampled):
    """A request for the next assistant message.

    Attributes:
        messages: The conversation.
        tools: What the model may call.
        tool_choice: `none` leaves the tools out.
        max_completion_tokens: Another name of `max_tokens`.
        logprobs: Whether the answer has the log-probability of each sampled token.
        top_logprobs: 0: of other tokens it has none.
    """

    messages: Annotated[list[Message], Field(min_length=1)]
    tools: list[Tool] | None = None
    tool_choice: Literal["auto", "none"] = "auto"
    max_completion_tokens: Annotated[int | None, Field(ge=1, strict=True)] = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int | None, Field(ge=0, le=0)] = None

    @model_validator(mode="after")
    def _text_only(self) -> ChatRequest:
        for place, message in enumerate(self.messages):
            for part in message.content if isinstance(message.content, list) else ():
                if part.get("type") not in (None, "text"):
                    raise ValueError(f"messages.{place}: expected text, got a part of type {str(part['type'])[:40]!r}")
        return self


class Usage(BaseModel):
    """Tokens read and sampled."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class CompletionChoice(BaseModel):
    """One continuation."""

    index: int
    text: str
    finish_reason: Literal["stop", "length"]
    logprobs: dict[str, Any] | None = None
    prompt_token_ids: list[int] | None = None
    token_ids: list[int] | None = None


class CompletionAnswer(BaseModel):
    """OpenAI's answer; `system_fingerprint` is the version of the weights."""

    id: str
    object: Literal["text_completion"] = "text_completion"
    created: int
    model: str
    system_fingerprint: str
    choices: list[CompletionChoice]
    usage: Usage


class ChatChoice(BaseModel):
    """One message."""

    index: int
    message: dict[str, Any]
    finish_reason: Literal["stop", "length", "tool_calls"]
    logprobs: dict[str, Any] | None = None
    token_ids: list[int] | None = None


class ChatAnswer(BaseModel):
    """OpenAI's answer; `system_fingerprint` is the version of the weights."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    system_fingerprint: str
    choices: list[ChatChoice]
    usage: Usage
    prompt_token_ids: list[int] | None = None


class ModelCard(BaseModel):
    """The model that is served."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str = "pivotgym"
    max_model_len: int
    version: str
    format: str


class ModelList(BaseModel):
    """The models that are served: one."""

    object: Literal["list"] = "list"
    data: list[ModelCard]


class OpenAIError(BaseModel):
    """An error as OpenAI's clients read it."""

    message: str
    type: Literal["invalid_request_error", "server_error"]
    param: None = None
    code: str


class PolicyErrorBody(ErrorBody):
    """What every failure answers; those of routes under `/v1` as OpenAI's clients read it, too."""

    error: OpenAIError | None = None
