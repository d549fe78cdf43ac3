"""Passing calls on: to any replica, to the one that holds a session, or to all.

- What changes nothing (verdicts, lists) goes to the replica with the least to do. Where that gives no answer, it is
  sent to another one, once.
- A new session goes where its idempotency key says; a replica that is full or cannot be reached is passed over.
- A call in a session goes to the replica that its id names, and nowhere else.
- Added pivots go to all replicas, in one order.

Owns: whom a call is sent to, again or not, and what its failure is called. Does not own: which replicas there are
(`upstream`, `health`), or reading calls (`calls`).
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from dataclasses import dataclass, replace
from typing import Any

from pydantic_core import from_json
from starlette.types import ASGIApp, Receive, Scope, Send

from pivotgym.core.errors import Full, InfrastructureError, NotFound, PivotGymError, TimedOut, Warming
from pivotgym.servers.endpoint import answer_with, read_body
from pivotgym.servers.gateway.calls import Call, place_of
from pivotgym.servers.gateway.connections import Answer, Broken
from pivotgym.servers.gateway.service import Gateway, metrics_reply
from pivotgym.servers.gateway.upstream import RETRY_AFTER_S, Replica, Upstream, public_id
from pivotgym.servers.metrics import summed_by
from pivotgym.servers.presence import regardless
from pivotgym.servers.wire import Reply, as_error, encode, error_reply

WHOLE_BYTES = 2**20
"""Answers up to this size are taken whole before they are passed on; larger ones are passed on as they come."""
_KEPT_HEADERS = frozenset({b"content-type", b"retry-after", b"allow"})
_FIRST_ID = re.compile(rb'(\{"session_id":")([A-Za-z0-9_.-]+)"')
_ELSEWHERE = frozenset({"full", "stopping"})
"""Codes with which a replica says that it did nothing, and that another one may."""


@dataclass(slots=True)
class Got:
    """A replica's answer: whole, or with a rest that is still to come."""

    reply: Reply
    replica: Replica
    rest: Answer | None = None

    @property
    def code(self) -> str | None:
        """The error's code, where it is one."""
        said = _read(self.reply.body) if self.reply.status >= 400 else None
        return said.get("code") if isinstance(said, dict) else None


class Passing:
    """ASGI application: calls below `/{domain}`; everything else is answered by the application behind."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self.behind: ASGIApp | None = None
        self._in_flight = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a call on and its answer back."""
        place = place_of(scope) if scope["type"] == "http" else None
        upstream = self._gateway.upstreams.get(place.domain) if place is not None else None
        if place is None or upstream is None:
            assert self.behind is not None
            await self.behind(scope, receive, send)
            return
        begun = time.perf_counter()
        call = Call.of(scope, place.path)
        status = 0
        self._in_flight += 1
        try:
            self._admit()
            call = replace(call, body=await read_body(scope, receive, self._gateway.settings.max_body_bytes))
            got = await self._carry_out(upstream, call)
            status = got.reply.status if isinstance(got, Got) else got.status
            if isinstance(got, Got) and got.rest is not None:
                await _stream(got, got.rest, send)
            else:
                await answer_with(got.reply if isinstance(got, Got) else got, send)
        except Exception as error:  # the boundary: whatever it is becomes an error with a code
            if status:
                raise  # the answer has begun: all that is left is to break the connection off
            known = as_error(error)
            status = known.status
            self._gateway.metrics.error(known.code)
            await answer_with(error_reply(known), send)
        finally:
            self._in_flight -= 1
            self._gateway.metrics.passed(upstream.name, call.label, status, time.perf_counter() - begun)

    def _admit(self) -> None:
        most = self._gateway.settings.max_in_flight
        if self._in_flight > most:
            raise Full(
                f"the gateway is passing on {most} calls already",
                hint="repeat it later, or start another gateway beside this one",
                retry_after_s=RETRY_AFTER_S,
            )

    async def _carry_out(self, upstream: Upstream, call: Call) -> Got | Reply:
        route = call.route
        if call.method == "GET" and route == "/ready":
            return await self._gateway.domain_ready(upstream)
        if call.method == "GET" and route == "/metrics":
            return metrics_reply(summed_by([({}, page) for page in await self._gateway.pages(upstream)]))
        session_id = call.session()
        if session_id is not None:
            return await self._in_session(upstream, call, session_id)
        if call.method == "POST" and route in ("/sessions", "/reset"):
            got = await _create(upstream, call)
            self._note(upstream, got, "session")
            return got
        if call.method == "POST" and route == "/pivots":
            return await _to_all(upstream, call)
        return await anywhere(upstream, call)

    def _note(self, upstream: Upstream, got: Got, by: str) -> None:
        """Remember a session that was made, for the page."""
        found = _FIRST_ID.match(got.reply.body) if got.reply.status == 200 else None
        if found is not None:
            self._gateway.placed.add(found[2].decode(), upstream.name, str(got.replica.address), by)

    async def _in_session(self, upstream: Upstream, call: Call, session_id: str) -> Got:
        """Ask the replica that holds the session."""
        replica, own = upstream.split(session_id)
        if replica is None:
            await self._gateway.look_again(upstream)
            replica, own = upstream.split(session_id)
        if replica is None and upstream.unresolved:
            raise upstream.nobody()
        if replica is None:
            raise _lost(session_id, "no server that is known here made it, or that server is gone")
        try:
            got = _renamed(await ask(upstream, replica, call.in_session(own), whole=True), own)
            self._noted(upstream, call, session_id, got)
            return got
        except Broken as error:
            if error.refused:
                self._gateway.placed.ended(session_id)
                raise _lost(session_id, "the server that held it has ended") from None
            failed = _failed(upstream, error)
            failed.session_id = session_id[:100]
            raise failed from None

    def _noted(self, upstream: Upstream, call: Call, session_id: str, got: Got) -> None:
        if got.reply.status == 404 or (call.method == "DELETE" and got.reply.status == 200):
            self._gateway.placed.ended(session_id)
            return
        self._gateway.placed.called(session_id)
        if call.label.endswith("/fork"):
            self._note(upstream, got, "fork")


async def ask(upstream: Upstream, replica: Replica, call: Call, *, whole: bool = False) -> Got:
    """A replica's answer to a call.

    Args:
        upstream: Whose replica it is.
        replica: Who is asked.
        call: As the replica knows it.
        whole: Whether the answer is wanted whole, however large it is.

    Raises:
        Broken: If there is none.
        ClientGone: If the client left.
        InfrastructureError: If the replica refuses the gateway itself.
    """
    sent = upstream.headers if call.content_type is None else (*upstream.headers, (b"content-type", call.content_type))
    replica.in_flight += 1
    rest = None
    try:
        answer = await replica.ask(call.method, call.target, call.body, sent, upstream.settings.timeout_s)
        headers = tuple(header for header in answer.headers if header[0] in _KEPT_HEADERS)
        if answer.status == 401:
            answer.drop()
            raise _no_token(upstream)
        if not whole and answer.status < 400 and (answer.length is None or answer.length > WHOLE_BYTES):
            rest = answer
        body = b"" if rest is not None else await answer.body()
    except Broken as error:
        if not error.sent:
            replica.is_("down", str(error))
        raise
    finally:
        if rest is None:
            replica.in_flight -= 1
    return Got(Reply(body, answer.status, headers), replica, rest)


async def _stream(got: Got, rest: Answer, send: Send) -> None:
    try:
        length = () if rest.length is None else ((b"content-length", str(rest.length).encode()),)
        headers = [*got.reply.headers, *length]
        await send({"type": "http.response.start", "status": got.reply.status, "headers": headers})
        async for part in rest.parts():
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
    except BaseException:
        rest.drop()
        raise
    finally:
        got.replica.in_flight -= 1


async def anywhere(upstream: Upstream, call: Call, *, whole: bool = False) -> Got:
    """Ask the replica with the least to do and, where that is safe and may help, another one.

    Args:
        upstream: Whose replicas are asked.
        call: As the replicas know it.
        whole: See `ask`.

    Raises:
        PivotGymError: If no replica can take calls, or none gave an answer.
    """
    first = upstream.pick()
    if first is None:
        raise upstream.nobody()
    got: Got | None = None
    try:
        got = await ask(upstream, first, call, whole=whole)
        # One that was just started again may lack what was added; the others have it.
        if not call.pure or not (got.reply.status == 404 or got.code in _ELSEWHERE):
            return got
    except Broken as error:
        failed = _failed(upstream, error)
        if (error.late and error.sent) or not (call.pure or not error.sent):
            raise failed from None
    second = _another(upstream, first, same=got is None)
    if second is None:
        if got is None:
            raise failed
        return got
    upstream.retries += 1
    try:
        return await ask(upstream, second, call, whole=whole)
    except Broken as error:
        if got is None:
            raise _failed(upstream, error) from None
        return got


def _another(upstream: Upstream, first: Replica, *, same: bool) -> Replica | None:
    """Another replica, or the same one, if it is still thought to serve: the connection alone may have ended."""
    other = upstream.pick(without=(first,))
    return other or (first if same and first.state == "ready" else None)


async def _create(upstream: Upstream, call: Call) -> Got:
    """Make a session: in the first replica of the key's order that can."""
    key = call.key()
    refusal: Got | None = None
    for replica in upstream.order(key):
        try:
            got = await ask(upstream, replica, call, whole=True)
        except Broken as error:
            if error.sent:
                raise _failed(upstream, error, "with the same idempotency_key it is carried out once") from None
            continue
        if got.reply.status == 404 or got.code in _ELSEWHERE:
            refusal = refusal or got
            continue
        if key is not None and got.reply.status == 200:
            upstream.place(key, replica)
        return _renamed(got)
    if refusal is None:
        raise upstream.nobody()
    return refusal


async def _to_all(upstream: Upstream, call: Call) -> Got:
    """Add pivots to all replicas; one that did not take them gets no work until it has."""
    async with upstream.adding:
        replicas = upstream.usable
        if not replicas:
            raise upstream.nobody()
        with regardless():  # added to some of them only, because the client left, they would differ
            asked = await asyncio.gather(
                *(ask(upstream, replica, call, whole=True) for replica in replicas), return_exceptions=True
            )
        taken = [got for got in asked if isinstance(got, Got) and got.reply.status == 200]
        for replica, got in zip(replicas, asked, strict=True):
            if taken and got not in taken:
                replica.is_("unready", "it did not take pivots that others took")
            elif not taken and isinstance(got, BaseException) and not isinstance(got, Broken):
                raise got
    if taken:
        return max(taken, key=lambda got: int(_read(got.reply.body).get("added", 0)))
    refused = next((got for got in asked if isinstance(got, Got)), None)
    if refused is not None:
        return refused
    broken = next(got for got in asked if isinstance(got, Broken))
    raise _failed(upstream, broken, "adding the same pivots again does no harm") from None


def _renamed(got: Got, own: str | None = None) -> Got:
    """The answer with the session's id as clients know it, also where an error's text names it."""
    reply = got.reply
    found = _FIRST_ID.match(reply.body) if reply.status < 400 else None
    if found is not None:  # where our servers put it: observations are long, and need not be read for it
        known = public_id(got.replica, found[2].decode()).encode()
        return Got(Reply(found[1] + known + reply.body[found.end(2) :], reply.status, reply.headers), got.replica)
    said = _read(got.reply.body)
    session_id = said.get("session_id") if isinstance(said, dict) else None
    if not isinstance(session_id, str):
        return got
    said["session_id"] = public_id(got.replica, session_id)
    for name in ("message", "hint"):
        if own and got.reply.status >= 400 and isinstance(said.get(name), str):
            said[name] = said[name].replace(own, public_id(got.replica, own))
    return Got(Reply(encode(said), got.reply.status, got.reply.headers), got.replica)


def _read(body: bytes) -> Any:
    try:
        return from_json(body)
    except ValueError:
        pass
    try:
        return json.loads(body)  # takes lone surrogates, which observations may have
    except (ValueError, RecursionError):
        return None


def _lost(session_id: str, why: str) -> NotFound:
    return NotFound(
        f"session_id: no live session {session_id[:100]!r}: {why}",
        hint="POST /sessions makes a new one",
        session_id=session_id[:100],
    )


def _no_token(upstream: Upstream) -> InfrastructureError:
    return InfrastructureError(
        f"a server of {upstream.name!r} refuses the gateway's token",
        hint="name the file of the servers' token in PIVOTGYM_UPSTREAM_TOKEN_FILE when the gateway starts",
    )


def _failed(upstream: Upstream, error: Broken, hint: str | None = None) -> PivotGymError:
    if error.late and error.sent:
        return TimedOut(f"a server of {upstream.name!r} gave no answer: {error}", hint=hint, details={"begun": True})
    return Warming(
        f"a server of {upstream.name!r} gave no answer: {error}",
        hint=hint or "repeat the call",
        retry_after_s=RETRY_AFTER_S,
    )
