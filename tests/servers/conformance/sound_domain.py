"""A small domain that is as it must be, for tests that break one thing of it: shelves that take books."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

from pivotgym.core.canonical import digest
from pivotgym.core.messages import Action, Message, Tool, ToolCall
from pivotgym.core.trajectory import Effects, Origin, Pivot, Step
from pivotgym.envs.base.contract import Attempt, Domain, Task, World
from pivotgym.verifiers.tool_calls import ToolCallComparator

BOOK = {"type": "object", "properties": {"book": {"type": "string"}, "row": {"type": "integer"}}, "required": ["book"]}
TOOLS = [Tool(name="put", parameters=BOOK), Tool(name="take", parameters=BOOK), Tool(name="look")]
BOOKS = ("emma", "ulysses", "dracula", "middlemarch")


class Shelf(World):
    """The world: books by name, with the row they stand in."""

    def __init__(self) -> None:
        self.rows: dict[str, int] = {}

    def start(self, origin: Origin, seed: int) -> None:
        self.rows = dict(origin.get("rows", {}))

    def run(self, action: Action) -> Effects:
        return Effects(observations=[self.call(call) for call in action.tool_calls])

    def call(self, call: ToolCall) -> str:
        given = call.arguments if isinstance(call.arguments, dict) else {}
        book = str(given.get("book"))
        if call.name == "put":
            self.rows[book] = given.get("row", 0)
        if call.name == "take":
            self.rows.pop(book, None)
        return ", ".join(f"{name} in row {row}" for name, row in sorted(self.rows.items())) or "empty"

    def fork(self) -> Self:
        copy = type(self)()
        copy.rows = dict(self.rows)
        return copy

    def digest(self) -> str:
        return digest(self.rows)

    def outcome(self, task: Task) -> float:
        return float(self.rows == {task.metadata["book"]: 0})


class ShelfDomain(Domain):
    """The domain: four pivots and four tasks, each with its gold run and a cheat."""

    name = "shelf"
    comparator = ToolCallComparator()
    kind: type[Shelf] = Shelf

    def world(self) -> Shelf:
        return self.kind()

    def pivots(self) -> Iterable[Pivot]:
        return [make_pivot(number) for number in range(len(BOOKS))]

    def tasks(self) -> Iterable[Task]:
        for book in BOOKS:
            start = [Message(role="user", content=f"put {book} on the shelf")]
            yield Task(f"put/{book}", Origin(kind="shelf"), start, TOOLS, gold=[[put(book)]], metadata={"book": book})

    def attempts(self, task: Task) -> Iterable[Attempt]:
        yield Attempt("all books", [[put(book) for book in BOOKS]], 0.0)


def put(book: str, **more: object) -> Action:
    """An action that puts a book on the shelf."""
    return Action(tool_calls=(ToolCall(name="put", arguments={"book": book, "row": 0, **more}),))


def make_pivot(number: int, **fields: object) -> Pivot:
    """A pivot whose expert puts a book beside one that was put there by the prefix."""
    book, other = BOOKS[number], BOOKS[number - 1]
    made = {
        "id": f"shelf/{book}:1",
        "domain": "shelf",
        "messages": [Message(role="user", content=f"put {book} on the shelf")],
        "reference": put(book),
        "tools": TOOLS,
        "origin": Origin(kind="shelf"),
        "prefix": [Step(action=put(other), observations=(f"{other} in row 0",))],
    }
    return Pivot.model_validate({**made, **fields})


def domain() -> ShelfDomain:
    """The factory that `module:attribute` names."""
    return ShelfDomain()
