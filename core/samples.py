"""What a reference policy did at a pivot, action by action, with what the verifier said of each.

A profile keeps the rewards alone, which is what the filter needs; this is kept beside it for people who want to know
why. The file has the profile's name with the ending `.samples.jsonl`.

Owns: these records and the file's name. Does not own: making them (`trainer/profiling`), or showing them (the
gateway's page).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from pivotgym.core.messages import Action, Malformed
from pivotgym.core.trajectory import Record, Verdict

ENDING = ".samples.jsonl"


class Sample(BaseModel):
    """One sampled action.

    Attributes:
        action: What was sampled; `None` where the engine itself failed.
        verdict: What the verifier said of it; `None` where there is an error in its place.
        error: The failure in the verdict's place, as it is on the wire.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    action: Action | Malformed | None = None
    verdict: Verdict | None = None
    error: dict[str, Any] | None = None


class PivotSamples(Record):
    """The samples of one pivot, in the order of its profile's rewards."""

    pivot_id: str
    pivot_digest: str
    samples: list[Sample]


def samples_file(profile: str | Path) -> Path:
    """Where the samples of a file of profiled candidates are."""
    return Path(profile).with_suffix(ENDING)
