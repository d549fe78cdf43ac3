"""Questions that a page answers; nothing may change. Owns and does not own: as `buying`."""

from __future__ import annotations

import random

from pivotgym.envs.browsing.pages.sites.shop.browse import rating_of
from pivotgym.envs.browsing.pages.sites.shop.goods import CATEGORIES
from pivotgym.envs.browsing.pages.sites.shop.rendering import money
from pivotgym.envs.browsing.pages.sites.shop.state import State
from pivotgym.envs.browsing.pages.tasks.shop.goal import Goal, Run, amounts, of_category, orders_of_customer


def total(state: State, chance: random.Random) -> Goal:
    """What an order of a day cost."""
    mine = [one for one in orders_of_customer(state) if one.status == "delivered"]
    chosen = chance.choice(mine)
    other = next(one for one in mine if one is not chosen)
    return Goal(
        f"How much did I pay in all, with shipping, for my order of {chosen.day}?",
        {"day": chosen.day},
        answers=amounts(chosen.cents),
        runs=(
            Run("another order", {"day": other.day}),
            Run("an answer at once", {"answer": money(other.cents)}, program="answer"),
            Run("without the sign", {"answer": f"{chosen.cents / 100:.2f} euros"}, program="answer", outcome=1.0),
        ),
    )


def price(state: State, chance: random.Random) -> Goal:
    """What a product costs."""
    one, other = chance.sample(list(state.goods.values()), 2)
    return Goal(
        f"What does the {one.name} cost?",
        {"product": one.name},
        answers=amounts(one.cents),
        runs=(
            Run("another product", {"product": other.name}),
            Run("an answer at once", {"answer": "€49.90"}, program="answer"),
        ),
    )


def rated(state: State, chance: random.Random) -> Goal:
    """The best rated of a category in which one is rated best."""
    choices = []
    for category in CATEGORIES:
        rated = [
            (float(found.stars), one) for one in of_category(state, category) if (found := rating_of(state, one.slug))
        ]
        rated.sort(key=lambda pair: -pair[0])
        if len(rated) > 1 and rated[0][0] > rated[1][0]:
            choices.append((category, rated[0][1], rated[1][1]))
    category, best, second = chance.choice(choices)
    return Goal(
        f"Which product under {category.title} has the best rating?",
        {"category": category.title},
        answers=(best.name,),
        runs=(
            Run("the second", {"answer": second.name}, program="answer"),
            Run("both", {"answer": f"{best.name} or {second.name}"}, program="answer"),
        ),
    )
