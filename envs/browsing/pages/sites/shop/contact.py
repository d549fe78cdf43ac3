"""What visitors write: reviews, messages to the shop, the newsletter of those without an account.

Owns: the rules of these three forms. Does not own: how reviews are shown (`browse`).
"""

from __future__ import annotations

from pivotgym.envs.browsing.pages.contract import Response
from pivotgym.envs.browsing.pages.sites.shop.fields import Form
from pivotgym.envs.browsing.pages.sites.shop.goods import Review
from pivotgym.envs.browsing.pages.sites.shop.rendering import not_found, page
from pivotgym.envs.browsing.pages.sites.shop.state import Message
from pivotgym.envs.browsing.pages.sites.shop.web import Call, redirect, to_sign_in

TOPICS = {
    "order": "A question about an order",
    "damaged": "Something arrived damaged",
    "return": "I want to return something",
    "other": "Something else",
}
STARS = {"5": "5 stars", "4": "4 stars", "3": "3 stars", "2": "2 stars", "1": "1 star"}


def review_form(call: Call, slug: str) -> Response:
    """The form of a review; for customers."""
    return _review_page(call, slug, Form())


def review(call: Call, slug: str) -> Response:
    """Publish a review; one of each customer and product."""
    own, one, form = call.account, call.state.goods.get(slug), Form(call.form)
    stars = form.choice("stars", "Rating", STARS)
    title = form.text("title", "Title", most=60)
    text = form.text("text", "Review", least=10, most=1000)
    if own is not None and any((old.product, old.writer) == (slug, own.name) for old in call.state.reviews):
        form.wrong("title", "You have reviewed this product before.")
    if own is None or one is None or not form.good:
        return _review_page(call, slug, form)
    call.state.reviews = (*call.state.reviews, Review(slug, own.name, int(stars), title, text))
    return redirect(f"/p/{slug}", note="reviewed")


def contact_form(call: Call) -> Response:
    """The form to write to the shop."""
    own = call.account
    return _contact_page(call, Form({"name": own.name, "email": own.email} if own else {}))


def contact(call: Call) -> Response:
    """Send it."""
    form = Form(call.form)
    sent = Message(
        name=form.text("name", "Full name"),
        email=form.email("email"),
        topic=form.choice("topic", "Topic", TOPICS),
        order=form.text("order", "Order number", least=0, most=12),
        text=form.text("text", "Message", least=10, most=2000),
    )
    if not form.good:
        return _contact_page(call, form)
    call.state.messages = (*call.state.messages, sent)
    return redirect("/contact", note="sent")


def subscribe(call: Call) -> Response:
    """The newsletter by an e-mail address alone."""
    form = Form(call.form)
    email = form.email("email").lower()
    if not form.good:
        return page(call, "refused", "Not possible", status=422, why=form.errors["email"])
    if email not in call.state.subscribers:
        call.state.subscribers = (*call.state.subscribers, email)
    return redirect("/", note="subscribed")


def _review_page(call: Call, slug: str, form: Form) -> Response:
    one = call.state.goods.get(slug)
    if one is None:
        return not_found(call)
    if call.account is None:
        return to_sign_in(call)
    status = 200 if form.good else 422
    return page(call, "review", f"Review {one.name}", status=status, form=form, product=one, stars=STARS)


def _contact_page(call: Call, form: Form) -> Response:
    status = 200 if form.good else 422
    return page(call, "contact", "Contact us", status=status, form=form, topics=TOPICS)
