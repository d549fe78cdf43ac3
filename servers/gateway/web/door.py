"""Who may see the page: the token as a header or, once signed in, as a cookie; and what browsers may do with it.

The cookie holds a value made from the token, not the token, so that it opens the page alone. Where the gateway has no
token there is nobody to sign in; a form of another site is refused all the same.

Owns: signing in, the headers of every answer below `/ui`, the page's own files. Does not own: the
pages.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pivotgym.core.errors import InputError, NotFound, PivotGymError, Unauthorized
from pivotgym.servers.dispatch import path_of
from pivotgym.servers.endpoint import answer_with, read_body
from pivotgym.servers.gateway.web.pages import STATIC, error_page, render, static
from pivotgym.servers.sites import own_name, same_origin
from pivotgym.servers.wire import Reply, as_error, error_reply

if TYPE_CHECKING:
    from pivotgym.servers.gateway.service import Gateway

COOKIE = "pivotgym"
SIGN_IN, SIGN_OUT, FILES = "/ui/sign-in", "/ui/sign-out", "/ui/static/"
_MOST_FORM = 2**16
_POLICY = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    b"base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = (
    (b"content-security-policy", _POLICY),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
)


class Door:
    """ASGI application before the whole gateway: what is below `/ui` is let in here, all else by the guard.

    Args:
        gateway: Whose page it is.
        guarded: Answers everything else.
        open: Answers what was let in.
    """

    def __init__(self, gateway: Gateway, guarded: ASGIApp, open: ASGIApp) -> None:
        self._gateway, self._guarded, self._open = gateway, guarded, open
        bearer = gateway.tokens.bearer
        self._bearer = bearer.encode() if bearer is not None else None
        self._cookie = cookie_of(bearer) if bearer is not None else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        path = path_of(scope) if scope["type"] == "http" else ""
        if path not in ("/ui", "/ui.json") and not path.startswith("/ui/"):
            await self._guarded(scope, receive, send)
            return

        async def secured(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = {name for name, _ in message["headers"]}
                added = [header for header in _HEADERS if header[0] not in own]
                message = {**message, "headers": [*message["headers"], *added]}
            await send(message)

        answer = await self._answer(scope, receive, path)
        if answer is None:
            await self._open(scope, receive, secured)
        else:
            await answer_with(answer, secured)

    async def _answer(self, scope: Scope, receive: Receive, path: str) -> Reply | None:
        """What is answered at the door; `None` for who is let in."""
        try:
            if self._bearer is None:
                own_name(scope)
            if scope["method"] not in ("GET", "HEAD"):
                same_origin(scope)
            if path.startswith(FILES):
                return _file(path.removeprefix(FILES))
            if path == SIGN_IN:
                return await self._sign_in(scope, receive)
            if path == SIGN_OUT and scope["method"] == "POST":
                return _moved(SIGN_IN, _set_cookie("", "; Max-Age=0"))
            return None if self._may(scope) else self._refused(scope, path)
        except PivotGymError as error:
            self._gateway.metrics.error(error.code)
            return error_reply(error) if path.endswith(".json") else error_page(self._gateway, error)

    def _may(self, scope: Scope) -> bool:
        if self._bearer is None or self._cookie is None:
            return True
        scheme, _, token = _header(scope, b"authorization").partition(b" ")
        if scheme.lower() == b"bearer" and hmac.compare_digest(token.strip(), self._bearer):
            return True
        return hmac.compare_digest(_cookie(scope).encode("utf-8", "replace"), self._cookie.encode())

    def _refused(self, scope: Scope, path: str) -> Reply:
        error = Unauthorized("the page of this gateway is shown to those who have its token", hint="sign in")
        self._gateway.metrics.error(error.code)
        self._gateway.metrics.request("unauthorized", error.status, 0.0)
        if path.endswith(".json"):
            return error_reply(error)
        query = scope["query_string"].decode("latin-1")
        return self._form(path + ("?" + query if query else ""), 401)

    def _form(self, after: str, status: int = 200, wrong: bool = False) -> Reply:
        page = render("sign-in.html", self._gateway, after=after, wrong=wrong)
        page.status = status
        return page

    async def _sign_in(self, scope: Scope, receive: Receive) -> Reply:
        if self._bearer is None or self._cookie is None:
            return _moved("/ui")
        if scope["method"] != "POST":
            return self._form("/ui")
        try:
            body = await read_body(scope, receive, _MOST_FORM)
            fields = dict(parse_qsl(body.decode("utf-8", "replace"), max_num_fields=10))
        except ValueError as error:
            raise as_error(InputError(f"form: {error}")) from error
        after = fields.get("after", "/ui")
        if not hmac.compare_digest(fields.get("token", "").strip().encode("utf-8", "replace"), self._bearer):
            self._gateway.metrics.error(Unauthorized.code)
            return self._form(after, 401, wrong=True)
        secure = "; Secure" if scope.get("scheme") == "https" else ""
        return _moved(_inside(after), _set_cookie(self._cookie, secure))


def cookie_of(token: str) -> str:
    """The cookie's value: known to who knows the token, and telling nothing of it."""
    return hmac.new(token.encode(), b"pivotgym: the gateway's page", hashlib.sha256).hexdigest()


def _header(scope: Scope, name: bytes) -> bytes:
    return next((bytes(value) for key, value in scope["headers"] if key == name), b"")


def _cookie(scope: Scope) -> str:
    """Our cookie among those of everything else on this host, which may be of any shape."""
    pairs = (part.partition("=") for part in _header(scope, b"cookie").decode("latin-1").split(";"))
    return next((value.strip() for name, _, value in pairs if name.strip() == COOKIE), "")


def _set_cookie(value: str, more: str) -> bytes:
    return f"{COOKIE}={value}; Path=/; HttpOnly; SameSite=Strict{more}".encode()


def _inside(address: str) -> str:
    """An address below `/ui`, or `/ui` itself where it is another."""
    plain = address.isascii() and address.isprintable() and "\\" not in address
    return address if plain and (address == "/ui" or address.startswith("/ui/")) else "/ui"


def _moved(where: str, cookie: bytes | None = None) -> Reply:
    headers = [(b"location", where.encode()), (b"content-type", b"text/plain; charset=utf-8")]
    return Reply(b"", 303, (*headers, *([(b"set-cookie", cookie)] if cookie is not None else ())))


def _file(name: str) -> Reply:
    content = static(name) if name in STATIC else None
    if content is None:
        raise NotFound(f"no file {name[:100]!r}; there are: {', '.join(STATIC)}")
    kept = ((b"content-type", STATIC[name]), (b"cache-control", b"public, max-age=300"))
    return Reply(content, headers=kept)
