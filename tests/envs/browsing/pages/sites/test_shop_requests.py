"""Any request: the shop answers, never raises, and never touches another visit."""

from __future__ import annotations

import string
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pivotgym.core.errors import InputError
from pivotgym.envs.browsing.pages.contract import Request
from pivotgym.envs.browsing.pages.sites import SITES, site_of
from pivotgym.envs.browsing.pages.sites.shop import ADDRESS, Shop
from pivotgym.envs.browsing.pages.sites.shop.routes import _TABLE
from pivotgym.envs.browsing.pages.sites.shop.state import Visit, begin

PATHS = sorted({path for _, path, _ in _TABLE})
FIELDS = ("product", "size", "colour", "count", "line", "code", "email", "password", "next", "address", "newsletter",
          "shipping", "delivery", "q", "page", "sort", "least", "most", "stars", "text", "title", "terms")  # fmt: skip
GOODS = list(begin(1).goods.values())
VALUES = st.one_of(
    st.sampled_from(["1", "0", "-1", "M", "blue", "SPRING10", "standard", "invoice", "on", "new", "4", "nan", "1e999"]),
    st.sampled_from([one.slug for one in GOODS]),
    st.text(max_size=20),
)
SEGMENTS = st.one_of(st.sampled_from(["1", "99", "new", GOODS[0].slug, "%00", "%ff", ".."]), st.text(max_size=8))
FORMS = st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=8)


@st.composite
def requests(draw) -> Request:
    path = draw(st.one_of(st.sampled_from(PATHS), st.text(max_size=30)))
    while "*" in path:
        path = path.replace("*", draw(SEGMENTS.map(lambda text: quote(text, safe="%"))), 1)
    sent = FORMS.map(lambda fields: urlencode(fields, errors="replace"))
    query = draw(sent)
    body = draw(st.one_of(sent.map(str.encode), st.binary(max_size=50)))
    headers = draw(st.dictionaries(st.sampled_from(["cookie", "accept"]), st.text(string.printable, max_size=40)))
    method = draw(st.sampled_from(["GET", "POST", "HEAD", "PUT", "DELETE", "get", ""]))
    return Request(method, f"{ADDRESS}{path}?{query}", headers, body)


def busy() -> Shop:
    """A shop with the visit of somebody else in it."""
    shop = Shop()
    shop.start({"seed": 1, "signed_in": True, "cart": 2}, 0)
    shop.handle(Request("GET", f"{ADDRESS}/"))
    return shop


@settings(max_examples=50)
@given(st.lists(requests(), max_size=4))
def test_any_requests_are_answered_and_leave_another_visit_alone(sent):
    shop = busy()
    theirs = dict(shop.state.visits)
    account, orders = shop.state.accounts[1], dict(shop.state.orders)
    for request in sent:
        assert 200 <= shop.handle(request).status < 500
    assert theirs.items() <= shop.state.visits.items()
    assert shop.state.accounts[1] == account
    assert orders.items() <= shop.state.orders.items()


@settings(max_examples=50)
@given(requests())
def test_the_same_request_does_the_same_in_a_copy(request):
    one = busy()
    other = one.fork()
    assert one.handle(request) == other.handle(request)
    assert one.digest() == other.digest()


@settings(max_examples=50)
@given(requests())
def test_a_copy_is_independent(request):
    one = busy()
    before = one.digest()
    one.fork().handle(request)
    assert one.digest() == before


def test_looking_changes_nothing():
    shop = busy()
    before = shop.digest()
    for path in PATHS:
        shop.handle(Request("GET", f"{ADDRESS}{path}".replace("*", "1")))
    assert shop.digest() == before


def test_what_is_done_changes_the_digest():
    shop = busy()
    before = shop.digest()
    shop.handle(Request("POST", f"{ADDRESS}/newsletter", {}, b"email=a%40b.example"))
    assert shop.digest() != before


def test_a_cookie_that_nobody_gave_is_a_new_visit():
    shop = busy()
    assert shop.state.visits.get("made-up") is None
    answer = shop.handle(Request("POST", f"{ADDRESS}/logout", {"cookie": "visit=made-up"}))
    assert "Sign in" not in answer.body.decode()
    assert "made-up" not in shop.state.visits


def test_an_address_that_cannot_be_read_is_refused():
    assert busy().handle(Request("GET", "http://[shop.test/")).status == 400


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"seed": "one"}, "origin.seed: expected a whole number, got 'one'"),
        ({"signed_in": 1}, "origin.signed_in: expected true or false, got 1"),
        ({"cart": -1}, "origin.cart: expected a whole number from 0 to 20, got -1"),
        ({"colour": "red"}, "origin.colour: unknown field; this site reads"),
    ],
)
def test_an_origin_with_a_mistake_is_refused(fields, told):
    with pytest.raises(InputError, match=told):
        Shop().start({"kind": "site", "site": "shop", **fields}, 0)


def test_a_site_that_does_not_exist_is_refused():
    with pytest.raises(InputError, match=r"origin.site: expected one of \[.*'shop'.*\], got 'mall'"):
        site_of({"kind": "site", "site": "mall"})
    assert SITES["shop"]().name == "shop"


def test_a_visit_begins_only_when_something_is_kept():
    shop = Shop()
    shop.start({"seed": 1}, 0)
    shop.handle(Request("GET", f"{ADDRESS}/"))
    assert shop.state.visits == {}
    one = next(one for one in GOODS if not one.sizes)
    colour = next(option[1] for option, left in one.stock if left)
    sent = f"product={one.slug}&colour={colour}&count=1".encode()
    answer = shop.handle(Request("POST", f"{ADDRESS}/cart/add", {}, sent))
    assert "set-cookie" in answer.headers
    assert [type(visit) for visit in shop.state.visits.values()] == [Visit]
