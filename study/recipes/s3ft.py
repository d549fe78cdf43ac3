"""Selective self-to-supervised fine-tuning (S3FT, arXiv 2502.08130): SFT towards the policy's own right answers.

Owns: the targets. Does not own: the samples and their verdicts (the profile's own), SFT (`trainer/training`).

An answer in the policy's own words moves it less than the expert's, and a right one teaches as much. So a state at
which a sample was accepted gets that sample for its target, the others keep the expert's action.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pivotgym.core.messages import Action
from pivotgym.core.samples import PivotSamples
from pivotgym.core.trajectory import Pivot


def own_targets(pivots: Iterable[Pivot], samples: Iterable[PivotSamples]) -> tuple[list[Pivot], int]:
    """The states with their targets, and how many of these are the policy's own.

    Args:
        pivots: States with the expert's action.
        samples: What profiling sampled there, with its verdicts; the first accepted action is taken.
    """
    own = _accepted(samples)
    targets = [pivot.model_copy(update={"reference": own.get(pivot.id, pivot.reference)}) for pivot in pivots]
    return targets, sum(pivot.id in own for pivot in targets)


def _accepted(samples: Iterable[PivotSamples]) -> Mapping[str, Action]:
    found: dict[str, Action] = {}
    for state in samples:
        for sample in state.samples:
            right = sample.verdict is not None and sample.verdict.reward == 1
            if right and isinstance(sample.action, Action) and not sample.action.truncated:
                found.setdefault(state.pivot_id, sample.action)
    return found
