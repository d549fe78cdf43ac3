"""The tau-bench databases as a toolkit.

Owns: which databases there are, where they come from, forks and digests. Does not own: the tools (`airline`, `retail`),
tasks (`tasks`).
"""

from __future__ import annotations

import re
from typing import Any, ClassVar, NamedTuple, Self

from pivotgym.core.errors import InputError, WrongState
from pivotgym.core.messages import Tool
from pivotgym.core.trajectory import Origin
from pivotgym.envs.base import sources
from pivotgym.envs.tool_use.tau import airline, retail
from pivotgym.envs.tool_use.tau.database import Base, State, load
from pivotgym.envs.tool_use.tau.tools import ERROR, ToolTable
from pivotgym.envs.tool_use.toolkit import Toolkit

SOURCE = "tau"
"""Name of the source: a folder with one folder of JSON tables per database."""


_PROVINCE = re.compile(r'("address": \{[^{}]*?)"province": ')


class Database(NamedTuple):
    """A database's tables and tools."""

    tables: tuple[str, ...]
    tools: ToolTable


DATABASES: dict[str, Database] = {
    "airline": Database(airline.TABLES, airline.TOOLS),
    "retail": Database(retail.TABLES, retail.TOOLS),
}


class TauToolkit(Toolkit):
    """One database with its tools. Origin: `{kind: "tau", toolkit: "airline"}` or `"retail"`.

    Nothing in it is drawn at random; the seed of `start` has nothing to vary.
    """

    kind: ClassVar[str] = "tau"
    fields: ClassVar[frozenset[str]] = frozenset({"toolkit"})
    results_count: ClassVar[bool] = False

    def __init__(self) -> None:
        self._database: Database | None = None
        self._state: State | None = None

    def start(self, origin: Origin, seed: int) -> None:
        """See `Toolkit.start`."""
        self.check_fields(origin)
        name = origin.get("toolkit")
        self._state = State(base(name))
        self._database = DATABASES[name]

    @property
    def state(self) -> State:
        """The database.

        Raises:
            WrongState: Before `start`.
        """
        if self._state is None:
            raise WrongState("toolkit: it is not started", hint="call start first")
        return self._state

    def tools(self) -> list[Tool]:
        """See `Toolkit.tools`."""
        return [declared.tool for declared in self._declared().by_name.values()]

    def writes(self, name: str) -> bool:
        """See `Toolkit.writes`."""
        declared = self._declared().by_name.get(name)
        return declared is not None and declared.writes

    def tells(self, name: str) -> bool:
        """Any but `think`, which always returns an empty text."""
        return name != "think"

    def ends(self, name: str) -> bool:
        """Handing the user over ends the conversation, as in tau-bench."""
        return name == "transfer_to_human_agents"

    def call(self, name: str, arguments: dict[str, Any]) -> str:
        """See `Toolkit.call`."""
        self._state, text = self._declared().call(self.state, name, arguments)
        return text

    def failed(self, observation: str) -> bool:
        """A text that begins with `Error: `."""
        return observation.startswith(ERROR)

    def normalise(self, observation: str) -> str:
        """With the field `province` of the airline's addresses under its present name.

        The recorded airline runs are older than the database, whose addresses say `state` instead. The value must still
        be the same, no tool of the airline reads or takes it, so no later observation can depend on the name.
        """
        airline_runs = self._database is DATABASES["airline"]
        return _PROVINCE.sub(r'\1"state": ', observation) if airline_runs else observation

    def fork(self) -> Self:
        """Shares the state, which never changes itself."""
        copy = type(self)()
        copy._database, copy._state = self._database, self._state
        return copy

    def digest(self) -> str:
        """See `Toolkit.digest`."""
        return self.state.digest

    def _declared(self) -> ToolTable:
        if self._database is None:
            raise WrongState("toolkit: it is not started", hint="call start first")
        return self._database.tools


def base(name: Any) -> Base:
    """The database of that name, from the configured source.

    Raises:
        InputError: If there is none of that name.
        MissingDependency: If the source is not configured or lacks it.
    """
    if not isinstance(name, str) or name not in DATABASES:
        raise InputError(f"origin: expected a toolkit of {sorted(DATABASES)}, got {name!r}")
    return load(sources.path(SOURCE) / name, DATABASES[name].tables)
