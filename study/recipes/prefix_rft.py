"""Prefix-RFT (arXiv 2507.01679): some of a group's actions begin with the expert's words and go on in the policy's.

Owns: the engine that samples such groups. Does not own: the update, which takes them for actions like any other.

At a state that the policy never solves a group without variance teaches nothing. An action that starts with a prefix of
the expert's may be rewarded, and then both halves are reinforced. The prefix begins long and shrinks along a cosine, so
that the run ends on the policy's own. The paper trains only the prefix tokens of high entropy; here all of them train,
as actions are some dozen tokens.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from pivotgym.core.trajectory import Pivot, Sampling
from pivotgym.study.metering import MeteredEngine
from pivotgym.trainer.engine import OnDone, Query, SampledAction
from pivotgym.trainer.policy import Sample, SamplingParams, StateRequest, sample

FIRST, LAST = 0.95, 0.05
"""Share of the expert's action that is given, in the first step and in the last."""


def prefix_share(step: int, steps: int) -> float:
    """How much of the expert's action is given at a step (0-based) of a run."""
    done = min(step / max(steps - 1, 1), 1.0)
    return LAST + (FIRST - LAST) * (1 + math.cos(math.pi * done)) / 2


class PrefixEngine(MeteredEngine):
    """Samples groups in which a share of the actions continues the expert's."""

    def follow(self, pivots: Sequence[Pivot], *, share: float, steps: int) -> None:
        """Set what is followed; each call of `sample` is one step from then on.

        Args:
            pivots: The states with the expert's actions.
            share: Of a group's actions, rounded to at least one.
            steps: Of the run.
        """
        self._experts: Mapping[str, list[int]] = {pivot.id: self.action_ids(pivot.reference) for pivot in pivots}
        self._share, self._steps, self._step = share, steps, 0

    def sample(
        self, queries: Sequence[Query], sampling: Sampling, *, on_done: OnDone | None = None
    ) -> list[list[SampledAction]]:
        """See `PolicyEngine`; keys are those of `trainer.training.Grpo`, `{place}:{pivot id}`."""
        guided = [max(1, round(self._share * len(query.temperatures))) for query in queries]
        own = [
            replace(query, temperatures=query.temperatures[count:])
            for query, count in zip(queries, guided, strict=True)
        ]
        free = super().sample(own, sampling)
        given = prefix_share(self._step, self._steps)
        self._step += 1
        prefixes = [self._experts[query.key.partition(":")[2]] for query in queries]
        prefixes = [ids[: math.floor(given * len(ids))] for ids in prefixes]
        requests = [
            StateRequest(
                f"{query.key}:prefix",
                (*self.state_ids(query.messages, query.tools), *prefix),
                query.temperatures[:count],
            )
            for query, prefix, count in zip(queries, prefixes, guided, strict=True)
        ]
        limits = SamplingParams(
            max_new_tokens=sampling.max_new_tokens, top_p=sampling.top_p, stop_token_ids=self.policy.stop_token_ids
        )
        drawn = sample(self.policy, requests, limits, seed=sampling.seed)
        self.meter.add(turns=sum(map(len, drawn)), tokens=sum(len(one.token_ids) for row in drawn for one in row))
        return [
            [*(self._whole(prefix, one) for one in row), *rest]
            for prefix, row, rest in zip(prefixes, drawn, free, strict=True)
        ]

    def _whole(self, prefix: Sequence[int], drawn: Sample) -> SampledAction:
        """The expert's beginning and the policy's end, read as one action."""
        # The sampler's log-probabilities of the prefix are not known, nor needed: the update takes the trainer's own.
        whole = replace(
            drawn, token_ids=[*prefix, *drawn.token_ids], logprobs=[0.0] * len(prefix) + list(drawn.logprobs)
        )
        return self._read(whole)
