"""Checks of the wire: what is not known is refused, what is repeated is done once, what is closed stays closed.

Owns: these checks. Does not own: room, time and leaks (`conformance.limits`).
"""

from __future__ import annotations

import uuid
import warnings
from contextlib import closing
from typing import Any

import httpx

from pivotgym.core.messages import Action
from pivotgym.servers.conformance.findings import Broken, Finding, NotMade, check, each
from pivotgym.servers.conformance.subject import Subject, digest_of, json_of, start_of

SAY = Action(content="qwz.").to_json()
SURPRISE = "surprise_of_the_check"


@check(
    "Gymnasium's `check_env` passes on the domain in this process.",
    "`World.start` and `World.run`, then `Domain.tasks`",
)
def gymnasium_locally(subject: Subject) -> str:
    """`PivotEnv`."""
    if subject.domain is None:
        raise NotMade("it needs the domain in this process: check the domain by its name or folder")
    from pivotgym.envs.base.pivot_env import PivotEnv
    from pivotgym.envs.base.runtime import Runtime

    horizon = "pivot" if subject.pivots else "episode"
    with closing(Runtime(subject.domain)) as runtime:
        return _check_env(PivotEnv(runtime, list(subject.pivots), horizon=horizon))  # type: ignore[arg-type]


@check("Gymnasium's `check_env` passes on the server.", "what `info` holds, and whether equal seeds show the same")
def gymnasium_remotely(subject: Subject) -> str:
    """`RemoteEnv`."""
    from pivotgym.servers.client.remote_env import RemoteEnv

    horizon = "pivot" if subject.pivots else "episode"
    options: dict[str, Any] = {"token": subject.token, "timeout_s": subject.timeout_s + 5}
    return _check_env(RemoteEnv(subject.url, horizon=horizon, **options))  # type: ignore[arg-type]


def _check_env(env: Any) -> str:
    from gymnasium.utils.env_checker import check_env

    with warnings.catch_warnings(), closing(env):
        warnings.simplefilter("error")
        # Told by the collector, whenever it runs, of what others in this process left open.
        warnings.simplefilter("ignore", ResourceWarning)
        try:
            check_env(env, skip_render_check=True)
        except (AssertionError, Warning, TypeError, ValueError) as error:
            look_at = "Gymnasium's documentation of `Env.reset` and `Env.step`"
            raise Broken(Finding(type(env).__name__, "that `check_env` passes", str(error), look_at)) from error
    return type(env).__name__


@check("Fields and options that nobody knows are refused with 422, by name.", "the server's request schemas")
def unknown_options_refused(subject: Subject) -> str:
    """On the routes of sessions and verdicts."""
    start = start_of(subject)
    with subject.session(**start) as session:
        asked: list[tuple[str, dict[str, Any]]] = [
            ("/sessions", {**start, SURPRISE: 1}),
            ("/sessions", {**start, "options": {SURPRISE: 1}}),
            (f"/sessions/{session.id}/step", {"action": SAY, SURPRISE: 1}),
            (f"/sessions/{session.id}/fork", {SURPRISE: 1}),
            ("/verify", {"pivot_id": "any", "action": SAY, SURPRISE: 1}),
            ("/verify/batch", {"items": [], SURPRISE: 1}),
        ]
        steps = session.describe()["steps"]

        def look(one: tuple[str, dict[str, Any]]) -> None:
            answer = subject.call("POST", one[0], **one[1])
            _close_made(subject, answer)
            if answer.status_code != 422 or SURPRISE not in answer.text:
                got = f"{answer.status_code} {answer.text[:120]}"
                where = f"POST {one[0]} with the field {SURPRISE!r}"
                raise Broken(Finding(where, "422 naming the field", got, unknown_options_refused.look_at))

        note = each(asked, look, "call", unknown_options_refused.look_at, lambda one: one[0])
        if session.describe()["steps"] != steps:
            got = "it was stepped all the same"
            raise Broken(Finding("a refused step", "an unchanged session", got, unknown_options_refused.look_at))
    return note


@check(
    "A mistake of the caller is answered with 4xx and a body that says what was wrong, never with 500.",
    "the server's routes",
)
def mistakes_named(subject: Subject) -> str:
    """What does not exist, comes too late or is no JSON."""
    start = start_of(subject)
    made = subject.answered("POST", "/sessions", **start)["session_id"]
    subject.call("DELETE", f"/sessions/{made}")
    asked = [
        ("a pivot that there is not", "POST", "/sessions", b'{"pivot_id": "no-such-pivot"}', 404),
        ("a task that there is not", "POST", "/sessions", b'{"task_id": "no-such-task"}', 404),
        ("no start", "POST", "/sessions", b"{}", 422),
        ("no JSON", "POST", "/sessions", b"{", 422),
        ("a JSON list", "POST", "/verify", b"[]", 422),
        ("a session that there is not", "GET", "/sessions/no-such-session", b"", 404),
        ("a route that there is not", "GET", "/no-such-route", b"", 404),
        ("a step in a closed session", "POST", f"/sessions/{made}/step", b'{"action": {"content": "x"}}', 404),
    ]

    def look(one: tuple[str, str, str, bytes, int]) -> None:
        what, method, path, body, status = one
        headers = {"content-type": "application/json"}
        answer = subject.http.request(method, path, content=body or None, headers=headers)
        found = json_of(answer)
        if answer.status_code != status or not {"code", "message"} <= set(found):
            got = f"{answer.status_code} {answer.text[:120]}"
            raise Broken(Finding(what, f"{status} with `code` and `message`", got, mistakes_named.look_at))

    return each(asked, look, "mistake", mistakes_named.look_at, lambda one: one[0])


@check("An episode that has ended takes no further step: 409.", "`World.over` and the server's sessions")
def ended_stays_ended(subject: Subject) -> str:
    """After the one action at a pivot."""
    if not subject.pivots:
        raise NotMade("there is no pivot to look at")
    with subject.session(pivot_id=subject.pivots[0].id) as session:
        session.step(subject.pivots[0].reference)
        answer = subject.call("POST", f"/sessions/{session.id}/step", action=SAY)
        if answer.status_code != 409:
            got = f"{answer.status_code} {answer.text[:120]}"
            where = "a second step at a pivot"
            raise Broken(Finding(where, "409", got, ended_stays_ended.look_at))
    return "1 pivot"


@check("A session outlives the connection that made it.", "the server's sessions")
def reconnects(subject: Subject) -> str:
    """Made over one connection, stepped over another."""
    start = start_of(subject)
    with closing(subject.fresh_client()) as first:
        session = first.session(**start, timeout_s=subject.timeout_s)
        before = digest_of(session)
    found = subject.call("GET", f"/sessions/{session.id}")
    if found.status_code != 200 or json_of(found).get("digest") != before:
        got = f"{found.status_code} {found.text[:160]}"
        raise Broken(Finding("a session after its connection was closed", "it as it was", got, reconnects.look_at))
    subject.answered("POST", f"/sessions/{session.id}/step", action=SAY)
    subject.answered("DELETE", f"/sessions/{session.id}")
    return "1 session"


@check(
    "A call that is sent again under its key is carried out once and answered the same.", "the server's memory of keys"
)
def repeats_done_once(subject: Subject) -> str:
    """Making, stepping and forking; a key that is used for something else is refused."""
    key = uuid.uuid4().hex
    start = {**start_of(subject), "idempotency_key": key}
    made = [subject.answered("POST", "/sessions", **start)["session_id"] for _ in range(2)]
    path = f"/sessions/{made[0]}"
    forks = [subject.answered("POST", f"{path}/fork", idempotency_key=f"{key}f")["session_id"] for _ in range(2)]
    steps = [subject.call("POST", f"{path}/step", action=SAY, idempotency_key=f"{key}s") for _ in range(2)]
    counted = subject.answered("GET", path)["steps"]
    other = subject.call("POST", f"{path}/step", action={"content": "another"}, idempotency_key=f"{key}s")
    for session_id in {*made, *forks}:
        subject.call("DELETE", f"/sessions/{session_id}")
    facts = [
        ("making a session twice under one key", "one session", len(set(made)), 1),
        ("forking twice under one key", "one fork", len(set(forks)), 1),
        ("stepping twice under one key", "one answer", len({answer.content for answer in steps}), 1),
        ("stepping twice under one key", "one step", counted, 1),
        ("another step under a used key", "409", other.status_code, 409),
    ]
    findings = [
        Finding(where, due, str(got), repeats_done_once.look_at) for where, due, got, want in facts if got != want
    ]
    if findings:
        raise Broken(*findings)
    return f"{len(facts)} facts"


@check(
    "Closing a session again does nothing; after it, the session is gone.", "the server's sessions and `World.close`"
)
def close_idempotent(subject: Subject) -> str:
    """DELETE three times."""
    made = subject.answered("POST", "/sessions", **start_of(subject))["session_id"]
    for number in range(3):
        answer = subject.call("DELETE", f"/sessions/{made}")
        if answer.status_code not in (200, 204):
            got = f"{answer.status_code} {answer.text[:120]}"
            raise Broken(Finding(f"DELETE, time {number + 1}", "200", got, close_idempotent.look_at))
    gone = subject.call("GET", f"/sessions/{made}")
    if gone.status_code != 404:
        got = f"{gone.status_code} {gone.text[:120]}"
        raise Broken(Finding("a closed session", "404", got, close_idempotent.look_at))
    return "1 session"


def _close_made(subject: Subject, answer: httpx.Response) -> None:
    """Close the session that a call made which should have been refused."""
    made = json_of(answer).get("session_id")
    if answer.status_code == 200 and made is not None:
        subject.call("DELETE", f"/sessions/{made}")


CHECKS = (
    gymnasium_locally,
    gymnasium_remotely,
    unknown_options_refused,
    mistakes_named,
    ended_stays_ended,
    reconnects,
    repeats_done_once,
    close_idempotent,
)
