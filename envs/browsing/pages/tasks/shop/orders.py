"""Goals about what was bought before: cancelling, complaining, reviewing. Owns and does not own: as `buying`."""

from __future__ import annotations

import random

from pivotgym.envs.browsing.pages.sites.shop.state import State
from pivotgym.envs.browsing.pages.tasks.shop.goal import Goal, Run, orders_of_customer


def cancel(state: State, chance: random.Random) -> Goal:
    """The newest order cancelled."""
    mine = orders_of_customer(state)
    newest, before = mine[0], next(one for one in mine[1:] if one.status == "processing")
    return Goal(
        "Cancel my newest order.",
        {},
        {f"orders/{newest.number}/status": "cancelled"},
        runs=(
            Run("the one before", {"order": str(before.number)}),
            Run("both", program="cancel_all"),
        ),
    )


def damaged(state: State, chance: random.Random) -> Goal:
    """A message about the newest order that was delivered."""
    delivered = [one for one in orders_of_customer(state) if one.status == "delivered"]
    text = f"The {state.goods[delivered[0].lines[0].product].name} arrived with a scratch."
    own = state.accounts[1]
    facts = {"topic": "Something arrived damaged", "text": text, "status": "delivered"}
    sent = {"topic": "damaged", "order": str(delivered[0].number), "text": text, "name": own.name, "email": own.email}
    return Goal(
        "Write to the shop by the contact form: something arrived damaged in the newest of my orders that has the "
        f"status delivered. Give the number of that order, and exactly this message: {text}",
        facts,
        {f"messages/1/{name}": value for name, value in sent.items()},
        runs=(
            Run("another topic", {"topic": "Something else"}),
            Run("another order", {"order": str(delivered[1].number)}),
        ),
    )


def review(state: State, chance: random.Random) -> Goal:
    """A review of a product."""
    one, other = chance.sample(list(state.goods.values()), 2)
    stars = chance.choice(("2 stars", "3 stars", "4 stars"))
    title, text = "After two months", f"I use it every week; {chance.choice(('light', 'sturdy'))} enough for me."
    made = {"product": one.slug, "writer": state.accounts[1].name, "stars": stars[0], "title": title, "text": text}
    return Goal(
        f"Review the {one.name} with {stars}. Title: {title}. Review: {text}",
        {"product": one.name, "stars": stars, "title": title, "text": text},
        {f"reviews/1/{field}": value for field, value in made.items()},
        runs=(
            Run("five stars", {"stars": "5 stars"}),
            Run("another product", {"product": other.name}),
        ),
    )
