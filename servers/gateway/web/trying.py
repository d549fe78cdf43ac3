"""Trying an action at a pivot: a text becomes an action, and the pivot's domain says what it is worth.

Owns: reading that text, and asking. Does not own: the verdict (the domain's server, through `gateway.passing`).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pivotgym.core.errors import InfrastructureError, InputError, NotFound, from_wire
from pivotgym.core.formats import format_names
from pivotgym.core.jsonl import describe
from pivotgym.core.messages import Action
from pivotgym.core.trajectory import Pivot, Verdict
from pivotgym.servers.gateway.calls import Call as Passed
from pivotgym.servers.gateway.web.lines import parse as parse_object
from pivotgym.servers.gateway.web.models import Tried
from pivotgym.servers.gateway.web.shown import show_action, show_verdict
from pivotgym.servers.gateway.web.views import find_pivot
from pivotgym.servers.wire import encode

if TYPE_CHECKING:
    from pivotgym.servers.gateway.service import Gateway

PLAIN = "message"
"""The format of texts that are a message: JSON of a tool call, of several, of a whole message, or plain text."""
TIMEOUT_S = 60.0


class TryRequest(BaseModel):
    """An action to try.

    Attributes:
        text: The action as it is written.
        format: `message`, or the name of a text format.
    """

    model_config = ConfigDict(extra="forbid")

    text: str = Field(max_length=200_000)
    format: str = PLAIN


def formats() -> list[str]:
    """What a text can be read as."""
    return [PLAIN, *format_names()]


def wire_action(text: str, form: str) -> dict[str, Any]:
    """The action of a text, as `/verify` takes it.

    Raises:
        InputError: If the text is empty, looks like JSON and is none, or is JSON of something else than an action; or
            if there is no such format.
    """
    if form not in formats():
        raise InputError(f"format: expected one of {', '.join(formats())}, got {form[:100]!r}")
    if not text.strip():
        raise InputError("text: expected an action, got nothing", hint='e.g. {"name": "ls", "arguments": {}}')
    if form != PLAIN:
        return {"text": text, "format": form}
    if text.lstrip()[0] not in "{[":
        return {"role": "assistant", "content": text}
    try:
        said = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"text: it begins like JSON and is none: {error}") from error
    return _message(said)


def _message(said: Any) -> dict[str, Any]:
    calls = said if isinstance(said, list) else [said]
    if calls and all(isinstance(call, dict) and ("name" in call or "function" in call) for call in calls):
        said = {"role": "assistant", "tool_calls": calls}
    try:
        return Action.model_validate(said).to_json()
    except ValidationError as error:
        raise InputError(
            f"text: expected a tool call, a list of them or a message: {describe(error)}",
            hint='e.g. {"name": "ls", "arguments": {}}',
        ) from error


async def try_action(gateway: Gateway, run_name: str, pivot_id: str, asked: TryRequest) -> Tried:
    """What the pivot's domain says of an action.

    Raises:
        InputError: If the text is no action, or the server refuses the pivot.
        NotFound: If there is no such run or pivot, or no server of its domain.
        InfrastructureError: If the server did not decide.
    """
    run, row, pivot = await find_pivot(gateway, run_name, pivot_id)
    action = wire_action(asked.text, asked.format)
    verdict = await _verdict(gateway, pivot, action)
    shown = show_action(Action.model_validate(action)) if "text" not in action else None
    return Tried(
        run=run.name,
        id=row.id,
        text=asked.text,
        format=asked.format,
        read_as=shown,
        verdict=show_verdict(verdict),
    )


async def _verdict(gateway: Gateway, pivot: Pivot, action: dict[str, Any]) -> Verdict:
    from pivotgym.servers.gateway.passing import anywhere

    upstream = gateway.upstreams.get(pivot.domain)
    if upstream is None:
        there = ", ".join(sorted(gateway.upstreams))
        raise NotFound(
            f"domain: no server of {pivot.domain[:100]!r} stands behind this gateway; there are: {there}",
            hint=f"start one and name it: --upstream {pivot.domain[:100]}=http://...",
        )
    # The whole pivot, as the run has it: the server may know none of that id, or another state under it.
    sent = pivot.model_copy(update={"profile": None}).to_json()
    body = encode({"pivot": sent, "action": action, "timeout_s": TIMEOUT_S})
    got = await anywhere(upstream, Passed("POST", b"/verify", b"", b"application/json", body, "/verify"), whole=True)
    try:
        said = parse_object(got.reply.body)
        if got.reply.status >= 400:
            raise from_wire(said)
        return Verdict.model_validate(said)
    except ValueError as error:
        raise InfrastructureError(f"a server of {pivot.domain!r} answered something else than a verdict") from error
