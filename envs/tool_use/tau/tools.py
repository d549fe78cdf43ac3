"""Tools over a database: how one is declared, checked and called.

Owns: declaration (schema, whether it writes), checks of arguments, texts of results and errors. Does not own: the tools
themselves (`airline`, `retail`).
"""

from __future__ import annotations

import ast
import json
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pivotgym.core.messages import Tool, ToolCall
from pivotgym.envs.tool_use.tau.database import Draft, State
from pivotgym.verifiers.schema import Signature, signature

ERROR = "Error: "
MAX_NUMBER = 1e12
MAX_DEPTH = 10
Body = Callable[..., Any]
"""A tool's code: (draft, **arguments) -> text, or data that is shown as JSON."""


class Refused(Exception):
    """A tool does not do what it is asked; the text is what the policy sees after `Error: `."""


@dataclass(frozen=True)
class DbTool:
    """A tool: what the policy is told, what it does, and whether it may change the database."""

    tool: Tool
    signature: Signature
    body: Body
    writes: bool


class ToolTable:
    """The tools of one database, by name."""

    def __init__(self) -> None:
        self.by_name: dict[str, DbTool] = {}

    def add(self, description: str, *, writes: bool = False, **parameters: dict[str, Any]) -> Callable[[Body], Body]:
        """Declare a function as the tool of its name; every parameter is required.

        Args:
            description: What the policy is told.
            writes: Whether the tool may change the database.
            **parameters: JSON schemas.
        """

        def declared(body: Body) -> Body:
            schema: dict[str, Any] = {"type": "object", "properties": parameters, "required": list(parameters)}
            if not parameters:
                schema["additionalProperties"] = False  # a schema that lists none would let any pass
            tool = Tool(name=body.__name__, description=description, parameters=schema)
            self.by_name[tool.name] = DbTool(tool, signature(tool), body, writes)
            return body

        return declared

    def call(self, state: State, name: str, arguments: dict[str, Any]) -> tuple[State, str]:
        """Run a call; the state afterwards, and what the policy sees. A call that fails changes nothing."""
        found = self.by_name.get(name)
        if found is None:
            return state, f"{ERROR}no tool is called {name!r}; the tools are {sorted(self.by_name)}"
        problem = found.signature.problem(ToolCall(name=name, arguments=arguments)) or _too_large(arguments)
        if problem is not None:
            return state, ERROR + problem
        draft = Draft(state)
        try:
            result = found.body(draft, **arguments)
        except Refused as refused:
            return state, f"{ERROR}{refused}"
        after = state.after(draft.changes) if found.writes else state
        return after, result if isinstance(result, str) else json.dumps(result)


def text(description: str, *choices: str) -> dict[str, Any]:
    """The schema of a text, one of `choices` if there are any."""
    return {"type": "string", "description": description} | ({"enum": list(choices)} if choices else {})


def number(description: str, kind: str = "number") -> dict[str, Any]:
    """The schema of a number, or of an `integer`."""
    return {"type": kind, "description": description}


def texts(description: str) -> dict[str, Any]:
    """The schema of a list of texts."""
    return {"type": "array", "items": {"type": "string"}, "description": description}


def objects(description: str, **parameters: dict[str, Any]) -> dict[str, Any]:
    """The schema of a list of objects whose fields are all required."""
    items = {"type": "object", "properties": parameters, "required": list(parameters)}
    return {"type": "array", "items": items, "description": description}


def add_common(table: ToolTable) -> None:
    """The three tools that both databases have: think, calculate, transfer."""

    @table.add("Think something over. Nothing is looked up and nothing changes.", thought=text("The thought."))
    def think(db: Draft, thought: str) -> str:
        return ""

    @table.add(
        "Work out an arithmetic expression.",
        expression=text("Numbers, the operators + - * /, parentheses and spaces, such as '2 + 2'."),
    )
    def calculate(db: Draft, expression: str) -> str:
        return calculated(expression)

    @table.add(
        "Hand the user over to a human agent: only if the user asks for one, or if no tool can settle the matter.",
        summary=text("What the user needs."),
    )
    def transfer_to_human_agents(db: Draft, summary: str) -> str:
        return "Transfer successful"


_OPERATORS: Mapping[type, Callable[..., Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
}
_MAX_EXPRESSION = 1000


def calculated(expression: str) -> str:
    """The value of an expression, to two decimals.

    Raises:
        Refused: If it holds anything but arithmetic, or has no value.
    """
    if not set(expression) <= set("0123456789+-*/(). "):
        raise Refused("invalid characters in expression")
    if len(expression) > _MAX_EXPRESSION:
        raise Refused(f"the expression is longer than {_MAX_EXPRESSION} characters")
    try:
        return str(round(float(_value(ast.parse(expression.strip(), mode="eval").body)), 2))
    except (SyntaxError, ArithmeticError, ValueError, RecursionError, MemoryError) as error:
        raise Refused(str(error) if isinstance(error, ArithmeticError) else "invalid expression") from error


def _value(node: ast.expr) -> Any:
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return node.value
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        return _OPERATORS[type(node.op)](_value(node.left), _value(node.right))
    if isinstance(node, ast.UnaryOp) and type(node.op) in _OPERATORS:
        return _OPERATORS[type(node.op)](_value(node.operand))
    raise ValueError("only + - * / of numbers")


def _too_large(value: Any, depth: int = 0) -> str | None:
    """Why a value is beyond what a database keeps: it is nested too deep, or holds a number no amount can be."""
    if isinstance(value, dict | list):
        if depth == MAX_DEPTH:
            return f"values must not be nested deeper than {MAX_DEPTH} levels"
        parts = value.values() if isinstance(value, dict) else value
        return next((problem for part in parts if (problem := _too_large(part, depth + 1))), None)
    if isinstance(value, int | float) and not -MAX_NUMBER <= value <= MAX_NUMBER:
        return f"numbers must lie between -{MAX_NUMBER:g} and {MAX_NUMBER:g}"
    return None
