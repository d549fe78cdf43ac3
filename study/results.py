"""What the study keeps of one trained arm: the raw line that tables, plots and claims are made from.

Owns: the record and its file. Does not own: measuring (`study/measures`), reading claims off it (`study/claims`).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from pydantic import BaseModel, ConfigDict, Field

from pivotgym.core.jsonl import read_records
from pivotgym.core.trajectory import Record

Values = dict[str, float]
"""Unit (a task, a trajectory, a prompt) -> its mean value."""


class Cost(BaseModel):
    """What a stage took.

    Attributes:
        turns: Actions sampled; an action is one turn, whether at a pivot or in an episode.
        tokens: Tokens sampled.
        verdicts: Actions sent to the verifier; equal ones of a group are sent once.
        wall_s: Seconds, less those that evaluations in between took.
        cpu_s: Processor seconds of this process and its servers, with the commands that ran in them; likewise.
    """

    model_config = ConfigDict(extra="forbid")

    turns: int = 0
    tokens: int = 0
    verdicts: int = 0
    wall_s: float = 0.0
    cpu_s: float = 0.0

    def __add__(self, other: Cost) -> Cost:
        return Cost(**{name: getattr(self, name) + getattr(other, name) for name in Cost.model_fields})


class Point(BaseModel):
    """One checkpoint of a run.

    Attributes:
        step: Updates done.
        cost: All that was spent until then, profiling and earlier runs that this one starts from included.
        success: Task -> outcome, over the tasks of the curve.
    """

    model_config = ConfigDict(extra="forbid")

    step: int
    cost: Cost
    success: Values


class Audit(BaseModel):
    """Samples of a training run under the strictest check, execution.

    Attributes:
        accepted: Samples that the reward paid, and how many of them were checked.
        rejected: Samples that it did not pay.
        checked_accepted: How many of the former were scored again.
        checked_rejected: How many of the latter.
        false_accepts: Paid, though execution does not accept them: reward hacking.
        false_rejects: Not paid, though execution accepts them.
    """

    model_config = ConfigDict(extra="forbid")

    accepted: int = 0
    rejected: int = 0
    checked_accepted: int = 0
    checked_rejected: int = 0
    false_accepts: int = 0
    false_rejects: int = 0


class Result(Record):
    """One arm, trained on one domain with one seed.

    Attributes:
        settings: Digest of the study's settings; lines of other settings are refused.
        states: States, tasks or examples that it trained on.
        steps: Updates done.
        zero_variance_share: Share of groups without variance, mean over steps; `None` where nothing was sampled.
        measures: Name -> unit -> value; see `study/measures`.
        profiling: Cost of choosing what to train on.
        training: Cost of the updates; of an arm that starts from another, that one's whole cost with it.
        evaluation_wall_s: Seconds that measuring took.
        curve: Success on the way.
        audit: The reward against execution; `None` where the reward is execution or an outcome.
    """

    domain: str
    arm: str
    seed: int
    settings: str
    states: int = 0
    steps: int = 0
    zero_variance_share: float | None = None
    measures: dict[str, Values] = Field(default_factory=dict)
    profiling: Cost = Cost()
    training: Cost = Cost()
    evaluation_wall_s: float = 0.0
    curve: list[Point] = Field(default_factory=list)
    audit: Audit | None = None

    @property
    def cost(self) -> Cost:
        """All that it took, profiling counted."""
        return self.profiling + self.training


def read_results(folder: Path) -> list[Result]:
    """All lines of a study's `raw/` folder; where an arm stands twice the later line holds."""
    found = {
        (row.domain, row.arm, row.seed): row
        for path in sorted(folder.glob("*.jsonl"))
        for row in read_records(path, Result)
    }
    return list(found.values())


@dataclass
class Meter:
    """Adds up what stages take; engine and scorer count into it from their threads."""

    cost: Cost = field(default_factory=Cost)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _since: tuple[float, float] = (0.0, 0.0)

    def add(self, **amounts: float) -> None:
        """Add amounts to fields of the cost."""
        with self._lock:
            for name, amount in amounts.items():
                setattr(self.cost, name, getattr(self.cost, name) + amount)

    def skip(self) -> None:
        """Begin to count time from now on."""
        self._since = time.monotonic(), cpu_seconds()

    def lap(self) -> None:
        """Count the time since the last call of this or of `skip`."""
        wall, cpu = self._since
        self.skip()
        self.add(wall_s=self._since[0] - wall, cpu_s=self._since[1] - cpu)

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Count the time of a block."""
        self.skip()
        try:
            yield
        finally:
            self.lap()


def cpu_seconds() -> float:
    """Processor seconds so far of this process and of those it started: environment servers and what ended in them."""
    own = psutil.Process()
    total = sum(own.cpu_times()[:4])
    for child in own.children(recursive=True):
        with suppress(psutil.Error):  # it ended meanwhile, and its time counts with its parent's
            total += sum(child.cpu_times()[:4])
    return float(total)
