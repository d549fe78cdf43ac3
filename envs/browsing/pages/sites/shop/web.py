"""A request as the shop reads it, and the answers it gives.

Owns: query, form and cookie of a request, the visit it belongs to, redirects and plain errors. Does not own: the table
of addresses (`routes`), or what a page says (`rendering`). Whatever is sent is read; what makes no sense counts as
absent.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from pivotgym.envs.browsing.pages.contract import Request, Response
from pivotgym.envs.browsing.pages.sites.shop.state import Account, State, Visit, visit_id

COOKIE = "visit"
_MOST_FIELDS = 60
_MOST_BODY = 100_000
_LOCAL = re.compile(r"/[a-z0-9/-]*")


@dataclass
class Call:
    """A request to the shop.

    Attributes:
        state: What the server remembers; handlers change it.
        method: `GET` or `POST`.
        path: Of the address, decoded.
        query: Its parameters, the last of each name.
        form: What a form sent, likewise.
        visit_id: The visit's id, or "" for a browser without one.
        given: A visit's id that the browser must be told, or "".
    """

    state: State
    method: str
    path: str
    query: dict[str, str]
    form: dict[str, str]
    visit_id: str
    given: str = ""

    @property
    def visit(self) -> Visit:
        """The browser's visit; an empty one if it has none yet."""
        return self.state.visits.get(self.visit_id, Visit())

    @property
    def account(self) -> Account | None:
        """Who is signed in."""
        return self.state.accounts.get(self.visit.customer)

    def change(self, **fields: Any) -> None:
        """Change the visit, which begins one for a browser without."""
        if not self.visit_id:
            self.visit_id = self.given = visit_id(self.state.seed, len(self.state.visits) + 1)
        self.state.visits[self.visit_id] = replace(self.visit, **fields)


def read(state: State, request: Request) -> Call:
    """Read a request.

    Raises:
        ValueError: If its address cannot be read.
    """
    parts = urlsplit(request.url)
    call = Call(
        state=state,
        method=request.method,
        path=unquote(parts.path, errors="strict") or "/",
        query=_fields(parts.query),
        form=_fields(request.body[:_MOST_BODY].decode("utf-8", "replace")) if request.method == "POST" else {},
        visit_id=_visit(state, request.headers.get("cookie", "")),
    )
    if not call.visit_id and state.entry and "text/html" in request.headers.get("accept", "text/html"):
        call.visit_id = call.given = state.entry
        state.entry = ""
    return call


def redirect(location: str, **query: str) -> Response:
    """Answer with another address of the shop, to be got."""
    where = f"{location}?{urlencode(query)}" if query else location
    return Response(b"", 303, {"location": where})


def to_sign_in(call: Call) -> Response:
    """Ask to sign in, and come back here."""
    return redirect("/login", next=call.path if call.method == "GET" else "/account")


def local(text: str, default: str) -> str:
    """An address within the shop, or `default` for anything else."""
    return text if _LOCAL.fullmatch(text) and not text.startswith("//") else default


def number_in(text: str) -> int | None:
    """A whole number in a path, or `None`."""
    return int(text) if re.fullmatch(r"[0-9]{1,9}", text) else None


def _fields(text: str) -> dict[str, str]:
    try:
        return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=_MOST_FIELDS))
    except ValueError:
        return {}


def _visit(state: State, header: str) -> str:
    for pair in header.split(";"):
        name, _, value = pair.strip().partition("=")
        if name == COOKIE and value in state.visits:
            return value
    return ""
