"""One Chromium per process, and contexts made ready ahead.

Owns: starting Chromium, and again after a crash; the thread whose event loop drives it; the pool of contexts. Does not
own: where Chromium is, and its flags (`envs.browsing.pages.chromium`), or what happens in a context
(`envs.browsing.pages.session`).

Worlds are synchronous and live on a server's threads; they hand coroutines to `Browser.call`, which runs them on the
loop's thread. A context is used by one session and then closed, never by two. Chromium ends with the process that
started it, whichever way that ends: it is driven through a pipe, and leaves when the pipe closes.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Coroutine
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import TYPE_CHECKING, Any, TypeVar

from pivotgym.core.errors import Full, PivotGymError, WorldFailed
from pivotgym.envs.browsing.pages.chromium import FLAGS, executable, page_script, playwright

if TYPE_CHECKING:
    from playwright.async_api import Browser as Chromium
    from playwright.async_api import BrowserContext, CDPSession, Page, Playwright, Route

T = TypeVar("T")
START_S = 30.0
"""Within which Chromium must have started, and a context be ready."""
CLOSE_S = 30.0
"""Within which a context closes, or the browser is asked whether it answers at all."""
SWIFT_S = 2.0
"""Within which an empty page answers on a machine that is not too slow to judge others by their silence."""
CALL_S = 120.0
"""Within which any call must have ended; the sessions' own deadlines are much shorter."""
WARM = 4
MAKING = 3
"""Contexts that are made at once: more of them only keep each other from being ready in time."""
QUIET_S = 2.0
"""How long a context that is made ahead lets calls go first; after that it is made beside them."""
MOST = 256
"""Contexts that live at once; further sessions are refused with `Full`."""
EPOCH_S = 1_700_000_000.0
"""When time begins in every page."""
DEFAULT_VIEWPORT = (1024, 768)


class Seat:
    """A context with its first tab, made ready for one session.

    Attributes:
        answer: What answers the context's requests; set by the session that takes the seat.
        lost: Whether the browser that it lived in is gone.
    """

    def __init__(self, context: BrowserContext, viewport: tuple[int, int]) -> None:
        self.context = context
        self.viewport = viewport
        self.answer: Callable[[Route], Coroutine[Any, Any, None]] | None = None
        self.page: Page | None = None
        self.cdp: CDPSession | None = None
        self.lost = False

    async def answered(self, route: Route) -> None:
        """Answers a request; before a session has taken the seat there is none to answer."""
        if self.answer is None:
            await route.abort("blockedbyclient")
        else:
            await self.answer(route)


class Browser:
    """Chromium, started when it is first needed, on an event loop of its own. Thread-safe.

    Args:
        warm: How many contexts are kept ready.
        most: How many may live at once.
    """

    def __init__(self, *, warm: int = WARM, most: int = MOST) -> None:
        self._warm, self._most = warm, most
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._driver: Playwright | None = None
        self._chromium: Chromium | None = None
        self._starting: asyncio.Lock | None = None
        self._making: asyncio.Semaphore | None = None
        self._quiet: asyncio.Event | None = None
        self._calls = 0
        self._ready: dict[tuple[int, int], deque[Seat]] = {}
        self._seats: set[Seat] = set()
        self._filling: asyncio.Task[None] | None = None
        self._empty: Seat | None = None
        self._asking: asyncio.Task[bool] | None = None
        self._pid: int | None = None
        self.launches = 0

    def call(self, work: Coroutine[Any, Any, T], within_s: float = CALL_S) -> T:
        """Run a coroutine on the browser's loop and wait for it.

        Raises:
            WorldFailed: If it did not end in time.
        """
        future = asyncio.run_coroutine_threadsafe(self._counted(work), self._running())
        try:
            return future.result(within_s)
        except FutureTimeoutError:
            future.cancel()
            raise WorldFailed(f"browser: a call did not end within {within_s:g} s") from None

    async def _counted(self, work: Coroutine[Any, Any, T]) -> T:
        """A call that somebody waits for: nothing is made ahead meanwhile."""
        assert self._quiet is not None
        self._calls += 1
        self._quiet.clear()
        try:
            return await work
        finally:
            self._calls -= 1
            if not self._calls:
                self._quiet.set()

    def post(self, work: Coroutine[Any, Any, Any]) -> None:
        """Run a coroutine on the browser's loop and don't wait."""
        asyncio.run_coroutine_threadsafe(work, self._running())

    async def take(self, viewport: tuple[int, int] = DEFAULT_VIEWPORT) -> Seat:
        """A fresh context for one session. On the loop's thread.

        Raises:
            Full: If too many live already.
            WorldFailed: If the browser does not start.
            MissingDependency: If there is none.
        """
        if sum(seat.answer is not None for seat in self._seats) >= self._most:
            raise Full(f"pages: {self._most} contexts are open already", retry_after_s=5.0)
        seat = await self._prepared(viewport)
        self._refill(viewport)
        return seat

    async def _prepared(self, viewport: tuple[int, int]) -> Seat:
        waiting = self._ready.get(viewport)
        while waiting:
            seat = waiting.popleft()
            if not seat.lost:
                return seat
        return await self._made(viewport)

    async def swift(self, viewport: tuple[int, int]) -> bool:
        """Whether an empty page of its own opens and answers within `SWIFT_S`. On the loop's thread.

        One page is asked for all: where many sessions doubt at once, a page for each would be what makes them slow.

        Raises:
            WorldFailed: If it does not answer at all.
        """
        if self._asking is None or self._asking.done():
            self._asking = asyncio.get_running_loop().create_task(self._asked(viewport))
        return await asyncio.shield(self._asking)

    async def _asked(self, viewport: tuple[int, int]) -> bool:
        if self._empty is None or self._empty.lost:
            self._empty = await self._prepared(viewport)
        page = self._empty.page
        assert page is not None
        clock = asyncio.get_running_loop().time
        began = clock()
        try:
            async with asyncio.timeout(START_S):
                await page.goto("about:blank", timeout=0)
                await page.evaluate("1")
            return clock() - began < SWIFT_S
        except (playwright().Error, TimeoutError):
            seat, self._empty = self._empty, None
            self.post(self.release(seat))
            raise WorldFailed(f"browser: it did not answer within {START_S:g} s") from None

    async def release(self, seat: Seat) -> None:
        """Close a context. On the loop's thread.

        One that does not close within `CLOSE_S` closes when it can, where the browser still answers, and counts as
        open until then; a browser that does not answer is ended, with all that lives in it.
        """
        if seat.lost:
            self._seats.discard(seat)
            return
        closing = asyncio.ensure_future(seat.context.close())
        closing.add_done_callback(lambda ended: self._released(seat, ended))
        await asyncio.wait({closing}, timeout=CLOSE_S)
        if not closing.done() and not await self._answers():
            self._drop()

    def _released(self, seat: Seat, ended: asyncio.Future[None]) -> None:
        """A context is closed, or its browser went meanwhile: nothing is left to close."""
        self._seats.discard(seat)
        seat.lost = seat.lost or ended.cancelled() or ended.exception() is not None

    async def _answers(self) -> bool:
        """Whether the browser itself answers, whatever its pages do."""
        asking = asyncio.ensure_future(self._process())
        await asyncio.wait({asking}, timeout=START_S)
        return asking.done() and not asking.cancelled() and asking.exception() is None

    @property
    def open_contexts(self) -> int:
        """Contexts that are open, waiting ones included."""
        return len(self._seats)

    def pid(self) -> int:
        """Chromium's process.

        Raises:
            WorldFailed: If it does not run.
        """
        return self.call(self._process())

    async def _process(self) -> int:
        if self._chromium is None:
            raise WorldFailed("browser: it does not run")
        cdp = await self._chromium.new_browser_cdp_session()
        found = await cdp.send("SystemInfo.getProcessInfo")
        await cdp.detach()
        return next(int(one["id"]) for one in found["processInfo"] if one["type"] == "browser")

    def close(self) -> None:
        """End Chromium and the thread; a later call starts them again."""
        with self._lock:
            loop, self._loop = self._loop, None
        if loop is None:
            return
        future = asyncio.run_coroutine_threadsafe(self._stop(), loop)
        try:
            future.result(START_S)
        finally:
            loop.call_soon_threadsafe(loop.stop)

    def _running(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._starting, self._making = asyncio.Lock(), asyncio.Semaphore(MAKING)
                self._quiet, self._calls, self._asking = asyncio.Event(), 0, None
                threading.Thread(target=self._loop.run_forever, name="pivotgym-browser", daemon=True).start()
            return self._loop

    async def _launched(self) -> Chromium:
        assert self._starting is not None
        async with self._starting:
            if self._chromium is not None and self._chromium.is_connected():
                return self._chromium
            api, path = playwright(), executable()
            try:
                if self._driver is None:
                    self._driver = await api.async_playwright().start()
                self._chromium = await self._driver.chromium.launch(
                    executable_path=path,
                    args=list(FLAGS),
                    chromium_sandbox=os.geteuid() != 0,
                    handle_sigint=False,
                    handle_sigterm=False,
                    handle_sighup=False,
                    timeout=START_S * 1000,
                )
            except api.Error as error:
                reason = str(error).strip().splitlines()[0][:300]
                raise WorldFailed(f"browser: Chromium at {path} did not start: {reason}") from error
            self.launches += 1
            self._pid = await self._process()
            self._chromium.on("disconnected", lambda _: self._gone())
            return self._chromium

    def _gone(self) -> None:
        """Chromium went: all that lived in it is lost, and the next session starts another."""
        for seat in self._seats:
            seat.lost = True
        self._seats.clear()
        self._ready.clear()
        self._chromium = None

    async def _made(self, viewport: tuple[int, int]) -> Seat:
        chromium = await self._launched()
        assert self._making is not None
        try:
            async with self._making, asyncio.timeout(START_S):
                making = asyncio.ensure_future(_context(chromium, viewport))
                try:
                    context = await asyncio.shield(making)
                except asyncio.CancelledError:
                    making.add_done_callback(_unwanted)
                    raise
                return await self._furnished(Seat(context, viewport))
        except (playwright().Error, TimeoutError) as error:
            raise WorldFailed(f"browser: no context could be made: {str(error)[:300]}") from error

    async def _furnished(self, seat: Seat) -> Seat:
        """A context with its script, its requests led to us, and its first tab; closed where that fails."""
        self._seats.add(seat)
        try:
            await seat.context.add_init_script(page_script())
            await seat.context.route("**/*", seat.answered)
            seat.page = await seat.context.new_page()
            seat.cdp = await stopped(seat.context, seat.page)
        except BaseException:
            await self.release(seat)
            raise
        return seat

    def _refill(self, viewport: tuple[int, int]) -> None:
        if self._filling is None or self._filling.done():
            self._filling = asyncio.get_running_loop().create_task(self._fill(viewport))

    async def _fill(self, viewport: tuple[int, int]) -> None:
        """Makes contexts of the size that was asked for last; closes waiting ones of others."""
        idle = [seat for size, seats in self._ready.items() if size != viewport for seat in seats]
        self._ready = {viewport: self._ready.get(viewport, deque())}
        for seat in idle:
            await self.release(seat)
        while len(self._ready.get(viewport, ())) < self._warm:
            await self._undisturbed()
            if self._making is not None and self._making.locked():
                return  # sessions wait for contexts of their own; the next one that takes a seat begins this again
            try:
                seat = await self._made(viewport)
            except PivotGymError:
                return  # whoever takes a seat next is told why there is none
            self._ready.setdefault(viewport, deque()).append(seat)

    async def _undisturbed(self) -> None:
        """Waits for a moment in which nobody waits for a page: a context made ahead costs as much as a reset."""
        assert self._quiet is not None
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._quiet.wait(), QUIET_S)

    def _drop(self) -> None:
        """Ends a Chromium that no longer answers; it would not end by being asked to."""
        pid, self._pid = self._pid, None
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._gone()

    async def _stop(self) -> None:
        if self._filling is not None:
            self._filling.cancel()
        if self._chromium is not None:
            await self._chromium.close()
        if self._driver is not None:
            await self._driver.stop()
        self._driver = self._chromium = None
        self._gone()


async def _context(chromium: Chromium, viewport: tuple[int, int]) -> BrowserContext:
    width, height = viewport
    return await chromium.new_context(
        viewport={"width": width, "height": height},
        device_scale_factor=1,
        locale="en-US",
        timezone_id="UTC",
        reduced_motion="reduce",
        service_workers="block",
        accept_downloads=False,
    )


def _unwanted(made: asyncio.Future[BrowserContext]) -> None:
    """Closes a context that came after whoever asked for it had given up: nobody else knows of it."""
    if not made.cancelled() and made.exception() is None:
        closing = made.get_loop().create_task(made.result().close())
        closing.add_done_callback(lambda ended: ended.cancelled() or ended.exception())


async def stopped(context: BrowserContext, page: Page) -> CDPSession:
    """A page's own session of the debugging protocol, telling what happens, with its time stopped at the beginning."""
    cdp = await context.new_cdp_session(page)
    await cdp.send("Page.enable")
    await cdp.send("Emulation.setVirtualTimePolicy", {"policy": "pause", "initialVirtualTime": EPOCH_S})
    return cdp


_shared: Browser | None = None
_shared_lock = threading.Lock()


def shared() -> Browser:
    """The process's browser."""
    global _shared
    with _shared_lock:
        if _shared is None:
            _shared = Browser()
            atexit.register(_shared.close)
        return _shared
