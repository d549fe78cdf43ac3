"""Checks of limits: a full server refuses, time-outs are kept, and nothing stays behind after many sessions.

Owns: these checks. Does not own: reading what processes hold (`conformance.held`).
"""

from __future__ import annotations

import re
import time
import uuid
from contextlib import ExitStack

from pivotgym.core.errors import Full, InfrastructureError, TimedOut, Warming
from pivotgym.core.trajectory import Pivot
from pivotgym.servers.conformance.findings import Broken, Finding, NotMade, check, each
from pivotgym.servers.conformance.held import GROWTH, Held, held
from pivotgym.servers.conformance.subject import Subject, refused, start_of, unlike

FILLED = 64
"""A server for more sessions than this is not filled."""
SHORT_S = 0.001
SETTLING = 60
"""Looks, 50 ms apart, at sessions that are being closed."""
_LIVE = re.compile(rb"^pivotgym_sessions_live(?:\{[^}]*\})? (\S+)$", re.MULTILINE)


@check(
    "A full server refuses one more session with 503 `full` and `Retry-After`, and a closed one makes room.",
    "the server's sessions",
)
def capacity_refused(subject: Subject) -> str:
    """Sessions until there is no more room."""
    most = int(subject.metadata["limits"]["max_sessions"])
    if most > FILLED:
        raise NotMade(f"it is for {most} sessions: filling it would take long, and may disturb others")
    start = start_of(subject)
    look_at = capacity_refused.look_at
    with ExitStack() as stack:
        tries = (refused(lambda: stack.enter_context(subject.session(**start))) for _ in range(most + 1))
        error = next((found for found in tries if found is not None), None)
        if not isinstance(error, Full) or error.retry_after_s is None:
            got = f"{type(error).__name__} {error}" if error is not None else "a session"
            where = f"more sessions than the {most} there is room for"
            raise Broken(Finding(where, "503 `full` with Retry-After", got, look_at))
    after = refused(lambda: subject.session(**start).__enter__().close())
    if after is not None:
        raise Broken(Finding("a new session once others are closed", "room for it", str(after), look_at))
    return f"{most} sessions"


@check(
    "A call that takes too long says so, and its session can still be used or is clearly ended.",
    "`World.run`: it must come to an end",
)
def time_outs_kept(subject: Subject) -> str:
    """Verdicts and steps with a time-out of a millisecond."""
    look_at = time_outs_kept.look_at

    def look(pivot: Pivot) -> None:
        action = unlike(pivot)
        error = refused(lambda: subject.client.verify(pivot.id, action, timeout_s=SHORT_S))
        _timed_out(f"pivot {pivot.id}, a verdict in {SHORT_S} s", error, look_at)
        with subject.session(pivot_id=pivot.id) as session:
            path, body = f"/sessions/{session.id}/step", {"action": action.to_json()}
            first = {**body, "idempotency_key": uuid.uuid4().hex, "timeout_s": SHORT_S}
            error = refused(lambda: subject.answered("POST", path, **first))
            _timed_out(f"pivot {pivot.id}, a step in {SHORT_S} s", error, look_at)
            later = refused(lambda: subject.answered("POST", path, **body, idempotency_key=uuid.uuid4().hex))
            if isinstance(later, InfrastructureError):
                raise Broken(Finding(f"pivot {pivot.id}, a step after it", "it done, or an end", str(later), look_at))

    return each(subject.pivots[:3], look, "pivot", look_at, lambda pivot: f"pivot {pivot.id}")


def _timed_out(where: str, error: object, look_at: str) -> None:
    if error is not None and not isinstance(error, TimedOut | Warming | Full):
        raise Broken(Finding(where, "an answer, or `timeout` or `warming`", str(error), look_at))


@check(
    "Nothing stays behind after many sessions: none is live, and the server's processes hold no more.",
    "`World.close`, and what the domain keeps for ever",
)
def nothing_leaks(subject: Subject) -> str:
    """Live sessions by `/metrics`; memory, handles, children and mounts where the server runs on this machine."""
    start_of(subject)
    live = _live(subject)
    warm = max(1, subject.sessions // 4)
    _use(subject, warm)
    before = held(subject.pids)
    _use(subject, subject.sessions - warm)
    after = held(subject.pids)
    if before is not None and after is not None and after.over(before):
        # What a server fills once (threads, caches) is no leak: only what grows again by as much is.
        _use(subject, subject.sessions - warm)
        before, after = after, held(subject.pids)
    left = _live(subject, live)
    if left > live:
        where = f"{subject.sessions} sessions that were all closed"
        raise Broken(Finding(where, f"{live:g} live sessions", f"{left:g}", nothing_leaks.look_at))
    if before is None or after is None:
        return f"{subject.sessions} sessions by /metrics alone: the server's processes are not at hand"
    _no_growth(before, after, subject.sessions - warm)
    return f"{subject.sessions} sessions, {_growth(before, after, subject.sessions - warm)}"


def _use(subject: Subject, count: int) -> None:
    """Make, look at, fork, step and close sessions, one after the other, so that worlds are run."""
    starts = [*({"pivot_id": pivot.id} for pivot in subject.pivots), *({"task_id": one} for one in subject.task_ids)]
    actions = [unlike(pivot).to_json() for pivot in subject.pivots] or [{"content": "Done."}]
    for number in range(count):
        # Without keys: a server may well remember answers that it can be asked for again.
        made = [subject.answered("POST", "/sessions", **starts[number % len(starts)])["session_id"]]
        if number % 5 == 0:
            made.append(subject.answered("POST", f"/sessions/{made[0]}/fork")["session_id"])
        subject.answered("GET", f"/sessions/{made[0]}")
        subject.answered("POST", f"/sessions/{made[-1]}/step", action=actions[number % len(actions)])
        for session_id in made:
            subject.answered("DELETE", f"/sessions/{session_id}")


def _live(subject: Subject, due: float = 0.0) -> float:
    """Live sessions by the server's own figures, once no more than are due, or none goes away any more."""
    found = float("inf")
    for _ in range(SETTLING):
        figures = [float(value) for value in _LIVE.findall(subject.http.get("/metrics").content)]
        if not figures:
            raise NotMade("/metrics has no figure `pivotgym_sessions_live`")
        found = sum(figures)
        if found <= due:
            break
        time.sleep(0.05)
    return found


def _no_growth(before: Held, after: Held, sessions: int) -> None:
    findings = [
        Finding(
            f"{name} of the server's processes over {sessions} sessions",
            f"growth by at most {GROWTH[name]}",
            f"from {getattr(before, name)} to {getattr(after, name)}",
            nothing_leaks.look_at,
        )
        for name in after.over(before)
    ]
    if findings:
        raise Broken(*findings)


def _growth(before: Held, after: Held, sessions: int) -> str:
    kib, handles = after.kib - before.kib, after.handles - before.handles
    return f"{kib / sessions:+.1f} KiB and {handles / sessions:+.3f} handles per session"


CHECKS = (capacity_refused, time_outs_kept, nothing_leaks)
