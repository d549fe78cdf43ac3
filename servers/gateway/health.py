"""Looking at replicas: which there are, which can serve, and that all know the same pivots.

A replica that came back, or that joined, lacks what was added meanwhile. It is given that, in the order in which the
others have it, before it gets work; so cursors into lists of pivots hold for every replica.

Owns: these looks. Does not own: what follows from them for a call (`upstream`, `passing`).
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import logging
import socket
from typing import Any
from urllib.parse import quote

from pivotgym.servers.gateway.connections import Broken
from pivotgym.servers.gateway.settings import Address
from pivotgym.servers.gateway.upstream import Replica, Upstream

log = logging.getLogger("pivotgym.gateway")
LOOK_S = 5.0
"""Time that a look at one replica may take."""
PAGE, ADDED_AT_ONCE, READ_AT_ONCE = 1000, 200, 16


class Unusable(Exception):
    """A replica answered something that no environment server answers."""


async def resolve(upstream: Upstream) -> None:
    """Find the replicas behind the names; a name that leads nowhere now keeps those it led to before."""
    found = await asyncio.gather(*(_addresses(upstream, address) for address in upstream.addresses))
    known = {address for addresses in found for address in addresses or ()}
    kept_hosts = any(addresses is None for addresses in found)
    for replica in upstream.replicas.values():
        replica.named = replica.address in known or (kept_hosts and replica.named)
    for address in known:
        upstream.add(address)


async def _addresses(upstream: Upstream, address: Address) -> list[Address] | None:
    """The addresses behind one; `None` if its host's name leads nowhere."""
    if address.scheme == "https" or _is_ip(address.host):  # a certificate is for the name
        return [address]
    try:
        found = await asyncio.get_running_loop().getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    except OSError as error:
        upstream.unresolved[address.host] = f"the name leads nowhere: {error.strerror or error}"
        return None
    upstream.unresolved.pop(address.host, None)
    return [address._replace(host=str(host)) for host in dict.fromkeys(place[4][0] for place in found)]


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


async def look(upstream: Upstream) -> None:
    """Look at all replicas of a domain, and forget those that are gone."""
    await resolve(upstream)
    replicas = list(upstream.replicas.values())
    ready = await asyncio.gather(*(_ready(upstream, replica) for replica in replicas))
    counted = [replica for replica, is_ready in zip(replicas, ready, strict=True) if is_ready]
    await _equalise(upstream, counted)
    for replica in replicas:
        if replica.state == "down" and not replica.named:
            upstream.remove(replica)


async def look_forever(upstream: Upstream) -> None:
    """Look again and again."""
    while True:
        try:
            await look(upstream)
        except Exception:  # a look that fails must not be the last one; the log has what nobody expected
            log.exception("looking at the servers of %r failed", upstream.name)
        await asyncio.sleep(upstream.settings.check_s)


async def ask_bytes(
    upstream: Upstream, replica: Replica, method: str, path: str, body: bytes = b""
) -> tuple[int, bytes]:
    """Status and body of a replica's answer to the gateway itself.

    Raises:
        Broken: If there is no answer in time.
    """
    headers = ((b"content-type", b"application/json"), *upstream.headers)
    try:
        async with asyncio.timeout(LOOK_S):
            answer = await replica.ask(method, path.encode(), body, headers, LOOK_S)
            return answer.status, await answer.body()
    except TimeoutError as error:
        raise Broken(f"no answer within {LOOK_S:g} s", late=True) from error


async def ask_json(upstream: Upstream, replica: Replica, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    """Status and JSON of a replica's answer.

    Raises:
        Broken: As for `ask_bytes`.
        Unusable: If it is no JSON.
    """
    sent = b"" if body is None else json.dumps(body).encode()
    status, content = await ask_bytes(upstream, replica, method, path, sent)
    try:
        return status, json.loads(content)
    except (ValueError, RecursionError) as error:
        raise Unusable(f"{path} answered {status} with something that is no JSON") from error


async def _ready(upstream: Upstream, replica: Replica) -> bool:
    """Whether a replica can serve, and how many pivots it has; notes what is amiss."""
    try:
        status, said = await ask_json(upstream, replica, "GET", "/ready")
        if status != 200:
            raise Unusable(_message(said) or f"/ready answered {status}")
        replica.pivots = await _count(upstream, replica)
    except Unusable as error:
        replica.is_("unready", str(error))
        return False
    except Broken as error:
        if error.late and error.sent and replica.state == "ready":
            return False  # busy, not gone: its calls wait for a thread as this one did
        replica.is_("down", str(error))
        return False
    return True


async def _count(upstream: Upstream, replica: Replica) -> int:
    page = await _page(upstream, replica, "/pivots?limit=1")
    return int(page["total"])


async def _page(upstream: Upstream, replica: Replica, path: str) -> dict[str, Any]:
    status, page = await ask_json(upstream, replica, "GET", path)
    if status == 401:
        raise Unusable("it refuses the gateway's token")
    if status != 200 or not isinstance(page, dict) or not isinstance(page.get("total"), int):
        raise Unusable(f"/pivots answered {status}: {_message(page) or 'something else than a page'}")
    return page


def _message(said: Any) -> str | None:
    return str(said["message"])[:500] if isinstance(said, dict) and "message" in said else None


async def _equalise(upstream: Upstream, replicas: list[Replica]) -> None:
    """Give those that know fewer pivots what the others have; ready is who knows all."""
    async with upstream.adding:
        trusted = [*replicas, *(replica for replica in upstream.replicas.values() if replica.state == "ready")]
        fullest = max(trusted, key=lambda replica: replica.pivots or 0, default=None)
        for replica in replicas:
            try:
                if fullest is not None and (replica.pivots or 0) < (fullest.pivots or 0):
                    await _copy(upstream, fullest, replica)
                    replica.pivots = await _count(upstream, replica)
            except (Broken, Unusable) as error:
                replica.is_("unready", f"it lacks pivots that others have: {error}")
            else:
                replica.is_("ready")


async def _copy(upstream: Upstream, source: Replica, target: Replica) -> None:
    """Add to `target` what `source` has and it has not."""
    theirs = set(await _ids(upstream, target))
    missing = [name for name in await _ids(upstream, source) if name not in theirs]
    for start in range(0, len(missing), ADDED_AT_ONCE):
        part = missing[start : start + ADDED_AT_ONCE]
        gate = asyncio.Semaphore(READ_AT_ONCE)

        async def read(name: str, gate: asyncio.Semaphore = gate) -> Any:
            async with gate:
                status, pivot = await ask_json(upstream, source, "GET", f"/pivots/{quote(name, safe='')}")
            if status != 200:
                raise Unusable(f"/pivots/{name} answered {status}")
            return pivot

        pivots = await asyncio.gather(*map(read, part))
        status, said = await ask_json(upstream, target, "POST", "/pivots", {"pivots": pivots})
        if status != 200:
            raise Unusable(f"POST /pivots answered {status}: {_message(said)}")


async def _ids(upstream: Upstream, replica: Replica) -> list[str]:
    found: list[str] = []
    cursor: str | None = "0"
    while cursor is not None:
        page = await _page(upstream, replica, f"/pivots?limit={PAGE}&cursor={quote(cursor)}")
        try:
            found += [str(item["id"]) for item in page["pivots"]]
            cursor = None if page["next"] is None else str(page["next"])
        except (KeyError, TypeError) as error:
            raise Unusable("/pivots answered something else than a page of pivots") from error
    return found
