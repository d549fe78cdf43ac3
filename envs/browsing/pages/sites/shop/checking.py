"""Whether a task on the shop was done: what changed on the server, and what was answered.

Owns: an origin's start, a state's record as flat facts, and the comparison with what a task wants. Does not own: the
tasks (`envs.browsing.pages.tasks`). A task is done if all that changed is what it wants and what it leaves open, so
that doing more, or doing it twice, is as wrong as doing less.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from pivotgym.core.errors import InputError
from pivotgym.envs.base.contract import Task
from pivotgym.envs.browsing.pages.sites import own_fields
from pivotgym.envs.browsing.pages.sites.shop.state import Account, Line, Order, State, begin
from pivotgym.verifiers.searching.answers import same_answer

Facts = dict[str, str]
"""Leaves of a record by path, such as `orders/4203/status`."""
_MOST_LINES = 20


def began(origin: Mapping[str, Any], seed: int) -> State:
    """The state at the start of an origin.

    Raises:
        InputError: If a field is unknown or has a wrong value.
    """
    fields = own_fields(origin, ("seed", "signed_in", "cart"))
    number, signed_in, cart = fields.get("seed", seed), fields.get("signed_in", False), fields.get("cart", 0)
    if isinstance(number, bool) or not isinstance(number, int):
        raise InputError(f"origin.seed: expected a whole number, got {number!r}")
    if not isinstance(signed_in, bool):
        raise InputError(f"origin.signed_in: expected true or false, got {signed_in!r}")
    if isinstance(cart, bool) or not isinstance(cart, int) or not 0 <= cart <= _MOST_LINES:
        raise InputError(f"origin.cart: expected a whole number from 0 to {_MOST_LINES}, got {cart!r}")
    return begin(number, signed_in=signed_in, cart=cart)


def fulfilled(task: Task, state: State, answer: str | None) -> bool:
    """Whether a task was done.

    Args:
        task: Its `metadata` tells `wanted` (facts that must have changed, to these values; "" for gone), `open`
            (patterns of paths that may have any value) and, for a question, `answers`.
        state: The state now.
        answer: The answer given, if any.
    """
    wanted, left_open = task.metadata["wanted"], task.metadata.get("open", ())
    changed = changes(record(began(task.origin.model_dump(), 0)), record(state))
    closed = {path: value for path, value in changed.items() if path in wanted or not _fits(path, left_open)}
    if closed != wanted:
        return False
    due: Sequence[str] | None = task.metadata.get("answers")
    question = next((message.text for message in task.messages if message.role == "user"), "")
    return due is None or (answer is not None and any(same_answer(one, answer, question) for one in due))


def changes(before: Facts, now: Facts) -> Facts:
    """Facts that are new or differ, and with "" those that are gone."""
    differ = {path: value for path, value in now.items() if before.get(path) != value}
    return differ | {path: "" for path in before if path not in now}


def record(state: State) -> Facts:
    """What a state says, but for who is signed in where."""
    return {path: " ".join(str(value).split()) for path, value in _leaves(state)}


def _leaves(state: State) -> Iterator[tuple[str, object]]:
    for account in state.accounts.values():
        yield from _account(f"accounts/{account.id}", account)
    for order in state.orders.values():
        yield from _order(f"orders/{order.number}", order)
    for place, review in enumerate(state.reviews, start=1):
        yield from ((f"reviews/{place}/{name}", value) for name, value in vars(review).items())
    for place, message in enumerate(state.messages, start=1):
        yield from ((f"messages/{place}/{name}", value) for name, value in vars(message).items())
    for email in state.subscribers:
        yield f"subscribers/{email}", "yes"
    for visit in state.visits.values():
        if visit.cart:
            yield from ((f"cart/{visit.customer}/{path}", count) for path, count in _lines(visit.cart))
            yield f"cart/{visit.customer}/coupon", visit.coupon


def _account(path: str, one: Account) -> Iterator[tuple[str, object]]:
    yield from ((f"{path}/{name}", value) for name, value in vars(one).items() if name not in ("id", "addresses"))
    for place, address in one.addresses.items():
        yield from ((f"{path}/addresses/{place}/{name}", value) for name, value in vars(address).items())


def _order(path: str, one: Order) -> Iterator[tuple[str, object]]:
    apart = ("number", "lines", "address")
    yield from ((f"{path}/{name}", value) for name, value in vars(one).items() if name not in apart)
    yield from ((f"{path}/address/{name}", value) for name, value in vars(one.address).items())
    yield from ((f"{path}/lines/{line}", count) for line, count in _lines(one.lines))


def _lines(lines: Sequence[Line]) -> Iterator[tuple[str, int]]:
    yield from ((line_path(line.product, line.size, line.colour), line.count) for line in lines)


def line_path(product: str, size: str, colour: str) -> str:
    """How a line is named in a path."""
    return ",".join(filter(None, (product, size, colour)))


def _fits(path: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(path, pattern) for pattern in patterns)
