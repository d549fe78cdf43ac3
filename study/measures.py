"""What is measured of a policy, in domain and out of it.

Owns: which tasks, pivots, prompts and texts a policy meets, and how its results become units. Does not own: playing
and scoring (`trainer/episodes`, `trainer/evaluation`), distance from the base (`study/drift`).

Measures, each unit -> value: `success` (unseen task), `pivot_reward` (held-out trajectory), `retention` (held-out
trajectory of the other domains), `kl` and `rank_correlation` (unrelated state), `text_nll` (passage).
"""

from __future__ import annotations

import shutil
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pivotgym.core.formats import get_format
from pivotgym.core.trajectory import Pivot
from pivotgym.servers.client import Client
from pivotgym.study.config import StudyConfig
from pivotgym.study.drift import Unrelated, drift, text_nll, unrelated
from pivotgym.study.results import Values
from pivotgym.trainer.engine import LocalEngine
from pivotgym.trainer.episodes import play
from pivotgym.trainer.evaluation import clusters, evaluate
from pivotgym.trainer.policy import Policy
from pivotgym.trainer.scoring import ClientScorer
from pivotgym.trainer.settings import EvalConfig


@dataclass(frozen=True)
class Place:
    """A domain as evaluation sees it.

    Attributes:
        client: Of its server, which knows the pivots.
        pivots: Held out.
        tasks: Ids of unseen tasks.
        max_steps: Actions after which an episode is cut.
    """

    client: Client
    pivots: Sequence[Pivot]
    tasks: Sequence[str]
    max_steps: int


class Measure:
    """Measures policies that were trained in one domain.

    Args:
        config: Sizes and sampling.
        here: The domain trained in.
        others: The other domains, by name.
        passages: Plain text.
        base: The policy that the others start from.
        folder: For files of a measurement while it runs.
    """

    def __init__(
        self,
        config: StudyConfig,
        here: Place,
        others: Mapping[str, Place],
        passages: Sequence[str],
        base: Policy,
        folder: Path,
    ) -> None:
        self._config, self._here, self._others, self._folder = config, here, dict(others), folder
        self._passages = passages
        self._prompts = self._unrelated(base)

    def _unrelated(self, base: Policy) -> list[Unrelated]:
        data, places = self._config.data, list(self._others.values())
        share = data.prompts // max(1, len(places))
        pivots = [pivot for place in places for pivot in place.pivots[:share]]
        engine = LocalEngine(base, get_format(self._config.format))
        return unrelated(
            pivots, engine, actions=data.prompt_actions, max_new_tokens=self._config.evaluate.max_new_tokens
        )

    def all(self, policy: Policy) -> dict[str, Values]:
        """Every measure of a policy; one without any unit is left out."""
        found = {
            "success": self.success(policy, self._here.tasks, repeats=self._config.data.repeats),
            "pivot_reward": self._reward(policy, self._here),
            "retention": {
                f"{name}/{unit}": value
                for name, place in self._others.items()
                for unit, value in self._reward(policy, place).items()
            },
            "text_nll": text_nll(policy, self._passages),
            **drift(policy, self._prompts),
        }
        return {name: values for name, values in found.items() if values}

    def curve(self, policy: Policy) -> Values:
        """Success on the tasks of the curve."""
        return self.success(policy, self._here.tasks[: self._config.data.curve_tasks], repeats=1)

    def success(self, policy: Policy, tasks: Sequence[str], *, repeats: int) -> Values:
        """Mean outcome of each task; the draws are the same for every policy."""
        earned: dict[str, list[float]] = defaultdict(list)
        for repeat in range(repeats):
            settings = self._settings(repeat)
            engine = self._engine(policy)
            longest = policy.context_length - settings.max_new_tokens
            file = self._fresh("episodes.jsonl")
            for row in play(tasks, engine, self._here.client, file, settings, arm="x", max_prompt_tokens=longest):
                earned[row.task_id].append(row.outcome)
        return {task: sum(outcomes) / len(outcomes) for task, outcomes in earned.items()}

    def _reward(self, policy: Policy, place: Place) -> Values:
        """Mean functional reward at the held-out pivots of each trajectory."""
        file, scorer = self._fresh("pivots.jsonl"), ClientScorer(place.client)
        rows = evaluate(place.pivots, self._engine(policy), scorer, file, self._settings(0), arm="x")
        return {unit: sum(rewards) / len(rewards) for unit, rewards in clusters(rows, "x").items()}

    def _engine(self, policy: Policy) -> LocalEngine:
        # A new one each time: it remembers the weights' fingerprint, and training changes the weights.
        return LocalEngine(policy, get_format(self._config.format))

    def _settings(self, seed: int) -> EvalConfig:
        told = {"seed": seed, "max_steps": self._here.max_steps, "batch": 32}
        return self._config.evaluate.model_copy(update=told)

    def _fresh(self, name: str) -> Path:
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(parents=True)
        return self._folder / name
