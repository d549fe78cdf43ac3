"""Steps that several of the shop's oracles take, and what they read from its pages.

Owns: searching, buying, signing in; prices, ratings and orders as pages show them. Does not own: which steps a task
needs (`oracles`), or acting and reading (`tasks.pilot`, `tasks.reading`).
"""

from __future__ import annotations

import re

from pivotgym.core.errors import WorldFailed
from pivotgym.envs.browsing.pages.tasks.pilot import Pilot
from pivotgym.envs.browsing.pages.tasks.reading import Element, Page
from pivotgym.envs.browsing.pages.tasks.shop.goal import Facts

MONEY = re.compile(r"€[\d,]+\.\d\d")
_STARS = re.compile(r"★ (\d\.\d) of 5")


def open_product(pilot: Pilot, name: str) -> None:
    """Find a product by its name."""
    pilot.fill("Search products", name, "searchbox")
    pilot.click("button", "Search")
    pilot.click("link", name)


def add(pilot: Pilot, facts: Facts) -> None:
    """Choose and add to the cart."""
    if facts["size"]:
        pilot.select("Size", facts["size"])
    pilot.tick(facts["colour"], "radio")
    if facts["count"] != "1":
        pilot.fill("Quantity", facts["count"], "spinbutton")
    pilot.click("button", "Add to cart")


def use_coupon(pilot: Pilot, facts: Facts) -> None:
    """Apply the goal's coupon, if it has one."""
    if facts["coupon"]:
        pilot.fill("Coupon code", facts["coupon"])
        pilot.click("button", "Apply coupon")


def cheapest_in_cart(pilot: Pilot, facts: Facts) -> None:
    """The cheapest of a category in a colour, with the goal's coupon."""
    pilot.click("link", facts["category"])
    pilot.select("Colour", facts["colour"])
    pilot.select("Sort by", "Price, low to high")
    pilot.click("button", "Apply")
    first = next(name for name, _ in cards(pilot.page))
    pilot.click("link", first)
    add(pilot, {**facts, "count": "1"})
    use_coupon(pilot, facts)


def order(pilot: Pilot) -> None:
    """From the cart to the order, with what the form offers."""
    pilot.click("link", "Go to checkout")
    place_order(pilot)


def place_order(pilot: Pilot) -> None:
    """Accept the terms and order."""
    pilot.tick("I accept the terms of sale")
    pilot.click("button", "Place order")


def sign_in(pilot: Pilot, facts: Facts) -> None:
    """By the form."""
    pilot.click("link", "Sign in")
    pilot.fill("E-mail", facts["email"])
    pilot.fill("Password", facts["password"])
    pilot.click("button", "Sign in")


def write_address(pilot: Pilot, facts: Facts) -> None:
    """Fill in an address form."""
    for label, name in (("Full name", "name"), ("Street and number", "street"), ("Postcode", "postcode")):
        pilot.fill(label, facts[name])
    pilot.fill("City", facts["city"])
    pilot.select("Country", facts["country"])


def cards(page: Page) -> list[tuple[str, str]]:
    """Names and texts of the products of a list: each is a heading with a link, after which its facts stand."""
    links = [one for one in page.all("heading") if [inner.role for inner in page.inside(one)] == ["link"]]
    ends = [*(page.elements.index(one) for one in links[1:]), len(page.elements)]
    return [
        (one.name, said_by(list(page.elements[page.elements.index(one) : end])))
        for one, end in zip(links, ends, strict=True)
    ]


def ratings(page: Page) -> dict[str, float]:
    """Mean stars by name, of those that have any."""
    return {name: float(found[1]) for name, told in cards(page) if (found := _STARS.search(told))}


def order_links(page: Page) -> list[Element]:
    """Links to orders, in the order of the page."""
    return [one for one in page.starting("link", "Order ") if one.name != "Orders"]


def beside(page: Page, link: Element) -> str:
    """What stands beside a link, up to the next one."""
    found: list[Element] = []
    for one in page.after(link):
        if one.role == "link":
            break
        found.append(one)
    return said_by(found)


def held_lines(page: Page) -> list[tuple[str, str, str, str]]:
    """Name, size, colour and count of the lines of an order."""
    found = []
    for link in page.all("link"):
        told = re.match(r"(?:(?P<size>[^\n,]+), )?(?P<colour>[a-z]+)\n(?P<count>\d+)\n€", beside(page, link))
        if told:
            found.append((link.name, told["size"] or "", told["colour"], told["count"]))
    if not found:
        raise WorldFailed(f"oracle: no lines of an order on {page.url}")
    return found


def said_by(elements: list[Element]) -> str:
    """Their names, one to a line, each once where a line repeats the one before."""
    said: list[str] = []
    for one in elements:
        if one.name and (not said or said[-1] != one.name):
            said.append(one.name)
    return "\n".join(said)
