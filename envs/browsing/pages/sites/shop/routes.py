"""Which handler answers which address of the shop.

Owns: the table, and finding a handler. Does not own: what they do.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from pivotgym.envs.browsing.pages.contract import Response
from pivotgym.envs.browsing.pages.sites.shop import basket, browse, checkout, contact, customers
from pivotgym.envs.browsing.pages.sites.shop.rendering import not_found
from pivotgym.envs.browsing.pages.sites.shop.web import Call

Handler = Callable[..., Response]
_TABLE: tuple[tuple[str, str, Handler], ...] = (
    ("GET", "/", browse.home),
    ("GET", "/shop.css", browse.style),
    ("GET", "/search", browse.search),
    ("GET", "/sale", browse.sale),
    ("GET", "/c/*", browse.category),
    ("GET", "/p/*", browse.product),
    ("GET", "/product/*", browse.old_product),
    ("GET", "/p/*/review", contact.review_form),
    ("POST", "/p/*/review", contact.review),
    ("GET", "/size-guide", browse.size_guide),
    ("GET", "/help", browse.help_page),
    ("GET", "/contact", contact.contact_form),
    ("POST", "/contact", contact.contact),
    ("POST", "/newsletter", contact.subscribe),
    ("GET", "/cart", basket.cart),
    ("POST", "/cart/add", basket.add),
    ("POST", "/cart/update", basket.update),
    ("POST", "/cart/remove", basket.remove),
    ("POST", "/cart/coupon", basket.coupon),
    ("GET", "/checkout", checkout.checkout),
    ("POST", "/checkout", checkout.order),
    ("GET", "/orders", checkout.orders),
    ("GET", "/orders/*", checkout.shown),
    ("POST", "/orders/*/cancel", checkout.cancel),
    ("GET", "/login", customers.login),
    ("POST", "/login", customers.sign_in),
    ("POST", "/logout", customers.sign_out),
    ("GET", "/register", customers.register_form),
    ("POST", "/register", customers.register),
    ("GET", "/account", customers.account),
    ("GET", "/account/email", customers.email_form),
    ("POST", "/account/email", customers.change_email),
    ("GET", "/account/password", customers.password_form),
    ("POST", "/account/password", customers.change_password),
    ("POST", "/account/newsletter", customers.newsletter),
    ("GET", "/account/addresses", customers.addresses),
    ("GET", "/account/addresses/new", customers.new_address),
    ("GET", "/account/addresses/*", customers.address_form),
    ("POST", "/account/addresses/*", customers.save_address),
    ("POST", "/account/addresses/*/delete", customers.delete_address),
)


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(re.escape(path).replace(r"\*", "([^/]{1,80})"))


_ROUTES = tuple((method, _pattern(path), handler) for method, path, handler in _TABLE)


def answer(call: Call) -> Response:
    """The answer to a request: 404 for an address that does not exist, 405 for one that another method is for."""
    allowed = set()
    for method, pattern, handler in _ROUTES:
        found = pattern.fullmatch(call.path)
        if found is None:
            continue
        if method == call.method or (method, call.method) == ("GET", "HEAD"):
            return handler(call, *found.groups())
        allowed.add(method)
    if allowed:
        return Response(b"", 405, {"allow": ", ".join(sorted(allowed))})
    return not_found(call)
