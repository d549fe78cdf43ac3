"""How the shop's tasks are done: one program for each kind, and those of known wrong runs.

Owns: what is clicked and written, by the steps in `steps`. A program knows what the goal tells (`Goal.facts`) and what
the page shows, nothing else. Does not own: the goals (`goal` and the modules beside it), or acting and reading
(`tasks.pilot`, `tasks.reading`).
"""

from __future__ import annotations

from collections.abc import Callable

from pivotgym.envs.browsing.pages.tasks.pilot import Pilot
from pivotgym.envs.browsing.pages.tasks.shop.goal import Facts
from pivotgym.envs.browsing.pages.tasks.shop.steps import (
    MONEY,
    add,
    beside,
    cheapest_in_cart,
    held_lines,
    open_product,
    order,
    order_links,
    place_order,
    ratings,
    said_by,
    sign_in,
    use_coupon,
    write_address,
)

Program = Callable[[Pilot, Facts], None]
PROGRAMS: dict[str, Program] = {}


def _program(run: Program) -> Program:
    PROGRAMS[run.__name__] = run
    return run


@_program
def cheapest(pilot: Pilot, facts: Facts) -> None:
    """Filter by colour, sort by price, buy the first."""
    cheapest_in_cart(pilot, facts)
    order(pilot)
    pilot.done()


@_program
def cheapest_twice(pilot: Pilot, facts: Facts) -> None:
    """The same order two times."""
    for _ in range(2):
        cheapest_in_cart(pilot, facts)
        order(pilot)
    pilot.done()


@_program
def cheapest_not_ordered(pilot: Pilot, facts: Facts) -> None:
    """All but the order."""
    cheapest_in_cart(pilot, facts)
    pilot.done()


@_program
def fill_cart(pilot: Pilot, facts: Facts) -> None:
    """Search, choose, add, coupon."""
    open_product(pilot, facts["product"])
    add(pilot, facts)
    use_coupon(pilot, facts)
    pilot.done()


@_program
def fill_cart_by_address(pilot: Pilot, facts: Facts) -> None:
    """The same without the search."""
    pilot.do("goto", url=f"http://shop.test/p/{facts['slug']}")
    add(pilot, facts)
    use_coupon(pilot, facts)
    pilot.done()


@_program
def fill_cart_and_order(pilot: Pilot, facts: Facts) -> None:
    """What was not asked for."""
    open_product(pilot, facts["product"])
    add(pilot, facts)
    use_coupon(pilot, facts)
    order(pilot)
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
    open_product(pilot, facts["product"])
    add(pilot, facts)
    pilot.click("link", "Go to checkout")
    pilot.fill("E-mail", facts["email"])
    write_address(pilot, facts)
    pilot.tick(facts["shipping"], "radio")
    pilot.fill("Delivery day", facts["day"], "date")
    pilot.tick(facts["payment"], "radio")
    if facts["wrapped"]:
        pilot.tick("Wrap it as a gift")
    pilot.fill("Note for the parcel", facts["note"])
    place_order(pilot)
    pilot.done()


@_program
def again(pilot: Pilot, facts: Facts) -> None:
    """Read what an order held, and order it."""
    sign_in(pilot, facts)
    pilot.click("link", "Orders")
    pilot.click("link", f"Order {facts['order']}")
    held = held_lines(pilot.page)
    for name, size, colour, count in held:
        open_product(pilot, name)
        wanted = str(2 * int(count)) if facts.get("twice") else count
        add(pilot, {"size": size, "colour": colour, "count": wanted})
    pilot.click("link", "Cart")
    order(pilot)
    pilot.done()


@_program
def again_from_list(pilot: Pilot, facts: Facts) -> None:
    """The same goods, without the order to read them from."""
    sign_in(pilot, facts)
    for line in facts["lines"].splitlines():
        name, size, colour = line.split("|")
        open_product(pilot, name)
        add(pilot, {"size": size, "colour": colour, "count": "1"})
    order(pilot)
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
    names = [one.name for one in order_links(pilot.page) if "processing" in beside(pilot.page, one)]
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
        one.name.removeprefix("Order ") for one in order_links(pilot.page) if facts["status"] in beside(pilot.page, one)
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
    row = next(beside(pilot.page, one) for one in order_links(pilot.page) if facts["day"] in beside(pilot.page, one))
    pilot.done(MONEY.findall(row)[0])


@_program
def price(pilot: Pilot, facts: Facts) -> None:
    """Open the product and read its price."""
    open_product(pilot, facts["product"])
    heading = pilot.find("heading", facts["product"])
    pilot.done(MONEY.findall(said_by(pilot.page.after(heading)))[0])


@_program
def rated(pilot: Pilot, facts: Facts) -> None:
    """Look through all pages of a category."""
    pilot.click("link", facts["category"])
    found: dict[str, float] = {}
    page = 1
    while True:
        found |= ratings(pilot.page)
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
    open_product(pilot, facts["product"])
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
    write_address(pilot, facts)
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
