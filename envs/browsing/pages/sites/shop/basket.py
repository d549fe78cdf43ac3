"""The cart: adding, changing, removing, coupons.

Owns: the rules of the cart and of coupons. Does not own: ordering what is in it (`checkout`).
"""

from __future__ import annotations

from dataclasses import replace

from pivotgym.envs.browsing.pages.contract import Response
from pivotgym.envs.browsing.pages.sites.shop.browse import product_page
from pivotgym.envs.browsing.pages.sites.shop.fields import Form
from pivotgym.envs.browsing.pages.sites.shop.goods import Product
from pivotgym.envs.browsing.pages.sites.shop.rendering import not_found, page
from pivotgym.envs.browsing.pages.sites.shop.state import COUPONS, Line, State, Visit
from pivotgym.envs.browsing.pages.sites.shop.web import Call, redirect

MOST = 20
"""Of one line."""


def cart(call: Call) -> Response:
    """What is in the cart."""
    return cart_page(call, Form({"code": call.visit.coupon}))


def cart_page(call: Call, form: Form) -> Response:
    """The cart with a form of it that was sent."""
    visit = call.visit
    return page(
        call,
        "cart",
        "Your cart",
        status=200 if form.good else 422,
        form=form,
        lines=list(enumerate(visit.cart)),
        coupon=visit.coupon,
        subtotal=subtotal(visit),
        off=off(call.state, visit),
    )


def add(call: Call) -> Response:
    """Put a product into the cart."""
    form = Form(call.form)
    one = call.state.goods.get(form.value("product"))
    if one is None:
        return not_found(call)
    size = form.choice("size", "Size", one.sizes) if one.sizes else ""
    colour = form.choice("colour", "Colour", one.colours)
    count = form.whole("count", "Quantity", 1, MOST)
    held = next((line for line in call.visit.cart if _option(line) == (one.slug, size, colour)), None)
    if form.good:
        _check_stock(call.state, form, one, Line(one.slug, size, colour, count + (held.count if held else 0), 0))
    if not form.good:
        return product_page(call, one.slug, form)
    if held:
        lines = tuple(replace(line, count=line.count + count) if line is held else line for line in call.visit.cart)
    else:
        lines = (*call.visit.cart, Line(one.slug, size, colour, count, one.cents))
    call.change(cart=lines)
    return redirect("/cart", note="added")


def update(call: Call) -> Response:
    """Change the quantity of a line."""
    form, place = Form(call.form), _place(call)
    if place is None:
        return not_found(call)
    line = call.visit.cart[place]
    count = form.whole("count", "Quantity", 1, MOST)
    if form.good:
        _check_stock(call.state, form, call.state.goods[line.product], replace(line, count=count))
    if not form.good:
        form.values["line"] = str(place)
        return cart_page(call, form)
    lines = list(call.visit.cart)
    lines[place] = replace(line, count=count)
    call.change(cart=tuple(lines))
    return redirect("/cart", note="updated")


def remove(call: Call) -> Response:
    """Take a line out."""
    place = _place(call)
    if place is None:
        return not_found(call)
    call.change(cart=(*call.visit.cart[:place], *call.visit.cart[place + 1 :]))
    return redirect("/cart", note="removed")


def coupon(call: Call) -> Response:
    """Use a coupon, or none by an empty code."""
    form = Form(call.form)
    code = form.text("code", "Coupon code", least=0, most=20).upper()
    if code and code not in COUPONS:
        form.wrong("code", "Coupon code: we do not know this code.")
    elif code and not COUPONS[code]:
        form.wrong("code", "Coupon code: this one has ended.")
    elif code and not off(call.state, replace(call.visit, coupon=code)):
        form.wrong("code", "Coupon code: it counts for nothing that is in your cart.")
    if not form.good:
        return cart_page(call, form)
    call.change(coupon=code)
    return redirect("/cart", note="coupon" if code else "updated")


def subtotal(visit: Visit) -> int:
    """Cents for the goods in a cart."""
    return sum(line.count * line.cents for line in visit.cart)


def off(state: State, visit: Visit) -> int:
    """Cents off by the cart's coupon."""
    only_lamps = visit.coupon.startswith("LAMPS")
    counted = [line for line in visit.cart if not only_lamps or state.goods[line.product].category == "lamps"]
    return sum(line.count * line.cents for line in counted) * COUPONS.get(visit.coupon, 0) // 100


def lacking(state: State, visit: Visit) -> list[Line]:
    """Lines of which there are fewer than the cart holds."""
    return [line for line in visit.cart if state.left(state.goods[line.product], line.size, line.colour) < line.count]


def _check_stock(state: State, form: Form, one: Product, wanted: Line) -> None:
    left = state.left(one, wanted.size, wanted.colour)
    if left <= 0:
        form.wrong("colour", f"Sold out in {' '.join(filter(None, (wanted.size, wanted.colour)))}.")
    elif wanted.count > min(left, MOST):
        form.wrong("count", f"Quantity: at most {min(left, MOST)} can be bought.")


def _place(call: Call) -> int | None:
    """Which line a form is about."""
    text = call.form.get("line", "")
    known = {str(place): place for place in range(len(call.visit.cart))}
    return known.get(text)


def _option(line: Line) -> tuple[str, str, str]:
    return line.product, line.size, line.colour
