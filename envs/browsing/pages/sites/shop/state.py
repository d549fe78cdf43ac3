"""What the shop's server remembers: customers, carts, orders, reviews, messages, subscriptions.

Owns: the state as plain data, its start by a seed, and its copy. Does not own: the goods (`goods`), which never change
but for stock, or what requests do (`routes`). Records are values: a change puts a new record into its place, so that a
copy of the state shares them.
"""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass, field, replace
from datetime import date, timedelta

from pivotgym.envs.browsing.pages.sites.shop.goods import Product, Review, goods

TODAY = date(2031, 3, 12)
"""The day on which the shop is visited. It has no clock."""
FIRST_ORDER = 4101
SHIPPING = {"standard": 490, "express": 1290}
"""Cents by way of shipping."""
COUNTRIES = (
    *("Austria", "Belgium", "Denmark", "France", "Germany"),
    *("Ireland", "Italy", "Netherlands", "Portugal", "Spain"),
)
COUPONS = {"SPRING10": 10, "LAMPS15": 15, "OLD50": 0}
"""Per cent off the goods by code; 0 for one that has ended. `LAMPS15` counts for lamps only."""
_STREETS = ("Quarry Lane", "Harbour Street", "Orchard Road", "Mill Close", "Linden Avenue", "Station Square")
_CITIES = (("Ghent", "Belgium"), ("Graz", "Austria"), ("Porto", "Portugal"), ("Cork", "Ireland"), ("Turin", "Italy"))
_PEOPLE = (("Edda", "Brandt"), ("Jonas", "Weller"), ("Mira", "Solano"), ("Oskar", "Lund"), ("Petra", "Vance"))


@dataclass(frozen=True)
class Address:
    """Where something is sent."""

    name: str
    street: str
    city: str
    postcode: str
    country: str


@dataclass(frozen=True)
class Line:
    """So many of a product in a size and a colour; `cents` is the price of one."""

    product: str
    size: str
    colour: str
    count: int
    cents: int


@dataclass(frozen=True)
class Order:
    """An order.

    Attributes:
        number: Unique; grows with time.
        customer: Id of the account, or 0 for a guest.
        email: Where news of it is sent.
        day: When it was given.
        lines: What was bought.
        address: Where it goes.
        shipping: A key of `SHIPPING`.
        delivery: The day wished for, or "".
        coupon: The code used, or "".
        off: Cents off by the coupon.
        wrapped: Whether it is gift-wrapped.
        note: A note for the parcel.
        payment: `invoice` or `cash`.
        status: `processing`, `shipped`, `delivered` or `cancelled`.
    """

    number: int
    customer: int
    email: str
    day: str
    lines: tuple[Line, ...]
    address: Address
    shipping: str = "standard"
    delivery: str = ""
    coupon: str = ""
    off: int = 0
    wrapped: bool = False
    note: str = ""
    payment: str = "invoice"
    status: str = "processing"

    @property
    def cents(self) -> int:
        """What is to be paid."""
        return sum(line.count * line.cents for line in self.lines) - self.off + SHIPPING[self.shipping]


@dataclass(frozen=True)
class Account:
    """A customer.

    Attributes:
        id: Unique.
        name: First and last name.
        email: The log-in name.
        password: SHA-256 of it.
        addresses: The address book by id.
        default: Id of the address that a checkout offers first, or 0 without any.
        newsletter: `never`, `weekly` or `monthly`.
    """

    id: int
    name: str
    email: str
    password: str
    addresses: dict[int, Address] = field(default_factory=dict)
    default: int = 0
    newsletter: str = "never"


@dataclass(frozen=True)
class Visit:
    """A browser's session: who is signed in (0: nobody), the cart, its coupon, and orders given here as a guest."""

    customer: int = 0
    cart: tuple[Line, ...] = ()
    coupon: str = ""
    orders: tuple[int, ...] = ()


@dataclass(frozen=True)
class Message:
    """What a visitor wrote to the shop."""

    name: str
    email: str
    topic: str
    order: str
    text: str


@dataclass
class State:
    """All of it.

    Attributes:
        seed: What was made up.
        accounts: Customers by id.
        orders: By number.
        visits: By the id in the cookie.
        reviews: Those written here, beside the goods' own.
        messages: What was sent by the contact form.
        subscribers: Addresses of the guests' newsletter.
        entry: The visit that the next browser without a cookie is given, or "".
    """

    seed: int
    accounts: dict[int, Account] = field(default_factory=dict)
    orders: dict[int, Order] = field(default_factory=dict)
    visits: dict[str, Visit] = field(default_factory=dict)
    reviews: tuple[Review, ...] = ()
    messages: tuple[Message, ...] = ()
    subscribers: tuple[str, ...] = ()
    entry: str = ""

    @property
    def goods(self) -> dict[str, Product]:
        """The products by slug."""
        return goods(self.seed)

    def fork(self) -> State:
        """An independent copy."""
        return replace(self, accounts=dict(self.accounts), orders=dict(self.orders), visits=dict(self.visits))

    def left(self, product: Product, size: str, colour: str) -> int:
        """How many of a product can still be bought: what was there less what this state's new orders took."""
        taken = sum(
            line.count
            for order in self.orders.values()
            if order.day == TODAY.isoformat() and order.status != "cancelled"
            for line in order.lines
            if (line.product, line.size, line.colour) == (product.slug, size, colour)
        )
        return product.left(size, colour) - taken

    def account_of(self, email: str) -> Account | None:
        """The account with an e-mail address, in any case."""
        return next((one for one in self.accounts.values() if one.email.lower() == email.lower()), None)


def hashed(password: str) -> str:
    """How a password is kept. These are made up; real ones would need a slow, salted hash."""
    return hashlib.sha256(password.encode("utf-8", "surrogatepass")).hexdigest()


def password_of(seed: int, account: int) -> str:
    """The password that an account of the start has."""
    return f"pine-{random.Random(f'password {seed} {account}').randrange(1000, 9999)}-cone"


def begin(seed: int, *, signed_in: bool = False, cart: int = 0) -> State:
    """The state at the start: three customers with addresses and orders.

    Args:
        seed: What is made up.
        signed_in: Whether the browser is customer 1's.
        cart: How many lines there are in its cart.
    """
    chance = random.Random(f"customers {seed}")
    state = State(seed)
    for number, (first, last) in enumerate(chance.sample(_PEOPLE, 3), start=1):
        state.accounts[number] = _account(seed, number, first, last, chance)
    number, day = FIRST_ORDER, TODAY - timedelta(days=160)
    for place in range(9):
        number, day = number + chance.randint(1, 30), day + timedelta(days=chance.randint(5, 16))
        account = state.accounts[1 + place % 2 if place % 3 else 1]
        state.orders[number] = _order(state, account, number, day, place, chance)
    if signed_in or cart:
        state.entry = visit_id(seed, 0)
        state.visits[state.entry] = Visit(customer=int(signed_in), cart=_lines(state, chance, cart))
    return state


def visit_id(seed: int, number: int) -> str:
    """The cookie of a state's `number`-th visit; nobody can guess another's."""
    return hashlib.sha256(f"visit {seed} {number}".encode()).hexdigest()[:24]


def _account(seed: int, number: int, first: str, last: str, chance: random.Random) -> Account:
    places = chance.sample(_CITIES, 2)
    addresses = {
        place: Address(
            f"{first} {last}",
            f"{chance.randint(1, 99)} {chance.choice(_STREETS)}",
            city,
            f"{chance.randint(1000, 9999)}",
            country,
        )
        for place, (city, country) in enumerate(places, start=1)
    }
    email = f"{first}.{last}@post.example".lower()
    return Account(number, f"{first} {last}", email, hashed(password_of(seed, number)), addresses, 1)


def _order(state: State, account: Account, number: int, day: date, place: int, chance: random.Random) -> Order:
    """The last ones are not shipped yet."""
    status = "processing" if place >= 6 else "shipped" if place == 5 else "delivered"
    shipping = chance.choice(tuple(SHIPPING))
    lines = _lines(state, chance, chance.randint(1, 3))
    address = account.addresses[account.default]
    return Order(number, account.id, account.email, day.isoformat(), lines, address, shipping, status=status)


def _lines(state: State, chance: random.Random, count: int) -> tuple[Line, ...]:
    chosen = chance.sample(list(state.goods.values()), count)
    return tuple(
        Line(one.slug, *chance.choice([option for option, left in one.stock if left > 1]), 1, one.cents)
        for one in chosen
    )
