"""Pages from templates.

Owns: the template environment and what every page is given. Does not own: the templates' content (`templates/`), or
which values a page shows (the handlers).
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pivotgym.core.errors import MissingDependency
from pivotgym.envs.browsing.pages.contract import Response
from pivotgym.envs.browsing.pages.sites.shop.goods import CATEGORIES
from pivotgym.envs.browsing.pages.sites.shop.web import COOKIE, Call

if TYPE_CHECKING:
    from jinja2 import Environment

FOLDER = Path(__file__).parent / "templates"
NOTES = {
    "added": "Added to your cart.",
    "updated": "Your cart was updated.",
    "removed": "Removed from your cart.",
    "coupon": "The coupon was applied.",
    "registered": "Welcome! Your account was created.",
    "signed-in": "You are signed in.",
    "signed-out": "You are signed out.",
    "saved": "Your changes were saved.",
    "deleted": "The address was deleted.",
    "cancelled": "The order was cancelled.",
    "sent": "Thank you, we got your message.",
    "reviewed": "Thank you for your review.",
    "subscribed": "You will get our newsletter.",
}
"""What a page says after a form was sent, by `note` in its address."""


def page(call: Call, template: str, title: str, *, status: int = 200, **values: Any) -> Response:
    """A page of the shop.

    Args:
        call: The request it answers.
        template: Name of its template, without `.html`.
        title: Its title.
        status: HTTP status.
        **values: What the template shows.

    Raises:
        MissingDependency: Without jinja2.
    """
    count = sum(line.count for line in call.visit.cart)
    text = (
        _environment()
        .get_template(f"{template}.html")
        .render(
            title=title,
            categories=CATEGORIES,
            account=call.account,
            cart_count=count,
            goods=call.state.goods,
            note=NOTES.get(call.query.get("note", ""), ""),
            **values,
        )
    )
    return Response(text.encode("utf-8", "replace"), status)


def not_found(call: Call) -> Response:
    """There is no such page."""
    return page(call, "missing", "Page not found", status=404)


def with_cookie(response: Response, visit: str) -> Response:
    """The same answer, telling the browser its visit."""
    cookie = f"{COOKIE}={visit}; Path=/; HttpOnly; SameSite=Lax"
    return Response(response.body, response.status, {**response.headers, "set-cookie": cookie})


def money(cents: int) -> str:
    """An amount as it is shown."""
    return f"€{cents // 100:,}.{cents % 100:02d}"


@lru_cache(maxsize=1)
def _environment() -> Environment:
    try:
        from jinja2 import Environment, FileSystemLoader, StrictUndefined
    except ImportError as error:
        raise MissingDependency(
            "shop: its pages need jinja2, which is not installed", hint="pip install 'pivotgym[browser]'"
        ) from error
    made = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["money"] = money
    made.filters["pair"] = lambda text: (text, text)
    made.filters["zip"] = zip
    return made
