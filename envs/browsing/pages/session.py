"""A live browser session: one context, its tabs, and the site that answers all their requests.

Owns: tabs that open, close, hang or crash, dialogs, and reading the whole state. Does not own: the browser
(`envs.browsing.pages.browser`), time (`envs.browsing.pages.clock`), requests (`envs.browsing.pages.answering`), what an
action does (`envs.browsing.pages.actions`), or states that are kept (`envs.browsing.pages.snapshot`).

**Hanging or slow.** A page that does not answer within the deadline has lost its tab, which is an effect of the action;
a machine that is too slow is an error. What tells them apart is an empty page of our own: only while that answers
swiftly is the silence of another its own.

All coroutines run on the browser's loop.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urljoin

from pivotgym.core.errors import PivotGymError, WorldFailed
from pivotgym.envs.browsing.pages.answering import Answers, host_of
from pivotgym.envs.browsing.pages.browser import Browser, Seat, stopped
from pivotgym.envs.browsing.pages.clock import Clock
from pivotgym.envs.browsing.pages.contract import Site
from pivotgym.envs.browsing.pages.tabs import Reading, Tab, TabLost

if TYPE_CHECKING:
    from playwright.async_api import CDPSession, Dialog, Frame, Page, Route

T = TypeVar("T")
WINDOW_S = 6.0
"""Within which a window that a page opens has arrived, where the browser answers swiftly."""
DEADLINE_S = 20.0
"""Within which a page must answer; then its tab is closed, as a user would close it."""
PATIENCE = 3
"""Deadlines that a page gets on a machine that is too slow to tell, before that is an error."""
TABS = 12
"""Tabs that a session has at most; a window that is opened beyond is closed."""


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
        self.clock = Clock(self)
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
        cdp.on("Page.windowOpen", lambda event: self._opens(str(event.get("url", ""))))
        cdp.on("Page.frameRequestedNavigation", lambda _: self._moved(tab))
        cdp.on("Page.frameStoppedLoading", lambda _: tab.stopped.set() if tab.vain else None)
        page.on("framenavigated", lambda frame: self._navigated(tab, frame))
        page.on("dialog", lambda dialog: self._spawn(self._dialog(dialog)))
        page.on("download", lambda download: self._downloaded(tab, download.url))
        page.on("crash", lambda _: self._lose(tab, "crashed"))
        page.on("close", lambda _: self._lose(tab, tab.lost or "closed"))
        return tab

    def _opens(self, address: str) -> None:
        """A page is about to open another, which arrives later; one that is off-site may never."""
        if not address or address.startswith("about:") or self.answers.ours(address):
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
        if len(self.tabs) >= TABS:
            self.note(f"a new tab was closed at once: {TABS} are open")
            await page.close()
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
        await self.arrivals_done()
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
        frame = self._frame(route)
        return next((tab for tab in self.tabs.values() if frame == tab.page.main_frame), None)

    def tab_around(self, route: Route) -> Tab | None:
        """The tab in which a request was made, by its document or one of its frames."""
        frame = self._frame(route)
        return next((tab for tab in self.tabs.values() if frame is not None and frame.page == tab.page), None)

    def _frame(self, route: Route) -> Frame | None:
        try:
            return route.request.frame
        except Exception as error:
            self.unless_gone(error)
            return None

    # --- what is awaited

    async def arrivals_done(self) -> None:
        """Waits for windows that are about to open, dialogs and tabs that are about to close."""
        while self._due:
            self._came.clear()
            try:
                await asyncio.wait_for(self._came.wait(), WINDOW_S)
            except TimeoutError:
                if not await self.browser.swift(self.seat.viewport):
                    raise WorldFailed("browser: too slow to tell whether a page opened a new tab") from None
                self._due = 0  # one whose answer has no content never arrives
        while self._arrivals:
            waiting, self._arrivals = self._arrivals, []
            await asyncio.gather(*waiting)

    async def guarded(self, tab: Tab, work: Awaitable[T]) -> T:
        """Something that a page must answer within the deadline.

        Raises:
            TabLost: If the tab hangs (it is then closed), crashes or closes meanwhile.
            WorldFailed: If the browser itself is gone, or no longer answers.
        """
        waited = asyncio.ensure_future(work)
        try:
            if not await self._answered(tab, waited):
                await self._hung(tab)
                raise TabLost
            return waited.result()
        except (TabLost, PivotGymError):
            raise
        except Exception as error:
            self.unless_gone(error)
            if tab.number not in self.tabs or tab.lost:
                raise TabLost from None
            raise WorldFailed(f"browser: {str(error).strip().splitlines()[0][:300]}") from error
        finally:
            waited.cancel()

    async def _answered(self, tab: Tab, waited: asyncio.Future[T]) -> bool:
        """Whether a page answers; not if it is silent from one swift answer of another page to the next."""
        swift = 0
        for _ in range(2 * PATIENCE):
            await asyncio.wait({waited}, timeout=self.deadline_s / 2)
            if waited.done():
                return True
            if tab.lost:
                raise TabLost
            swift = swift + 1 if await self.browser.swift(self.seat.viewport) else 0
            if swift == 2:
                return waited.done()
        raise WorldFailed(f"browser: too slow to tell whether a page hangs ({PATIENCE * self.deadline_s:g} s)")

    async def _hung(self, tab: Tab) -> None:
        """Closes a tab whose page does not answer."""
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
        self.check()
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
        found = await self.clock.drawing(self.tab, self.tab.cdp.send("Page.captureScreenshot", {"format": "png"}))
        return str(found["data"])

    async def close(self) -> None:
        """Closes the context."""
        await self.browser.release(self.seat)

    def check(self) -> None:
        """Raises `WorldFailed` if the browser is gone or the site broke."""
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
