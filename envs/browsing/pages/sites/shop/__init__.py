"""The project's own shop: many pages, made by the server, nearly without script.

Owns: the site as the browser's world sees it. Does not own: tasks on it (`envs.browsing.pages.tasks`). `goods` makes
the products up, `state` is what the server remembers, `routes` leads to the handlers (`browse`, `basket`, `checkout`,
`customers`, `contact`), `rendering` and `templates/` make the pages.

Origin: `{kind: "site", site: "shop", seed: 3, signed_in: true, cart: 2}`; see `state.begin`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, ClassVar, Self

from pivotgym.core.canonical import digest
from pivotgym.envs.base.contract import Task
from pivotgym.envs.browsing.pages.contract import Request, Response, Site
from pivotgym.envs.browsing.pages.sites.shop.checking import began, fulfilled
from pivotgym.envs.browsing.pages.sites.shop.rendering import with_cookie
from pivotgym.envs.browsing.pages.sites.shop.routes import answer
from pivotgym.envs.browsing.pages.sites.shop.state import State
from pivotgym.envs.browsing.pages.sites.shop.web import read

ADDRESS = "http://shop.test"


class Shop(Site):
    """The shop of one session."""

    name: ClassVar[str] = "shop"
    addresses: ClassVar[tuple[str, ...]] = (ADDRESS,)

    def __init__(self) -> None:
        self.state = State(0)

    def start(self, origin: Mapping[str, Any], seed: int) -> str:
        """See `Site.start`. Without a seed in the origin, `seed` makes the goods and customers up."""
        self.state = began(origin, seed)
        return f"{ADDRESS}/"

    def handle(self, request: Request) -> Response:
        """See `Site.handle`."""
        try:
            call = read(self.state, request)
        except ValueError:
            return Response(b"this address cannot be read", 400, {"content-type": "text/plain; charset=utf-8"})
        given = answer(call)
        return with_cookie(given, call.given) if call.given else given

    def fork(self) -> Self:
        """See `Site.fork`."""
        copy = type(self)()
        copy.state = self.state.fork()
        return copy

    def digest(self) -> str:
        """See `Site.digest`."""
        return digest(asdict(self.state))

    def outcome(self, task: Task, ended: Mapping[str, Any]) -> float:
        """1.0 if the state changed exactly as the task wants, and the answer is the one it asks for; else 0.0."""
        return float(fulfilled(task, self.state, ended.get("answer")))
