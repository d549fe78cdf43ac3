"""What is asked for in the shop: eighteen kinds of tasks, each drawn by a seed.

Owns: the goals' texts, what must have changed on the server afterwards (see `sites.shop.checking`), and in what respect
the known wrong runs differ. Does not own: how a goal is reached (`shop_oracles`).
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta

from pivotgym.envs.browsing.pages.sites.shop.browse import rating_of
from pivotgym.envs.browsing.pages.sites.shop.checking import line_path
from pivotgym.envs.browsing.pages.sites.shop.checkout import FIRST_DAY
from pivotgym.envs.browsing.pages.sites.shop.goods import CATEGORIES, Category, Product
from pivotgym.envs.browsing.pages.sites.shop.rendering import money
from pivotgym.envs.browsing.pages.sites.shop.state import Address, Order, State, hashed, password_of

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


def _cheapest(state: State, chance: random.Random) -> Goal:
    """The cheapest of a category in a colour, in a size that is there."""
    category, colour, size, one = chance.choice(
        [
            (category, colour, size, min(goods, key=lambda one: one.cents))
            for category in CATEGORIES
            if category.sizes
            for colour in sorted({colour for one in _of(state, category) for colour in one.colours})
            if len(goods := [one for one in _of(state, category) if colour in one.colours]) > 2
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
        _order(state, {line_path(one.slug, size, colour): "1"}, coupon="SPRING10"),
        _left_open(state),
        runs=(
            Run("without the coupon", {"coupon": ""}),
            Run("ordered twice", program="cheapest_twice"),
            Run("left in the cart", program="cheapest_not_ordered"),
            *([Run("another size", {"size": wrong_size})] if wrong_size else []),
        ),
    )


def _fill_cart(state: State, chance: random.Random) -> Goal:
    one, size, colour = _buyable(state, chance, 4)
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


def _tidy_cart(state: State, chance: random.Random) -> Goal:
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


def _guest(state: State, chance: random.Random) -> Goal:
    one, size, colour = _buyable(state, chance, 3)
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
        **_order(state, {line_path(one.slug, size, colour): "2"}, shipping="express", payment="cash", to=to),
        f"orders/{_next(state)}/customer": "0",
        f"orders/{_next(state)}/email": facts["email"],
        f"orders/{_next(state)}/delivery": facts["day"],
        f"orders/{_next(state)}/note": facts["note"],
        f"orders/{_next(state)}/wrapped": "True",
    }
    return Goal(
        f"Without an account, order 2 of the {one.name} ({chosen}) for {to.name}, {to.street}, {to.postcode} "
        f"{to.city}, {to.country}; the e-mail address is {facts['email']}. Express shipping on {day.isoformat()}, "
        f"wrapped as a gift, with the note '{facts['note']}', cash on delivery.",
        facts,
        wanted,
        _left_open(state, but=("delivery", "note", "wrapped")),
        runs=(
            Run("not wrapped", {"wrapped": ""}),
            Run("another day", {"day": next(_later(day)).isoformat()}),
            Run("by invoice", {"payment": "By invoice"}),
            Run("another street", {"street": "1 Tanner Row"}),
        ),
    )


def _again(state: State, chance: random.Random) -> Goal:
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
        _order(state, lines),
        _left_open(state),
        runs=(
            Run("another account", {**theirs, **held}, program="again_from_list"),
            Run("two of each", {"twice": "yes"}),
        ),
    )


def _cancel(state: State, chance: random.Random) -> Goal:
    mine = _mine(state)
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


def _damaged(state: State, chance: random.Random) -> Goal:
    delivered = [one for one in _mine(state) if one.status == "delivered"]
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


def _total(state: State, chance: random.Random) -> Goal:
    mine = [one for one in _mine(state) if one.status == "delivered"]
    chosen = chance.choice(mine)
    other = next(one for one in mine if one is not chosen)
    return Goal(
        f"How much did I pay in all, with shipping, for my order of {chosen.day}?",
        {"day": chosen.day},
        answers=_amount(chosen.cents),
        runs=(
            Run("another order", {"day": other.day}),
            Run("an answer at once", {"answer": money(other.cents)}, program="answer"),
            Run("without the sign", {"answer": f"{chosen.cents / 100:.2f} euros"}, program="answer", outcome=1.0),
        ),
    )


def _price(state: State, chance: random.Random) -> Goal:
    one, other = chance.sample(list(state.goods.values()), 2)
    return Goal(
        f"What does the {one.name} cost?",
        {"product": one.name},
        answers=_amount(one.cents),
        runs=(
            Run("another product", {"product": other.name}),
            Run("an answer at once", {"answer": "€49.90"}, program="answer"),
        ),
    )


def _rated(state: State, chance: random.Random) -> Goal:
    """The best rated of a category in which one is rated best."""
    choices = []
    for category in CATEGORIES:
        rated = [(float(found.stars), one) for one in _of(state, category) if (found := rating_of(state, one.slug))]
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


def _register(state: State, chance: random.Random) -> Goal:
    name = chance.choice(("Ada Winter", "Bruno Falk", "Clara Nyberg"))
    email, password = f"{name.split()[0].lower()}@post.example", f"{chance.choice(('cedar', 'maple'))}-river-42"
    facts = {"name": name, "email": email, "password": password, "newsletter": "Every week"}
    made = {"name": name, "email": email, "password": hashed(password), "newsletter": "weekly", "default": "0"}
    return Goal(
        f"Create an account for {name} with the e-mail address {email} and the password {password}, and a weekly "
        "newsletter.",
        facts,
        {f"accounts/4/{field}": value for field, value in made.items()},
        runs=(
            Run("without the newsletter", {"newsletter": "Never"}),
            Run("another password", {"password": "cedar-river-43"}),
        ),
    )


def _review(state: State, chance: random.Random) -> Goal:
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


def _email(state: State, chance: random.Random) -> Goal:
    new = f"{state.accounts[1].email.split('.')[0]}{chance.randint(10, 99)}@mail.example"
    facts = {"email": new, "password": password_of(state.seed, 1)}
    return Goal(
        f"Change the e-mail address of my account to {new}. My password is {facts['password']}.",
        facts,
        {"accounts/1/email": new},
        runs=(
            Run("another address", {"email": "someone@mail.example"}),
            Run("the newsletter instead", program="subscribe"),
        ),
    )


def _password(state: State, chance: random.Random) -> Goal:
    facts = {"password": password_of(state.seed, 1), "new": f"birch-{chance.randint(1000, 9999)}-lake"}
    return Goal(
        f"Change my password from {facts['password']} to {facts['new']}.",
        facts,
        {"accounts/1/password": hashed(facts["new"])},
        runs=(Run("another password", {"new": "birch-0000-lake"}),),
    )


def _move(state: State, chance: random.Random) -> Goal:
    """A change of the default address."""
    own = state.accounts[1]
    facts = {"street": f"{chance.randint(2, 60)} Cooper Yard", "postcode": str(chance.randint(1000, 9999))}
    place = own.addresses[own.default]
    other = next(one for number, one in own.addresses.items() if number != own.default)
    return Goal(
        f"I moved within {place.city}: change that address in my address book to {facts['street']}, postcode "
        f"{facts['postcode']}. Everything else stays.",
        {**facts, "city": place.city},
        {f"accounts/1/addresses/{own.default}/{field}": value for field, value in facts.items()},
        runs=(
            Run("the other address", {"city": other.city}),
            Run("only the street", {"postcode": place.postcode}),
        ),
    )


def _add_address(state: State, chance: random.Random) -> Goal:
    own = state.accounts[1]
    made = Address(own.name, f"{chance.randint(2, 60)} Ferry Steps", "Aarhus", "8000", "Denmark")
    place = max(own.addresses) + 1
    return Goal(
        f"Add a new address to my address book: {made.name}, {made.street}, {made.postcode} {made.city}, "
        f"{made.country}. Make it my default address.",
        {**vars(made), "default": "yes"},
        {
            **{f"accounts/1/addresses/{place}/{field}": value for field, value in vars(made).items()},
            "accounts/1/default": str(place),
        },
        runs=(
            Run("not the default", {"default": ""}),
            Run("another country", {"country": "Germany"}),
        ),
    )


def _drop_address(state: State, chance: random.Random) -> Goal:
    own = state.accounts[1]
    place, gone = next((number, one) for number, one in own.addresses.items() if number != own.default)
    return Goal(
        f"Delete my address in {gone.city}.",
        {"city": gone.city},
        {f"accounts/1/addresses/{place}/{field}": "" for field in vars(gone)},
        runs=(Run("the other address", {"city": own.addresses[own.default].city}),),
    )


def _newsletter(state: State, chance: random.Random) -> Goal:
    label, value = chance.choice((("Every month", "monthly"), ("Every week", "weekly")))
    other = "Every week" if value == "monthly" else "Every month"
    return Goal(
        f"Set the newsletter of my account to: {label.lower()}.",
        {"newsletter": label},
        {"accounts/1/newsletter": value},
        runs=(
            Run("another rhythm", {"newsletter": other}),
            Run("as a guest", {"email": state.accounts[1].email}, program="subscribe"),
        ),
    )


KINDS = (
    Kind("cheapest", _cheapest),
    Kind("fill_cart", _fill_cart),
    Kind("tidy_cart", _tidy_cart, cart=3),
    Kind("guest", _guest, signed_in=False),
    Kind("again", _again, signed_in=False),
    Kind("cancel", _cancel),
    Kind("damaged", _damaged),
    Kind("total", _total),
    Kind("price", _price, signed_in=False),
    Kind("rated", _rated, signed_in=False),
    Kind("register", _register, signed_in=False),
    Kind("review", _review),
    Kind("email", _email),
    Kind("password", _password),
    Kind("move", _move),
    Kind("add_address", _add_address),
    Kind("drop_address", _drop_address),
    Kind("newsletter", _newsletter),
)


def _of(state: State, category: Category) -> list[Product]:
    return [one for one in state.goods.values() if one.category == category.slug]


def _buyable(state: State, chance: random.Random, count: int) -> tuple[Product, str, str]:
    """A product in a size and colour of which there are so many."""
    choices = [(one, *option) for one in state.goods.values() for option, left in one.stock if left > count]
    return chance.choice(choices)


def _mine(state: State) -> list[Order]:
    """Customer 1's orders, the newest first."""
    return sorted((one for one in state.orders.values() if one.customer == 1), key=lambda one: -one.number)


def _left(state: State, order: Order) -> list[bool]:
    return [state.goods[one.product].left(one.size, one.colour) > 2 * one.count for one in order.lines]


def _next(state: State) -> int:
    return max(state.orders) + 1


def _order(
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
    return {f"orders/{_next(state)}/{name}": value for name, value in said.items()}


def _left_open(state: State, but: tuple[str, ...] = ()) -> tuple[str, ...]:
    """What of a new order follows from the rest, or was not asked for."""
    return tuple(
        f"orders/{_next(state)}/{name}" for name in ("day", "off", "delivery", "note", "wrapped") if name not in but
    )


def _amount(cents: int) -> tuple[str, ...]:
    return (money(cents), f"{cents / 100:.2f}", f"{cents / 100:.2f} euros")


def _days(first: date) -> list[date]:
    return [first + timedelta(days=number) for number in range(3)]


def _later(day: date) -> filter[date]:
    return filter(lambda one: one.weekday() != 6, _days(day + timedelta(days=1)))
