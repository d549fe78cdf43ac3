"""The data file that OpenRLHF reads: one row per place in the run, a pivot's or task's id and no context.

Owns: which state stands at which place, what a row carries, and that there are none after the last step. Does not own:
states, which the sampling processes fetch by id from the environment server.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from pivotgym.core.errors import DigestMismatch, InputError
from pivotgym.core.jsonl import atomic, describe


class Row(BaseModel):
    """One group of the run.

    Attributes:
        kind: Whether `id` names a pivot or a task.
        id: Known to the environment server.
        place: 0-based place in the run; step `place // pivots_per_step` trains on it. Part of the samples' seeds, so a
            resumed run draws what the whole run would have drawn.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["pivot", "task"]
    id: str
    place: int

    @classmethod
    def read(cls, label: str) -> Row:
        """The row that a label carries.

        Raises:
            InputError: If the label is none of ours.
        """
        try:
            return cls.model_validate_json(label)
        except ValidationError as error:
            raise InputError(
                f"label: expected a row made by pivotgym (kind, id, place), got {label[:80]!r}: {describe(error)}"
            ) from error


def order(count: int, *, steps: int, per_step: int, seed: int) -> Iterator[int]:
    """Which of `count` states stands at each place: epochs of shuffled states, a pure function of seed and place."""
    shuffled: list[int] = []
    for place in range(steps * per_step):
        epoch, index = divmod(place, count)
        if index == 0:
            shuffled = list(range(count))
            random.Random(f"{seed}:{epoch}").shuffle(shuffled)
        yield shuffled[index]


def make_rows(ids: Sequence[str], kind: Literal["pivot", "task"], *, steps: int, per_step: int, seed: int) -> list[Row]:
    """The rows of a whole run.

    Raises:
        InputError: If there is no id.
    """
    if not ids:
        raise InputError(f"{kind}s: expected at least one, got none", hint="loosen the filter or profile more states")
    chosen = order(len(ids), steps=steps, per_step=per_step, seed=seed)
    return [Row(kind=kind, id=ids[index], place=place) for place, index in enumerate(chosen)]


def write_rows(path: Path, rows: Sequence[Row]) -> None:
    """Write the file that `--data.prompt_dataset` names.

    Raises:
        DigestMismatch: If the file belongs to a run with other states, order or batch; a longer run is none.
    """
    lines = [json.dumps({"input": row.id, "label": row.model_dump_json()}) for row in rows]
    if path.exists():
        before = path.read_text().splitlines()
        if any(old != new for old, new in zip(before, lines, strict=False)):
            raise DigestMismatch(
                f"{path}: the run in this folder trains on other states, or in another order",
                hint="give a new folder with --out, or the pivots, seed and pivots_per_step it was begun with",
            )
    with atomic(path) as file:
        file.write(("\n".join(lines) + "\n").encode())


Drawn = tuple[list[Any], float | None, int, bool]
"""What OpenRLHF's sampler gives for a step: samples, share that passed, rows used, whether the rows have ended."""


class UntilLastStep:
    """OpenRLHF's sampler, for which the rows end when the last step has its samples.

    Attributes:
        finished: Steps that are done.
    """

    def __init__(self, draw: Callable[..., Drawn], last: int | None) -> None:
        """`last` is the run's last step; `None`: that for which there are rows."""
        self._draw, self._last = draw, last
        self.finished = 0

    def __call__(self, **options: Any) -> Drawn:
        """Draw a step's samples; none are left after the last."""
        if self._last is None:
            return self._draw(**options)
        if self.finished >= self._last:
            return [], None, 0, True
        samples, passed, used, ended = self._draw(**options)
        return samples, passed, used, ended or self.finished + 1 == self._last
