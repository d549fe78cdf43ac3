"""When two addresses are the same page.

Owns: the normal form of a URL. Does not own: redirects and pages with the same text (`envs.browsing.search`).

By RFC 3986, section 6: case of scheme and host, default ports, dot segments, percent encoding, an empty path. The
fragment never reaches a server.

By our decision, as web servers and search engines treat these as one page: `http` for `https`; `www.`, `m.` and
`mobile.` before a host; a slash at the end of a path; an empty query; `+` for a space in it; brackets and colons that a
path may have encoded; names and passwords before the host; parameters that only say where a click came from (`utm_*`,
`gclid`, ...). Not the same: another case in the path, another order of parameters, `/index.html` for `/`.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import lru_cache
from urllib.parse import urlsplit

import httpx

_MOST = 8000
_PERCENT = re.compile(r"%([0-9A-Fa-f]{2})")
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_PLAIN_IN_PATHS = _UNRESERVED | frozenset("!'()*,:@")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_HOST = re.compile(r"[\w-]+(\.[\w-]+)+(:\d+)?([/?#]|$)")
_CLICKS = "gclid dclid gbraid wbraid fbclid msclkid yclid twclid ttclid igshid mc_cid mc_eid srsltid _ga _gl"
_TRACKING = re.compile(rf"(utm_\w+|{_CLICKS.replace(' ', '|')})=", re.IGNORECASE)
_SAME_SITE = re.compile(r"(?<![\w-])(?:www|m|mobile)\.(?=[^.]+\.[^.])")
_PORTS = {"http": 80, "https": 443}


@lru_cache(maxsize=65536)
def address_key(url: str) -> str | None:
    """The normal form of a web address, equal for addresses of one page; `None` for what is no web address."""
    url = url.strip().strip("<>")
    if not url or len(url) > _MOST or any(char.isspace() for char in url):
        return None
    if url.startswith("//"):
        url = "https:" + url
    if not _SCHEME.match(url) or _HOST.match(url):
        url = "https://" + url
    try:
        # Decoded first: `%2e%2e` is a dot segment too.
        read = httpx.URL(_decoded(url))
        if read.scheme not in _PORTS or not read.host:
            return None
        host = urlsplit(str(read)).hostname or ""
        port = "" if read.port in (None, _PORTS[read.scheme]) else f":{read.port}"
    except (httpx.InvalidURL, ValueError):
        return None
    path, _, query = read.raw_path.decode("ascii").partition("?")
    query = _decoded(query.replace("+", "%20"))
    kept = "&".join(part for part in query.split("&") if part and not _TRACKING.match(part))
    path = _decoded(path, _PLAIN_IN_PATHS).rstrip("/") or "/"
    host = _SAME_SITE.sub("", host.rstrip("."))
    return f"{host}{port}{path}" + (f"?{kept}" if kept else "")


def _decoded(text: str, plain: Collection[str] = _UNRESERVED) -> str:
    """Percent encoding in its one normal form: none for plain characters, capitals for the others."""

    def one(match: re.Match[str]) -> str:
        char = chr(int(match[1], 16))
        return char if char in plain else match[0].upper()

    return _PERCENT.sub(one, text)
