"""Questions and orders over a shop's database: a live SQLite behind two tools, `query` and `answer`."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pivotgym.core.errors import InputError
from pivotgym.core.messages import Action, Message, Tool, ToolCall
from pivotgym.core.trajectory import Effects, Origin, Pivot, Verdict
from pivotgym.envs.base.contract import Attempt, Domain, Task, World
from pivotgym.verifiers.base import decided
from pivotgym.verifiers.tool_calls import ToolCallComparator
from sql_domain.database import Database, SqlError

DATA = Path(__file__).parent / "data"
SHOP = (DATA / "shop.sql").read_text(encoding="utf-8")
TASKS = {row["id"]: row for row in map(json.loads, (DATA / "tasks.jsonl").read_text(encoding="utf-8").splitlines())}
SQL = {"type": "object", "properties": {"sql": {"type": "string"}}, "required": ["sql"], "additionalProperties": False}
VALUE = {"type": "object", "properties": {"value": {"type": "string"}}, "required": ["value"]}
TOOLS = [
    Tool(name="query", description="Run one SQL statement in SQLite and show its rows.", parameters=SQL),
    Tool(name="answer", description="Give the answer, which ends the task.", parameters=VALUE),
]


class SqlWorld(World):
    """A live database, and the answer that was given."""

    def __init__(self) -> None:
        self.database = Database()
        self.answered: str | None = None

    def start(self, origin: Origin, seed: int) -> None:
        """The shop as it is at the start of every task."""
        if origin.get("task") not in TASKS:
            raise InputError(f"origin.task: expected one of {sorted(TASKS)}, got {origin.get('task')!r}")
        self.database.load(SHOP)

    def run(self, action: Action) -> Effects:
        """Run the calls; the rows of each, as they are compared, are in the effects' detail."""
        shown, failed, told = [], [], []
        for call in action.tool_calls:
            text, rows = self._call(call)
            shown.append(text)
            failed.append(rows is None)
            told.append(rows)
        calls = [{"name": call.name, "arguments": call.arguments} for call in action.tool_calls]
        return Effects(observations=shown, failed=failed, detail={"rows": told, "calls": calls})

    def _call(self, call: ToolCall) -> tuple[str, Any]:
        """What a call shows, and its rows; `None` for a call that failed."""
        given = call.arguments if isinstance(call.arguments, dict) else {}
        if call.name == "answer":
            self.answered = str(given.get("value")).strip().casefold()
            return "the answer was taken", []
        sql = given.get("sql")
        if call.name != "query" or not isinstance(sql, str):
            return "error: expected a call of query with a text `sql`", None
        try:
            rows = self.database.run(sql)
        except SqlError as error:
            return f"error: {error}", None
        return json.dumps(rows, ensure_ascii=False), rows if "order by" in sql.casefold() else sorted(rows, key=repr)

    def fork(self) -> SqlWorld:
        """A copy with a database of its own."""
        made = type(self)()
        made.database.copy(self.database)
        made.answered = self.answered
        return made

    def digest(self) -> str:
        """Of all rows of all tables in any order, and the answer."""
        return self.database.digest(self.answered)

    def close(self) -> None:
        """Free the database."""
        self.database.close()

    def over(self) -> bool:
        """An answer ends the task."""
        return self.answered is not None

    def outcome(self, task: Task) -> float:
        """1 where database and answer are what the gold run leaves."""
        due = SqlWorld()
        try:
            due.start(task.origin, 0)
            for action in gold(task.id):
                due.run(action)
            return float(due.digest() == self.digest())
        finally:
            due.close()

    def perturb(self, seed: int) -> bool:
        """Other numbers and fewer rows: a query that only happens to give the same gives something else here."""
        self.database.perturb(seed)
        return True


class SqlComparator(ToolCallComparator):
    """Equivalent: the same state afterwards, and the same rows told; column names do not matter."""

    name = "sql"

    def compare(self, pivot: Pivot, expert: Effects, candidate: Effects) -> Verdict:
        """Rows are compared in order only where both asked for one."""
        state = expert.state == candidate.state
        told = any(candidate.observations) and _rows(expert, candidate) == _rows(candidate, expert)
        reason = "same database and same rows" if state and told else "other rows" if state else "another database"
        return decided(state and told, "execution", True, reason, {"state": float(state), "rows": float(told)})


def _rows(effects: Effects, other: Effects) -> Any:
    """The rows of each call, sorted unless both actions' calls have an order."""
    both = all("order by" in json.dumps(one.detail["calls"]).casefold() for one in (effects, other))
    rows = effects.detail["rows"]
    return rows if both else [found if found is None else sorted(found, key=repr) for found in rows]


class SqlDomain(Domain):
    """What `pivotgym serve sql_domain` serves."""

    name = "sql_domain"
    description = "Questions and orders over a shop's SQLite database."
    comparator = SqlComparator()
    perturbations = 3

    def world(self) -> SqlWorld:
        """A new world, not started."""
        return SqlWorld()

    def doubts(self, expert: Effects, verdict: Verdict) -> bool:
        """Only of reads: what a write leaves behind has been compared as a whole."""
        return not expert.changed

    def tasks(self) -> Iterable[Task]:
        """A task for each row of `data/tasks.jsonl`."""
        for row in TASKS.values():
            asked = [Message(role="user", content=row["asked"])]
            origin = Origin(kind="sql_domain", task=row["id"])
            yield Task(row["id"], origin, asked, TOOLS, gold=[gold(row["id"])], max_steps=12)

    def attempts(self, task: Task) -> Iterable[Attempt]:
        """An answer that is wrong, and the right one after the shop was emptied."""
        yield Attempt("a wrong answer", [[called("answer", value="a wrong answer")]], 0.0)
        right = called("answer", value=TASKS[task.id]["answer"])
        yield Attempt("burnt down", [[called("query", sql="DELETE FROM customers"), right]], 0.0)


def gold(task_id: str) -> list[Action]:
    """The expert's actions."""
    row = TASKS[task_id]
    return [*(called("query", sql=sql) for sql in row["gold"]), called("answer", value=row["answer"])]


def called(name: str, **arguments: Any) -> Action:
    """An action with one call."""
    return Action(tool_calls=(ToolCall(name=name, arguments=arguments),))
