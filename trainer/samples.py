"""Sampled actions on disk: token ids, log-probabilities and texts, appended shard by shard.

Owns: the record and the file, which outlives a kill; reading a record back as actions. Does not own: sampling, nor
whether an action was scored (the profile file tells).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from pivotgym.core.errors import DigestMismatch
from pivotgym.core.formats import Format
from pivotgym.core.jsonl import Appender, read_lines
from pivotgym.core.trajectory import Record, Sampling
from pivotgym.trainer.engine import SampledAction


class Draw(BaseModel):
    """One sampled action as the engine gave it.

    Attributes:
        temperature: At which it was sampled.
        token_ids: The sampled ids, the one that ends an action included.
        logprobs: Their log-probabilities, one per id; none where the engine gives none.
        text: The ids' text, without the stop marker.
        stopped: Whether it ended by itself; else it was cut at its limit.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    temperature: float
    token_ids: tuple[int, ...]
    logprobs: tuple[float, ...] = ()
    text: str
    stopped: bool

    def read(self, fmt: Format) -> SampledAction:
        """The action that the text is in a format."""
        action = fmt.parse(self.text)
        if not self.stopped:
            action = action.model_copy(update={"truncated": True})
        return SampledAction(action, self.text, self.temperature, self.token_ids, self.logprobs)


class SampledState(Record):
    """The actions sampled at one state.

    Attributes:
        key: The state's name, a pivot's id as a rule.
        prompt: SHA-256 of the rendered state.
        policy: Fingerprint of the policy.
        format: Name and version of the text format.
        sampling: The parameters; `draws` have temperatures of their own.
        draws: The actions.
    """

    key: str
    prompt: str
    policy: str
    format: str
    sampling: Sampling
    draws: tuple[Draw, ...]


class SampleFile:
    """The file of the states sampled so far.

    Args:
        path: JSON Lines of `SampledState`.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def find(self, wanted: Mapping[str, SampledState]) -> dict[str, SampledState]:
        """The states of the file that are wanted.

        Args:
            wanted: Key -> the state without its actions (`draws` empty).

        Raises:
            DigestMismatch: If the file holds a wanted state's actions from another prompt, policy, format or sampling.
        """
        if not self.path.exists():
            return {}
        Appender(self.path).close()
        found = {}
        for record in read_lines(self.path, partial(_wanted, wanted)):
            if record is None:
                continue
            state = wanted[record.key]
            names = ("prompt", "policy", "format", "sampling")
            if odd := [name for name in names if getattr(record, name) != getattr(state, name)]:
                raise DigestMismatch(
                    f"{self.path}: the actions at {record.key!r} were sampled for another {', '.join(odd)}",
                    hint="profile into a new file, or remove this one",
                )
            found[record.key] = record
        return found

    def append(self, states: list[SampledState]) -> None:
        """Add states; they are on disk when it returns."""
        with Appender(self.path) as file:
            file.append(*states)


def _wanted(wanted: Mapping[str, SampledState], raw: dict[str, Any]) -> SampledState | None:
    """The record of a line, checked where it is wanted: the others may be many and large."""
    return SampledState.model_validate(raw) if raw.get("key") in wanted else None
