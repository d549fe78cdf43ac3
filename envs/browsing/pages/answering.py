"""How a page's requests are answered: by the session's site, or not at all.

Owns: redirects, what is off-site, and the answer that a restored document is loaded from. Does not own: the site
(`envs.browsing.pages.contract.Site`), or tabs and time (`envs.browsing.pages.session`).

A navigation that is redirected is answered with a page that replaces itself, since redirected requests could not be
intercepted; other redirects are followed here. What is off-site is refused and noted: a navigation by an answer without
content, which leaves the page as it is.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from pivotgym.envs.browsing.pages.contract import Request, Response, Site
from pivotgym.envs.browsing.pages.tabs import Served, Tab

if TYPE_CHECKING:
    from playwright.async_api import Route

    from pivotgym.envs.browsing.pages.session import Session

REDIRECTS = 20
LOADS = 20
"""Documents that a tab may load after one action; a page that loads itself again and again is stopped there."""
FRAMES = 100
"""Documents that a tab's frames may load after one action."""
_REDIRECT = "<!doctype html><title>Redirect</title><script>location.replace({})</script>"
_TOO_MANY = "<!doctype html><title>Too many redirects</title><h1>This page redirects too many times</h1>"


_TOO_OFTEN = "<!doctype html><title>Too many loads</title><h1>This page loads itself too many times</h1>"


class Answers:
    """Answers all requests of one session.

    Args:
        session: Whose tabs ask, and who is told what was refused.
        site: What answers.

    Attributes:
        stored: What the next request for its address is answered with instead, when a state is restored.
        broken: The first exception of the site's, if there was one.
        flying: Requests that are being answered now.
        answered: How many were answered so far.
    """

    def __init__(self, session: Session, site: Site) -> None:
        self._session, self.site = session, site
        self.stored: Served | None = None
        self.broken: BaseException | None = None
        self.flying = 0
        self.answered = 0

    async def answer(self, route: Route) -> None:
        """Answer a request."""
        self.flying += 1
        try:
            await self._answered(route)
        except Exception as error:
            self._session.unless_gone(error)
        finally:
            self.flying -= 1
            self.answered += 1

    async def _answered(self, route: Route) -> None:
        sent = route.request
        moves = sent.is_navigation_request()
        address = sent.url.partition("#")[0]
        if not self.ours(address):
            await self._refuse(route, address, moves)
            return
        request = Request(sent.method, address, sent.headers, sent.post_data_buffer or b"")
        tab = self._session.tab_of(route) if moves else None
        if moves and self._too_often(route, tab):
            await route.fulfill(status=508, content_type="text/html", body=_TOO_OFTEN)
            return
        if tab is not None and self.stored is not None and self.stored.url == address:
            response, self.stored = self.stored.response, None
        else:
            response = self._handled(request)
        if moves:
            location = _location(address, response)
            if location is not None and not self.ours(location):
                await self._refuse(route, location, moves)
                return
            if location is not None:
                response = self._elsewhere(tab, location, response)
            elif tab is not None:
                tab.hops = 0
                tab.served = Served(address, response, sent.headers.get("referer"))
        else:
            followed = self._followed(request, response)
            if followed is None:
                await self._refuse(route, address, moves)
                return
            response = followed
        if tab is not None:
            tab.moved += 1
        if moves and response.status in (204, 205):
            self._in_vain(route)
        await route.fulfill(status=response.status, headers=dict(response.headers), body=response.body)

    def _too_often(self, route: Route, tab: Tab | None) -> bool:
        """Whether a tab has loaded documents without end since the last action."""
        if tab is not None:
            tab.loads += not tab.hops  # redirects have a limit of their own
            if tab.loads <= LOADS:
                return False
            self._session.note(f"the page loads itself more than {LOADS} times and was stopped")
            return True
        around = self._session.tab_around(route)
        if around is not None:
            around.frames += 1
            if around.frames > FRAMES:
                self._session.note(f"frames of the page load more than {FRAMES} times and were stopped")
                return True
        return False

    def _handled(self, request: Request) -> Response:
        try:
            return self.site.handle(request)
        except Exception as error:
            self.broken = self.broken or error
            return Response(b"", 500)

    def _elsewhere(self, tab: Tab | None, location: str, response: Response) -> Response:
        """A page that replaces itself by the one that a navigation is redirected to."""
        if tab is not None:
            tab.hops += 1
            if tab.hops > REDIRECTS:
                tab.hops = 0
                self._session.note(f"the page redirects more than {REDIRECTS} times")
                return Response(_TOO_MANY.encode(), 508)
        headers = {"content-type": "text/html; charset=utf-8"}
        headers |= {name: value for name, value in response.headers.items() if name.lower() == "set-cookie"}
        script = json.dumps(location).replace("<", "\\u003c")
        return Response(_REDIRECT.format(script).encode(), 200, headers)

    def _followed(self, request: Request, response: Response) -> Response | None:
        """What a request that is no navigation gets in the end; `None` where that is off-site or has no end."""
        address = request.url
        for _ in range(REDIRECTS):
            location = _location(address, response)
            if location is None:
                return response
            if not self.ours(location):
                return None
            address = location.partition("#")[0]
            response = self._handled(Request("GET", address, request.headers))
        return None

    async def _refuse(self, route: Route, address: str, moves: bool) -> None:
        if urlsplit(address).scheme in ("http", "https"):
            self._session.note(
                f"off-site and not opened: {address[:200]}" if moves else f"off-site and blocked: {address[:200]}"
            )
        if moves:
            self._in_vain(route)
            await route.fulfill(status=204, body=b"")
        else:
            await route.abort("blockedbyclient")

    def _in_vain(self, route: Route) -> None:
        tab = self._session.tab_of(route)
        if tab is not None:
            tab.vain = True

    def ours(self, address: str) -> bool:
        """Whether an address is one of the site's."""
        return any(host_of(address) == host_of(own) for own in self.site.addresses)


def host_of(address: str) -> str:
    """Scheme and host of an address."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}".lower()


def _location(address: str, response: Response) -> str | None:
    """Where a redirect leads."""
    if not 300 <= response.status < 400:
        return None
    named = next((value for name, value in response.headers.items() if name.lower() == "location"), None)
    return None if named is None else urljoin(address, named)
