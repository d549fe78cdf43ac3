"""Goals that end in a cart or an order.

Owns: their texts, what must have changed on the server afterwards (see `sites.shop.checking`), and in what respect the
known wrong runs differ. Does not own: how a goal is reached (`oracles`).
"""

from __future__ import annotations

import random
from datetime import date, timedelta

from pivotgym.envs.browsing.pages.sites.shop.checking import line_path
from pivotgym.envs.browsing.pages.sites.shop.checkout import FIRST_DAY
from pivotgym.envs.browsing.pages.sites.shop.goods import CATEGORIES
from pivotgym.envs.browsing.pages.sites.shop.state import Address, Order, State, password_of
from pivotgym.envs.browsing.pages.tasks.shop.goal import (
    Goal,
    Run,
    buyable,
    left_open,
    new_order,
    next_order,
    of_category,
)


def cheapest(state: State, chance: random.Random) -> Goal:
    """The cheapest of a category in a colour, in a size that is there."""
    category, colour, size, one = chance.choice(
        [
            (category, colour, size, min(goods, key=lambda one: one.cents))
            for category in CATEGORIES
            if category.sizes
            for colour in sorted({colour for one in of_category(state, category) for colour in one.colours})
            if len(goods := [one for one in of_category(state, category) if colour in one.colours]) > 2
            for size in category.sizes
            if min(goods, key=lambda one: one.cents).left(size, colour)
        ]
    )
    others = [size for size in one.sizes if one.left(size, colour)]
    wrong_size = next((other for other in others if other != size), None)
    return Goal(
        f"Of all {category.title.lower()} that come in {colour}, buy the cheapest one in size {size} and {colour}. Use "
        "the coupon SPRING10, standard shipping to my default address, and pay by invoice.",
        {"category": category.title, "colour": colour, "size": size, "coupon": "SPRING10"},
        new_order(state, {line_path(one.slug, size, colour): "1"}, coupon="SPRING10"),
        left_open(state),
        runs=(
            Run("without the coupon", {"coupon": ""}),
            Run("ordered twice", program="cheapest_twice"),
            Run("left in the cart", program="cheapest_not_ordered"),
            *([Run("another size", {"size": wrong_size})] if wrong_size else []),
        ),
    )


def fill_cart(state: State, chance: random.Random) -> Goal:
    """So many of a product into the cart, with a coupon."""
    one, size, colour = buyable(state, chance, 4)
    count = chance.randint(2, 4)
    chosen = f"{size + ', ' if size else ''}{colour}"
    return Goal(
        f"Put {count} of the {one.name} ({chosen}) into my cart and apply the coupon SPRING10. Do not order yet.",
        {"product": one.name, "size": size, "colour": colour, "count": str(count), "coupon": "SPRING10"},
        {f"cart/1/{line_path(one.slug, size, colour)}": str(count), "cart/1/coupon": "SPRING10"},
        runs=(
            Run("one too many", {"count": str(count + 1)}),
            Run("no coupon", {"coupon": ""}),
            Run("ordered at once", program="fill_cart_and_order"),
            Run("by address", {"slug": one.slug}, program="fill_cart_by_address", outcome=1.0),
        ),
    )


def tidy_cart(state: State, chance: random.Random) -> Goal:
    """One line of the cart removed, another changed."""
    cart = list(state.visits[state.entry].cart)
    chance.shuffle(cart)
    gone, more = cart[:2]
    most = min(4, state.goods[more.product].left(more.size, more.colour))
    names = [state.goods[one.product].name for one in (gone, more)]
    paths = [f"cart/1/{line_path(one.product, one.size, one.colour)}" for one in (gone, more)]
    return Goal(
        f"In my cart, remove the {names[0]} and change the quantity of the {names[1]} to {most}. Leave the rest.",
        {"gone": names[0], "more": names[1], "count": str(most)},
        {paths[0]: "", paths[1]: str(most)},
        runs=(
            Run("the other way round", {"gone": names[1], "more": names[0], "count": "2"}),
            Run("only removed", {"more": ""}),
        ),
    )


def guest(state: State, chance: random.Random) -> Goal:
    """An order without an account, with all that the form offers."""
    one, size, colour = buyable(state, chance, 3)
    to = Address("Lena Hartog", f"{chance.randint(2, 60)} Tanner Row", "Bruges", "8000", "Belgium")
    day = next(day for day in _days(FIRST_DAY + timedelta(days=chance.randint(1, 14))) if day.weekday() != 6)
    chosen = f"{size + ', ' if size else ''}{colour}"
    facts = {
        **vars(to),
        "product": one.name,
        "size": size,
        "colour": colour,
        "count": "2",
        "email": "lena.hartog@post.example",
        "day": day.isoformat(),
        "note": "Please ring twice.",
        "wrapped": "yes",
        "payment": "Cash on delivery",
        "shipping": "Express",
    }
    wanted = {
        **new_order(state, {line_path(one.slug, size, colour): "2"}, shipping="express", payment="cash", to=to),
        f"orders/{next_order(state)}/customer": "0",
        f"orders/{next_order(state)}/email": facts["email"],
        f"orders/{next_order(state)}/delivery": facts["day"],
        f"orders/{next_order(state)}/note": facts["note"],
        f"orders/{next_order(state)}/wrapped": "True",
    }
    return Goal(
        f"Without an account, order 2 of the {one.name} ({chosen}) for {to.name}, {to.street}, {to.postcode} "
        f"{to.city}, {to.country}; the e-mail address is {facts['email']}. Express shipping on {day.isoformat()}, "
        f"wrapped as a gift, with the note '{facts['note']}', cash on delivery.",
        facts,
        wanted,
        left_open(state, but=("delivery", "note", "wrapped")),
        runs=(
            Run("not wrapped", {"wrapped": ""}),
            Run("another day", {"day": next(_later(day)).isoformat()}),
            Run("by invoice", {"payment": "By invoice"}),
            Run("another street", {"street": "1 Tanner Row"}),
        ),
    )


def again(state: State, chance: random.Random) -> Goal:
    """Order what an old order held; the account is not signed in."""
    old = next(one for one in state.orders.values() if one.customer == 1 and all(_left(state, one)))
    account, other = state.accounts[1], state.accounts[2]
    facts = {"email": account.email, "password": password_of(state.seed, 1), "order": str(old.number)}
    lines = {line_path(one.product, one.size, one.colour): str(one.count) for one in old.lines}
    theirs = {"email": other.email, "password": password_of(state.seed, 2)}
    held = {"lines": "\n".join(f"{state.goods[one.product].name}|{one.size}|{one.colour}" for one in old.lines)}
    return Goal(
        f"Sign in as {account.email} with the password {facts['password']} and order again exactly what is in order "
        f"{old.number} (same sizes and colours), to the default address, standard shipping, by invoice.",
        facts,
        new_order(state, lines),
        left_open(state),
        runs=(
            Run("another account", {**theirs, **held}, program="again_from_list"),
            Run("two of each", {"twice": "yes"}),
        ),
    )


def _left(state: State, order: Order) -> list[bool]:
    return [state.goods[one.product].left(one.size, one.colour) > 2 * one.count for one in order.lines]


def _days(first: date) -> list[date]:
    return [first + timedelta(days=number) for number in range(3)]


def _later(day: date) -> filter[date]:
    return filter(lambda one: one.weekday() != 6, _days(day + timedelta(days=1)))
