"""Ordering: the checkout's form, orders, cancelling them.

Owns: what an order needs, and who may see and cancel one. Does not own: the cart (`basket`) or the customer's account
(`customers`).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from pivotgym.envs.browsing.pages.contract import Response
from pivotgym.envs.browsing.pages.sites.shop.basket import lacking, off, subtotal
from pivotgym.envs.browsing.pages.sites.shop.fields import Form
from pivotgym.envs.browsing.pages.sites.shop.rendering import not_found, page
from pivotgym.envs.browsing.pages.sites.shop.state import COUNTRIES, SHIPPING, TODAY, Address, Order, Visit
from pivotgym.envs.browsing.pages.sites.shop.web import Call, number_in, redirect, to_sign_in

FIRST_DAY, LAST_DAY = TODAY + timedelta(days=2), TODAY + timedelta(days=30)
PAYMENTS = {"invoice": "By invoice", "cash": "Cash on delivery"}
NEW_ADDRESS = "new"


def checkout(call: Call) -> Response:
    """The form, filled with what is known of the customer."""
    if not call.visit.cart:
        return redirect("/cart")
    account = call.account
    known = {"address": str(account.default) if account and account.default else NEW_ADDRESS}
    return _form_page(call, Form({"shipping": "standard", "payment": "invoice", **known}))


def order(call: Call) -> Response:
    """Give the order, if the form is good."""
    if not call.visit.cart:
        return redirect("/cart")
    form = Form(call.form)
    made = _read(call, form)
    if not form.good:
        return _form_page(call, form)
    call.state.orders[made.number] = made
    mine = call.visit.orders if call.account else (*call.visit.orders, made.number)
    call.change(cart=(), coupon="", orders=mine)
    return redirect(f"/orders/{made.number}", placed="yes")


def orders(call: Call) -> Response:
    """The customer's orders, the newest first."""
    account = call.account
    if account is None:
        return to_sign_in(call)
    mine = [one for one in call.state.orders.values() if one.customer == account.id]
    return page(call, "orders", "Your orders", orders=sorted(mine, key=lambda one: -one.number))


def shown(call: Call, number: str) -> Response:
    """One order: for its customer, or the guest who gave it here."""
    one = _mine(call, number)
    if one is None:
        return not_found(call) if call.account else to_sign_in(call)
    placed = call.query.get("placed") == "yes"
    return page(call, "order", f"Order {one.number}", order=one, placed=placed, payments=PAYMENTS, shipping=SHIPPING)


def cancel(call: Call, number: str) -> Response:
    """Cancel an order that was not shipped."""
    one = _mine(call, number)
    if one is None:
        return not_found(call) if call.account else to_sign_in(call)
    if one.status != "processing":
        why = f"Order {one.number} is {one.status} and can no longer be cancelled."
        return page(call, "refused", "Not possible", status=409, why=why)
    call.state.orders[one.number] = replace(one, status="cancelled")
    return redirect(f"/orders/{one.number}", note="cancelled")


def _mine(call: Call, number: str) -> Order | None:
    found = call.state.orders.get(number_in(number) or 0)
    if found is None:
        return None
    account = call.account
    owned = account is not None and found.customer == account.id
    return found if owned or found.number in call.visit.orders else None


def _form_page(call: Call, form: Form) -> Response:
    visit = call.visit
    return page(
        call,
        "checkout",
        "Checkout",
        status=200 if form.good else 422,
        form=form,
        lines=visit.cart,
        subtotal=subtotal(visit),
        off=off(call.state, visit),
        countries=COUNTRIES,
        shipping=SHIPPING,
        payments=PAYMENTS,
        days=(FIRST_DAY, LAST_DAY),
    )


def _read(call: Call, form: Form) -> Order:
    """The order that a form asks for; not to be used where the form is not good."""
    visit, account = call.visit, call.account
    email = account.email if account else form.email("email")
    address = _address(call, form)
    shipping = form.choice("shipping", "Shipping", SHIPPING)
    delivery = form.day("delivery", "Delivery day", FIRST_DAY, LAST_DAY)
    note = form.text("note", "Note", least=0, most=300)
    payment = form.choice("payment", "Payment", PAYMENTS)
    if not form.ticked("terms"):
        form.wrong("terms", "Please accept the terms of sale.")
    _check_stock(call, visit, form)
    return Order(
        number=max(call.state.orders) + 1,
        customer=account.id if account else 0,
        email=email,
        day=TODAY.isoformat(),
        lines=visit.cart,
        address=address,
        shipping=shipping,
        delivery=delivery,
        coupon=visit.coupon,
        off=off(call.state, visit),
        wrapped=form.ticked("wrapped"),
        note=note,
        payment=payment,
    )


def _check_stock(call: Call, visit: Visit, form: Form) -> None:
    for line in lacking(call.state, visit):
        form.wrong("cart", f"{call.state.goods[line.product].name}: fewer are left than your cart holds.")


def _address(call: Call, form: Form) -> Address:
    """One of the address book, or what was written."""
    account = call.account
    if account is not None and form.value("address") != NEW_ADDRESS:
        known = account.addresses.get(number_in(form.value("address")) or 0)
        if known is not None:
            return known
        form.wrong("address", "Address: please choose one.")
    return read_address(form)


def read_address(form: Form) -> Address:
    """The address that a form's fields tell."""
    return Address(
        name=form.text("name", "Full name"),
        street=form.text("street", "Street and number"),
        city=form.text("city", "City", most=60),
        postcode=form.text("postcode", "Postcode", least=3, most=10),
        country=form.choice("country", "Country", COUNTRIES),
    )
