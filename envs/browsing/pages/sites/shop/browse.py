"""Pages to look at: home, categories, search, products, help.

Owns: filtering, sorting and paging the goods. Does not own: the cart (`basket`), or reviews being written (`contact`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlencode

from pivotgym.envs.browsing.pages.contract import Response
from pivotgym.envs.browsing.pages.sites.shop.fields import Form
from pivotgym.envs.browsing.pages.sites.shop.goods import CATEGORIES, Product, Review, category_of
from pivotgym.envs.browsing.pages.sites.shop.rendering import FOLDER, not_found, page
from pivotgym.envs.browsing.pages.sites.shop.state import SHIPPING, State
from pivotgym.envs.browsing.pages.sites.shop.web import Call, redirect

PER_PAGE = 8
SORTS: dict[str, tuple[str, Callable[[Product], int | str]]] = {
    "": ("Featured", lambda one: 0),
    "price": ("Price, low to high", lambda one: one.cents),
    "price-desc": ("Price, high to low", lambda one: -one.cents),
    "name": ("Name", lambda one: one.name),
    "weight": ("Weight, light to heavy", lambda one: one.grams),
}
_FILTERS = ("q", "category", "size", "colour", "least", "most", "sale", "sort")


@dataclass(frozen=True)
class Rating:
    """Mean stars of a product, to one digit, and how many reviews there are."""

    stars: str
    count: int


def reviews_of(state: State, slug: str) -> list[Review]:
    """A product's reviews, the newest first."""
    return [*(one for one in reversed(state.reviews) if one.product == slug), *state.goods[slug].reviews]


def rating_of(state: State, slug: str) -> Rating | None:
    """A product's rating, or `None` without reviews."""
    given = [one.stars for one in reviews_of(state, slug)]
    return Rating(f"{sum(given) / len(given):.1f}", len(given)) if given else None


def style(call: Call) -> Response:
    """The style sheet."""
    return Response((FOLDER / "shop.css").read_bytes(), 200, {"content-type": "text/css; charset=utf-8"})


def home(call: Call) -> Response:
    """The first page."""
    chosen = [one for number, one in enumerate(call.state.goods.values()) if number % 9 == call.state.seed % 9]
    return page(call, "home", "Tern & Thistle", chosen=chosen, state=call.state, rating_of=rating_of)


def sale(call: Call) -> Response:
    """A short address of the goods on sale."""
    return redirect("/search", sale="on")


def old_product(call: Call, slug: str) -> Response:
    """Where products used to be."""
    return redirect(f"/p/{slug}") if slug in call.state.goods else not_found(call)


def category(call: Call, slug: str) -> Response:
    """A category's goods."""
    found = category_of(slug)
    return not_found(call) if found is None else _listing(call, found.title, {**call.query, "category": slug})


def search(call: Call) -> Response:
    """Goods by words and filters."""
    return _listing(call, "Search", dict(call.query))


def product(call: Call, slug: str) -> Response:
    """A product's own page."""
    return product_page(call, slug, Form({"count": "1"}))


def product_page(call: Call, slug: str, form: Form) -> Response:
    """A product's page with what was chosen there."""
    one = call.state.goods.get(slug)
    if one is None:
        return not_found(call)
    left = {option: call.state.left(one, *option) for option, _ in one.stock}
    return page(
        call,
        "product",
        one.name,
        status=200 if form.good else 422,
        product=one,
        category=category_of(one.category),
        form=form,
        sold_out=[option for option, count in left.items() if count <= 0],
        reviews=reviews_of(call.state, slug),
        rating=rating_of(call.state, slug),
    )


def size_guide(call: Call) -> Response:
    """Sizes; opens beside the product."""
    return page(call, "sizes", "Size guide")


def help_page(call: Call) -> Response:
    """Shipping, returns, coupons."""
    return page(call, "help", "Help", shipping=SHIPPING)


def _listing(call: Call, title: str, asked: dict[str, str]) -> Response:
    form = Form(asked)
    found = _sorted(_filtered(call.state, form), form.value("sort"))
    pages = max(1, -(-len(found) // PER_PAGE))
    wanted = form.value("page")
    at = min(max(int(wanted), 1), pages) if wanted.isascii() and wanted.isdigit() and len(wanted) < 6 else 1
    kept = {name: asked[name] for name in _FILTERS if asked.get(name)}
    links = [(number, f"/search?{urlencode({**kept, 'page': str(number)})}") for number in range(1, pages + 1)]
    return page(
        call,
        "listing",
        title,
        form=form,
        found=found[(at - 1) * PER_PAGE : at * PER_PAGE],
        count=len(found),
        at=at,
        links=links,
        sorts={key: label for key, (label, _) in SORTS.items()},
        sizes=_sizes(form.value("category")),
        colours=sorted({colour for one in call.state.goods.values() for colour in one.colours}),
        state=call.state,
        rating_of=rating_of,
    )


def _sizes(category: str) -> list[str]:
    chosen = category_of(category)
    found = [size for one in ((chosen,) if chosen else CATEGORIES) for size in one.sizes]
    return list(dict.fromkeys(found))


def _filtered(state: State, form: Form) -> list[Product]:
    words = form.value("q").lower().split()
    size, colour, category = form.value("size"), form.value("colour"), form.value("category")
    least, most = _cents(form, "least"), _cents(form, "most")
    return [
        one
        for one in state.goods.values()
        if all(word in f"{one.name} {one.category} {one.material}".lower() for word in words)
        and (not category or one.category == category)
        and (not size or size in one.sizes)
        and (not colour or colour in one.colours)
        and (not form.ticked("sale") or one.was)
        and (least is None or one.cents >= least)
        and (most is None or one.cents <= most)
    ]


def _sorted(found: list[Product], by: str) -> list[Product]:
    return sorted(found, key=SORTS.get(by, SORTS[""])[1])


def _cents(form: Form, name: str) -> int | None:
    """A price asked for in euros, or `None` where it is no number."""
    value = form.value(name)
    try:
        euros = float(value) if len(value) < 12 else -1.0
    except ValueError:
        return None
    return round(euros * 100) if 0 <= euros < 1_000_000 else None
