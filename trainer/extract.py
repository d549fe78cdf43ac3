"""Trajectories -> pivot candidates.

Owns: cutting trajectories at their candidate turns, dropping states longer than the context (counted, never clipped),
splitting by group. Does not own: which turns are candidates (the trajectory, or the domain's published rule), nor
whether a candidate replays (the environment server's `prepare`).
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from pivotgym.core.errors import ConfigError
from pivotgym.core.messages import Message, Tool
from pivotgym.core.trajectory import Pivot, Trajectory

_KEPT = ("split", "category", "group", "task")
"""What a pivot takes over from its trajectory's metadata."""


@dataclass
class ExtractReport:
    """What extraction met.

    Attributes:
        trajectories: Trajectories read.
        turns: Assistant turns in them.
        candidates: Turns that may become pivots.
        kept: Pivots written.
        dropped: Why candidates were dropped, counted.
    """

    trajectories: int = 0
    turns: int = 0
    candidates: int = 0
    kept: int = 0
    dropped: Counter[str] = field(default_factory=Counter)


def extract(
    trajectories: Iterable[Trajectory],
    *,
    prompt_tokens: Callable[[list[Message], list[Tool]], int] | None = None,
    max_prompt_tokens: int | None = None,
    report: ExtractReport | None = None,
) -> Iterator[Pivot]:
    """Yield the pivot candidates of trajectories (PivotRL, Eq. 3).

    Args:
        trajectories: Expert runs; `candidates` of each names its turns, `None` means every assistant turn.
        prompt_tokens: Counts a state's tokens in the policy's format.
        max_prompt_tokens: States longer than this are dropped and counted.
        report: Filled while extracting.

    Raises:
        ConfigError: If only one of `prompt_tokens` and `max_prompt_tokens` is given.
    """
    if (prompt_tokens is None) != (max_prompt_tokens is None):
        raise ConfigError("max_prompt_tokens: expected together with a policy that counts tokens, got one of them")
    report = report if report is not None else ExtractReport()
    for trajectory in trajectories:
        turns = range(len(trajectory.turns()))
        chosen = list(turns) if trajectory.candidates is None else trajectory.candidates
        report.trajectories += 1
        report.turns += len(turns)
        if len(chosen) < len(turns):
            report.dropped["not a candidate"] += len(turns) - len(chosen)
        for turn in chosen:
            report.candidates += 1
            pivot = cut(trajectory, turn)
            if prompt_tokens is not None and max_prompt_tokens is not None:
                length = prompt_tokens(pivot.messages, pivot.tools)
                if length > max_prompt_tokens:
                    report.dropped[f"state longer than {max_prompt_tokens} tokens"] += 1
                    continue
                pivot.metadata["prompt_tokens"] = length
            report.kept += 1
            yield pivot


def cut(trajectory: Trajectory, turn: int) -> Pivot:
    """The pivot candidate at one turn.

    Raises:
        NotFound: If the trajectory has no such turn.
    """
    messages, reference = trajectory.at(turn)
    return Pivot(
        id=f"{trajectory.id}:{turn}",
        domain=trajectory.domain,
        messages=messages,
        reference=reference,
        tools=trajectory.tools,
        origin=trajectory.origin,
        accepted=(trajectory.accepted or {}).get(str(turn)),
        source=trajectory.source,
        licence=trajectory.licence,
        metadata={
            key: value for key, value in trajectory.metadata.items() if key in ("split", "category", "group", "task")
        },
    )


def split_by_group(trajectories: Iterable[Trajectory], *, share: float, seed: int = 0) -> tuple[list[str], list[str]]:
    """Ids of two disjoint sets of trajectories, whole groups together, never split by row.

    Args:
        trajectories: `metadata["group"]` names a trajectory's group; without it the trajectory is its own.
        share: Share of groups in the first set, in (0, 1).
        seed: Changes the assignment.

    Raises:
        ConfigError: If `share` is not in (0, 1).
    """
    if not 0 < share < 1:
        raise ConfigError(f"share: expected a number between 0 and 1, got {share}")
    first: list[str] = []
    second: list[str] = []
    for trajectory in trajectories:
        group = str(trajectory.metadata.get("group", trajectory.id))
        point = int.from_bytes(hashlib.sha256(f"{seed}:{group}".encode()).digest()[:8], "big") / 2**64
        (first if point < share else second).append(trajectory.id)
    return first, second
