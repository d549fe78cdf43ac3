"""How the shop's tasks are done: one program for each kind, and those of known wrong runs.

Owns: what is clicked and written. A program knows what the goal tells (`Goal.facts`) and what the page shows, nothing
else. Does not own: the goals (`shop_goals`), or acting and reading (`pilot`, `reading`).
"""

from __future__ import annotations

import re
from collections.abc import Callable

from pivotgym.core.errors import WorldFailed
from pivotgym.envs.browsing.pages.tasks.pilot import Pilot
from pivotgym.envs.browsing.pages.tasks.reading import Element, Page
from pivotgym.envs.browsing.pages.tasks.shop_goals import Facts

Program = Callable[[Pilot, Facts], None]
PROGRAMS: dict[str, Program] = {}
_MONEY = re.compile(r"€[\d,]+\.\d\d")
_STARS = re.compile(r"★ (\d\.\d) of 5")


def _program(run: Program) -> Program:
    PROGRAMS[run.__name__] = run
    return run


@_program
def cheapest(pilot: Pilot, facts: Facts) -> None:
    """Filter by colour, sort by price, buy the first."""
    _cheapest_in_cart(pilot, facts)
    _order(pilot)
    pilot.done()


@_program
def cheapest_twice(pilot: Pilot, facts: Facts) -> None:
    """The same order two times."""
    for _ in range(2):
        _cheapest_in_cart(pilot, facts)
        _order(pilot)
    pilot.done()


@_program
def cheapest_not_ordered(pilot: Pilot, facts: Facts) -> None:
    """All but the order."""
    _cheapest_in_cart(pilot, facts)
    pilot.done()


@_program
def fill_cart(pilot: Pilot, facts: Facts) -> None:
    """Search, choose, add, coupon."""
    _open(pilot, facts["product"])
    _add(pilot, facts)
    _coupon(pilot, facts)
    pilot.done()


@_program
def fill_cart_by_address(pilot: Pilot, facts: Facts) -> None:
    """The same without the search."""
    pilot.do("goto", url=f"http://shop.test/p/{facts['slug']}")
    _add(pilot, facts)
    _coupon(pilot, facts)
    pilot.done()


@_program
def fill_cart_and_order(pilot: Pilot, facts: Facts) -> None:
    """What was not asked for."""
    _open(pilot, facts["product"])
    _add(pilot, facts)
    _coupon(pilot, facts)
    _order(pilot)
    pilot.done()


@_program
def tidy_cart(pilot: Pilot, facts: Facts) -> None:
    """Remove one line, change another."""
    pilot.click("link", "Cart")
    pilot.click("button", f"Remove {facts['gone']}")
    if facts["more"]:
        pilot.fill(f"Quantity of {facts['more']}", facts["count"], "spinbutton")
        pilot.click("button", f"Update {facts['more']}")
    pilot.done()


@_program
def guest(pilot: Pilot, facts: Facts) -> None:
    """Buy without an account, with all that the form offers."""
    _open(pilot, facts["product"])
    _add(pilot, facts)
    pilot.click("link", "Go to checkout")
    pilot.fill("E-mail", facts["email"])
    _write_address(pilot, facts)
    pilot.tick(facts["shipping"], "radio")
    pilot.fill("Delivery day", facts["day"], "Date")
    pilot.tick(facts["payment"], "radio")
    if facts["wrapped"]:
        pilot.tick("Wrap it as a gift")
    pilot.fill("Note for the parcel", facts["note"])
    _place(pilot)
    pilot.done()


@_program
def again(pilot: Pilot, facts: Facts) -> None:
    """Read what an order held, and order it."""
    _sign_in(pilot, facts)
    pilot.click("link", "Orders")
    pilot.click("link", f"Order {facts['order']}")
    held = _held(pilot.page)
    for name, size, colour, count in held:
        _open(pilot, name)
        wanted = str(2 * int(count)) if facts.get("twice") else count
        _add(pilot, {"size": size, "colour": colour, "count": wanted})
    pilot.click("link", "Cart")
    _order(pilot)
    pilot.done()


@_program
def again_from_list(pilot: Pilot, facts: Facts) -> None:
    """The same goods, without the order to read them from."""
    _sign_in(pilot, facts)
    for line in facts["lines"].splitlines():
        name, size, colour = line.split("|")
        _open(pilot, name)
        _add(pilot, {"size": size, "colour": colour, "count": "1"})
    _order(pilot)
    pilot.done()


@_program
def cancel(pilot: Pilot, facts: Facts) -> None:
    """The first of the list is the newest."""
    pilot.click("link", "Orders")
    pilot.click("link", f"Order {facts.get('order', '')}")
    pilot.click("button", "Cancel this order")
    pilot.done()


@_program
def cancel_all(pilot: Pilot, facts: Facts) -> None:
    """Every order that can be cancelled."""
    pilot.click("link", "Orders")
    names = [one.name for one in _order_links(pilot.page) if "processing" in _row(pilot.page, one)]
    for name in names:
        pilot.click("link", name)
        pilot.click("button", "Cancel this order")
        pilot.click("link", "All orders")
    pilot.done()


@_program
def damaged(pilot: Pilot, facts: Facts) -> None:
    """Find the order, then write."""
    pilot.click("link", "Orders")
    number = facts.get("order") or next(
        one.name.removeprefix("Order ") for one in _order_links(pilot.page) if facts["status"] in _row(pilot.page, one)
    )
    pilot.click("link", "Contact us")
    pilot.select("Topic", facts["topic"])
    pilot.fill("Order number", number)
    pilot.fill("Message", facts["text"])
    pilot.click("button", "Send message")
    pilot.done()


@_program
def total(pilot: Pilot, facts: Facts) -> None:
    """The total stands in the list of orders."""
    pilot.click("link", "Orders")
    row = next(_row(pilot.page, one) for one in _order_links(pilot.page) if facts["day"] in _row(pilot.page, one))
    pilot.done(_MONEY.findall(row)[0])


@_program
def price(pilot: Pilot, facts: Facts) -> None:
    """Open the product and read its price."""
    _open(pilot, facts["product"])
    heading = pilot.find("heading", facts["product"])
    pilot.done(_MONEY.findall(_told(pilot.page.after(heading)))[0])


@_program
def rated(pilot: Pilot, facts: Facts) -> None:
    """Look through all pages of a category."""
    pilot.click("link", facts["category"])
    found: dict[str, float] = {}
    page = 1
    while True:
        found |= _ratings(pilot.page)
        page += 1
        if not pilot.has("link", f"Page {page}"):
            break
        pilot.click("link", f"Page {page}")
    pilot.done(max(found, key=lambda name: found[name]))


@_program
def answer(pilot: Pilot, facts: Facts) -> None:
    """Say something without looking."""
    pilot.done(facts["answer"])


@_program
def register(pilot: Pilot, facts: Facts) -> None:
    """Fill in the form."""
    pilot.click("link", "Register")
    pilot.fill("Full name", facts["name"])
    pilot.fill("E-mail", facts["email"])
    pilot.fill("Password", facts["password"])
    pilot.fill("Repeat password", facts["password"])
    pilot.tick(facts["newsletter"], "radio")
    pilot.tick("I accept the terms of sale")
    pilot.click("button", "Create account")
    pilot.done()


@_program
def review(pilot: Pilot, facts: Facts) -> None:
    """Open the product and write."""
    _open(pilot, facts["product"])
    pilot.click("link", "Write a review")
    pilot.tick(facts["stars"], "radio")
    pilot.fill("Title", facts["title"])
    pilot.fill("Review", facts["text"])
    pilot.click("button", "Send review")
    pilot.done()


@_program
def email(pilot: Pilot, facts: Facts) -> None:
    """By the account's page."""
    pilot.click("link", "Account")
    pilot.click("link", "Change e-mail")
    pilot.fill("New e-mail", facts["email"])
    pilot.fill("Current password", facts["password"])
    pilot.click("button", "Save e-mail")
    pilot.done()


@_program
def password(pilot: Pilot, facts: Facts) -> None:
    """By the account's page."""
    pilot.click("link", "Account")
    pilot.click("link", "Change password")
    pilot.fill("Current password", facts["password"])
    pilot.fill("New password", facts["new"])
    pilot.fill("Repeat new password", facts["new"])
    pilot.click("button", "Save password")
    pilot.done()


@_program
def move(pilot: Pilot, facts: Facts) -> None:
    """Edit the address in a city."""
    pilot.click("link", "Account")
    pilot.click("link", "Address book")
    pilot.click("link", f"Edit address in {facts['city']}")
    pilot.fill("Street and number", facts["street"])
    pilot.fill("Postcode", facts["postcode"])
    pilot.click("button", "Save address")
    pilot.done()


@_program
def add_address(pilot: Pilot, facts: Facts) -> None:
    """Write a new one."""
    pilot.click("link", "Account")
    pilot.click("link", "Address book")
    pilot.click("link", "Add an address")
    _write_address(pilot, facts)
    if facts["default"]:
        pilot.tick("Use this as my default address")
    pilot.click("button", "Save address")
    pilot.done()


@_program
def drop_address(pilot: Pilot, facts: Facts) -> None:
    """Delete one; the browser's question is answered with yes."""
    pilot.click("link", "Account")
    pilot.click("link", "Address book")
    pilot.click("button", f"Delete address in {facts['city']}")
    pilot.done()


@_program
def newsletter(pilot: Pilot, facts: Facts) -> None:
    """By the account's page."""
    pilot.click("link", "Account")
    pilot.tick(facts["newsletter"], "radio")
    pilot.click("button", "Save newsletter")
    pilot.done()


@_program
def subscribe(pilot: Pilot, facts: Facts) -> None:
    """The guests' newsletter at the foot of every page."""
    pilot.fill("Newsletter for guests", facts["email"])
    pilot.click("button", "Subscribe")
    pilot.done()


def _open(pilot: Pilot, name: str) -> None:
    """Find a product by its name."""
    pilot.fill("Search products", name, "searchbox")
    pilot.click("button", "Search")
    pilot.click("link", name)


def _add(pilot: Pilot, facts: Facts) -> None:
    if facts["size"]:
        pilot.select("Size", facts["size"])
    pilot.tick(facts["colour"], "radio")
    if facts["count"] != "1":
        pilot.fill("Quantity", facts["count"], "spinbutton")
    pilot.click("button", "Add to cart")


def _coupon(pilot: Pilot, facts: Facts) -> None:
    if facts["coupon"]:
        pilot.fill("Coupon code", facts["coupon"])
        pilot.click("button", "Apply coupon")


def _cheapest_in_cart(pilot: Pilot, facts: Facts) -> None:
    pilot.click("link", facts["category"])
    pilot.select("Colour", facts["colour"])
    pilot.select("Sort by", "Price, low to high")
    pilot.click("button", "Apply")
    first = next(name for name, _ in _cards(pilot.page))
    pilot.click("link", first)
    _add(pilot, {**facts, "count": "1"})
    _coupon(pilot, facts)


def _order(pilot: Pilot) -> None:
    """From the cart to the order, with what the form offers."""
    pilot.click("link", "Go to checkout")
    _place(pilot)


def _place(pilot: Pilot) -> None:
    pilot.tick("I accept the terms of sale")
    pilot.click("button", "Place order")


def _sign_in(pilot: Pilot, facts: Facts) -> None:
    pilot.click("link", "Sign in")
    pilot.fill("E-mail", facts["email"])
    pilot.fill("Password", facts["password"])
    pilot.click("button", "Sign in")


def _write_address(pilot: Pilot, facts: Facts) -> None:
    for label, name in (("Full name", "name"), ("Street and number", "street"), ("Postcode", "postcode")):
        pilot.fill(label, facts[name])
    pilot.fill("City", facts["city"])
    pilot.select("Country", facts["country"])


def _cards(page: Page) -> list[tuple[str, str]]:
    """Names and texts of the products of a list: each is a heading with a link, after which its facts stand."""
    links = [one for one in page.all("heading") if [inner.role for inner in page.inside(one)] == ["link"]]
    ends = [*(page.elements.index(one) for one in links[1:]), len(page.elements)]
    return [
        (one.name, _told(list(page.elements[page.elements.index(one) : end])))
        for one, end in zip(links, ends, strict=True)
    ]


def _ratings(page: Page) -> dict[str, float]:
    return {name: float(found[1]) for name, told in _cards(page) if (found := _STARS.search(told))}


def _order_links(page: Page) -> list[Element]:
    return [one for one in page.starting("link", "Order ") if one.name != "Orders"]


def _row(page: Page, link: Element) -> str:
    """What stands beside a link, up to the next one."""
    found: list[Element] = []
    for one in page.after(link):
        if one.role == "link":
            break
        found.append(one)
    return _told(found)


def _held(page: Page) -> list[tuple[str, str, str, str]]:
    """Name, size, colour and count of the lines of an order."""
    found = []
    for link in page.all("link"):
        told = re.match(r"(?:(?P<size>[^\n,]+), )?(?P<colour>[a-z]+)\n(?P<count>\d+)\n€", _row(page, link))
        if told:
            found.append((link.name, told["size"] or "", told["colour"], told["count"]))
    if not found:
        raise WorldFailed(f"oracle: no lines of an order on {page.url}")
    return found


def _told(elements: list[Element]) -> str:
    """Their names, one to a line, each once where a line repeats the one before."""
    said: list[str] = []
    for one in elements:
        if one.name and (not said or said[-1] != one.name):
            said.append(one.name)
    return "\n".join(said)
