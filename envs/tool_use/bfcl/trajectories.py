"""BFCL's questions as expert trajectories and tasks.

Owns: gold calls -> trajectory, which turns are no candidates and why, which questions are refused and why. Does not
own: cutting pivots (`trainer/`), splits (`splits`).

*Multi-turn base*: each gold call is one assistant turn with one call, then the tool message that running it gave;
after the last gold call of a user turn the assistant says "Done." (no candidate; it lets whole episodes go on).
*Single-turn*: one user turn; the expert's action is the first accepted value of each parameter; the accepted sets
travel along.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pivotgym.core.errors import InputError
from pivotgym.core.messages import Action, Message, Tool, ToolCall
from pivotgym.core.trajectory import Origin, Trajectory
from pivotgym.envs.base.contract import Task
from pivotgym.envs.tool_use.bfcl import source
from pivotgym.envs.tool_use.bfcl.classes import load_class
from pivotgym.envs.tool_use.bfcl.docs import as_tool, choose
from pivotgym.envs.tool_use.bfcl.toolkit import BfclToolkit
from pivotgym.verifiers.schema import signature

MULTI_TURN = "multi_turn_base"
SINGLE_TURN = (
    "simple_python",
    "multiple",
    "parallel",
    "parallel_multiple",
    "live_simple",
    "live_multiple",
    "live_parallel",
    "live_parallel_multiple",
)
CATEGORIES = (MULTI_TURN, *SINGLE_TURN)
DONE = "Done."
MAX_STEPS = 50


@dataclass(frozen=True)
class Refusal:
    """A question that became no trajectory.

    Attributes:
        id: The question's id.
        reason: A short reason, the same for equal causes.
        detail: What was found.
    """

    id: str
    reason: str
    detail: str


def load(
    categories: Sequence[str] = (MULTI_TURN,),
    *,
    max_tools: int | None = 8,
    cache: Path | None = None,
    on_refused: Callable[[Refusal], None] | None = None,
) -> Iterator[Trajectory]:
    """The trajectories of some categories, in file order.

    Args:
        categories: Of `CATEGORIES`.
        max_tools: For multi-turn tasks, see `docs.choose`. Single-turn questions keep their own functions.
        cache: The cache folder with the wheel; the world's classes are always read from the default one.
        on_refused: Told of each question that becomes no trajectory; nothing is dropped silently.

    Raises:
        InputError: If a category is unknown.
        MissingDependency: If the wheel was not fetched.
    """
    for category in categories:
        if category not in CATEGORIES:
            raise InputError(f"categories: expected some of {list(CATEGORIES)}, got {category!r}")
    for category in categories:
        gold = source.answers(category, cache)
        for name, question in source.questions(category, cache).items():
            try:
                if category == MULTI_TURN:
                    yield _multi_turn(question, gold[name], max_tools)
                else:
                    yield _single_turn(category, question, gold[name])
            except Unreadable as refused:
                if on_refused is not None:
                    on_refused(Refusal(name, refused.reason, refused.detail))


def tasks(max_tools: int | None = 8) -> Iterator[Task]:
    """The multi-turn base tasks, for whole episodes. Tasks whose gold calls cannot be read are left out."""
    gold = source.answers(MULTI_TURN)
    for name, question in source.questions(MULTI_TURN).items():
        try:
            calls = _gold_calls(question, gold[name])
        except Unreadable:
            continue
        users = [_messages(turn) for turn in question["question"]]
        yield Task(
            id=name,
            origin=_origin(name),
            messages=users[0],
            tools=_tools(question, calls, max_tools),
            turns=[message for turn in users[1:] for message in turn],
            gold=[[Action(tool_calls=(call,)) for call in turn] for turn in calls],
            max_steps=MAX_STEPS,
            metadata={"classes": question["involved_classes"]},
        )


class Unreadable(Exception):
    """A question that cannot become a trajectory; `load` tells of it as a `Refusal`."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(reason)
        self.reason, self.detail = reason, detail


def _origin(task: str) -> Origin:
    return Origin.model_validate({"kind": BfclToolkit.kind, "task": task})


def _messages(turn: list[dict[str, Any]]) -> list[Message]:
    return [Message.model_validate(message) for message in turn]


def _tools(question: dict[str, Any], calls: list[list[ToolCall]], max_tools: int | None) -> list[Tool]:
    toolkit = BfclToolkit()
    toolkit.start(_origin(question["id"]), 0)
    return choose(question["id"], [call.name for turn in calls for call in turn], toolkit.tools(), max_tools)


def _gold_calls(question: dict[str, Any], gold: list[list[str]]) -> list[list[ToolCall]]:
    methods = {
        tool: getattr(load_class(name), tool)
        for name in question["involved_classes"]
        for tool in source.function_docs(name)
    }
    return [[parse_call(text, methods) for text in turn] for turn in gold]


def parse_call(text: str, methods: dict[str, Callable[..., Any]]) -> ToolCall:
    """A call from Python text like `sort('a.txt')`, with positional arguments named by the method's signature.

    Raises:
        Unreadable: If it is no plain call of one of `methods` with literal arguments.
    """
    try:
        node = ast.parse(text.strip(), mode="eval").body
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name) or node.func.id not in methods:
            raise ValueError("expected a call of one of the task's functions")
        positional = [ast.literal_eval(argument) for argument in node.args]
        named = {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in node.keywords}
        bound = inspect.signature(methods[node.func.id]).bind(None, *positional, **named)
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError) as error:
        raise Unreadable("a gold call cannot be read", f"{text}: {error}") from error
    arguments = {name: _jsonable(value) for name, value in list(bound.arguments.items())[1:]}
    return ToolCall(name=node.func.id, arguments=arguments)


def _jsonable(value: Any) -> Any:
    """Tuples as lists: JSON has no tuples."""
    if isinstance(value, list | tuple):
        return [_jsonable(item) for item in value]
    return {str(key): _jsonable(item) for key, item in value.items()} if isinstance(value, dict) else value


def _multi_turn(question: dict[str, Any], gold: list[list[str]], max_tools: int | None) -> Trajectory:
    calls = _gold_calls(question, gold)
    tools = _tools(question, calls, max_tools)
    signatures = {tool.name: signature(tool) for tool in tools}
    toolkit = BfclToolkit()
    toolkit.start(_origin(question["id"]), 0)
    messages: list[Message] = []
    candidates: list[int] = []
    others: dict[str, str] = {}
    turn = 0
    for user, turn_calls in zip(question["question"], calls, strict=True):
        messages.extend(_messages(user))
        for call in turn_calls:
            if call.name not in signatures:
                raise Unreadable("a gold call uses an excluded function", call.name)
            numbered = ToolCall(name=call.name, arguments=call.arguments, id=f"call_{turn}")
            observed = toolkit.call(call.name, dict(call.arguments) if isinstance(call.arguments, dict) else {})
            why = _no_candidate(toolkit, signatures[call.name].problem(call), observed)
            if why is None:
                candidates.append(turn)
            else:
                others[str(turn)] = why
            messages.append(Message(role="assistant", tool_calls=[numbered]))
            messages.append(Message(role="tool", content=observed, tool_call_id=numbered.id, name=call.name))
            turn += 1
        messages.append(Message(role="assistant", content=DONE))
        turn += 1
    return Trajectory(
        id=f"bfcl/{question['id']}",
        domain="tool_use",
        messages=messages,
        tools=tools,
        origin=_origin(question["id"]),
        outcome=1.0,
        candidates=candidates,
        source=source.SOURCE,
        licence=source.LICENCE,
        metadata={
            "category": MULTI_TURN,
            "task": question["id"],
            "classes": question["involved_classes"],
            "not_candidates": others,
        },
    )


def _no_candidate(toolkit: BfclToolkit, problem: str | None, observed: str) -> str | None:
    if problem is not None:
        return "the gold call does not fit its schema"
    return "the gold call returns an error" if toolkit.failed(observed) else None


def _single_turn(category: str, question: dict[str, Any], gold: list[dict[str, Any]]) -> Trajectory:
    tools = [as_tool(function) for function in question["function"]]
    signatures = {tool.name: signature(tool) for tool in tools}
    calls = []
    for place, entry in enumerate(gold):
        ((name, accepted),) = entry.items()
        if name not in signatures:
            raise Unreadable("the accepted function is not among the question's functions", name)
        required = signatures[name].required
        arguments = {key: _first(values) for key, values in accepted.items() if key in required or values[0] != ""}
        call = ToolCall(name=name, arguments=arguments, id=f"call_{place}")
        problem = signatures[name].problem(call)
        if problem is not None:
            raise Unreadable("the first accepted answer does not fit the function's schema", problem)
        calls.append(call)
    messages = [message for turn in question["question"] for message in _messages(turn)]
    return Trajectory(
        id=f"bfcl/{question['id']}",
        domain="tool_use",
        messages=[*messages, Message(role="assistant", tool_calls=calls)],
        tools=tools,
        origin=Origin(kind="functions"),
        outcome=1.0,
        candidates=[0],
        accepted={"0": gold},
        source=source.SOURCE,
        licence=source.LICENCE,
        metadata={"category": category, "task": question["id"], "functions": sorted(signatures)},
    )


def _first(values: list[Any]) -> Any:
    """The first accepted value; an empty text says that the parameter may be left out, and comes last."""
    value = next((value for value in values if value != ""), "")
    return _value(value)


def _value(answer: Any) -> Any:
    """A value from an accepted answer, in which dictionaries hold sets of accepted values."""
    if isinstance(answer, dict) and all(isinstance(part, list) for part in answer.values()):
        return {key: _first(part) for key, part in answer.items() if part and part[0] != ""}
    return [_value(item) for item in answer] if isinstance(answer, list) else answer
