"""`POST /reward` and `/reward/{token}`: what OpenRLHF's remote reward client sends, and the answer it reads.

It sends `query` (prompt and answer together), `prompts` and `labels`, lists of equal length; our labels are pivot ids.
The answer's numbers are rewards in order. A failure of ours must not become a reward, and this client knows no error
for one item: the whole call answers 503, which it retries.

Owns: this translation. Does not own: reading text (`core.formats`), nor scoring.
"""

from __future__ import annotations

import asyncio
from typing import Any

from pivotgym.core.errors import InputError, TooLarge
from pivotgym.core.messages import Action, Malformed
from pivotgym.core.trajectory import Verdict
from pivotgym.servers.endpoint import Call, RouteSpec
from pivotgym.servers.schemas import TextAction, Wire, read_action
from pivotgym.servers.service import Service
from pivotgym.servers.wire import Reply, parse, reply


class RewardRequest(Wire):
    """OpenRLHF's request.

    Attributes:
        query: Prompt and answer together, one text per sample.
        prompts: The prompts, as they begin the queries.
        labels: Pivot ids.
    """

    query: list[str]
    prompts: list[str]
    labels: list[str]


class RewardAnswer(Wire):
    """OpenRLHF's answer: one number per sample in each list."""

    rewards: list[float]
    scores: list[float]
    extra_logs: dict[str, list[float]]


async def reward(service: Service, call: Call) -> Reply:
    """Score what a policy wrote."""
    request = parse(RewardRequest, call.body)
    sizes = [len(request.query), len(request.prompts), len(request.labels)]
    if len(set(sizes)) != 1:
        raise InputError(f"query, prompts, labels: expected equal lengths, got {sizes}")
    if sizes[0] > service.settings.max_batch:
        raise TooLarge(f"query: expected at most {service.settings.max_batch} samples, got {sizes[0]}")
    samples = zip(request.query, request.prompts, request.labels, strict=True)
    asked = [
        (service.pivots.find(label, None), _action(service, number, query, prompt))
        for number, (query, prompt, label) in enumerate(samples)
    ]
    timeout_s = service.settings.timeout_s
    scoring = [asyncio.ensure_future(service.verify(pivot, action, None, timeout_s)) for pivot, action in asked]
    try:
        verdicts = await asyncio.gather(*scoring)
    except BaseException:
        for one in scoring:
            one.cancel()
        await asyncio.gather(*scoring, return_exceptions=True)
        raise
    return reply(_answer(verdicts))


def _action(service: Service, number: int, query: str, prompt: str) -> Action | Malformed:
    if not query.startswith(prompt):
        raise InputError(
            f"query.{number}: expected it to begin with prompts.{number}, it does not",
            hint="send the prompt as it was sampled from, special tokens kept",
        )
    return read_action(TextAction(text=query[len(prompt) :], format=service.settings.reward_format))


def _answer(verdicts: list[Verdict]) -> dict[str, Any]:
    rewards = [verdict.reward for verdict in verdicts]
    outcomes = ("equivalent", "different", "invalid")
    logs = {name: [float(verdict.outcome == name) for verdict in verdicts] for name in outcomes}
    logs["executed"] = [float(verdict.executed) for verdict in verdicts]
    return {"rewards": rewards, "scores": rewards, "extra_logs": logs}


ROUTES = (
    RouteSpec("POST", "/reward", reward, "OpenRLHF's reward", request=RewardRequest, response=RewardAnswer),
    RouteSpec("POST", "/reward/{token}", reward, "The same by token", request=RewardRequest, response=RewardAnswer),
)
