"""The study's toolkit: the orders of a small shop, changed by eight tools.

Owns: the shop's state and its tools. Does not own: customers' wishes (`tool_use`), calls and forks
(`envs.tool_use.world`).

What is asked for can be had in several ways: an argument may be left at its default, a line of an order can be taken
out or set to 0, more of a thing can be added or its quantity be set, an address can be changed for one order or, where
it is the customer's only one, for all.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, ClassVar, Self

from pivotgym.core.canonical import digest
from pivotgym.core.errors import InputError
from pivotgym.core.messages import Tool
from pivotgym.core.trajectory import Origin
from pivotgym.envs.tool_use.toolkit import Toolkit

KIND = "study_shop"
_TEXT: dict[str, Any] = {"type": "string"}
_WHOLE: dict[str, Any] = {"type": "integer"}


def _tool(name: str, optional: dict[str, dict[str, Any]] | None = None, **required: dict[str, Any]) -> Tool:
    properties = {**required, **(optional or {})}
    return Tool(
        name=name,
        parameters={
            "type": "object",
            "properties": properties,
            "required": list(required),
            "additionalProperties": False,
        },
    )


TOOLS = (
    _tool("find", customer=_TEXT),
    _tool("add", {"quantity": {**_WHOLE, "default": 1}}, order=_WHOLE, item=_TEXT),
    _tool("set", order=_WHOLE, item=_TEXT, quantity=_WHOLE),
    _tool("drop", order=_WHOLE, item=_TEXT),
    _tool("swap", order=_WHOLE, item=_TEXT, new=_TEXT),
    _tool("ship", order=_WHOLE, city=_TEXT),
    _tool("wrap", {"paper": {"type": "string", "enum": ["plain", "red"], "default": "plain"}}, order=_WHOLE),
    _tool("cancel", {"refund": {"type": "string", "enum": ["card", "credit"], "default": "card"}}, order=_WHOLE),
)


class Shop(Toolkit):
    """See the module. The origin's `customers` maps a name to its orders: number -> {city, items}."""

    kind: ClassVar[str] = KIND
    fields: ClassVar[frozenset[str]] = frozenset({"customers"})
    results_count: ClassVar[bool] = False

    def __init__(self) -> None:
        self._orders: dict[int, dict[str, Any]] = {}

    def start(self, origin: Origin, seed: int) -> None:
        """See `Toolkit.start`."""
        self.check_fields(origin)
        customers = origin.get("customers")
        try:
            self._orders = {
                int(number): {"customer": name, "city": str(order["city"]), "items": dict(order["items"])}
                for name, orders in customers.items()
                for number, order in orders.items()
            }
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise InputError(
                f"origin of kind {KIND!r}: customers: expected {{name: {{number: {{city, items}}}}}}, "
                f"got {str(customers)[:120]!r}"
            ) from error

    def tools(self) -> list[Tool]:
        """See `Toolkit.tools`."""
        return list(TOOLS)

    def call(self, name: str, arguments: dict[str, Any]) -> str:
        """See `Toolkit.call`."""
        tools: dict[str, Callable[..., str]] = {tool.name: getattr(self, f"_{tool.name}") for tool in TOOLS}
        if name not in tools:
            return f"Error: no tool {name}"
        try:
            return tools[name](**arguments)
        except TypeError:
            return f"Error: wrong arguments for {name}"
        except _Refused as refused:
            return f"Error: {refused}"

    def failed(self, observation: str) -> bool:
        """See `Toolkit.failed`."""
        return observation.startswith("Error")

    def writes(self, name: str) -> bool:
        """See `Toolkit.writes`."""
        return name != "find"

    def fork(self) -> Self:
        """See `Toolkit.fork`."""
        other = type(self)()
        other._orders = copy.deepcopy(self._orders)
        return other

    def digest(self) -> str:
        """See `Toolkit.digest`."""
        return digest({str(number): order for number, order in self._orders.items()})

    def _find(self, customer: str) -> str:
        found = [
            f"{number}: {', '.join(f'{count} {item}' for item, count in order['items'].items())} to {order['city']}"
            for number, order in self._orders.items()
            if order["customer"] == customer
        ]
        if not found:
            raise _Refused(f"no customer {customer}")
        return "\n".join(found)

    def _add(self, order: int, item: str, quantity: int = 1) -> str:
        items = self._open(order)["items"]
        return self._put(items, item, items.get(item, 0) + _count(quantity))

    def _set(self, order: int, item: str, quantity: int) -> str:
        return self._put(self._open(order)["items"], item, _count(quantity))

    def _drop(self, order: int, item: str) -> str:
        items = self._open(order)["items"]
        if item not in items:
            raise _Refused(f"no {item} in {order}")
        return self._put(items, item, 0)

    def _swap(self, order: int, item: str, new: str) -> str:
        items = self._open(order)["items"]
        if item not in items:
            raise _Refused(f"no {item} in {order}")
        return self._put(items, new, items.pop(item))

    def _ship(self, order: int, city: str) -> str:
        self._open(order)["city"] = city
        return "ok"

    def _wrap(self, order: int, paper: str = "plain") -> str:
        if paper not in ("plain", "red"):
            raise _Refused(f"no paper {paper}")
        self._open(order)["paper"] = paper
        return "ok"

    def _cancel(self, order: int, refund: str = "card") -> str:
        if refund not in ("card", "credit"):
            raise _Refused(f"no refund {refund}")
        self._open(order)["cancelled"] = refund
        return "ok"

    def _open(self, order: int) -> dict[str, Any]:
        if isinstance(order, bool) or not isinstance(order, int | float) or order not in self._orders:
            raise _Refused(f"no order {order}")
        found = self._orders[int(order)]
        if "cancelled" in found:
            raise _Refused(f"{order} is cancelled")
        return found

    @staticmethod
    def _put(items: dict[str, int], item: str, quantity: int) -> str:
        items[item] = quantity
        if not quantity:
            del items[item]
        return "ok"


class _Refused(Exception):
    """What a tool does not do, in words for the policy."""


def _count(quantity: object) -> int:
    if isinstance(quantity, bool) or not isinstance(quantity, int | float) or not 0 <= quantity <= 99:
        raise _Refused(f"no quantity {quantity}")
    return int(quantity)
