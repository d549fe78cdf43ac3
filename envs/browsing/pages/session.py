"""A live browser session: one context, its tabs, and the site that answers all their requests.

Owns: stopping and granting time, tabs that open, close, hang or crash, dialogs, and reading the whole state. Does not
own: the browser (`envs.browsing.pages.browser`), requests (`envs.browsing.pages.answering`), what an action does
(`envs.browsing.pages.actions`), or states that are kept (`envs.browsing.pages.snapshot`).

**Time.** A page's time stands still but for `BUDGET_MS` of virtual time after each action, in which timers, network
answers and navigations happen as fast as the machine allows, always in the same order. So nothing ever sleeps, the same
actions give the same page, and what a page does later than that after an action it never does.

All coroutines run on the browser's loop.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urljoin

from pivotgym.core.errors import PivotGymError, WorldFailed
from pivotgym.envs.browsing.pages.answering import Answers, host_of
from pivotgym.envs.browsing.pages.browser import START_S, Browser, Seat, stopped
from pivotgym.envs.browsing.pages.contract import Site
from pivotgym.envs.browsing.pages.tabs import Reading, Tab, TabLost

if TYPE_CHECKING:
    from playwright.async_api import CDPSession, Dialog, Frame, Page, Route

T = TypeVar("T")
BUDGET_MS = 1000
FRAME_MS = 20
NUDGE_S = 0.5
STUCK_S = 2.0
"""After which time that does not pass, while no request is being answered, waits for none any more."""
WINDOW_S = 3.0
DEADLINE_S = 20.0
"""Within which a page must answer; then its tab is closed, as a user would close it."""
ROUNDS = 25


class Session:
    """One context with a site behind it.

    Args:
        browser: Where the context lives.
        seat: The context; the session owns it from now on.
        site: What answers its requests; started, or a fork.
        deadline_s: Within which a page must answer.
    """

    def __init__(self, browser: Browser, seat: Seat, site: Site, deadline_s: float = DEADLINE_S) -> None:
        self.browser, self.seat, self.site, self.deadline_s = browser, seat, site, deadline_s
        self.notes: list[str] = []
        self.tabs: dict[int, Tab] = {}
        self.front = 0
        self.hosts: set[str] = set()
        self.answers = Answers(self, site)
        self._opened = 0
        self._due = 0
        self._came = asyncio.Event()
        self._arrivals: list[asyncio.Task[None]] = []
        seat.answer = self.answers.answer
        assert seat.page is not None
        assert seat.cdp is not None
        self._adopt(seat.page, seat.cdp)
        seat.context.on("page", self._arrived)

    # --- tabs

    @property
    def tab(self) -> Tab:
        """The tab in front.

        Raises:
            TabLost: If no tab is open.
        """
        if self.front not in self.tabs:
            raise TabLost
        return self.tabs[self.front]

    def _adopt(self, page: Page, cdp: CDPSession) -> Tab:
        self._opened += 1
        tab = Tab(self._opened, page, cdp)
        self.tabs[tab.number] = tab
        self.front = tab.number
        cdp.on("Emulation.virtualTimeBudgetExpired", lambda _: tab.expired.set())
        cdp.on("Page.windowOpen", lambda _: self._opens())
        cdp.on("Page.frameRequestedNavigation", lambda _: self._moved(tab))
        cdp.on("Page.frameStoppedLoading", lambda _: tab.stopped.set() if tab.vain else None)
        page.on("framenavigated", lambda frame: self._navigated(tab, frame))
        page.on("dialog", lambda dialog: self._spawn(self._dialog(dialog)))
        page.on("download", lambda download: self._downloaded(tab, download.url))
        page.on("crash", lambda _: self._lose(tab, "crashed"))
        page.on("close", lambda _: self._lose(tab, tab.lost or "closed"))
        self._spawn(self._watch(cdp))
        return tab

    async def _watch(self, cdp: CDPSession) -> None:
        try:
            await cdp.send("Page.enable")
        except Exception as error:
            self.unless_gone(error)

    def _opens(self) -> None:
        """A page is about to open another, which arrives later."""
        self._due += 1

    def _arrived(self, page: Page) -> None:
        """A page opened another: a pop-up or a link to a new tab; it comes to the front."""
        self._due = max(0, self._due - 1)
        self._came.set()
        self._spawn(self._joined(page))

    async def _joined(self, page: Page) -> None:
        if any(tab.page is page for tab in self.tabs.values()) or page.is_closed():
            return
        try:
            cdp = await stopped(self.seat.context, page)
        except Exception as error:
            self.unless_gone(error)
            return
        if any(tab.page is page for tab in self.tabs.values()):
            return
        tab = self._adopt(page, cdp)
        self.note(f"a new tab [{tab.number}] opened")

    def _lose(self, tab: Tab, why: str) -> None:
        """A tab is gone; the one opened last comes to the front."""
        tab.lost = tab.lost or why
        tab.expired.set()
        tab.stopped.set()
        if self.tabs.pop(tab.number, None) is not None:
            self.note(f"tab [{tab.number}] {tab.lost}")
            if self.front == tab.number:
                self.front = max(self.tabs, default=0)
            if why == "crashed":
                self._spawn(self._closed(tab))

    async def new_tab(self) -> Tab:
        """Opens an empty tab in front."""
        page = await self.seat.context.new_page()
        await self._arrivals_done()
        found = next((tab for tab in self.tabs.values() if tab.page is page), None)
        if found is None:
            raise TabLost
        return found

    def resolved(self, given: str) -> str | None:
        """An address as it is opened, relative to the tab in front; `None` for one that is off-site."""
        base = self.tab.at if self.front in self.tabs and self.tab.at else self.site.addresses[0] + "/"
        try:
            address = urljoin(base, given.strip())
            return address if self.answers.ours(address) else None
        except ValueError:
            return None

    async def goto(self, tab: Tab, address: str, *, remember: bool = True, referer: str | None = None) -> None:
        """Opens an address.

        Args:
            tab: Where.
            address: One of the site's.
            remember: Whether `back` leads to the address that the tab leaves.
            referer: Where it is said to be linked.
        """
        if not remember:
            tab.at = address
        await self.guarded(tab, self._opened_at(tab, address, referer))

    async def _opened_at(self, tab: Tab, address: str, referer: str | None) -> None:
        from playwright.async_api import Error

        try:
            await tab.page.goto(address, wait_until="commit", timeout=0, referer=referer)
        except Error as error:
            if tab.lost or self.seat.lost or "net::" not in str(error):
                raise
            self.note("the page did not open: " + str(error).partition("net::")[2].split()[0])

    def restored(self, tab: Tab, number: int, past: list[str]) -> None:
        """Gives a tab the number and the past that it had."""
        del self.tabs[tab.number]
        tab.number, tab.past = number, past
        self.tabs[number], self.front = tab, number
        self._opened = max(self._opened, number)

    async def close_tab(self, tab: Tab, why: str = "closed") -> None:
        """Closes a tab without asking its page."""
        tab.lost = why
        await self._closed(tab)
        self._lose(tab, why)

    async def _closed(self, tab: Tab) -> None:
        try:
            await asyncio.wait_for(tab.page.close(), self.deadline_s)
        except TimeoutError:
            raise WorldFailed(f"browser: tab {tab.number} could not be closed") from None
        except Exception as error:
            self.unless_gone(error)

    def _downloaded(self, tab: Tab, address: str) -> None:
        self.note(f"a download was refused: {address[:200]}")
        tab.vain = True
        tab.stopped.set()

    def _moved(self, tab: Tab) -> None:
        tab.moved += 1

    def _navigated(self, tab: Tab, frame: Frame) -> None:
        tab.moved += 1
        if frame == tab.page.main_frame and self.answers.ours(frame.url):
            self.hosts.add(host_of(frame.url))

    async def _dialog(self, dialog: Dialog) -> None:
        """Dialogs are accepted; a prompt with the text it suggests."""
        said = f" {dialog.message[:300]!r}" if dialog.message else ""
        self.note(f"a dialog ({dialog.type}) said{said}; it was accepted")
        try:
            await dialog.accept(dialog.default_value if dialog.type == "prompt" else "")
        except Exception as error:
            self.unless_gone(error)

    def note(self, text: str) -> None:
        """Something that no page shows happened; equal notes are told once."""
        if text not in self.notes and len(self.notes) < 20:
            self.notes.append(text)

    def tab_of(self, route: Route) -> Tab | None:
        """The tab whose main document a request is for; that of a tab that is still opening is not known yet."""
        try:
            frame = route.request.frame
        except Exception as error:
            self.unless_gone(error)
            return None
        return next((tab for tab in self.tabs.values() if frame == tab.page.main_frame), None)

    # --- time

    async def settle(self) -> None:
        """Grants time to all tabs until none moves any more.

        Raises:
            WorldFailed: If the browser is gone, or the site broke.
        """
        for tab in self.tabs.values():
            tab.due = tab.age + BUDGET_MS
        for _ in range(ROUNDS):
            await self._arrivals_done()
            before = {number: tab.moved for number, tab in self.tabs.items()}
            young = False
            for tab in list(self.tabs.values()):
                try:
                    young |= await self.guarded(tab, self._granted(tab))
                except TabLost:
                    continue
            await self._arrivals_done()
            if not young and before == {number: tab.moved for number, tab in self.tabs.items()}:
                break
        else:
            self.note("the page keeps loading")
        for tab in self.tabs.values():
            self._remember(tab)
        self._check()

    def _remember(self, tab: Tab) -> None:
        """An address that a tab left can be gone back to."""
        shown = tab.page.url
        if shown.startswith("about:"):
            return
        if tab.at and tab.at != shown:
            tab.past.append(tab.at)
        tab.at = shown

    async def _granted(self, tab: Tab) -> bool:
        """What time a document is still due; whether that is not all yet, or it is still loading.

        A new document is due as much as an action on an old one, so that the time a page has lived depends on what was
        done, not on how fast this machine is.
        """
        await self._passed(tab, max(FRAME_MS, round(tab.due - tab.age)))
        try:
            clock = await tab.page.evaluate("__pivotgym.clock()")
        except Exception as error:
            self.unless_gone(error)
            return "navigat" in str(error)
        if clock["fresh"]:
            tab.due = BUDGET_MS
        tab.age = float(clock["age"])
        return not clock["ready"] or tab.age < tab.due - FRAME_MS

    async def _passed(self, tab: Tab, budget_ms: int) -> None:
        """Lets virtual time pass, and waits until it has."""
        tab.expired.clear()
        tab.stopped.clear()
        policy = {"policy": "pauseIfNetworkFetchesPending", "budget": budget_ms}
        await tab.cdp.send("Emulation.setVirtualTimePolicy", policy)
        while not tab.expired.is_set():
            waits = [asyncio.ensure_future(event.wait()) for event in (tab.expired, tab.stopped)]
            try:
                within = NUDGE_S if tab.vain else STUCK_S
                await asyncio.wait(waits, timeout=within, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for wait in waits:
                    wait.cancel()
            if not tab.expired.is_set() and not self.answers.flying:
                await self._nudged(tab, budget_ms)

    async def _nudged(self, tab: Tab, budget_ms: int) -> None:
        """Lets time go on that waits for good for a navigation or a picture that the page itself gave up."""
        tab.vain = False
        tab.stopped.clear()
        try:
            age = float(await tab.page.evaluate("performance.now()"))
        except Exception as error:
            self.unless_gone(error)
            return
        left = min(budget_ms, max(FRAME_MS, round(tab.due - age)))
        if not tab.expired.is_set():
            await tab.cdp.send("Emulation.setVirtualTimePolicy", {"policy": "advance", "budget": left})

    async def _arrivals_done(self) -> None:
        while self._due:
            self._came.clear()
            try:
                await asyncio.wait_for(self._came.wait(), WINDOW_S)
            except TimeoutError:
                self._due = 0  # one whose address was refused may never arrive
        while self._arrivals:
            waiting, self._arrivals = self._arrivals, []
            await asyncio.gather(*waiting)

    async def guarded(self, tab: Tab, work: Awaitable[T]) -> T:
        """Something that a page must answer within the deadline.

        Raises:
            TabLost: If the tab hangs (it is then closed), crashes or closes meanwhile.
            WorldFailed: If the browser itself is gone, or no longer answers.
        """
        try:
            return await asyncio.wait_for(work, self.deadline_s)
        except TimeoutError:
            await self._hung(tab)
            raise TabLost from None
        except TabLost:
            raise
        except PivotGymError:
            raise
        except Exception as error:
            self.unless_gone(error)
            if tab.number not in self.tabs or tab.lost:
                raise TabLost from None
            raise WorldFailed(f"browser: {str(error).strip().splitlines()[0][:300]}") from error

    async def _hung(self, tab: Tab) -> None:
        """Closes a tab whose page does not answer, once it is known that the browser itself does."""
        if not await self.browser.alive(self.seat.viewport, max(self.deadline_s, START_S)):
            raise WorldFailed(f"browser: it did not answer within {self.deadline_s:g} s")
        try:
            # Tabs that opened each other share a process: the script must end for the others to live on.
            await asyncio.wait_for(tab.cdp.send("Runtime.terminateExecution"), self.deadline_s)
        except TimeoutError:
            self.note(f"tab [{tab.number}] did not stop")
        except Exception as error:
            self.unless_gone(error)
        await self.close_tab(tab, "did not answer any more and was closed")

    # --- reading

    async def read(self) -> Reading:
        """The whole state.

        Raises:
            WorldFailed: If the browser is gone, or the site broke.
        """
        tabs: dict[int, dict[str, Any]] = {}
        ended: dict[str, Any] = {}
        script = self.site.ended_script()
        for tab in list(self.tabs.values()):
            try:
                tabs[tab.number] = await self.guarded(tab, self._page_read(tab))
                if script is not None and tab.number == min(self.tabs):
                    given = await self.guarded(tab, tab.page.evaluate(script))
                    ended = json.loads(given) if isinstance(given, str) else given
            except TabLost:
                continue
        cookies = await self.seat.context.cookies() if not self.seat.lost else []
        self._check()
        known = [{k: v for k, v in cookie.items() if k != "expires"} for cookie in cookies]
        known.sort(key=lambda cookie: (cookie["name"], cookie["domain"], cookie["path"]))
        notes, self.notes = self.notes, []
        read = {number: tabs[number] for number in sorted(tabs) if number in self.tabs}
        past = {number: list(self.tabs[number].past) for number in read}
        return Reading(read, past, self.front, known, notes, ended)

    async def _page_read(self, tab: Tab) -> dict[str, Any]:
        # As text: playwright's own form of nested values costs several times as much.
        read = await tab.page.evaluate("window.__pivotgym ? __pivotgym.read() : ''")
        if not read:
            raise WorldFailed(f"browser: the page at {tab.page.url[:200]} cannot be read")
        found: dict[str, Any] = json.loads(read)
        return found

    async def photograph(self) -> str:
        """The tab in front as a PNG, in base64."""
        found = await self.drawing(self.tab, self.tab.cdp.send("Page.captureScreenshot", {"format": "png"}))
        return str(found["data"])

    async def drawing(self, tab: Tab, work: Coroutine[Any, Any, T]) -> T:
        """Something that waits for a page to draw, which it does not while its time stands still: it gets frames."""
        awaited = asyncio.ensure_future(work)

        async def drawn() -> T:
            while not awaited.done():
                await self._passed(tab, FRAME_MS)
                await asyncio.wait({awaited}, timeout=FRAME_MS / 1000)
            return await awaited

        return await self.guarded(tab, drawn())

    async def close(self) -> None:
        """Closes the context."""
        await self.browser.release(self.seat)

    def _check(self) -> None:
        if self.seat.lost:
            raise WorldFailed("browser: it ended while the session lived in it")
        if self.answers.broken is not None:
            raise WorldFailed(f"site {type(self.site).__name__}: it failed to answer: {self.answers.broken!r}"[:500])

    def _spawn(self, work: Any) -> None:
        self._arrivals.append(asyncio.get_running_loop().create_task(work))

    def unless_gone(self, error: BaseException) -> None:
        """An error of playwright's is a tab's or the browser's end, told elsewhere; any other is ours."""
        from playwright.async_api import Error

        if self.seat.lost:
            raise WorldFailed("browser: it ended while the session lived in it") from error
        if not isinstance(error, Error):
            self.answers.broken = self.answers.broken or error
            raise WorldFailed(f"browser: {error!r}"[:500]) from error
