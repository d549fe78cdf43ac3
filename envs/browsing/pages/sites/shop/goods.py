"""The shop's goods, made up by a seed.

Owns: categories, products with their options and stock, and the first reviews. Does not own: what customers do with
them (`state`), or how they are shown (`browse`, `templates/`). Nothing is taken from a real shop.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import lru_cache

EACH = 12
"""Products of each category."""
_CLOTHES = ("XS", "S", "M", "L", "XL")
_COLOURS = ("black", "blue", "green", "grey", "red", "sand", "white", "yellow")
_PLACES = ("Alder", "Birch", "Cove", "Dune", "Ember", "Fennel", "Gorse", "Heath", "Isle", "Juniper", "Kestrel", "Larch")
_SECOND = ("Bay", "Brook", "Field", "Gate", "Hill", "Mill", "Moor", "Ridge", "Shore", "Vale")
_WRITERS = ("Ilse", "Marek", "Noor", "Pavel", "Rhea", "Sunniva", "Teo", "Yara")
_SAID = {
    5: ("Better than I hoped.", "I would buy it again."),
    4: ("Good, and it came quickly.", "Well made; the colour is a little darker than shown."),
    3: ("It does what it should.", "Fine for the price."),
    2: ("Not quite as described.", "The stitching came loose."),
    1: ("I sent it back.", "Broke within a week."),
}


@dataclass(frozen=True)
class Category:
    """A category: its address, its title, kinds of goods, the sizes they come in, and prices in cents from..to."""

    slug: str
    title: str
    kinds: tuple[str, ...]
    sizes: tuple[str, ...]
    cents: tuple[int, int]
    stuff: tuple[str, ...]


CATEGORIES = (
    Category(
        "jackets", "Jackets", ("Rain Jacket", "Down Jacket", "Fleece"), _CLOTHES, (4900, 24900), ("nylon", "wool")
    ),
    Category(
        "shirts", "Shirts", ("T-Shirt", "Linen Shirt", "Flannel Shirt"), _CLOTHES, (1500, 7900), ("cotton", "linen")
    ),
    Category(
        "shoes",
        "Shoes",
        ("Trail Shoe", "Hiking Boot", "Sandal"),
        ("38", "39", "40", "41", "42", "43"),
        (3900, 18900),
        ("leather", "canvas"),
    ),
    Category(
        "backpacks", "Backpacks", ("Daypack", "Trekking Pack"), ("18 l", "30 l", "45 l"), (3500, 21900), ("canvas",)
    ),
    Category("lamps", "Lamps", ("Desk Lamp", "Camp Lantern", "Head Torch"), (), (1200, 9900), ("steel", "brass")),
    Category("kitchen", "Kitchen", ("Mug", "Kettle", "Lunch Box", "Bottle"), (), (700, 5900), ("steel", "enamel")),
)


@dataclass(frozen=True)
class Review:
    """What somebody wrote about a product; `stars` from 1 to 5."""

    product: str
    writer: str
    stars: int
    title: str
    text: str


@dataclass(frozen=True)
class Product:
    """A product of the shop.

    Attributes:
        slug: Its address and id.
        name: What it is called; unique.
        category: Slug of its category.
        cents: Price of one.
        was: What it cost before, if it is on sale, else 0.
        material: What it is made of.
        grams: Weight.
        sizes: In which sizes it comes; none for goods without.
        colours: In which colours.
        stock: How many there are by (size or "", colour).
        reviews: Those that were there from the start.
    """

    slug: str
    name: str
    category: str
    cents: int
    was: int
    material: str
    grams: int
    sizes: tuple[str, ...]
    colours: tuple[str, ...]
    stock: tuple[tuple[tuple[str, str], int], ...]
    reviews: tuple[Review, ...]

    def left(self, size: str, colour: str) -> int:
        """How many there were at the start of that size and colour; 0 for one that does not exist."""
        return dict(self.stock).get((size, colour), 0)


@lru_cache(maxsize=64)
def goods(seed: int) -> dict[str, Product]:
    """The products of a seed by slug, in the order of the catalogue. No two have the same price or name.

    The result is shared: it is for reading.
    """
    chance = random.Random(f"goods {seed}")
    names = [f"{first} {second}" for first in _PLACES for second in _SECOND]
    chance.shuffle(names)
    prices: set[int] = set()
    made = [
        _product(category, f"{names.pop()} {category.kinds[number % len(category.kinds)]}", chance, prices)
        for category in CATEGORIES
        for number in range(EACH)
    ]
    return {one.slug: one for one in made}


def category_of(slug: str) -> Category | None:
    """The category with that address, if there is one."""
    return next((one for one in CATEGORIES if one.slug == slug), None)


def _product(category: Category, name: str, chance: random.Random, prices: set[int]) -> Product:
    slug = name.lower().replace(" ", "-")
    cents = _price(category, chance, prices)
    colours = tuple(sorted(chance.sample(_COLOURS, chance.randint(2, 4))))
    options = [(size, colour) for size in (category.sizes or ("",)) for colour in colours]
    always = chance.choice(options)
    stock = tuple((one, chance.choice((0, 2, 3, 5, 9, 14)) if one != always else 20) for one in options)
    return Product(
        slug=slug,
        name=name,
        category=category.slug,
        cents=cents,
        was=_rounded(cents * 1.3) if chance.random() < 0.2 else 0,
        material=chance.choice(category.stuff),
        grams=chance.randrange(80, 1900, 10),
        sizes=category.sizes,
        colours=colours,
        stock=stock,
        reviews=_reviews(slug, chance),
    )


def _price(category: Category, chance: random.Random, prices: set[int]) -> int:
    """A price that no other product has, so that the cheapest of any choice is one."""
    while True:
        cents = _rounded(chance.randint(*category.cents))
        if cents not in prices:
            prices.add(cents)
            return cents


def _rounded(cents: float) -> int:
    return int(cents) // 50 * 50 + 40


def _reviews(slug: str, chance: random.Random) -> tuple[Review, ...]:
    writers = chance.sample(_WRITERS, chance.randint(0, 3))
    given = [(writer, chance.choice((1, 2, 3, 4, 4, 5, 5))) for writer in writers]
    return tuple(Review(slug, writer, stars, "", chance.choice(_SAID[stars])) for writer, stars in given)
