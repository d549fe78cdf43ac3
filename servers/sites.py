"""Requests that a browser sends on behalf of another site: told by their headers, and refused.

A server without a token trusts who can reach it. A browser on the same machine can, and does so for any page that its
user looks at: by a form or `fetch`, which says its origin, or by a name that the page's owner lets point to 127.0.0.1
(DNS rebinding: the origin is the server's then, but the name is the owner's).

Owns: telling such requests. Does not own: who asks (`auth`, `gateway.web.door`).
"""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from urllib.parse import urlsplit

from starlette.types import Scope

from pivotgym.core.errors import InputError


class Forbidden(InputError):
    """A request that another site's page sent."""

    code = "forbidden"
    status = 403


def same_origin(scope: Scope) -> None:
    """Refuse what another site's page sent.

    Raises:
        Forbidden: If the request names another origin than the one it was sent to.
    """
    host = origin = site = b""
    for name, value in scope["headers"]:
        if name == b"host":
            host = value
        elif name == b"origin":
            origin = value
        elif name == b"sec-fetch-site":
            site = value
    if (origin and not _same(origin, host)) or site not in (b"", b"same-origin", b"none"):
        shown = origin.decode("latin-1")[:200]
        raise Forbidden(
            f"origin: expected that of this server, got {shown!r}",
            hint="send it from a page of this server, or from no page",
        )


def own_name(scope: Scope) -> None:
    """Refuse a request that was sent to a name in the public domain name system; for servers without a token.

    Raises:
        Forbidden: If `Host` is neither an address, nor `localhost`, nor a name without a dot.
    """
    host = next((value for name, value in scope["headers"] if name == b"host"), b"")
    if not _is_local(host):
        raise Forbidden(
            f"host: expected an address or localhost, got {host.decode('latin-1')[:200]!r}",
            hint="a server without a token answers to no other name; give it one (PIVOTGYM_TOKEN_FILE)",
        )


def _same(origin: bytes, host: bytes) -> bool:
    try:
        return urlsplit(origin.decode("latin-1")).netloc.casefold() == host.decode("latin-1").casefold()
    except ValueError:
        return False


@lru_cache(maxsize=256)
def _is_local(host: bytes) -> bool:
    try:
        name = urlsplit(f"//{host.decode('latin-1')}").hostname or ""
    except ValueError:
        return False
    name = name.removesuffix(".")
    if "." not in name.removesuffix(".localhost") and ":" not in name:
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
