"""BFCL's API classes as a toolkit.

Owns: building the classes of a task, calling their methods by name, texts of results as BFCL makes them, forks.
Does not own: importing the classes (`classes`), copying and digests of an instance (`state`).

Differences from BFCL's own executor, all outside what gold calls do: no `eval` (a call is a method name and keyword
arguments); only documented functions of the task's classes can be called, without those the task excludes; the
precision of numbers and the size of a state are limited, because a large one would take minutes to work out or to
compare (a call that goes beyond is an error and changes nothing); each call sees the clock of the data, and starts
with default `decimal` and `mpmath` precision, which BFCL leaves changed for whatever runs next in the process.
"""

from __future__ import annotations

import decimal
import json
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from pivotgym.core.canonical import digest
from pivotgym.core.errors import InputError, NotFound
from pivotgym.core.messages import Tool
from pivotgym.core.trajectory import Origin
from pivotgym.envs.tool_use.bfcl import source
from pivotgym.envs.tool_use.bfcl.classes import load_class
from pivotgym.envs.tool_use.bfcl.docs import class_tools
from pivotgym.envs.tool_use.bfcl.state import SharedRandom, TooLarge, canonical, copied
from pivotgym.envs.tool_use.toolkit import Toolkit

ERROR = "Error during execution: "
_MAX_PRECISION = 1000
_MAX_BITS = 14_000
"""About the 4,300 digits to which Python prints an integer."""
_STATELESS = frozenset({"MathAPI"})
_mpmath_lock = threading.Lock()


@contextmanager
def _own_precision(class_name: str) -> Iterator[None]:
    """Precision that a call sets ends with it; `mpmath` has one for the whole process, so such calls take turns."""
    with decimal.localcontext():
        if class_name != "MathAPI":
            yield
            return
        import mpmath

        with _mpmath_lock, mpmath.workdps(15):
            yield


@dataclass
class _Cell:
    """An instance, which nobody changes any more once its call is over, and its digest."""

    instance: Any
    digest: str | None = None

    def describe(self) -> str:
        if self.digest is None:
            self.digest = digest(canonical(self.instance))
        return self.digest


class BfclToolkit(Toolkit):
    """The classes of one multi-turn task. Origin: `{kind: "bfcl", task: "multi_turn_base_0"}`.

    The random generators are seeded by the task, as in BFCL, so that recorded results come back; the seed of
    `start` has nothing to vary.
    """

    kind: ClassVar[str] = "bfcl"
    fields: ClassVar[frozenset[str]] = frozenset({"task"})

    def __init__(self) -> None:
        self._cells: dict[str, _Cell] = {}
        self._class_of: dict[str, str] = {}
        self._question: dict[str, Any] = {}

    def start(self, origin: Origin, seed: int) -> None:
        """See `Toolkit.start`."""
        self.check_fields(origin)
        self._question = question(origin.get("task"))
        self._class_of = {tool.name: name for name in self._classes() for tool in self._documented(name)}
        self._cells = {name: _Cell(self._instance(name)) for name in self._classes()}

    def tools(self) -> list[Tool]:
        """The documented functions of the task's classes, without those the task excludes."""
        return [tool for name in self._classes() for tool in self._documented(name)]

    def call(self, name: str, arguments: dict[str, Any]) -> str:
        """See `Toolkit.call`; text exactly as BFCL's executor makes it."""
        if name not in self._class_of:
            return f"{ERROR}no tool is called {name!r}; the tools are {sorted(self._class_of)}"
        refusal = _too_large(name, arguments)
        if refusal is not None:
            return ERROR + refusal
        owner = self._class_of[name]
        earlier = self._cells[owner]
        self._cells[owner] = cell = _Cell(copied(earlier.instance))
        with _own_precision(owner):
            text = _answer(getattr(cell.instance, name), arguments)
        try:
            cell.describe()
        except TooLarge:
            self._cells[owner] = earlier
            return f"{ERROR}the state would be too large; nothing was changed"
        return text

    def failed(self, observation: str) -> bool:
        """An `Error during execution`, or a result with the field `error`."""
        if observation.startswith(ERROR):
            return True
        try:
            value = json.loads(observation)
        except (ValueError, RecursionError):
            return False
        return isinstance(value, dict) and "error" in value

    def fork(self) -> Self:
        """Shares all instances: a call never changes one, it works on a copy."""
        copy = type(self)()
        copy._cells = dict(self._cells)
        copy._class_of, copy._question = self._class_of, self._question
        return copy

    def digest(self) -> str:
        """See `Toolkit.digest`: with the current folder and the state of the random generators."""
        return digest({name: cell.describe() for name, cell in self._cells.items()})

    def outcome_digest(self) -> str:
        """What BFCL's state check compares: attributes without a leading underscore."""
        return digest({name: canonical(cell.instance, private=False) for name, cell in self._cells.items()})

    def _classes(self) -> list[str]:
        return list(self._question["involved_classes"])

    def _documented(self, class_name: str) -> list[Tool]:
        excluded = self._question.get("excluded_function") or ()
        return [tool for tool in class_tools(class_name) if tool.name not in excluded]

    def _instance(self, name: str) -> Any:
        instance = load_class(name)()
        if name not in _STATELESS:
            instance._load_scenario(copied(self._question["initial_config"].get(name, {})))
        for key, value in vars(instance).items():
            if isinstance(value, random.Random):
                setattr(instance, key, SharedRandom(value))
        return instance


def question(task: Any) -> dict[str, Any]:
    """The record of a multi-turn task.

    Raises:
        InputError: If `task` is no text.
        NotFound: If BFCL's multi-turn base tasks have no such id.
        MissingDependency: If the wheel was not fetched.
    """
    if not isinstance(task, str):
        raise InputError(f"origin of kind 'bfcl': expected the id of a task as `task`, got {task!r}")
    found = source.questions("multi_turn_base").get(task)
    if found is None:
        raise NotFound(f"origin of kind 'bfcl': expected a task like 'multi_turn_base_0', got {task!r}")
    return found


def _answer(method: Callable[..., Any], arguments: dict[str, Any]) -> str:
    """What a call says, as BFCL's executor words it.

    Python's words for too deep a recursion tell how deep the caller was; they are cut so that they always are the same.
    """
    try:
        # A tool may keep an argument (the tags of a tweet), and change it later: it gets copies.
        return _text(method(**copied(arguments)))
    except RecursionError:
        return f"{ERROR}maximum recursion depth exceeded"
    except Exception as error:  # whatever a tool raises is its answer, as in BFCL
        return f"{ERROR}{error}"


def _text(result: Any) -> str:
    """BFCL's text of a result: dictionaries as JSON where they can be, everything else as `str`."""
    if isinstance(result, dict):
        try:
            return json.dumps(result)
        except (TypeError, ValueError):
            return str(result)
    return result if isinstance(result, str) else str(result)


def _too_large(name: str, arguments: dict[str, Any]) -> str | None:
    for key in ("precision", "decimal_places"):
        value = arguments.get(key)
        if isinstance(value, int | float) and abs(value) > _MAX_PRECISION:
            return f"{key}: expected at most {_MAX_PRECISION}, got {value}"
    base, exponent = arguments.get("base"), arguments.get("exponent")
    if name != "power" or not isinstance(base, int) or not isinstance(exponent, int):
        return None
    return f"the result would have over {_MAX_BITS} bits" if base.bit_length() * abs(exponent) > _MAX_BITS else None
