"""The domain `browsing`: a search engine over a corpus, and pages in a real Chromium.

Owns: which half of it an origin belongs to, which origins can be executed, which turns are candidates, and the tasks.
Does not own: the worlds (`envs.browsing.search`, `envs.browsing.pages`), or verdicts (`verifiers.search`,
`verifiers.pages`). A server without Chromium serves searches; a page's origin then says what is missing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from pivotgym.core.messages import Action
from pivotgym.core.trajectory import Effects, Origin, Pivot, Step, Trajectory, Verdict, steps_of
from pivotgym.envs.base.contract import Attempt, Domain, Task
from pivotgym.envs.browsing.pages import chromium
from pivotgym.envs.browsing.pages import tasks as page_tasks
from pivotgym.envs.browsing.pages.world import CONTINUATION
from pivotgym.envs.browsing.search import tasks
from pivotgym.envs.browsing.world import BrowsingWorld, is_page
from pivotgym.verifiers.judge import MessageJudge
from pivotgym.verifiers.pages import PageComparator, undecided
from pivotgym.verifiers.search import SearchComparator
from pivotgym.verifiers.searching.requests import requests_of

NOT_EXECUTED = frozenset(("none", "answer"))
"""Origins of which nothing can be rebuilt: the text rule decides. `answer` carries its question only."""


NOT_RESTORED = ["running scripts and timers, where a site is not replayed", "history other than `back`", "open sockets"]
"""What of a page a snapshot does not carry."""
_PAGE_TOOLS = frozenset(("click", "click_xy", "type", "fill", "press", "select", "scroll", "hover", "drag"))
"""Tools of which each tells that a pivot acts on a page, where its origin cannot be executed."""


class BrowsingComparator:
    """`PageComparator` for what happens on a page, `SearchComparator` for the rest."""

    name = "browsing"

    def __init__(self) -> None:
        self.search = SearchComparator()
        self.pages = PageComparator()

    def screen(self, pivot: Pivot, action: Action) -> Verdict | None:
        """See `verifiers.base.Comparator`, as for the others."""
        return self._of(pivot).screen(pivot, action)

    def compare(self, pivot: Pivot, expert: Effects, candidate: Effects) -> Verdict:
        """From the effects of both."""
        return self._of(pivot).compare(pivot, expert, candidate)

    def by_rule(self, pivot: Pivot, action: Action) -> Verdict:
        """Where nothing is run."""
        return self._of(pivot).by_rule(pivot, action)

    def use(self, judge: MessageJudge | None) -> None:
        """Let a judge decide where a rule is not certain."""
        self.search.judge = self.pages.judge = judge

    def _of(self, pivot: Pivot) -> SearchComparator | PageComparator:
        return self.pages if _on_a_page(pivot) else self.search


def _on_a_page(pivot: Pivot) -> bool:
    if pivot.origin.kind != "none":
        return is_page(pivot.origin)
    return any(call.name in _PAGE_TOOLS for call in pivot.reference.tool_calls)


class Browsing(Domain):
    """Searches, pages and answers."""

    name: ClassVar[str] = "browsing"
    description: ClassVar[str] = (
        "A search engine over a corpus: searches by what they reach, pages by address or text, answers by value; and "
        "sites in a real Chromium: actions by the page and the server's state they end in. Where nothing can be run, "
        "a rule on the text"
    )
    candidate_rule: ClassVar[str] = (
        "assistant turns that search, open or look through a page, act on it, or give the answer"
    )

    def __init__(self) -> None:
        self.comparator: BrowsingComparator = BrowsingComparator()

    def world(self) -> BrowsingWorld:
        """See `Domain.world`."""
        return BrowsingWorld()

    def executable(self, origin: Origin) -> bool:
        """See `Domain.executable`."""
        return origin.kind not in NOT_EXECUTED

    def steady(self, action: Action) -> bool:
        """See `Domain.steady`: neither a corpus nor a page's time moves by itself."""
        return True

    def asks(self, expert: Effects, candidate: Effects) -> tuple[str, ...]:
        """See `Domain.asks`: how a page's task goes on, where the states alone do not decide."""
        on_pages = "continues" in expert.detail and "continues" in candidate.detail
        return (CONTINUATION,) if on_pages and undecided(expert, candidate) else ()

    def details(self) -> dict[str, Any]:
        """See `Domain.details`: whether pages can be opened here."""
        why = chromium.missing()
        return {"pages": {"available": why is None, **({"missing": why} if why else {}), "not_restored": NOT_RESTORED}}

    def candidates(self, trajectory: Trajectory) -> list[int]:
        """The trajectory's own list where it has one, else by `candidate_rule`."""
        if trajectory.candidates is not None:
            return list(trajectory.candidates)
        steps = list(steps_of(trajectory.messages))
        if is_page(trajectory.origin):
            return [turn for turn, step in enumerate(steps) if _acts_on_page(step)]
        return [turn for turn, step in enumerate(steps) if _candidate(step, last=turn == len(steps) - 1)]

    def tasks(self) -> Iterable[Task]:
        """Questions on the project's own corpus, and what can be done on pages."""
        return (*tasks.tasks(), *page_tasks.tasks())

    def gold(self, task: Task) -> list[list[Action]]:
        """See `Domain.gold`: on pages an oracle's run, in a browser."""
        return page_tasks.gold(task) if is_page(task.origin) else task.gold

    def attempts(self, task: Task) -> Iterable[Attempt]:
        """See `Domain.attempts`."""
        return page_tasks.attempts(task) if is_page(task.origin) else tasks.attempts(task)

    def use_judge(self, judge: MessageJudge | None) -> None:
        """See `Domain.use_judge`."""
        self.comparator.use(judge)


def _acts_on_page(step: Step) -> bool:
    """Whether an action does more than look."""
    return any(call.name != "look" for call in step.action.tool_calls)


def _candidate(step: Step, *, last: bool) -> bool:
    """Whether all calls of an action are of known tools and can be read; a message where it is the last word."""
    asked = requests_of(step.action)
    if not asked:
        return last and bool(step.action.content.strip())
    return all(request.does is not None and not request.problem for request in asked)


def domain() -> Browsing:
    """The domain, for the entry point."""
    return Browsing()
