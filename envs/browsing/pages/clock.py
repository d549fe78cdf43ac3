"""Time in a session's pages: granted to all tabs after an action, standing still in between.

Owns: virtual time, when a page is quiet, and time that waits for a load which never comes. Does not own: tabs, and how
long a page that does not answer is waited for (`envs.browsing.pages.session`).

A page's time stands still but for `BUDGET_MS` of virtual time after each action, in which timers, network answers and
navigations happen as fast as the machine allows, always in the same order. So nothing ever sleeps, the same actions
give the same page, and what a page does later than that after an action it never does. No amount of the machine's own
time decides what a page has lived: `NUDGE_S` and `STUCK_S` only say how often it is looked whether its time stands.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

from pivotgym.core.errors import WorldFailed
from pivotgym.envs.browsing.pages.tabs import Tab, TabLost

if TYPE_CHECKING:
    from pivotgym.envs.browsing.pages.session import Session

T = TypeVar("T")
BUDGET_MS = 1000
FRAME_MS = 20
NUDGE_S = 0.5
"""After which time is looked at that may wait for a navigation that ended in nothing."""
STUCK_S = 1.0
"""After which it is looked at otherwise; what stands still from one look to the next is stuck."""
ROUNDS = 25


class Clock:
    """The time of one session's tabs.

    Args:
        session: Whose.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    async def settle(self) -> None:
        """Grants time to all tabs until none moves any more.

        Raises:
            WorldFailed: If the browser is gone or too slow, or the site broke.
        """
        session = self._session
        for tab in session.tabs.values():
            tab.due = tab.age + BUDGET_MS
        for _ in range(ROUNDS):
            await session.arrivals_done()
            before = {number: tab.moved for number, tab in session.tabs.items()}
            young = False
            for tab in list(session.tabs.values()):
                try:
                    young |= await session.guarded(tab, self._granted(tab))
                except TabLost:
                    continue
            await session.arrivals_done()
            if not young and before == {number: tab.moved for number, tab in session.tabs.items()}:
                break
        else:
            session.note("the page keeps loading")
        for tab in session.tabs.values():
            _remember(tab)
            tab.loads = tab.frames = 0
        session.check()

    async def drawing(self, tab: Tab, work: Coroutine[Any, Any, T]) -> T:
        """Something that waits for a page to draw, which it does not while its time stands still: it gets frames."""
        awaited = asyncio.ensure_future(work)

        async def drawn() -> T:
            while not awaited.done():
                await self._passed(tab, FRAME_MS)
                await asyncio.wait({awaited}, timeout=FRAME_MS / 1000)
            return await awaited

        try:
            return await self._session.guarded(tab, drawn())
        finally:
            awaited.cancel()

    async def _granted(self, tab: Tab) -> bool:
        """What time a document is still due; whether that is not all yet, or it is still loading.

        A new document is due as much as an action on an old one, so that the time a page has lived depends on what was
        done, not on how fast this machine is.
        """
        await self._passed(tab, max(FRAME_MS, round(tab.due - tab.age)))
        try:
            clock = await tab.page.evaluate("__pivotgym.clock()")
        except Exception as error:
            self._session.unless_gone(error)
            return "navigat" in str(error)
        if not isinstance(clock, dict):
            raise WorldFailed(
                f"browser: the page at {tab.page.url[:200]} cannot be read: it replaced what reading needs"
            )
        if clock["fresh"]:
            tab.due = BUDGET_MS
        tab.age = float(clock["age"])
        return not clock["ready"] or tab.age < tab.due - FRAME_MS

    async def _passed(self, tab: Tab, budget_ms: int) -> None:
        """Lets virtual time pass, and waits until it has."""
        tab.expired.clear()
        tab.stopped.clear()
        answers = self._session.answers
        policy = {"policy": "pauseIfNetworkFetchesPending", "budget": budget_ms}
        await tab.cdp.send("Emulation.setVirtualTimePolicy", policy)
        stood: tuple[float, int] | None = None
        while not tab.expired.is_set():
            await _either(tab.expired, tab.stopped, NUDGE_S if tab.vain else STUCK_S)
            if tab.expired.is_set() or answers.flying:
                stood = None
                continue
            age = await self._age(tab)
            stands = None if age is None else (age, answers.answered)
            if age is not None and (tab.vain or stands == stood):
                await self._nudged(tab, budget_ms, age)
            stood = stands

    async def _age(self, tab: Tab) -> float | None:
        """How many milliseconds a document has lived; `None` while it is replaced."""
        try:
            return float(await tab.page.evaluate("performance.now()"))
        except Exception as error:
            self._session.unless_gone(error)
            return None

    async def _nudged(self, tab: Tab, budget_ms: int, age: float) -> None:
        """Lets time go on that waits for good for a navigation or a picture that the page itself gave up."""
        tab.vain = False
        tab.stopped.clear()
        left = min(budget_ms, max(FRAME_MS, round(tab.due - age)))
        if not tab.expired.is_set():
            await tab.cdp.send("Emulation.setVirtualTimePolicy", {"policy": "advance", "budget": left})


def _remember(tab: Tab) -> None:
    """An address that a tab left can be gone back to."""
    shown = tab.page.url
    if shown.startswith("about:"):
        return
    if tab.at and tab.at != shown:
        tab.past.append(tab.at)
    tab.at = shown


async def _either(one: asyncio.Event, other: asyncio.Event, within_s: float) -> None:
    """Waits for one of two events, no longer than that."""
    waits = [asyncio.ensure_future(event.wait()) for event in (one, other)]
    try:
        await asyncio.wait(waits, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
