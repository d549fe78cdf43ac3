"""A shop without a browser: requests by hand, with a cookie and redirects."""

from __future__ import annotations

from html import unescape
from urllib.parse import urlencode

import pytest

from pivotgym.envs.browsing.pages.contract import Request
from pivotgym.envs.browsing.pages.sites.shop import ADDRESS, Shop
from pivotgym.envs.browsing.pages.sites.shop.state import Account, Visit, password_of


class Shopper:
    """Sends requests to a shop as a browser does, and keeps the last answer."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.cookie = ""
        self.status, self.path, self.text = 0, "", ""

    def get(self, path: str) -> str:
        return self._send("GET", path, b"")

    def post(self, path: str, **form: object) -> str:
        return self._send("POST", path, urlencode(form).encode())

    def _send(self, method: str, path: str, body: bytes) -> str:
        headers = {"cookie": self.cookie} if self.cookie else {}
        answer = self.shop.handle(Request(method, f"{ADDRESS}{path}", headers, body))
        if "set-cookie" in answer.headers:
            self.cookie = answer.headers["set-cookie"].partition(";")[0]
        if answer.status == 303:
            return self._send("GET", answer.headers["location"], b"")
        self.status, self.path, self.text = answer.status, path, unescape(answer.body.decode())
        return self.text

    def sign_in(self, account: int = 1) -> None:
        one = self.shop.state.accounts[account]
        self.post("/login", email=one.email, password=password_of(self.shop.state.seed, account))

    @property
    def account(self) -> Account:
        return self.shop.state.accounts[1]

    @property
    def visit(self) -> Visit:
        return self.shop.state.visits[self.cookie.partition("=")[2]]


def started(**fields: object) -> Shop:
    shop = Shop()
    shop.start({"kind": "site", "site": "shop", "seed": 1, **fields}, 0)
    return shop


@pytest.fixture
def shopper() -> Shopper:
    """A browser that is signed in as customer 1, with an empty cart."""
    one = Shopper(started(signed_in=True))
    one.get("/")
    return one


@pytest.fixture
def guest() -> Shopper:
    """A browser that was never here."""
    return Shopper(started())
