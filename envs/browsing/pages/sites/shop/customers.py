"""Customers: registering, signing in, and the account's own pages.

Owns: the rules of accounts and of the address book. Does not own: orders (`checkout`).
"""

from __future__ import annotations

from dataclasses import replace

from pivotgym.envs.browsing.pages.contract import Response
from pivotgym.envs.browsing.pages.sites.shop.checkout import read_address
from pivotgym.envs.browsing.pages.sites.shop.fields import Form
from pivotgym.envs.browsing.pages.sites.shop.rendering import not_found, page
from pivotgym.envs.browsing.pages.sites.shop.state import COUNTRIES, Account, Address, hashed
from pivotgym.envs.browsing.pages.sites.shop.web import Call, local, number_in, redirect, to_sign_in

NEWSLETTERS = {"never": "Never", "weekly": "Every week", "monthly": "Every month"}
_LEAST_PASSWORD = 8


def login(call: Call) -> Response:
    """The form to sign in."""
    return _login_page(call, Form({"next": call.query.get("next", "")}))


def sign_in(call: Call) -> Response:
    """Sign in, and go where one wanted to go."""
    form = Form(call.form)
    email, password = form.email("email"), form.text("password", "Password", most=200)
    account = call.state.account_of(email)
    if form.good and (account is None or account.password != hashed(password)):
        form.wrong("password", "We know no account with this e-mail address and password.")
    if not form.good or account is None:
        return _login_page(call, form)
    call.change(customer=account.id)
    return redirect(local(form.value("next"), "/account"), note="signed-in")


def sign_out(call: Call) -> Response:
    """Sign out; the cart goes with the customer."""
    if call.account is not None:
        call.change(customer=0, cart=(), coupon="")
    return redirect("/", note="signed-out")


def register_form(call: Call) -> Response:
    """The form to open an account."""
    return _register_page(call, Form({"newsletter": "never"}))


def register(call: Call) -> Response:
    """Open an account and sign in."""
    form = Form(call.form)
    name, email = form.text("name", "Full name"), form.email("email")
    password = form.text("password", "Password", least=_LEAST_PASSWORD, most=200)
    newsletter = form.choice("newsletter", "Newsletter", NEWSLETTERS)
    if form.value("again") != password:
        form.wrong("again", "Repeat password: the two are not the same.")
    if call.state.account_of(email) is not None:
        form.wrong("email", "E-mail: there is an account with this address.")
    if not form.ticked("terms"):
        form.wrong("terms", "Please accept the terms of sale.")
    if not form.good:
        return _register_page(call, form)
    made = Account(max(call.state.accounts) + 1, name, email, hashed(password), newsletter=newsletter)
    call.state.accounts[made.id] = made
    call.change(customer=made.id)
    return redirect("/account", note="registered")


def account(call: Call) -> Response:
    """What is known of the customer."""
    return page(call, "account", "Your account", newsletters=NEWSLETTERS) if call.account else to_sign_in(call)


def email_form(call: Call) -> Response:
    """The form to change the e-mail address."""
    return _settings(call, "email", "Change e-mail", Form({"email": call.account.email if call.account else ""}))


def change_email(call: Call) -> Response:
    """Change it; the password is asked for."""
    form, own = Form(call.form), call.account
    email = form.email("email", "New e-mail")
    other = call.state.account_of(email)
    if other is not None and other is not own:
        form.wrong("email", "New e-mail: there is another account with this address.")
    return _settle(call, form, "email", "Change e-mail", email=email)


def password_form(call: Call) -> Response:
    """The form to change the password."""
    return _settings(call, "password", "Change password", Form())


def change_password(call: Call) -> Response:
    """Change it; the old one is asked for."""
    form = Form(call.form)
    new = form.text("new", "New password", least=_LEAST_PASSWORD, most=200)
    if form.value("again") != new:
        form.wrong("again", "Repeat new password: the two are not the same.")
    return _settle(call, form, "password", "Change password", password=hashed(new))


def newsletter(call: Call) -> Response:
    """How often the customer gets the newsletter."""
    form, own = Form(call.form), call.account
    if own is None:
        return to_sign_in(call)
    chosen = form.choice("newsletter", "Newsletter", NEWSLETTERS)
    if not form.good:
        return page(call, "refused", "Not possible", status=422, why=form.errors["newsletter"])
    call.state.accounts[own.id] = replace(own, newsletter=chosen)
    return redirect("/account", note="saved")


def addresses(call: Call) -> Response:
    """The address book."""
    return page(call, "addresses", "Your addresses") if call.account else to_sign_in(call)


def new_address(call: Call) -> Response:
    """The form of a new address."""
    return _address_page(call, Form({"name": call.account.name if call.account else ""}), 0)


def address_form(call: Call, number: str) -> Response:
    """The form of a known address."""
    known = _known(call, number)
    if known is None:
        return not_found(call) if call.account else to_sign_in(call)
    place, one = known
    return _address_page(call, Form(vars(one)), place)


def save_address(call: Call, number: str) -> Response:
    """Add an address (`new`), or change a known one."""
    own = call.account
    if own is None:
        return to_sign_in(call)
    known = _known(call, number)
    if known is None and number != "new":
        return not_found(call)
    place = known[0] if known else max(own.addresses, default=0) + 1
    form = Form(call.form)
    one = read_address(form)
    if not form.good:
        return _address_page(call, form, known[0] if known else 0)
    default = place if form.ticked("default") or not own.default else own.default
    call.state.accounts[own.id] = replace(own, addresses={**own.addresses, place: one}, default=default)
    return redirect("/account/addresses", note="saved")


def delete_address(call: Call, number: str) -> Response:
    """Delete an address; the first that is left becomes the default if it was that."""
    own, known = call.account, _known(call, number)
    if own is None or known is None:
        return not_found(call) if own else to_sign_in(call)
    left = {place: one for place, one in own.addresses.items() if place != known[0]}
    default = own.default if own.default in left else min(left, default=0)
    call.state.accounts[own.id] = replace(own, addresses=left, default=default)
    return redirect("/account/addresses", note="deleted")


def _known(call: Call, number: str) -> tuple[int, Address] | None:
    place = number_in(number) or 0
    own = call.account
    return (place, own.addresses[place]) if own and place in own.addresses else None


def _settle(call: Call, form: Form, template: str, title: str, **changes: str) -> Response:
    """Change fields of an account if its form is good and the present password was given."""
    own = call.account
    if own is not None and hashed(form.text("current", "Current password", most=200)) != own.password:
        form.wrong("current", "Current password: this is not your password.")
    if own is None or not form.good:
        return _settings(call, template, title, form)
    call.state.accounts[own.id] = replace(own, **changes)  # type: ignore[arg-type]
    return redirect("/account", note="saved")


def _settings(call: Call, template: str, title: str, form: Form) -> Response:
    if call.account is None:
        return to_sign_in(call)
    return page(call, template, title, status=200 if form.good else 422, form=form)


def _login_page(call: Call, form: Form) -> Response:
    return page(call, "login", "Sign in", status=200 if form.good else 422, form=form)


def _register_page(call: Call, form: Form) -> Response:
    status = 200 if form.good else 422
    return page(call, "register", "Create an account", status=status, form=form, newsletters=NEWSLETTERS)


def _address_page(call: Call, form: Form, place: int) -> Response:
    if call.account is None:
        return to_sign_in(call)
    title = "Edit address" if place else "New address"
    status = 200 if form.good else 422
    return page(call, "address", title, status=status, form=form, place=place, countries=COUNTRIES)
