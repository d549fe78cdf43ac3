"""`POST /nemo_gym/verify`: NeMo Gym's verify body and its answer's shape, so that its data and trainers work unchanged.

The body is one of NVIDIA's rows with the policy's `response`. The answer is the body with a `reward` and our `verdict`.
By default our functional rule decides; the setting `nemo_gym_rule` takes one of NeMo Gym's own instead. A broken row is
refused, a broken expected action too; a response that says no action is a verdict.

Owns: this translation. Does not own: reading rows (`core.readers.nemo_gym`), nor scoring.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict

from pivotgym.core.errors import InputError, PivotRefused
from pivotgym.core.messages import Action, Malformed
from pivotgym.core.readers.nemo_gym import pivot_of
from pivotgym.core.readers.responses import action_of
from pivotgym.core.trajectory import Pivot, Verdict
from pivotgym.servers.endpoint import Call, RouteSpec
from pivotgym.servers.service import Service
from pivotgym.servers.wire import Reply, check, encode, read_json, reply

_COMPATIBLE = "nemo_gym."
_OURS = ("reward", "verdict")


class NemoGymRequest(BaseModel):
    """One of NVIDIA's rows with a response. Other fields are kept and sent back.

    Attributes:
        responses_create_params: The state, as a request of OpenAI's Responses API.
        response: What the policy answered, as that API's response.
        expected_action: The expert's action, in most shapes.
        expected_answer: The expert's answer as text, in terminal rows.
    """

    model_config = ConfigDict(extra="allow")

    responses_create_params: dict[str, Any]
    response: dict[str, Any]
    expected_action: dict[str, Any] | None = None
    expected_answer: str | None = None


class NemoGymAnswer(NemoGymRequest):
    """The request's fields, and what was decided."""

    reward: float
    verdict: Verdict


async def verify(service: Service, call: Call) -> Reply:
    """Score one action."""
    data = read_json(call.body)
    request = check(NemoGymRequest, data)
    rule = service.settings.nemo_gym_rule
    action = _action(request.response, raw=rule.startswith(_COMPATIBLE))
    verdict = await service.verify(_pivot(service, data), action, rule, service.settings.timeout_s)
    return _answer(call.body, data, verdict)


def _action(response: dict[str, Any], *, raw: bool) -> Action | Malformed:
    output = response.get("output")
    if not isinstance(output, list):
        raise InputError("body: response.output: expected the items of a response of the Responses API, got no list")
    truncated = not raw and response.get("status") == "incomplete"
    try:
        return action_of(output, raw=raw, truncated=truncated)
    except ValueError as error:
        raise InputError(f"body: {error}") from error


def _pivot(service: Service, data: dict[str, Any]) -> Pivot:
    """The row's pivot: the one of an earlier request with the same row, where there was one."""
    row = {name: value for name, value in data.items() if name not in ("response", *_OURS)}
    known, key = service.pivots.inline.look_up([row])
    if known is not None:
        return known
    try:
        pivot = pivot_of(row, name="nemo_gym", domain=service.domain.name)
        if not service.settings.nemo_gym_rule.startswith(_COMPATIBLE):
            _check_expert(service, pivot)
    except InputError as error:
        raise type(error)(error.message, hint="the row is broken, not the policy's answer: leave it out") from error
    return service.pivots.inline.keep(key, pivot)


def _check_expert(service: Service, pivot: Pivot) -> None:
    """Refuse an expert's action that would be called invalid: NeMo Gym's own rules look at no schema, ours do."""
    verdict = service.domain.comparator.screen(pivot, pivot.reference)
    if verdict is not None and verdict.outcome == "invalid":
        raise PivotRefused(f"row: expected_action: {verdict.reason}")


def _answer(body: bytes, data: dict[str, Any], verdict: Verdict) -> Reply:
    if any(name in data for name in _OURS):
        return reply({**data, "reward": verdict.reward, "verdict": verdict})
    # Bodies are large: the answer is the body's own bytes with our fields before its last brace.
    added = b',"reward":' + encode(verdict.reward) + b',"verdict":' + encode(verdict) + b"}"
    return Reply(body.rstrip()[:-1] + added)


ROUTES = (
    RouteSpec("POST", "/nemo_gym/verify", verify, "NeMo Gym's verify", request=NemoGymRequest, response=NemoGymAnswer),
)
