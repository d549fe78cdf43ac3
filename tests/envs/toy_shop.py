"""A shop of one shelf as a toolkit, and a tool-use domain with one conversational task in it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Self

from pivotgym.core.canonical import digest
from pivotgym.core.messages import Action, Message, Tool, ToolCall
from pivotgym.core.trajectory import Origin
from pivotgym.envs.base.contract import Task
from pivotgym.envs.tool_use.domain import ToolUse
from pivotgym.envs.tool_use.toolkit import Toolkit
from pivotgym.envs.tool_use.world import GoldOutcomes, ToolWorld

INSTRUCTION = (
    "You are Ann Lee and your user id is ann_lee_12. You want to buy two blue lamps. Your zip code is 90210. "
    "If asked how to pay, you use the card visa_77."
)
BUY = Action(tool_calls=(ToolCall(name="buy", arguments={"user_id": "ann_lee_12", "item": "blue lamp", "count": 2}),))


class Shop(Toolkit):
    """Sells anything, to anybody."""

    kind = "shop"

    def __init__(self) -> None:
        self.sold: list[dict[str, Any]] = []

    def start(self, origin: Origin, seed: int) -> None:
        self.check_fields(origin)

    def tools(self) -> list[Tool]:
        return [Tool(name="buy")]

    def call(self, name: str, arguments: dict[str, Any]) -> str:
        self.sold = [*self.sold, arguments]
        return json.dumps({"sold": arguments.get("item")})

    def failed(self, observation: str) -> bool:
        return False

    def fork(self) -> Self:
        copy = type(self)()
        copy.sold = self.sold
        return copy

    def digest(self) -> str:
        return digest(self.sold)


class ShopDomain(ToolUse):
    """Tool use in the shop; the user speaks first."""

    def world(self) -> ToolWorld:
        return ToolWorld({"shop": Shop}, GoldOutcomes())

    def executable(self, origin: Origin) -> bool:
        return origin.kind == "shop"

    def tasks(self) -> Iterable[Task]:
        yield Task(
            "lamps",
            Origin(kind="shop"),
            [Message(role="system", content="You sell lamps.")],
            [Tool(name="buy")],
            gold=[[BUY]],
            max_steps=8,
            metadata={"instruction": INSTRUCTION},
        )

    def ready(self) -> str | None:
        return None


def say(text: str) -> Action:
    """An action that only talks."""
    return Action(content=text)
