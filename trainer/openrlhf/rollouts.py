"""One sample from its seat to what OpenRLHF's trainer gets: states by id, rewards, failures masked, advantages.

Owns: the calls to the environment server, what is done about their failures, and the shape of an answer. Does not own:
how actions are sampled (`agent`, `episode`), advantages (`groups`), retries of a single call (`servers.client`).
"""

from __future__ import annotations

import asyncio
import hashlib
import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from pydantic import ValidationError

from pivotgym.core.errors import InfrastructureError, PivotGymError, TooLarge, VerifierFailed
from pivotgym.core.formats import get_format
from pivotgym.core.messages import Action, Malformed
from pivotgym.servers.client import AsyncClient
from pivotgym.trainer.openrlhf.groups import Groups, Seat
from pivotgym.trainer.openrlhf.settings import AgentSettings
from pivotgym.trainer.scoring import FailureGuard, sendable

T = TypeVar("T")
STATES_KEPT = 256
"""Rendered states kept by a process: those of the groups it samples at once, and more."""


class Tokenizer(Protocol):
    """What is used of a Hugging Face tokenizer."""

    eos_token_id: int | None

    def __call__(self, text: str, *, add_special_tokens: bool) -> Any:
        """Encode a text."""

    def decode(self, token_ids: list[int], *, skip_special_tokens: bool) -> Any:
        """The text of token ids."""

    def convert_tokens_to_ids(self, tokens: str) -> Any:
        """The id of a token."""


@dataclass
class Played:
    """A sample before its group is known.

    Attributes:
        output: What OpenRLHF's executors return; `action_ranges` are its actions.
        reward: `None` for a sample that is masked.
        failed: Whether it is masked because something of ours failed.
        env_s: Seconds it waited for the environment server.
    """

    output: dict[str, Any]
    reward: float | None = None
    failed: bool = False
    env_s: float = 0.0


@dataclass
class Rollouts:
    """What the executors of one process share.

    Attributes:
        settings: See `AgentSettings`.
        groups: The groups being sampled.
        guard: Counts failures and stops the run when they pass the allowed share.
    """

    settings: AgentSettings
    groups: Groups = field(default_factory=Groups)
    guard: FailureGuard = field(init=False)
    _client: AsyncClient | None = None
    _states: dict[str, asyncio.Task[list[int]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.guard = FailureGuard(max_share=self.settings.max_failed_share, least=self.settings.least_samples)
        self.format = get_format(self.settings.format)

    @property
    def client(self) -> AsyncClient:
        """The environment server's client, made in the event loop that uses it."""
        if self._client is None:
            known, file = self.settings, self.settings.token_file
            self._client = AsyncClient(
                known.server,
                token=file.read_text().strip() if file is not None else None,
                timeout_s=known.request_timeout_s,
                retries=known.request_retries,
                deadline_s=known.request_deadline_s,
            )
        return self._client

    def encode(self, text: str, tokenizer: Tokenizer) -> list[int]:
        """Token ids of a text, no special tokens added: formats write their own."""
        ids: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
        return list(ids)

    async def state(self, pivot_id: str, tokenizer: Tokenizer) -> list[int]:
        """Token ids of a pivot's state, fetched and rendered once for all samples.

        Raises:
            TooLarge: If no action fits behind it; states are never clipped.
            PivotGymError: What the server answered.
        """
        task = self._states.get(pivot_id)
        if task is None:
            task = asyncio.ensure_future(self._fetch(pivot_id, tokenizer))
            self._states[pivot_id] = task
            if len(self._states) > STATES_KEPT:
                del self._states[next(iter(self._states))]
        try:
            return await asyncio.shield(task)
        except PivotGymError:
            self._states.pop(pivot_id, None)
            raise

    async def _fetch(self, pivot_id: str, tokenizer: Tokenizer) -> list[int]:
        pivot = await self.client.pivot(pivot_id)
        ids = self.encode(self.format.render(pivot.messages, pivot.tools), tokenizer)
        self.check_room(len(ids), f"the state of pivot {pivot_id!r}")
        return ids

    def check_room(self, used: int, what: str) -> None:
        """Refuse a state behind which no whole action fits.

        Raises:
            TooLarge: With what mends it.
        """
        most = self.settings.max_len - self.settings.max_new_tokens
        if used > most:
            raise TooLarge(
                f"{what}: expected at most {most} tokens (max_len - max_new_tokens), got {used}",
                hint="extract with a smaller max_prompt_tokens, or raise openrlhf.max_len",
            )

    def read(self, ids: list[int], *, stopped: bool, tokenizer: Tokenizer) -> Action | Malformed:
        """The action that sampled ids spell; `stopped` if the last of them ended it."""
        text = str(tokenizer.decode(ids[:-1] if stopped else ids, skip_special_tokens=False))
        action = self.format.parse(text)
        return action if stopped else action.model_copy(update={"truncated": True})

    async def reward(self, seat: Seat, pivot_id: str, action: Action | Malformed) -> float:
        """The verdict's reward; equal actions of a group are sent once.

        Raises:
            PivotGymError: If there is no verdict.
        """
        sent = sendable(action)
        asked = seat.verdicts
        key = sent.model_dump_json()
        if key not in asked:
            asked[key] = asyncio.ensure_future(self._verdict(pivot_id, sent))
        return await asyncio.shield(asked[key])

    async def _verdict(self, pivot_id: str, action: Any) -> float:
        try:
            verdict = await self.client.verify(pivot_id, action, rule=self.settings.rule)
        except ValidationError as error:
            raise VerifierFailed(f"the verdict on an action at {pivot_id!r} cannot be read: {error}") from error
        return checked(verdict.reward)

    async def guarded(self, played: Played, score: Callable[[], Awaitable[float | None]]) -> Played:
        """Run what asks the environment for a reward; a failure of ours masks the sample and is counted.

        Raises:
            PivotGymError: What no retry mends, or too many failures.
        """
        try:
            played.reward = await score()
            self.guard.scored += 1
        except InfrastructureError as error:
            played.reward = self.guard.reward(error)
            played.failed = True
        return played

    async def timed(self, played: Played, call: Awaitable[T]) -> T:
        """Await a call of the environment server, its time added to the sample's."""
        begun = time.monotonic()
        try:
            return await call
        finally:
            played.env_s += time.monotonic() - begun

    async def finish(self, seat: Seat, played: Played) -> dict[str, Any]:
        """The answer that OpenRLHF gets, once all samples of the group are scored."""
        known, output = self.settings, played.output
        cut = known.mask_truncated and bool(output["truncated"])
        reward = None if cut else played.reward
        share = await seat.settle(reward, baseline=known.baseline, scale=known.scale, eps=known.eps)
        if reward is None:
            # No action token: nothing of it is in the loss, in the KL term or in the number of tokens they divide by.
            output["action_ranges"] = []
        output["reward"] = share.advantage
        # OpenRLHF's filter keeps groups whose mean score lies strictly between two bounds: here, those with a signal.
        output["scores"] = 0.5 if share.signal else 0.0
        output["extra_logs"] = {
            "env_reward": reward if reward is not None else 0.0,
            "env_scored": float(reward is not None),
            "env_failed": float(played.failed),
            "env_seconds": played.env_s,
            "group_trains": float(share.signal),
        }
        return output


def checked(reward: float) -> float:
    """A reward that is a finite number in [0, 1].

    Raises:
        VerifierFailed: If it is none.
    """
    if not (isinstance(reward, int | float) and math.isfinite(reward) and 0 <= reward <= 1):
        raise VerifierFailed(f"reward: expected a finite number in [0, 1], got {reward!r}")
    return float(reward)


def draw_seed(seed: int, place: int, number: int, turn: int = 0) -> int:
    """Seed of one action's draws: a function of the run's seed, the row, the sample and the turn, and of no clock."""
    text = f"{seed}:{place}:{number}:{turn}".encode()
    return int.from_bytes(hashlib.sha256(text).digest()[:4], "big") >> 1


def blank(prompt: str, label: str, tokenizer: Tokenizer, *, logprobs: bool) -> dict[str, Any]:
    """The answer for a sample that was never drawn because its state could not be had: two tokens, no action."""
    ids = [tokenizer.eos_token_id or 0] * 2
    return {
        "prompt": prompt,
        "label": label,
        "images": None,
        "mm_train_inputs": None,
        "observation_tokens": ids,
        "action_ranges": [],
        "rollout_log_probs": [0.0] * len(ids) if logprobs else None,
        "truncated": False,
    }
