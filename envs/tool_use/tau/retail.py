"""The retail shop: users, orders and products, and the 16 tools that act on them.

Owns: what each call reads, checks and changes. The agent's policy (confirm first, one user only) is not checked here:
following it is the agent's part.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from pivotgym.envs.tool_use.tau.database import Draft, Record
from pivotgym.envs.tool_use.tau.tools import Refused, ToolTable, add_common, text, texts

TABLES = ("orders", "products", "users")
REASONS = ("no longer needed", "ordered by mistake")
TOOLS = ToolTable()
add_common(TOOLS)

_ORDER = text("The order's id, such as '#W0000000', with the '#'.")
_USER = text("The user's id, such as 'sara_doe_496'.")
_PAYMENT = text("The id of a payment method of the user, such as 'gift_card_0000000'.")
_ADDRESS = {
    "address1": text("The first line, such as '123 Main St'."),
    "address2": text("The second line, such as 'Apt 1' or ''."),
    "city": text("The city."),
    "state": text("The state, such as 'CA'."),
    "country": text("The country, such as 'USA'."),
    "zip": text("The zip code, such as '12345'."),
}
_ITEMS = texts("Ids of items of the order; one that stands there twice may be named twice.")
_NEW_ITEMS = texts("Ids of the new items, in the same order; each of the same product as the item it replaces.")


@TOOLS.add("Find a user's id by e-mail address.", email=text("The address, such as 'something@example.com'."))
def find_user_id_by_email(db: Draft, email: str) -> str:
    """The first user with that address."""
    return _first_user(db, lambda user: user["email"] == email)


@TOOLS.add(
    "Find a user's id by name and zip code, for users who cannot be found by e-mail address.",
    first_name=text("The first name, such as 'John'."),
    last_name=text("The last name, such as 'Doe'."),
    zip=text("The zip code, such as '12345'."),
)
def find_user_id_by_name_zip(db: Draft, first_name: str, last_name: str, zip: str) -> str:
    """The first user of that name (in any case of letters) and zip code."""
    wanted = (first_name.lower(), last_name.lower(), zip)
    return _first_user(db, lambda user: (*_name(user), user["address"]["zip"]) == wanted)


@TOOLS.add("Look up a user's profile, with the ids of the orders.", user_id=_USER)
def get_user_details(db: Draft, user_id: str) -> Any:
    """A user."""
    return _user(db, user_id)


@TOOLS.add("Look up an order.", order_id=_ORDER)
def get_order_details(db: Draft, order_id: str) -> Any:
    """An order."""
    return _order(db, order_id)


@TOOLS.add("Look up a product with its items.", product_id=text("The product's id, which is not an item's id."))
def get_product_details(db: Draft, product_id: str) -> Any:
    """A product."""
    found = db.find("products", product_id)
    if found is None:
        raise Refused("product not found")
    return found


@TOOLS.add("List the names and ids of all products.")
def list_all_product_types(db: Draft) -> Any:
    """Ids by name, in alphabetical order."""
    return dict(sorted((product["name"], product["product_id"]) for product in db.rows("products")))


@TOOLS.add(
    "Cancel a pending order; the money goes back to where it came from. Ask the user to confirm first.",
    writes=True,
    order_id=_ORDER,
    reason=text("The user's reason.", *REASONS),
)
def cancel_pending_order(db: Draft, order_id: str, reason: str) -> Any:
    """Cancel; gift cards are refunded at once."""
    _in_status(db, order_id, "pending", "non-pending order cannot be cancelled")
    if reason not in REASONS:
        raise Refused("invalid reason")
    order = db.edit("orders", order_id)
    for paid in list(order["payment_history"]):
        _note(order, "refund", paid["amount"], paid["payment_method_id"])
        _move(db, order["user_id"], paid["payment_method_id"], paid["amount"])
    order["status"] = "cancelled"
    order["cancel_reason"] = reason
    return order


@TOOLS.add(
    "Change where a pending order is sent. Ask the user to confirm first.", writes=True, order_id=_ORDER, **_ADDRESS
)
def modify_pending_order_address(db: Draft, order_id: str, **address: str) -> Any:
    """Another address."""
    _in_status(db, order_id, "pending", "non-pending order cannot be modified")
    order = db.edit("orders", order_id)
    order["address"] = _address(address)
    return order


@TOOLS.add(
    "Change how a pending order is paid. Ask the user to confirm first.",
    writes=True,
    order_id=_ORDER,
    payment_method_id=_PAYMENT,
)
def modify_pending_order_payment(db: Draft, order_id: str, payment_method_id: str) -> Any:
    """The whole amount by another method, and back to the one used before."""
    old = _in_status(db, order_id, "pending", "non-pending order cannot be modified")
    method = _method(db, old["user_id"], payment_method_id)
    history = old["payment_history"]
    if len(history) != 1 or history[0]["transaction_type"] != "payment":
        raise Refused("there should be exactly one payment for a pending order")
    before, amount = history[0]["payment_method_id"], history[0]["amount"]
    if before == payment_method_id:
        raise Refused("the new payment method should be different from the current one")
    if method["source"] == "gift_card" and method["balance"] < amount:
        raise Refused("insufficient gift card balance to pay for the order")
    order = db.edit("orders", order_id)
    _note(order, "payment", amount, payment_method_id)
    _note(order, "refund", amount, before)
    _move(db, order["user_id"], payment_method_id, -amount)
    _move(db, order["user_id"], before, amount)
    return order


@TOOLS.add(
    "Change items of a pending order to others of the same products; once per order. Let the user confirm first.",
    writes=True,
    order_id=_ORDER,
    item_ids=_ITEMS,
    new_item_ids=_NEW_ITEMS,
    payment_method_id=_PAYMENT,
)
def modify_pending_order_items(
    db: Draft, order_id: str, item_ids: list[str], new_item_ids: list[str], payment_method_id: str
) -> Any:
    """Change the items; the difference is paid or refunded at once."""
    old = _in_status(db, order_id, "pending", "non-pending order cannot be modified")
    pairs = _pairs(db, old, item_ids, new_item_ids)
    due = sum(new["price"] - item["price"] for item, new in pairs)
    _affordable(db, old, payment_method_id, due, "the new item")
    order = db.edit("orders", order_id)
    _note(order, "payment" if due > 0 else "refund", abs(due), payment_method_id)
    _move(db, order["user_id"], payment_method_id, -due)
    for item_id, (_, new) in zip(item_ids, pairs, strict=True):
        place = next(item for item in order["items"] if item["item_id"] == item_id)
        place.update(item_id=new["item_id"], price=new["price"], options=dict(new["options"]))
    order["status"] = "pending (item modified)"
    return order


@TOOLS.add(
    "Return items of a delivered order; once per order. Let the user confirm first.",
    writes=True,
    order_id=_ORDER,
    item_ids=_ITEMS,
    payment_method_id=_PAYMENT,
)
def return_delivered_order_items(db: Draft, order_id: str, item_ids: list[str], payment_method_id: str) -> Any:
    """Ask for a return; the money goes to the method used, or to a gift card."""
    old = _in_status(db, order_id, "delivered", "non-delivered order cannot be returned")
    _method(db, old["user_id"], payment_method_id)
    if "gift_card" not in payment_method_id and payment_method_id != old["payment_history"][0]["payment_method_id"]:
        raise Refused("payment method should be either the original payment method or a gift card")
    if Counter(item_ids) - Counter(item["item_id"] for item in old["items"]):
        raise Refused("some item not found")
    order = db.edit("orders", order_id)
    order["status"] = "return requested"
    order["return_items"] = sorted(item_ids)
    order["return_payment_method_id"] = payment_method_id
    return order


@TOOLS.add(
    "Exchange items of a delivered order for others of the same products; once per order. Let the user confirm first.",
    writes=True,
    order_id=_ORDER,
    item_ids=_ITEMS,
    new_item_ids=_NEW_ITEMS,
    payment_method_id=_PAYMENT,
)
def exchange_delivered_order_items(
    db: Draft, order_id: str, item_ids: list[str], new_item_ids: list[str], payment_method_id: str
) -> Any:
    """Ask for an exchange; the difference is noted and not yet paid."""
    old = _in_status(db, order_id, "delivered", "non-delivered order cannot be exchanged")
    due = round(sum(new["price"] - item["price"] for item, new in _pairs(db, old, item_ids, new_item_ids)), 2)
    _affordable(db, old, payment_method_id, due, "the price difference")
    order = db.edit("orders", order_id)
    order["status"] = "exchange requested"
    order["exchange_items"] = sorted(item_ids)
    order["exchange_new_items"] = sorted(new_item_ids)
    order["exchange_payment_method_id"] = payment_method_id
    order["exchange_price_difference"] = due
    return order


@TOOLS.add("Change a user's default address. Ask the user to confirm first.", writes=True, user_id=_USER, **_ADDRESS)
def modify_user_address(db: Draft, user_id: str, **address: str) -> Any:
    """Another address; orders keep theirs."""
    _user(db, user_id)
    user = db.edit("users", user_id)
    user["address"] = _address(address)
    return user


def _first_user(db: Draft, fits: Any) -> str:
    for key, user in zip(db.keys("users"), db.rows("users"), strict=True):
        if fits(user):
            return key
    raise Refused("user not found")


def _name(user: Record) -> tuple[str, str]:
    return user["name"]["first_name"].lower(), user["name"]["last_name"].lower()


def _user(db: Draft, user_id: str) -> Record:
    found = db.find("users", user_id)
    if found is None:
        raise Refused("user not found")
    return found


def _order(db: Draft, order_id: str) -> Record:
    found = db.find("orders", order_id)
    if found is None:
        raise Refused("order not found")
    return found


def _in_status(db: Draft, order_id: str, status: str, otherwise: str) -> Record:
    order = _order(db, order_id)
    if order["status"] != status:
        raise Refused(otherwise)
    return order


def _method(db: Draft, user_id: str, payment_method_id: str) -> Record:
    method: Record | None = _user(db, user_id)["payment_methods"].get(payment_method_id)
    if method is None:
        raise Refused("payment method not found")
    return method


def _affordable(db: Draft, order: Record, payment_method_id: str, due: float, what: str) -> None:
    method = _method(db, order["user_id"], payment_method_id)
    if method["source"] == "gift_card" and method["balance"] < due:
        raise Refused(f"insufficient gift card balance to pay for {what}")


def _pairs(db: Draft, order: Record, old: Sequence[str], new: Sequence[str]) -> list[tuple[Record, Record]]:
    """Items of an order with the items that replace them."""
    owned = {item["item_id"]: item for item in reversed(order["items"])}
    surplus = Counter(old) - Counter(item["item_id"] for item in order["items"])
    if surplus:
        raise Refused(f"{next(iter(surplus))} not found")
    if len(old) != len(new):
        raise Refused("the number of items to be exchanged should match")
    return [(owned[item_id], _variant(db, owned[item_id], new_id)) for item_id, new_id in zip(old, new, strict=True)]


def _variant(db: Draft, item: Record, new_id: str) -> Record:
    product = db.find("products", item["product_id"]) or {"variants": {}}
    found: Record | None = product["variants"].get(new_id)
    if found is None or not found["available"]:
        raise Refused(f"new item {new_id} not found or available")
    return found


def _note(order: Record, kind: str, amount: float, payment_method_id: str) -> None:
    order["payment_history"].append(
        {"transaction_type": kind, "amount": amount, "payment_method_id": payment_method_id}
    )


def _move(db: Draft, user_id: str, payment_method_id: str, amount: float) -> None:
    """Put money on a gift card, or take it off; other methods are settled elsewhere."""
    if _method(db, user_id, payment_method_id)["source"] == "gift_card":
        card = db.edit("users", user_id)["payment_methods"][payment_method_id]
        card["balance"] = round(card["balance"] + amount, 2)


def _address(given: dict[str, str]) -> Record:
    return {field: given[field] for field in ("address1", "address2", "city", "state", "country", "zip")}
