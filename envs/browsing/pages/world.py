"""The world of browser pages: calls run in a real Chromium, states kept and forked.

Owns: actions -> effects, the origin's fields, and how a state becomes live again: a snapshot put into a fresh context
and compared, else its calls replayed and compared. Does not own: the session (`envs.browsing.pages.session`), tools
(`actions`), what is shown (`observing`), what a snapshot is (`snapshot`), or the sites.

Origins: `site` with `site`, a name, and the site's own fields; `miniwob`. Both may have `viewport` ([width, height] in
CSS pixels), `screenshot` (true: a PNG in the effects' detail), and, for pivots recorded elsewhere, `refs` (locators of
elements by number, which makes the tools those that name elements by `ref`) and `continuation` (the calls that follow
the expert's action; verdicts go by the page's own result after them).

A world that is forked or kept costs nothing until something is run in it: only then does it take a context.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

from pivotgym.core.canonical import digest
from pivotgym.core.errors import InputError, PivotRefused, WrongState
from pivotgym.core.messages import Action, ToolCall
from pivotgym.core.trajectory import Effects, Origin
from pivotgym.envs.base.contract import Task, World
from pivotgym.envs.browsing.pages import acting, actions, observing, snapshot
from pivotgym.envs.browsing.pages.browser import DEFAULT_VIEWPORT, Browser, shared
from pivotgym.envs.browsing.pages.contract import Site
from pivotgym.envs.browsing.pages.session import DEADLINE_S, Session
from pivotgym.envs.browsing.pages.sites import site_of
from pivotgym.envs.browsing.pages.tabs import Reading, TabLost

CONTINUATION = "continuation"
"""What `examine` is asked for: the page's own result after the origin's continuation."""
RESTING = 4
"""Contexts that kept states hold on to, for the first fork of each."""
_SIZES = range(100, 4001)


@dataclass(frozen=True)
class _Start:
    """What a state begins with: the origin's fields, read once."""

    fields: dict[str, Any]
    seed: int
    viewport: tuple[int, int]
    refs: dict[str, dict[str, Any]]
    by_ref: bool
    continuation: tuple[ToolCall, ...] | None
    screenshot: bool


@dataclass(frozen=True)
class _State:
    """A state without a browser: how it was reached, what it reads as, and its server's state."""

    start: _Start
    site: Site
    reading: Reading
    ran: tuple[ToolCall, ...] = ()
    answer: str | None = None
    kept: snapshot.Snapshot | None = None
    parts: dict[str, Any] = field(default_factory=dict)
    boxes: acting.Boxes = ()


class PageWorld(World):
    """Pages of one site in one context.

    Args:
        browser: Where contexts come from; by default the process's.
        deadline_s: Within which a page must answer.
    """

    version: ClassVar[str] = "1"
    stepwise: ClassVar[bool] = True

    def __init__(self, browser: Browser | None = None, deadline_s: float = DEADLINE_S) -> None:
        self._browser = browser
        self._deadline_s = deadline_s
        self._state: _State | None = None
        self._session: Session | None = None
        self._rests = False

    @property
    def browser(self) -> Browser:
        """Where contexts come from."""
        if self._browser is None:
            self._browser = shared()
        return self._browser

    @property
    def state(self) -> _State:
        """The present state.

        Raises:
            WrongState: Before `start`, or after `close`.
        """
        if self._state is None:
            raise WrongState("world: it is not started, or closed", hint="call start first")
        return self._state

    def start(self, origin: Origin, seed: int) -> None:
        """See `World.start`."""
        self._state, self._session = self.browser.call(self._opened(_start_of(origin, seed)))

    def identity(self, origin: Origin) -> Any:
        """See `World.identity`: the origin, with the version of its site."""
        fields = origin.model_dump()
        return {**fields, "site_version": site_of(fields).version}

    def run(self, action: Action) -> Effects:
        """Run the calls of an action in order.

        `detail` has `before` and `after`, the parts of the state (`observing.parts`); `notes`, what no page shows;
        `continues`, whether the origin has a continuation; and a `screenshot` where the origin asks for one.
        """
        before, began = self.digest(), self.state.parts
        observations: list[str] = []
        failed: list[bool] = []
        notes: list[str] = []
        invalid: str | None = None
        for call in action.tool_calls:
            text, error, rejected = self.browser.call(self._called(call))
            observations.append(text)
            failed.append(error)
            notes += self.state.reading.notes
            invalid = invalid or rejected
        detail: dict[str, Any] = {
            "before": began,
            "after": self.state.parts,
            "notes": notes,
            "continues": self.state.start.continuation is not None,
            "calls": [{"name": call.name, "arguments": call.arguments} for call in action.tool_calls],
        }
        if self.state.start.screenshot and action.tool_calls:
            detail["screenshot"] = self.browser.call(self._photographed())
        return Effects(
            observations=observations,
            state=self.digest(),
            before=before,
            invalid=invalid,
            failed=failed,
            detail=detail,
        )

    def fork(self) -> Self:
        """See `World.fork`. The copy takes a context when something is run in it."""
        copy = type(self)(self._browser, self._deadline_s)
        copy._state = replace(self.state, site=self.state.site.fork())
        if self._rests:
            copy._session = _resting.taken(self)
            if copy._session is not None:
                copy._state = replace(self.state, site=copy._session.site)
        return copy

    def keep(self, key: str) -> None:
        """See `World.keep`: the context rests for the first fork; later ones are restored from the snapshot."""
        session, self._session = self._session, None
        self._state = replace(self.state, site=self.state.site.fork())
        self._rests = True
        if session is not None:
            _resting.put(self, session)

    def digest(self) -> str:
        """See `World.digest`: all parts of the state, and where `back` leads."""
        return digest([self.state.parts, self.state.reading.past])

    def over(self) -> bool:
        """See `World.over`: after `done`, or once the page says that the task has ended."""
        return self.state.answer is not None or bool(self.state.reading.ended.get("done"))

    def outcome(self, task: Task) -> float:
        """See `World.outcome`: the site's own check."""
        state = self.state
        return state.site.outcome(task, {**state.reading.ended, "answer": state.answer})

    def examine(self, asked: Sequence[str]) -> dict[str, Any]:
        """See `World.examine`: `continued`, the page's own result after the origin's continuation."""
        if CONTINUATION not in asked:
            return {}
        for call in self.state.start.continuation or ():
            if self.over():
                break
            self.browser.call(self._called(call))
        return {"continued": self.state.reading.ended}

    def close(self) -> None:
        """See `World.close`."""
        session = _resting.taken(self) if self._rests else self._session
        self._session, self._state = None, None
        if session is not None:
            self.browser.post(session.close())

    # --- on the browser's loop

    async def _opened(self, start: _Start) -> tuple[_State, Session]:
        """The first page."""
        site = site_of(start.fields)
        address = site.start(start.fields, start.seed)
        session = await self._session_of(start, site)
        try:
            await session.goto(session.tab, address)
            await session.clock.settle()
            script = site.ready_script()
            if script is not None:
                await session.guarded(session.tab, session.tab.page.evaluate(script))
                await session.clock.settle()
            boxes = await acting.laid_out(session, start.refs)
            reading = await session.read()
        except TabLost:
            await session.close()
            raise PivotRefused(f"origin: the first page {address[:200]} does not answer") from None
        except BaseException:
            await session.close()
            raise
        return self._reached(session, _State(start, site, reading, boxes=boxes)), session

    async def _session_of(self, start: _Start, site: Site) -> Session:
        return Session(self.browser, await self.browser.take(start.viewport), site, self._deadline_s)

    def _reached(self, session: Session, state: _State) -> _State:
        parts = observing.parts(state.reading, session.site.digest(), state.answer)
        return replace(state, site=session.site, kept=snapshot.taken(session, state.reading), parts=parts)

    async def _live(self) -> Session:
        """The session, made anew where this is a fork in which nothing ran yet."""
        if self._session is None:
            self._session = await self._revived()
        return self._session

    async def _revived(self) -> Session:
        """A session in the present state: from the snapshot, else by replay."""
        state = self.state
        if state.kept is not None:
            session = await self._session_of(state.start, state.site.fork())
            try:
                reading = await snapshot.put_back(session, state.kept)
                if snapshot.same(state.reading, reading) and session.site.digest() == state.parts["server"]:
                    self._state = replace(state, site=session.site)
                    return session
            except TabLost:
                pass
            except BaseException:
                await session.close()
                raise
            await session.close()
        return await self._replayed()

    async def _replayed(self) -> Session:
        due = self.state
        found, session = await self._opened(due.start)
        try:
            for call in due.ran:
                found, *_ = await self._stepped(session, found, call)
        except BaseException:
            await session.close()
            raise
        if found.parts != due.parts:
            differs = [name for name, value in due.parts.items() if found.parts[name] != value]
            await session.close()
            raise PivotRefused(
                f"page: replaying {len(due.ran)} calls leads to another state: {', '.join(differs)} differ",
                hint="the page does not do the same each time; its states cannot be forked",
            )
        self._state = found
        return session

    async def _called(self, call: ToolCall) -> tuple[str, bool, str | None]:
        """What a call shows, whether it failed, and why it is invalid."""
        if self.over():
            return "Error: the task has ended, no call can follow", True, None
        problem = actions.problem(call, self.state.start.by_ref)
        if problem is not None:
            return f"Error: {problem}", True, problem
        session = await self._live()
        self._session = session
        self._state, error, rejected = await self._stepped(session, self.state, call)
        return observing.shown(self._state.reading, error), error is not None, rejected

    async def _stepped(self, session: Session, state: _State, call: ToolCall) -> tuple[_State, str | None, str | None]:
        """The state after a call that has no problem, what it is answered with, and why it is invalid."""
        error: str | None = None
        rejected: str | None = None
        answer = state.answer
        try:
            await actions.run(session, call, state.start.refs, state.boxes, state.start.by_ref)
            if call.name == "done":
                assert isinstance(call.arguments, dict)
                answer = str(call.arguments.get("answer") or "")
        except acting.Rejected as reason:
            error = rejected = str(reason)
        except acting.Refused as reason:
            error = str(reason)
        except TabLost:
            pass  # the notes say what became of the tab
        await session.clock.settle()
        reading = await session.read()
        reached = replace(state, reading=reading, ran=(*state.ran, call), answer=answer)
        return self._reached(session, reached), error, rejected

    async def _photographed(self) -> dict[str, str]:
        """The tab in front as a PNG."""
        session = await self._live()
        if not session.tabs:
            return {}
        return {"media_type": "image/png", "base64": await session.photograph()}


class _Resting:
    """Sessions of kept states, each handed to the state's first fork; the oldest go when there are too many."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._held: OrderedDict[int, tuple[PageWorld, Session]] = OrderedDict()

    def put(self, world: PageWorld, session: Session) -> None:
        """Hold on to a session."""
        with self._lock:
            self._held[id(world)] = (world, session)
            surplus = [self._held.popitem(last=False)[1] for _ in range(len(self._held) - self._most)]
        for holder, old in surplus:
            holder.browser.post(old.close())

    def taken(self, world: PageWorld) -> Session | None:
        """The session of a kept state, if it is still held and alive; the caller's from now on."""
        with self._lock:
            found = self._held.pop(id(world), None)
        return found[1] if found is not None and not found[1].seat.lost else None


_resting = _Resting(RESTING)


def _start_of(origin: Origin, seed: int) -> _Start:
    """The origin's fields, checked.

    Raises:
        InputError: If one does not fit.
    """
    fields = origin.model_dump()
    refs = origin.get("refs")
    if refs is not None and not (isinstance(refs, dict) and all(isinstance(one, dict) for one in refs.values())):
        raise InputError(f"origin: refs: expected an object of locators by number, got {str(refs)[:80]}")
    screenshot = origin.get("screenshot", False)
    if not isinstance(screenshot, bool):
        raise InputError(f"origin: screenshot: expected true or false, got {screenshot!r:.80}")
    return _Start(
        fields,
        seed,
        _viewport(origin.get("viewport")),
        {str(name): dict(one) for name, one in (refs or {}).items()},
        refs is not None,
        _continuation(origin.get("continuation")),
        screenshot,
    )


def _viewport(given: Any) -> tuple[int, int]:
    if given is None:
        return DEFAULT_VIEWPORT
    if not (
        isinstance(given, list | tuple)
        and len(given) == 2
        and all(isinstance(side, int) and not isinstance(side, bool) and side in _SIZES for side in given)
    ):
        raise InputError(
            f"origin: viewport: expected [width, height], each of {_SIZES.start} to {_SIZES.stop - 1} pixels, "
            f"got {given!r:.80}"
        )
    return given[0], given[1]


def _continuation(given: Any) -> tuple[ToolCall, ...] | None:
    if given is None:
        return None
    if not isinstance(given, list) or not all(
        isinstance(one, Mapping) and isinstance(one.get("name"), str) for one in given
    ):
        raise InputError(f"origin: continuation: expected a list of calls, got {str(given)[:80]}")
    return tuple(
        ToolCall.model_validate({"name": one["name"], "arguments": one.get("arguments") or {}}) for one in given
    )
