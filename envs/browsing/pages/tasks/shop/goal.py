"""What a task on the shop is made of, and what several kinds of them share.

Owns: goals, kinds, further runs, and the facts of a new order. Does not own: any kind (`buying`, `account`, `orders`,
`questions`).
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from pivotgym.envs.browsing.pages.sites.shop.goods import Category, Product
from pivotgym.envs.browsing.pages.sites.shop.rendering import money
from pivotgym.envs.browsing.pages.sites.shop.state import Address, Order, State

Facts = dict[str, str]


@dataclass(frozen=True)
class Run:
    """A run that is not the oracle's own.

    Attributes:
        name: What it is.
        facts: Facts that it takes instead of the goal's.
        program: An oracle other than the kind's own.
        outcome: What it must pay.
    """

    name: str
    facts: Facts = field(default_factory=dict)
    program: str = ""
    outcome: float = 0.0


@dataclass(frozen=True)
class Goal:
    """One task.

    Attributes:
        text: What is asked for.
        facts: What the text tells, for the oracle.
        wanted: What must have changed.
        open: What may have changed beside that.
        answers: What must be answered, if anything.
        runs: Further runs.
    """

    text: str
    facts: Facts
    wanted: Facts = field(default_factory=dict)
    open: tuple[str, ...] = ()
    answers: tuple[str, ...] = ()
    runs: tuple[Run, ...] = ()


@dataclass(frozen=True)
class Kind:
    """A kind of task: how a goal is drawn, and the start it needs."""

    name: str
    draw: Callable[[State, random.Random], Goal]
    signed_in: bool = True
    cart: int = 0


def of_category(state: State, category: Category) -> list[Product]:
    """A category's products."""
    return [one for one in state.goods.values() if one.category == category.slug]


def buyable(state: State, chance: random.Random, count: int) -> tuple[Product, str, str]:
    """A product in a size and colour of which there are so many."""
    choices = [(one, *option) for one in state.goods.values() for option, left in one.stock if left > count]
    return chance.choice(choices)


def orders_of_customer(state: State) -> list[Order]:
    """Customer 1's orders, the newest first."""
    return sorted((one for one in state.orders.values() if one.customer == 1), key=lambda one: -one.number)


def next_order(state: State) -> int:
    """The number of the next order."""
    return max(state.orders) + 1


def new_order(
    state: State,
    lines: Facts,
    *,
    coupon: str = "",
    shipping: str = "standard",
    payment: str = "invoice",
    to: Address | None = None,
) -> Facts:
    """The facts of one new order of customer 1; of a guest's, what differs is put over them."""
    own = state.accounts[1]
    said = {
        "customer": "1",
        "email": own.email,
        "coupon": coupon,
        "shipping": shipping,
        "payment": payment,
        "status": "processing",
        **{f"address/{name}": value for name, value in vars(to or own.addresses[own.default]).items()},
        **{f"lines/{path}": count for path, count in lines.items()},
    }
    return {f"orders/{next_order(state)}/{name}": value for name, value in said.items()}


def left_open(state: State, but: tuple[str, ...] = ()) -> tuple[str, ...]:
    """What of a new order follows from the rest, or was not asked for."""
    return tuple(
        f"orders/{next_order(state)}/{name}"
        for name in ("day", "off", "delivery", "note", "wrapped")
        if name not in but
    )


def amounts(cents: int) -> tuple[str, ...]:
    """Spellings of an amount."""
    return (money(cents), f"{cents / 100:.2f}", f"{cents / 100:.2f} euros")
