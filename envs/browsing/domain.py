"""The domain `browsing`: so far a search engine over a corpus.

Owns: which origins can be executed, which turns are candidates, and the tasks. Does not own: the world
(`envs.browsing.search`), or verdicts (`verifiers.search`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from pivotgym.core.messages import Action
from pivotgym.core.trajectory import Origin, Step, Trajectory, steps_of
from pivotgym.envs.base.contract import Attempt, Domain, Task
from pivotgym.envs.browsing.search import tasks
from pivotgym.envs.browsing.search.world import SearchWorld
from pivotgym.verifiers.judge import MessageJudge
from pivotgym.verifiers.search import SearchComparator
from pivotgym.verifiers.searching.requests import requests_of

NOT_EXECUTED = frozenset(("none", "answer"))
"""Origins of which nothing can be rebuilt: the text rule decides. `answer` carries its question only."""


class Browsing(Domain):
    """Searches, pages and answers."""

    name: ClassVar[str] = "browsing"
    description: ClassVar[str] = (
        "A search engine over a corpus: searches by what they reach, pages by address or text, answers by value. "
        "Without a corpus, a rule on the text"
    )
    candidate_rule: ClassVar[str] = "assistant turns that search, open or look through a page, or give the answer"

    def __init__(self) -> None:
        self.comparator: SearchComparator = SearchComparator()

    def world(self) -> SearchWorld:
        """See `Domain.world`."""
        return SearchWorld()

    def executable(self, origin: Origin) -> bool:
        """See `Domain.executable`."""
        return origin.kind not in NOT_EXECUTED

    def steady(self, action: Action) -> bool:
        """See `Domain.steady`: a corpus does not change."""
        return True

    def candidates(self, trajectory: Trajectory) -> list[int]:
        """The trajectory's own list where it has one, else by `candidate_rule`."""
        if trajectory.candidates is not None:
            return list(trajectory.candidates)
        steps = list(steps_of(trajectory.messages))
        return [turn for turn, step in enumerate(steps) if _candidate(step, last=turn == len(steps) - 1)]

    def tasks(self) -> Iterable[Task]:
        """Questions on the project's own corpus."""
        return tasks.tasks()

    def attempts(self, task: Task) -> Iterable[Attempt]:
        """See `Domain.attempts`."""
        return tasks.attempts(task)

    def use_judge(self, judge: MessageJudge | None) -> None:
        """See `Domain.use_judge`."""
        self.comparator.judge = judge


def _candidate(step: Step, *, last: bool) -> bool:
    """Whether all calls of an action are of known tools and can be read; a message where it is the last word."""
    asked = requests_of(step.action)
    if not asked:
        return last and bool(step.action.content.strip())
    return all(request.does is not None and not request.problem for request in asked)


def domain() -> Browsing:
    """The domain, for the entry point."""
    return Browsing()
