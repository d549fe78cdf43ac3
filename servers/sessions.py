"""Live sessions: one episode each, bounded in number, closed when idle, stepped by one call at a time.

Owns: capacity, locks, time-outs, forks, the reaper, and that nothing outlives the server. Does not own: what an episode
does (`envs.base.episode`), or the wire (`routes_sessions`).

A step that passes its time-out answers `TimedOut` and runs on; the session stays usable: a repeat with the same
idempotency key gives the step's answer, and other calls wait for it to finish. A step that had not begun by then is
given up and never carried out. When the world breaks, the session has failed: each further call in it answers the same
error.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal

from pivotgym.core.errors import Full, InfrastructureError, NotFound, PivotGymError, TimedOut, Warming
from pivotgym.core.messages import Action, Malformed
from pivotgym.envs.base.episode import Episode, StepResult
from pivotgym.servers.idempotency import Once
from pivotgym.servers.pool import Pool, PoolClosed
from pivotgym.servers.presence import regardless
from pivotgym.servers.wire import Reply, as_error

REMEMBERED_STEPS = 16
CLOSING_S = 1.0
"""Waited for a session that is just being closed, before a new one is refused."""
REMEMBERED_CREATIONS = 10_000
REMEMBERED_BYTES = 64 * 2**20
REMEMBERED_CLOSED = 10_000


@dataclass(eq=False)
class Session:
    """One live environment behind the server."""

    id: str
    episode: Episode
    horizon: Literal["pivot", "episode"]
    seed: int
    pivot_id: str | None
    task_id: str | None
    touched: float
    steps: int = 0
    ended: bool = False
    failed: PivotGymError | None = None
    closed: bool = False
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    once: Once[Reply] = field(kw_only=True)


class SessionStore:
    """All sessions of a server. Used from the event loop only."""

    def __init__(self, pool: Pool, max_sessions: int, idle_timeout_s: float, new_id: Callable[[], str]) -> None:
        self._pool = pool
        self._new_id = new_id
        self._max = max_sessions
        self._idle_timeout_s = idle_timeout_s
        self._sessions: dict[str, Session] = {}
        self._closed: dict[str, str] = {}
        self._reserved = 0
        self._closing: set[asyncio.Task[None]] = set()
        self.creations: Once[Reply] = Once(REMEMBERED_CREATIONS, most_bytes=REMEMBERED_BYTES, at_once=pool.inline)

    def __len__(self) -> int:
        return len(self._sessions) + self._reserved + len(self._closing)

    def get(self, session_id: str) -> Session:
        """The session of that id; counts as use of it.

        Raises:
            NotFound: If there is none; the message says when it was closed and by whom.
        """
        session = self._sessions.get(session_id)
        if session is None:
            why = self._closed.get(session_id, "this server never had it, or was restarted since")
            raise NotFound(
                f"session_id: no live session {session_id[:100]!r}: {why}",
                hint="POST /sessions makes a new one",
                session_id=session_id[:100],
            )
        session.touched = time.monotonic()
        return session

    async def create(self, build: Callable[[], Episode], **what: Any) -> Session:
        """Open an episode in a new session.

        Args:
            build: Builds the episode, on the pool.
            what: The session's `horizon`, `seed`, `pivot_id` and `task_id`.

        Raises:
            Full: If all slots are taken.
        """
        if len(self) >= self._max and self._closing:
            await asyncio.wait(self._closing, timeout=CLOSING_S, return_when=asyncio.FIRST_COMPLETED)
        if len(self) >= self._max:
            raise Full(
                f"all {self._max} sessions are in use",
                hint="close sessions that are done, or start the server with more max_sessions",
                retry_after_s=1.0,
            )
        self._reserved += 1
        try:
            episode = await self._pool.call(build)
            once: Once[Reply] = Once(REMEMBERED_STEPS, keep_errors=True, at_once=self._pool.inline)
            session = Session(id=self._new_id(), episode=episode, touched=time.monotonic(), once=once, **what)
            self._sessions[session.id] = session
            return session
        finally:
            self._reserved -= 1

    async def replace(self, session: Session, build: Callable[[], Episode], **what: Any) -> None:
        """Reset a session in place: the new episode takes the old one's slot. Arguments as for `create`."""
        async with session.lock:
            if session.closed:
                self.get(session.id)  # raises: it was closed while this call waited for its turn
            episode = await self._pool.call(build)
            old, session.episode = session.episode, episode
            session.horizon, session.seed = what["horizon"], what["seed"]
            session.pivot_id, session.task_id = what["pivot_id"], what["task_id"]
            session.steps, session.ended, session.failed = 0, False, None
            with regardless():
                await self._pool.call(old.close, must=True)

    async def step(self, session: Session, action: Action | Malformed, timeout_s: float) -> StepResult:
        """Take an action.

        Raises:
            WrongState: After the episode's end.
            TimedOut: If its turn did not come within `timeout_s`; it will not be carried out.
            InfrastructureError: If the world broke, now or earlier.
        """
        await self._acquire(session, timeout_s)
        try:
            if session.failed is not None:
                raise session.failed
            if session.closed:
                self.get(session.id)
            result = await self._pool.call(lambda: session.episode.step(action))
        except Exception as error:
            known = self._settle(session, error)
            raise known from (error if known is not error else None)
        finally:
            session.touched = time.monotonic()
            session.lock.release()
        session.steps += 1
        session.ended = result.terminated or result.truncated
        return result

    async def fork(self, session: Session, timeout_s: float) -> Session:
        """A copy of a session, in a slot of its own. Errors as for `create` and `step`."""
        await self._acquire(session, timeout_s)
        try:
            if session.failed is not None:
                raise session.failed
            if session.closed:
                self.get(session.id)
            copy = await self.create(
                lambda: session.episode.fork(),
                horizon=session.horizon,
                seed=session.seed,
                pivot_id=session.pivot_id,
                task_id=session.task_id,
            )
        finally:
            session.lock.release()
        copy.steps, copy.ended = session.steps, session.ended
        return copy

    async def digest(self, session: Session) -> str | None:
        """Digest of the session's world; `None` while it is busy or when it has failed."""
        if session.lock.locked() or session.failed is not None:
            return None
        async with session.lock:
            return await self._pool.call(session.episode.digest)

    def close(self, session_id: str, why: str = "it was closed by a client") -> None:
        """Close a session; the world of a busy one as soon as its call ends. Closing it again does nothing.

        Raises:
            NotFound: If there never was one of that id.
        """
        if session_id in self._closed:
            return
        session = self.get(session_id)
        session.closed = True
        del self._sessions[session_id]
        self._closed[session_id] = why
        if len(self._closed) > REMEMBERED_CLOSED:
            del self._closed[next(iter(self._closed))]
        with regardless():
            task = asyncio.ensure_future(self._free(session))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def _free(self, session: Session) -> None:
        async with session.lock:
            try:
                await self._pool.call(session.episode.close, must=True)
            except PoolClosed:
                session.episode.close()
            except Exception as error:  # the slot must come free whatever the world does; `as_error` logs it
                as_error(error)

    async def _acquire(self, session: Session, timeout_s: float) -> None:
        if not session.lock.locked():
            await session.lock.acquire()
            return
        try:
            await asyncio.wait_for(session.lock.acquire(), timeout_s)
        except TimeoutError:
            raise TimedOut(
                f"the session was busy with another call for {timeout_s:g} s; this one was not begun",
                hint="wait for the other call, or repeat this one",
                session_id=session.id,
                details={"begun": False},
            ) from None

    def _settle(self, session: Session, error: Exception) -> PivotGymError:
        known = as_error(error)
        known.session_id = session.id
        broken = isinstance(known, InfrastructureError) and not isinstance(known, Full | Warming)
        if broken and session.horizon == "episode":  # at a pivot nothing is changed: the step can be tried again
            session.failed = known
        return known

    def reap(self) -> int:
        """Close sessions that have been idle for too long and return how many."""
        idle_since = time.monotonic() - self._idle_timeout_s
        idle = [s.id for s in self._sessions.values() if s.touched < idle_since and not s.lock.locked()]
        for session_id in idle:
            self.close(session_id, f"it was closed after {self._idle_timeout_s:g} s without a call")
        return len(idle)

    async def reap_forever(self) -> None:
        """Reap at a quarter of the idle time-out, at least every five seconds."""
        while True:
            await asyncio.sleep(min(5.0, self._idle_timeout_s / 4))
            self.reap()

    async def close_all(self, wait_s: float = 5.0) -> None:
        """Close every session, and wait a while for worlds that are busy."""
        for session_id in list(self._sessions):
            self.close(session_id, "the server was stopped")
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.gather(*self._closing), wait_s)
