"""The project's own shop: many pages, made by the server, nearly without script.

Owns: the site as the browser's world sees it. Does not own: tasks on it (`envs.browsing.pages.tasks`). `goods` makes
the products up, `state` is what the server remembers, `routes` leads to the handlers (`browse`, `basket`, `checkout`,
`customers`, `contact`), `rendering` and `templates/` make the pages.

Origin: `{kind: "site", site: "shop", seed: 3, signed_in: true}`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, ClassVar, Self

from pivotgym.core.canonical import digest
from pivotgym.core.errors import InputError
from pivotgym.envs.base.contract import Task
from pivotgym.envs.browsing.pages.contract import Request, Response, Site
from pivotgym.envs.browsing.pages.sites import own_fields
from pivotgym.envs.browsing.pages.sites.shop.rendering import with_cookie
from pivotgym.envs.browsing.pages.sites.shop.routes import answer
from pivotgym.envs.browsing.pages.sites.shop.state import State, begin
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
        fields = own_fields(origin, ("seed", "signed_in"))
        number, signed_in = fields.get("seed", seed), fields.get("signed_in", False)
        if isinstance(number, bool) or not isinstance(number, int):
            raise InputError(f"origin.seed: expected a whole number, got {number!r}")
        if not isinstance(signed_in, bool):
            raise InputError(f"origin.signed_in: expected true or false, got {signed_in!r}")
        self.state = begin(number, signed_in=signed_in)
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
        from pivotgym.envs.browsing.pages.sites.shop.checking import fulfilled

        return float(fulfilled(task, self.state, ended.get("answer")))
