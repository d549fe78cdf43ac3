"""The tables of harnesses: which tool, with which arguments, is which operation.

Owns: the files' schema and reading them. Does not own: what they say (`harnesses/*.yaml`), or reading calls (`read`).

A tool is one form, or a list of forms of which the first that fits counts. A form names an operation (`build.BUILDERS`)
and its arguments, each as `type`, `optional type` where it may be left out, and `as field` where the operation's field
has another name; `ignored` arguments decide nothing; `with` sets fields. Where `choose` names an argument, its value
picks one of the `cases`.
"""

from __future__ import annotations

import inspect
import re
from functools import cache
from importlib import resources
from typing import Any, NamedTuple

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from pivotgym.core.errors import ConfigError
from pivotgym.envs.swe.operations.build import BUILDERS
from pivotgym.envs.swe.operations.values import KINDS

_ARGUMENT = re.compile(r"(optional )?([a-z]+)(?: as ([a-z_]+))?")


class Argument(NamedTuple):
    """An argument's type, whether it may be left out, and the operation's field that it is."""

    kind: str
    optional: bool
    field: str


class Body(BaseModel):
    """The lines after a command's first, up to a line that ends them, as a field."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    until: str
    field: str = Field(alias="as")


class Form(BaseModel):
    """One form of a call."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    operation: str
    arguments: dict[str, str] = Field(default_factory=dict)
    ignored: frozenset[str] = frozenset()
    constants: dict[str, Any] = Field(default_factory=dict, alias="with")
    body: Body | None = None

    @model_validator(mode="after")
    def _fits(self) -> Form:
        if self.operation not in BUILDERS:
            raise ValueError(f"expected an operation of {sorted(BUILDERS)}, got {self.operation!r}")
        known = inspect.signature(BUILDERS[self.operation]).parameters
        fields = {argument.field for argument in self.read.values()} | self.constants.keys()
        fields |= {self.body.field} if self.body else set()
        if fields - known.keys():
            raise ValueError(
                f"{self.operation}: expected fields of {sorted(known)}, got {sorted(fields - known.keys())}"
            )
        required = {name for name, value in known.items() if value.default is inspect.Parameter.empty}
        if required - fields:
            raise ValueError(f"{self.operation}: nothing gives its {sorted(required - fields)}")
        return self

    @property
    def read(self) -> dict[str, Argument]:
        """The arguments by name, in order."""
        return {name: _argument(name, text) for name, text in self.arguments.items()}


class Entry(BaseModel):
    """A tool: its other names, and its forms."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    also: list[str] = Field(default_factory=list)
    choose: str | None = None
    cases: dict[str, Form] = Field(default_factory=dict)
    forms: list[Form] = Field(default_factory=list)
    ignored: frozenset[str] = frozenset()

    @model_validator(mode="before")
    @classmethod
    def _plain(cls, data: Any) -> Any:
        if isinstance(data, list):
            return {"forms": data}
        if isinstance(data, dict) and "operation" in data:
            form = {key: value for key, value in data.items() if key != "also"}
            return {"also": data.get("also", []), "forms": [form], "ignored": data.get("ignored", [])}
        return data


class Harness(BaseModel):
    """A harness.

    Attributes:
        harness: Its name.
        also: Its other names.
        tools: Its tools by name.
        called_as_programs: Whether a shell command whose first word is a tool calls that tool.
        block: For a harness whose actions are texts: names of the fenced block that holds the command.
        submits: A pattern of the shell commands that end the run.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    harness: str
    also: list[str] = Field(default_factory=list)
    tools: dict[str, Entry]
    called_as_programs: bool = False
    block: str | None = None
    submits: str | None = None

    def entry(self, name: str) -> Entry | None:
        """The tool of that name, also by its other names."""
        if name in self.tools:
            return self.tools[name]
        return next((entry for entry in self.tools.values() if name in entry.also), None)


def read_table(text: str, name: str) -> Harness:
    """Read a table.

    Raises:
        ConfigError: If it does not fit the schema, naming the place.
    """
    try:
        return Harness.model_validate(yaml.safe_load(text))
    except (ValidationError, yaml.YAMLError, ValueError) as error:
        raise ConfigError(f"harness table {name}: {error}") from error


@cache
def harnesses() -> dict[str, Harness]:
    """The shipped tables by harness."""
    folder = resources.files(f"{__package__}.harnesses")
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".yaml")), key=lambda file: file.name)
    tables = [read_table(file.read_text(encoding="utf-8"), file.name) for file in files]
    return {table.harness: table for table in tables}


def table_of(name: str) -> Harness | None:
    """The table of a harness, also by its other names."""
    tables = harnesses()
    return tables.get(name) or next((table for table in tables.values() if name in table.also), None)


@cache
def _argument(name: str, text: str) -> Argument:
    found = _ARGUMENT.fullmatch(text)
    if found is None or found[2] not in KINDS:
        form = "`[optional] type [as field]`"
        raise ValueError(f"argument {name}: expected {form} with a type of {sorted(KINDS)}, got {text!r}")
    return Argument(found[2], found[1] is not None, found[3] or name)
