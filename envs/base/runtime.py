"""The differential runner: one `Runtime` per domain and process verifies actions and opens episodes.

Owns: the order in which a verdict is reached (screen, then both actions in forks of one state and of perturbed copies
of it, then the rule). Does not own: running actions and keeping the expert's effects (`envs.base.trials`), when two
effects are equivalent (`verifiers/`), or sessions and HTTP (`servers/`).
"""

from __future__ import annotations

import time
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from pivotgym.core.errors import (
    ConfigError,
    NotFound,
    PivotRefused,
    VerifierFailed,
)
from pivotgym.core.messages import Action, Malformed
from pivotgym.core.trajectory import Effects, Pivot, Verdict
from pivotgym.envs.base.breakage import unforeseen_is
from pivotgym.envs.base.contract import Domain, Task, World
from pivotgym.envs.base.states import StateCache
from pivotgym.envs.base.trials import Trials
from pivotgym.verifiers.attached import Attached
from pivotgym.verifiers.base import Comparator, cut_short, malformed
from pivotgym.verifiers.rules import FUNCTIONAL, comparator_of, rule_names

if TYPE_CHECKING:
    from pivotgym.envs.base.episode import Episode

Rule = str
"""`functional`, or a name of `verifiers.rules`."""
Horizon = Literal["pivot", "episode"]


_TRIES = 4
"""Runs of a candidate in which chance may give the same as before."""
_GUESSED = "the expert's action gives something else each time, this one always the same"


def known_rule(rule: str) -> str:
    """The rule's name, once it is known that there is such a rule.

    Raises:
        ConfigError: If there is none, or its options do not fit.
    """
    if rule != FUNCTIONAL:
        comparator_of(rule)
    return rule


class Runtime:
    """Verifies actions at pivots of one domain, and opens episodes there. Thread-safe.

    Pivots are values: a pivot object that was seen here must not be changed in place afterwards.

    Args:
        domain: The domain.
        max_states: How many restored states are kept.
        verifier: The rule used when a call names none: `functional` (the domain's comparator), `strict` (exact
            equality, the paper's Eq. 2), or another of `verifiers.rules`.

    Raises:
        ConfigError: If there is no such rule.
    """

    def __init__(self, domain: Domain, *, max_states: int = 512, verifier: Rule = "functional") -> None:
        self.domain = domain
        self.states = StateCache(domain.world, max_states=max_states)
        self.trials = Trials(domain, self.states)
        self._default = known_rule(verifier)
        self._sound: Attached[bool] = Attached()

    def verify(self, pivot: Pivot, action: Action | Malformed, *, rule: Rule | None = None) -> Verdict:
        """Whether an action is functionally equivalent to the expert's at a pivot.

        Args:
            pivot: The state and the expert's action.
            action: The candidate.
            rule: As for the runtime's `verifier`; `None` for that one.

        Raises:
            ConfigError: If there is no such rule.
            PivotRefused: If the pivot's state cannot be rebuilt, or its own action cannot be run there.
            InfrastructureError: If the world or the verifier broke: never a verdict.
        """
        verdict = self.screen(pivot, action, rule=rule)
        if verdict is not None:
            return verdict
        assert isinstance(action, Action)
        return self.decide(pivot, action, rule=rule)

    def decide(self, pivot: Pivot, action: Action, *, rule: Rule | None = None) -> Verdict:
        """The part of `verify` that comes after `screen` had no answer. Arguments and errors as for `verify`."""
        comparator = self._comparator(rule)
        if not self.runs(pivot, action, rule=rule):
            with unforeseen_is(VerifierFailed, f"{comparator.name}: deciding pivot {pivot.id!r} by rule"):
                return comparator.by_rule(pivot, action)
        verdict = self._compared(pivot, action, 0)
        assert verdict is not None
        if not self._doubts(pivot, verdict):
            return verdict
        for variant in range(1, self.domain.perturbations + 1):
            if verdict.outcome != "equivalent":
                break
            verdict = self._compared(pivot, action, variant) or verdict
        return verdict

    def _doubts(self, pivot: Pivot, verdict: Verdict) -> bool:
        """Whether perturbed copies of the state are asked."""
        if verdict.outcome != "equivalent" or not self.domain.perturbations:
            return False
        expert = self.trials.expert(pivot)
        assert expert is not None
        with unforeseen_is(VerifierFailed, f"{self.domain.comparator.name}: doubting pivot {pivot.id!r}"):
            return self.domain.doubts(expert, verdict)

    def _compared(self, pivot: Pivot, action: Action, variant: int) -> Verdict | None:
        """The verdict in one copy of the state; `None` where the expert's own action tells nothing in that copy."""
        comparator, trials = self.domain.comparator, self.trials
        expert = trials.expert(pivot, variant)
        candidate = None if expert is None else trials.effects(pivot, action, variant)
        if expert is None or candidate is None:
            return None
        with unforeseen_is(VerifierFailed, f"{comparator.name}: comparing effects at pivot {pivot.id!r}"):
            asked = self.domain.asks(expert, candidate)
        if asked:
            expert = trials.examined(pivot, pivot.reference, expert, asked, variant)
            with unforeseen_is(VerifierFailed, f"{comparator.name}: comparing effects at pivot {pivot.id!r}"):
                still = self.domain.asks(expert, candidate)
            if still:
                candidate = trials.examined(pivot, action, candidate, asked, variant)
        with unforeseen_is(VerifierFailed, f"{comparator.name}: comparing effects at pivot {pivot.id!r}"):
            verdict = comparator.compare(pivot, expert, candidate)
            if not asked and verdict.outcome == "different" and self._may_vary(pivot):
                ran_at = time.monotonic()
                settled = comparator.compare(pivot, trials.settled(pivot, variant), candidate)
                guessed = (
                    settled.outcome == "equivalent" and variant == 0 and self._guessed(pivot, candidate, action, ran_at)
                )
                verdict = verdict.model_copy(update={"reason": f"{_GUESSED}: {verdict.reason}"}) if guessed else settled
        return verdict if variant == 0 or verdict.outcome == "equivalent" else _perturbed(verdict, variant)

    def _guessed(self, pivot: Pivot, candidate: Effects, action: Action, ran_at: float) -> bool:
        """Whether a candidate gives the same each time where the expert does not, and not what the expert gives now."""
        expert = self.trials.expert(pivot)
        assert expert is not None
        for _ in range(_TRIES):
            again = self.trials.later(pivot, action, ran_at)
            if self.domain.varies(expert, candidate, again):
                return False
            now = self.trials.later(pivot, pivot.reference, ran_at)
            if self.domain.comparator.compare(pivot, now, again).outcome == "equivalent":
                return False
        return True

    def _may_vary(self, pivot: Pivot) -> bool:
        return self.domain.repeats and not self.domain.steady(pivot.reference)

    def screen(self, pivot: Pivot, action: Action | Malformed, *, rule: Rule | None = None) -> Verdict | None:
        """The part of `verify` that runs nothing: a verdict, or `None` when execution or the rule must decide."""
        if isinstance(action, Malformed):
            return malformed(action)
        if action.truncated:
            return cut_short(action)
        comparator = self._comparator(rule)
        with unforeseen_is(VerifierFailed, f"{comparator.name}: screening pivot {pivot.id!r}"):
            if comparator is self.domain.comparator and self._sound.get(pivot) is None:
                own = comparator.screen(pivot, pivot.reference)
                if own is not None and own.outcome == "invalid":
                    raise PivotRefused(
                        f"pivot {pivot.id!r}: the expert's own action is invalid: {own.reason}",
                        hint="mend the pivot; no action can be scored against it",
                    )
                self._sound.keep(pivot, True)
            return comparator.screen(pivot, action)

    def runs(self, pivot: Pivot, action: Action, *, rule: Rule | None = None) -> bool:
        """Whether `decide` runs both actions: for the domain's own comparator only, and where one of them calls."""
        if self._comparator(rule) is not self.domain.comparator or not self.domain.executable(pivot.origin):
            return False
        return self.domain.acts(pivot.reference) or self.domain.acts(action)

    def prepare(self, pivot: Pivot) -> None:
        """Build a pivot's state and run the expert's action there, so that later verdicts wait for neither.

        Raises:
            PivotRefused: As for `verify`.
        """
        if self.domain.executable(pivot.origin):
            self.trials.expert(pivot)

    def built(self, pivot: Pivot) -> bool:
        """Whether a verdict waits for no building: the state is there and the expert's effects are known."""
        if not self.domain.executable(pivot.origin):
            return True
        return self.trials.ran(pivot)

    def check(self, pivot: Pivot) -> Verdict:
        """Prove a pivot: the expert's own action must be worth 1.0, and do the same in two forks of the state.

        Raises:
            PivotRefused: If not; the hint has the verdict's reason.
        """
        verdict = self.verify(pivot, pivot.reference)
        if verdict.reward < 1.0:
            raise PivotRefused(
                f"pivot {pivot.id!r}: the expert's own action must be worth 1.0, got {verdict.reward:g}",
                hint=verdict.reason,
                details=verdict.evidence,
            )
        if self.runs(pivot, pivot.reference) and not self._repeatable(pivot):
            raise PivotRefused(
                f"pivot {pivot.id!r}: the expert's own action, run twice, does not have the same effects",
                hint="the world is not deterministic here",
            )
        return verdict

    def _repeatable(self, pivot: Pivot) -> bool:
        """Whether the expert's action does the same in two forks, what is marked as unstable aside."""
        if self.domain.repeats:
            verdict = self._compared(pivot, pivot.reference, 0)
            return verdict is not None and verdict.outcome == "equivalent"
        first, again = self.trials.expert(pivot), self.trials.effects(pivot, pivot.reference)
        assert first is not None
        assert again is not None
        return (first.state, first.observations) == (again.state, again.observations)

    def open(self, start: Pivot | Task, *, horizon: Horizon | None = None, seed: int = 0) -> Episode:
        """Begin an episode at a pivot or a task.

        Args:
            start: Where.
            horizon: `pivot` (one action, the verifier's reward) or `episode` (to the end of the task, its outcome);
                by default `pivot` for a pivot and `episode` for a task.
            seed: The world's seed, for the horizon `episode`; a pivot is always verified with seed 0.

        Raises:
            ConfigError: If the horizon does not fit the start.
            PivotRefused: If the state cannot be rebuilt.
        """
        from pivotgym.envs.base.episode import PivotEpisode, TaskEpisode

        horizon = horizon or ("pivot" if isinstance(start, Pivot) else "episode")
        if horizon not in ("pivot", "episode"):
            raise ConfigError(f"horizon: expected 'pivot' or 'episode', got {horizon!r}")
        if isinstance(start, Task):
            if horizon == "pivot":
                raise ConfigError(f"horizon: a task is opened with 'episode', got 'pivot' for task {start.id!r}")
            return TaskEpisode.start(self, start, seed=seed)
        if horizon == "pivot":
            return PivotEpisode(self, start)
        return TaskEpisode.from_pivot(self, start, self._task_of(start), seed=seed)

    def restore(self, pivot: Pivot, *, seed: int = 0) -> World:
        """A live world in a pivot's state; the caller closes it. Errors as for `verify`."""
        return self.trials.restore(pivot, seed=seed)

    @cached_property
    def _tasks(self) -> dict[str, Task]:
        return {task.id: task for task in self.domain.tasks()}

    def tasks(self) -> list[Task]:
        """The domain's tasks."""
        return list(self._tasks.values())

    def task(self, task_id: str) -> Task:
        """The task of that id.

        Raises:
            NotFound: If the domain has none.
        """
        task = self._tasks.get(task_id)
        if task is None:
            known = len(self._tasks)
            raise NotFound(f"task: domain {self.domain.name!r} has {known} tasks, none is called {task_id!r}")
        return task

    def rules(self) -> list[str]:
        """The rules that `verify` knows; some take options, see `verifiers.rules`."""
        return rule_names()

    def close(self) -> None:
        """Drop all states. Calling it again does nothing."""
        self.states.clear()
        self.trials.clear()

    def _task_of(self, pivot: Pivot) -> Task:
        """The task that a pivot's metadata names, else the only one that starts where the pivot's trajectory starts."""
        name = pivot.metadata.get("task")
        if isinstance(name, str):
            return self.task(name)
        found = [task for task in self.tasks() if task.origin == pivot.origin]
        if len(found) != 1:
            how_many = f"{len(found)} tasks have" if found else "no task has"
            raise ConfigError(
                f"horizon: 'episode' from pivot {pivot.id!r} needs its task: metadata['task'] names none, and "
                f"{how_many} its origin",
                hint="open it with horizon 'pivot'",
            )
        return found[0]

    def _comparator(self, rule: str | None) -> Comparator:
        rule = self._default if rule is None else rule
        return self.domain.comparator if rule == FUNCTIONAL else comparator_of(rule)


def _perturbed(verdict: Verdict, variant: int) -> Verdict:
    """A verdict from a perturbed copy of the state says so."""
    return verdict.model_copy(
        update={
            "reason": f"equal here, but not in a perturbed copy of the state: {verdict.reason}",
            "evidence": {**verdict.evidence, "perturbed_copy": variant},
        }
    )
