"""The shop's pages and forms, by requests alone."""

from __future__ import annotations

import re

import pytest

from pivotgym.envs.browsing.pages.contract import Request
from pivotgym.envs.browsing.pages.sites.shop.goods import CATEGORIES, EACH, Product
from pivotgym.envs.browsing.pages.sites.shop.state import hashed, password_of

ORDER = {"shipping": "standard", "payment": "invoice", "terms": "on", "address": "1"}


def prices(text: str) -> list[float]:
    return [float(found.replace(",", "")) for found in re.findall(r'class="price">€([\d.,]+)', text)]


def in_stock(shopper, count: int = 3) -> tuple[Product, str, str]:
    goods = shopper.shop.state.goods.values()
    return next((one, *option) for one in goods for option, left in one.stock if one.sizes and left >= count)


def add(shopper, count: object = 1) -> Product:
    one, size, colour = in_stock(shopper)
    shopper.post("/cart/add", product=one.slug, size=size, colour=colour, count=count)
    return one


@pytest.mark.parametrize("path", ["/", "/help", "/size-guide", "/contact", "/cart", "/login", "/register", "/search"])
def test_a_page_for_everyone_is_shown(guest, path):
    assert "<h1>" in guest.get(path)
    assert guest.status == 200


@pytest.mark.parametrize("path", ["/account", "/orders", "/account/addresses", "/account/email", "/account/password"])
def test_a_page_of_ones_own_asks_to_sign_in_and_leads_back(guest, path):
    guest.get(path)
    assert guest.path == f"/login?next={path.replace('/', '%2F')}"
    guest.post("/login", email=guest.account.email, password=password_of(1, 1), next=path)
    assert guest.path == f"{path}?note=signed-in"


def test_every_field_of_a_form_has_a_label(shopper):
    add(shopper)
    for path in ("/checkout", "/contact", "/account/email", "/account/addresses/new", "/search", "/cart"):
        text = shopper.get(path)
        fields = re.findall(r'<(?:input|select|textarea)(?![^>]*type="(?:hidden|radio|checkbox)")[^>]*>', text)
        for field in fields:
            named = re.search(r' id="([^"]+)"', field)
            assert "aria-label=" in field or (named and f'for="{named[1]}"' in text), field


def test_there_is_no_such_page(guest):
    assert "Page not found" in guest.get("/nowhere")
    assert guest.status == 404


def test_an_address_that_another_method_is_for(guest):
    answer = guest.shop.handle(Request("GET", "http://shop.test/cart/add"))
    assert (answer.status, answer.headers["allow"]) == (405, "POST")


def test_goods_of_one_seed_are_the_same_and_of_another_differ(guest):
    assert len(guest.shop.state.goods) == EACH * len(CATEGORIES)
    other = type(guest.shop)()
    other.start({"seed": 2}, 0)
    assert set(other.state.goods) != set(guest.shop.state.goods)


def test_no_two_goods_have_the_same_price(guest):
    cents = [one.cents for one in guest.shop.state.goods.values()]
    assert len(set(cents)) == len(cents)


def test_a_search_sorts_by_price(guest):
    found = prices(guest.get("/search?category=shoes&sort=price"))
    assert found == sorted(found)
    assert len(found) == 8


def test_a_search_is_filtered_by_words_and_price(guest):
    found = prices(guest.get("/search?q=fleece&most=100"))
    assert found
    assert all(price <= 100 for price in found)
    assert set(re.findall(r"<h2><a [^>]*>([^<]+)</a>", guest.text)) <= {
        one.name for one in guest.shop.state.goods.values() if "Fleece" in one.name
    }


def test_pages_of_a_search_hold_each_product_once(guest):
    shown = guest.get("/c/lamps?page=1") + guest.get("/c/lamps?page=2")
    names = re.findall(r'<h2><a href="/p/([^"]+)', shown)
    assert sorted(names) == sorted(one.slug for one in guest.shop.state.goods.values() if one.category == "lamps")


def test_old_addresses_lead_to_the_new_ones(guest):
    slug = next(iter(guest.shop.state.goods))
    guest.get(f"/product/{slug}")
    assert guest.path == f"/p/{slug}"
    guest.get("/sale")
    assert guest.path == "/search?sale=on"


def test_the_first_page_signs_in_where_the_origin_says_so(shopper):
    assert "Sign out" in shopper.get("/")
    assert shopper.visit.customer == 1


def test_adding_to_the_cart_redirects_to_it(shopper):
    one = add(shopper)
    assert (shopper.path, shopper.visit.cart[0].product) == ("/cart?note=added", one.slug)
    assert "Cart (1)" in shopper.text


def test_adding_the_same_option_again_counts_up(shopper):
    add(shopper)
    add(shopper)
    assert [line.count for line in shopper.visit.cart] == [2]


def test_a_product_is_not_added_without_its_size(shopper):
    one, _, colour = in_stock(shopper)
    text = shopper.post("/cart/add", product=one.slug, colour=colour, count=1)
    assert shopper.status == 422
    assert "Size: please choose one." in text


@pytest.mark.parametrize("count", ["0", "-1", "21", "many", ""])
def test_a_wrong_quantity_is_told(shopper, count):
    add(shopper, count)
    assert "Quantity: a whole number from 1 to 20, please." in shopper.text
    assert shopper.visit.cart == ()


def test_no_more_can_be_bought_than_there_are(shopper):
    goods = shopper.shop.state.goods.values()
    one, (size, colour), left = next((one, option, left) for one in goods for option, left in one.stock if left == 2)
    text = shopper.post("/cart/add", product=one.slug, size=size, colour=colour, count=left + 1)
    assert "Quantity: at most 2 can be bought." in text


def test_what_is_sold_out_cannot_be_added(shopper):
    goods = shopper.shop.state.goods.values()
    one, (size, colour) = next((one, option) for one in goods for option, left in one.stock if not left)
    assert "Sold out in" in shopper.post("/cart/add", product=one.slug, size=size, colour=colour, count=1)


def test_a_line_is_changed_and_removed(shopper):
    add(shopper)
    shopper.post("/cart/update", line=0, count=3)
    assert [line.count for line in shopper.visit.cart] == [3]
    shopper.post("/cart/remove", line=0)
    assert shopper.visit.cart == ()


@pytest.mark.parametrize(
    ("code", "told"),
    [("NOPE", "we do not know this code"), ("OLD50", "this one has ended"), ("LAMPS15", "it counts for nothing")],
)
def test_a_coupon_that_does_not_count_is_told(shopper, code, told):
    add(shopper)
    assert f"Coupon code: {told}" in shopper.post("/cart/coupon", code=code)


def test_a_coupon_takes_a_share_off_the_order(shopper):
    one = add(shopper)
    shopper.post("/cart/coupon", code="spring10")
    shopper.post("/checkout", **ORDER)
    made = shopper.shop.state.orders[max(shopper.shop.state.orders)]
    assert (made.coupon, made.off) == ("SPRING10", one.cents // 10)
    assert made.cents == one.cents - one.cents // 10 + 490


def test_an_order_empties_the_cart_and_takes_from_the_stock(shopper):
    one, size, colour = in_stock(shopper)
    before = shopper.shop.state.left(one, size, colour)
    add(shopper)
    text = shopper.post("/checkout", **ORDER)
    assert "Your order was placed" in text
    assert shopper.visit.cart == ()
    assert shopper.shop.state.left(one, size, colour) == before - 1


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"terms": None}, "Please accept the terms of sale."),
        ({"shipping": "owl"}, "Shipping: please choose one."),
        ({"address": "99"}, "Address: please choose one."),
        ({"address": "new"}, "Street and number: please fill this in."),
        ({"delivery": "2031-03-16"}, "Delivery day: we do not deliver on Sundays."),
        ({"delivery": "2032-01-01"}, "Delivery day: from 2031-03-14 to 2031-04-11, please."),
        ({"delivery": "soon"}, "Delivery day: a day such as 2031-03-14, please."),
        ({"note": "x" * 301}, "Note: at most 300 characters, please."),
    ],
)
def test_an_order_with_a_mistake_is_not_given(shopper, change, told):
    add(shopper)
    before = len(shopper.shop.state.orders)
    form = {name: value for name, value in {**ORDER, **change}.items() if value is not None}
    assert told in shopper.post("/checkout", **form)
    assert (shopper.status, len(shopper.shop.state.orders)) == (422, before)


def test_a_guest_sees_the_own_order_and_no_other(guest):
    add(guest)
    address = {"name": "A B", "street": "1 C", "city": "Ghent", "postcode": "9000", "country": "Belgium"}
    guest.post("/checkout", email="a@b.example", shipping="express", payment="cash", terms="on", **address)
    assert re.fullmatch(r"/orders/\d+\?placed=yes", guest.path)
    guest.get(f"/orders/{min(guest.shop.state.orders)}")
    assert guest.path.startswith("/login")


def test_another_customers_order_is_not_shown_nor_cancelled(shopper):
    theirs = next(one for one in shopper.shop.state.orders.values() if one.customer == 2)
    shopper.get(f"/orders/{theirs.number}")
    assert shopper.status == 404
    shopper.post(f"/orders/{theirs.number}/cancel")
    assert shopper.shop.state.orders[theirs.number] == theirs


def test_an_order_is_cancelled_until_it_is_shipped(shopper):
    mine = [one for one in shopper.shop.state.orders.values() if one.customer == 1]
    shopper.post(f"/orders/{mine[-1].number}/cancel")
    assert shopper.shop.state.orders[mine[-1].number].status == "cancelled"
    assert "can no longer be cancelled" in shopper.post(f"/orders/{mine[0].number}/cancel")


def test_a_wrong_password_does_not_sign_in(guest):
    text = guest.post("/login", email=guest.account.email, password="guess")
    assert "We know no account with this e-mail address and password." in text


def test_signing_in_never_leads_off_the_site(guest):
    guest.post("/login", email=guest.account.email, password=password_of(1, 1), next="//evil.example/")
    assert guest.path == "/account?note=signed-in"


def test_signing_out_forgets_the_cart(shopper):
    add(shopper)
    shopper.post("/logout")
    assert (shopper.visit.customer, shopper.visit.cart) == (0, ())


def test_an_account_is_opened_once_for_an_address(guest):
    form = {"name": "Ada W", "email": "ada@post.example", "password": "long-enough", "again": "long-enough"}
    guest.post("/register", newsletter="weekly", terms="on", **form)
    assert guest.shop.state.accounts[4].newsletter == "weekly"
    text = guest.post("/register", newsletter="weekly", terms="on", **{**form, "email": "ADA@post.example"})
    assert "E-mail: there is an account with this address." in text


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"email": "nobody"}, "E-mail: an address like name@post.example, please."),
        ({"password": "short", "again": "short"}, "Password: at least 8 characters, please."),
        ({"again": "different"}, "Repeat password: the two are not the same."),
        ({"name": " "}, "Full name: please fill this in."),
    ],
)
def test_a_mistake_in_registering_is_told(guest, change, told):
    form = {"name": "Ada W", "email": "ada@post.example", "password": "long-enough", "again": "long-enough"}
    assert told in guest.post("/register", newsletter="never", terms="on", **{**form, **change})
    assert 4 not in guest.shop.state.accounts


def test_the_password_is_needed_to_change_email_and_password(shopper):
    assert "this is not your password" in shopper.post("/account/email", email="x@y.example", current="guess")
    assert "this is not your password" in shopper.post("/account/password", new="a" * 8, again="a" * 8, current="no")
    shopper.post("/account/password", new="a" * 8, again="a" * 8, current=password_of(1, 1))
    assert shopper.account.password == hashed("a" * 8)


def test_the_address_book_is_changed_added_to_and_deleted_from(shopper):
    address = {"name": "A B", "street": "1 C", "city": "Ghent", "postcode": "9000", "country": "Belgium"}
    shopper.post("/account/addresses/new", **address, default="on")
    assert (shopper.account.default, shopper.account.addresses[3].street) == (3, "1 C")
    shopper.post("/account/addresses/3", **{**address, "street": "2 D"})
    assert shopper.account.addresses[3].street == "2 D"
    shopper.post("/account/addresses/3/delete")
    assert (shopper.account.default, sorted(shopper.account.addresses)) == (1, [1, 2])


def test_a_product_is_reviewed_once_by_a_customer(shopper):
    slug = next(iter(shopper.shop.state.goods))
    form = {"stars": "4", "title": "Good", "text": "Quite good, I think."}
    assert "Quite good, I think." in shopper.post(f"/p/{slug}/review", **form)
    assert "You have reviewed this product before." in shopper.post(f"/p/{slug}/review", **form)


def test_a_message_and_a_newsletter_are_kept(guest):
    form = {"name": "A", "email": "a@b.example", "topic": "other", "text": "A long enough text."}
    assert "we got your message" in guest.post("/contact", **form)
    guest.post("/newsletter", email="A@b.example")
    guest.post("/newsletter", email="a@b.example")
    assert guest.shop.state.messages[0].topic == "other"
    assert guest.shop.state.subscribers == ("a@b.example",)


def test_markup_in_what_was_written_stays_text(guest):
    answer = guest.shop.handle(Request("GET", "http://shop.test/search?q=%3Cscript%3Ealert(1)%3C/script%3E"))
    assert b"<script>" not in answer.body
