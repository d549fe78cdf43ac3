"""The study's tool use: a customer of a small shop wants two or three things done to their orders.

Owns: the wishes, their experts, and the domain that serves the tasks. Does not own: the tools (`shop`), running them
and verdicts (`envs.tool_use`, `verifiers.tool_calls`).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from functools import lru_cache
from random import Random
from typing import Any

from pivotgym.core.messages import Action, Message, ToolCall
from pivotgym.core.trajectory import Origin, Pivot, Trajectory
from pivotgym.envs.base.contract import Attempt, Task
from pivotgym.envs.tool_use.domain import ToolUse
from pivotgym.envs.tool_use.world import ToolWorld
from pivotgym.servers.client import Client
from pivotgym.study.contract import Split
from pivotgym.study.domains import stories
from pivotgym.study.domains.shop import KIND, TOOLS, Shop
from pivotgym.study.domains.stories import MAX_STEPS, TASKS, Story
from pivotgym.study.text import DONE, NUMBERS, NameSplit, episode_text, some_names

SYSTEM = "Serve the customer."
Call = tuple[str, dict[str, Any]]
Orders = dict[int, dict[str, Any]]
TOOLKITS = {Shop.kind: Shop}


@dataclass(frozen=True)
class Wish:
    """One thing a customer may want.

    Attributes:
        wordings: How it is said. `i` is a thing in the order, `n` a new one, `c` a city, `q` a number, `h` what the
            order holds of `i`, `s` = `h` + `q`.
        ways: Calls that do it, equal in effect.
    """

    wordings: tuple[str, ...]
    ways: Callable[[Mapping[str, Any]], list[Call]]


WISHES: Mapping[str, Wish] = {
    "more": Wish(
        ("{q} more {i}", "add {q} {i}"),
        lambda on: [
            ("add", {"order": on["order"], "item": on["i"], "quantity": on["q"]}),
            ("set", {"order": on["order"], "item": on["i"], "quantity": on["s"]}),
        ],
    ),
    "one more": Wish(
        ("one more {i}", "add a {i}"),
        lambda on: [
            ("add", {"order": on["order"], "item": on["i"]}),
            ("add", {"order": on["order"], "item": on["i"], "quantity": 1}),
            ("set", {"order": on["order"], "item": on["i"], "quantity": on["h"] + 1}),
        ],
    ),
    "new": Wish(
        ("a {n} too", "also a {n}"),
        lambda on: [
            ("add", {"order": on["order"], "item": on["n"]}),
            ("add", {"order": on["order"], "item": on["n"], "quantity": 1}),
            ("set", {"order": on["order"], "item": on["n"], "quantity": 1}),
        ],
    ),
    "just": Wish(
        ("just {q} {i}", "make it {q} {i}"),
        lambda on: [("set", {"order": on["order"], "item": on["i"], "quantity": on["q"]})],
    ),
    "without": Wish(
        ("no {i}", "without {i}"),
        lambda on: [
            ("drop", {"order": on["order"], "item": on["i"]}),
            ("set", {"order": on["order"], "item": on["i"], "quantity": 0}),
        ],
    ),
    "instead": Wish(
        ("{n} instead of {i}", "swap {i} for {n}"),
        lambda on: [("swap", {"order": on["order"], "item": on["i"], "new": on["n"]})],
    ),
    "ship": Wish(("ship to {c}", "send it to {c}"), lambda on: [("ship", {"order": on["order"], "city": on["c"]})]),
    "wrap": Wish(
        ("wrap it", "as a gift"),
        lambda on: [("wrap", {"order": on["order"]}), ("wrap", {"order": on["order"], "paper": "plain"})],
    ),
    "wrap red": Wish(("wrap it in red",), lambda on: [("wrap", {"order": on["order"], "paper": "red"})]),
    "cancel": Wish(
        ("cancel it",),
        lambda on: [("cancel", {"order": on["order"]}), ("cancel", {"order": on["order"], "refund": "card"})],
    ),
    "credit": Wish(("cancel it for credit",), lambda on: [("cancel", {"order": on["order"], "refund": "credit"})]),
}
_LAST = frozenset({"cancel", "credit"})
"""Nothing can be done to an order after these."""
_CLASHES = (_LAST, frozenset({"wrap", "wrap red"}))


@dataclass(frozen=True)
class _Asked:
    """A wish with what it is about."""

    wish: Wish
    on: Mapping[str, Any]
    last: bool


def _drawn(split: NameSplit, number: int) -> Story:
    random = Random(f"tool_use/{split}/{number}")
    kind = stories.kinds(random, list(WISHES), split, _CLASHES)
    fresh = some_names(random, split, 30)
    name, other = fresh.pop(), fresh.pop()
    numbers = random.sample(NUMBERS, 3)
    count = random.choice((1, 2))
    orders = {one: _order(random, fresh, 4 - count) for one in numbers[:count]}
    unused = {one: list(order["items"]) for one, order in orders.items()}
    asked = [_asked(random, fresh, wish, orders, unused) for wish in sorted(kind, key=_LAST.__contains__)]
    said = [random.choice(one.wish.wordings).format(**one.on) for one in asked]
    if len(orders) > 1:
        said = [f"the order with {one.on['known']}: {text}" for one, text in zip(asked, said, strict=True)]

    def expert(ways: Random) -> list[Action]:
        parts = [[_call(ways.choice(one.wish.ways(one.on)))] for one in asked]
        done = stories.swapped(ways, parts, lambda one, two: not asked[one].last and not asked[two].last)
        return [_call(("find", {"customer": name})), *done]

    def wanderer(ways: Random) -> list[Action]:
        picked = [ways.choice(list(WISHES.values())) for _ in range(ways.randint(1, 3))]
        about = [ways.choice(asked).on for _ in picked]
        return [
            _call(("find", {"customer": name})),
            *(_call(ways.choice(w.ways(on))) for w, on in zip(picked, about, strict=True)),
        ]

    task = Task(
        id=f"{split}/{number}",
        origin=Origin(kind=KIND, customers={name: _json(orders), other: _json({numbers[2]: _order(random, fresh, 2)})}),
        messages=[
            Message(role="system", content=SYSTEM),
            Message(role="user", content=f"{name} here: {'; '.join(said)}."),
        ],
        tools=list(TOOLS),
        gold=[expert(Random(0))],
        max_steps=MAX_STEPS,
        metadata={"split": split, "kind": list(kind)},
    )
    return Story(task, kind, expert, wanderer)


def _order(random: Random, fresh: list[str], items: int) -> dict[str, Any]:
    return {"city": fresh.pop(), "items": {fresh.pop(): random.randint(1, 5) for _ in range(items)}}


def _json(orders: Orders) -> dict[str, Any]:
    return {str(number): order for number, order in orders.items()}


def _asked(random: Random, fresh: list[str], wish: str, orders: Orders, unused: dict[int, list[str]]) -> _Asked:
    """A wish about a thing that no earlier one was about."""
    order = random.choice([number for number, left in unused.items() if left])
    items = orders[order]["items"]
    item = unused[order].pop(random.randrange(len(unused[order])))
    count, held = random.randint(2, 6), items[item]
    count += count == held
    on = {"order": order, "i": item, "n": fresh.pop(), "c": fresh.pop(), "q": count, "h": held, "s": held + count}
    return _Asked(WISHES[wish], {**on, "known": random.choice(list(items))}, wish in _LAST)


def _call(call: Call) -> Action:
    return Action(tool_calls=(ToolCall(name=call[0], arguments=call[1], id="c"),))


@lru_cache
def _split(split: Split) -> tuple[Story, ...]:
    return tuple(_drawn(split, number) for number in range(TASKS[split]))


class StudyTools(ToolUse):
    """The environment `tool_use` with the study's toolkit and tasks."""

    def world(self) -> ToolWorld:
        """See `Domain.world`."""
        return ToolWorld(TOOLKITS, self._gold)

    def executable(self, origin: Origin) -> bool:
        """See `Domain.executable`."""
        return origin.kind in TOOLKITS

    def tasks(self) -> Iterable[Task]:
        """See `Domain.tasks`."""
        return [story.task for split in TASKS for story in _split(split)]

    def attempts(self, task: Task) -> Iterable[Attempt]:
        """See `Domain.attempts`: the experts of three seeds."""
        split, _, number = task.id.partition("/")
        story = _split(split)[int(number)]
        return [Attempt(f"expert {seed}", [story.expert(Random(f"{seed}/{task.id}"))], 1.0) for seed in range(3)]

    def ready(self) -> str | None:
        """See `Domain.ready`: nothing has to be fetched."""
        return None


def domain() -> StudyTools:
    """The domain, for a server's process."""
    return StudyTools()


class ToolUseStudy:
    """See `study.contract.StudyDomain`."""

    name = "tool_use"
    max_steps = MAX_STEPS

    def serve(self, pivots: Sequence[Pivot] = ()) -> AbstractContextManager[Client]:
        """See `StudyDomain.serve`."""
        return stories.served(f"{__name__}:domain", pivots)

    def tasks(self, split: Split) -> list[Task]:
        """See `StudyDomain.tasks`."""
        return [story.task for story in _split(split)]

    def experts(self, split: Split, seed: int, count: int | None = None) -> list[Trajectory]:
        """See `StudyDomain.experts`."""
        return stories.experts(domain(), _split(split)[:count], split, seed)

    def text(self, seed: int) -> Iterator[str]:
        """See `StudyDomain.text`."""
        for number in itertools.count(seed * 1_000_000):
            yield _played(_drawn("text", number), Random(f"text/{number}"))


def _played(story: Story, random: Random) -> str:
    """An episode as text."""
    messages = list(story.task.messages)
    with closing(ToolWorld(TOOLKITS)) as world:
        world.start(story.task.origin, 0)
        for action in (story.expert if random.random() < stories.EXPERT_SHARE else story.wanderer)(random):
            messages.append(action.to_message())
            (seen,) = world.run(action).observations
            messages.append(Message(role="tool", content=seen, tool_call_id="c"))
    messages.append(Action(content=DONE).to_message())
    return episode_text(messages, story.task.tools)
