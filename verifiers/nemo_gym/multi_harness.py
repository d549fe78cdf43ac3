"""`terminal_multi_harness`: the expert's call in the words of one agent harness.

Owns: this rule: which arguments of which tool count in which harness, and how near they must be. Does not own: schemas
as such (jsonschema).

An action must be of the expert's kind (message, one call, several). A message must not be empty. A call must fit the
schema of its tool, name the expert's tool, and give no argument that the expert left out; then the harness's rule for
that tool decides, and where there is none the values do not count. Several calls are sorted by name and arguments and
compared in pairs. The harness is the row's field `harness`, unless an option names one; the row's `threshold` goes
before the option's. A batch of one expected call is that call. Schemas are JSON Schema (NeMo Gym reads them in
OpenAPI's dialect, which also knows `nullable`); one that is broken refuses the pivot, where it is worth 0 there.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from difflib import SequenceMatcher
from functools import partial
from typing import Any, ClassVar

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError
from referencing import Registry
from referencing.exceptions import Unresolvable

from pivotgym.core.errors import PivotRefused
from pivotgym.core.messages import Action, Tool, ToolCall
from pivotgym.core.trajectory import Pivot, Verdict
from pivotgym.verifiers.nemo_gym.base import PREFIX, Options, TextRule, row_of

Arguments = dict[str, Any]
Check = Callable[[Arguments, Arguments], float]
"""The expert's arguments, the candidate's -> how near they are."""


class MultiHarnessOptions(Options):
    """The server's options.

    Attributes:
        string_similarity_threshold: The least `difflib` ratio of commands and texts.
        harness: `codex`, `opencode`, `agent006` or `stirrup`; `None` takes the row's.
    """

    string_similarity_threshold: float = 0.9
    harness: str | None = None


class MultiHarness(TextRule):
    """The rule above."""

    name = PREFIX + "terminal_multi_harness"
    options_type: ClassVar[type[Options]] = MultiHarnessOptions

    def decide(self, pivot: Pivot, action: Action) -> Verdict:
        """See the module."""
        expected, given = pivot.reference.tool_calls, action.tool_calls
        if not expected and not given:
            spoken = bool(action.content.strip())
            return self.verdict(float(spoken), f"expected a message, got {'one' if spoken else 'an empty one'}")
        if min(len(expected), 2) != min(len(given), 2):
            return self.verdict(0.0, f"expected {_kind(expected)}, got {_kind(given)}")
        if len(expected) != len(given):
            return self.verdict(0.0, f"expected {len(expected)} calls, got {len(given)}")
        row = row_of(pivot)
        compare = partial(
            _compare,
            tools={tool.name: tool for tool in pivot.tools},
            harness=self.options.harness or str(row.get("harness", "generic")),
            threshold=_threshold(row, self.options.string_similarity_threshold),
        )
        for wanted, call in zip(sorted(expected, key=_sorted_by), sorted(given, key=_sorted_by), strict=True):
            problem = compare(_wanted(pivot, wanted), wanted.name, call)
            if problem is not None:
                return self.verdict(0.0, problem)
        return self.verdict(1.0, f"{_kind(given)} as expected")


def _kind(calls: Sequence[ToolCall]) -> str:
    return "a message" if not calls else "a call" if len(calls) == 1 else "several calls"


def _threshold(row: dict[str, Any], otherwise: float) -> float:
    own = row.get("threshold")
    return float(own) if isinstance(own, int | float) else otherwise


def _arguments(call: ToolCall) -> Arguments | None:
    value: Any = call.arguments
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return None
    return value if isinstance(value, dict) else None


def _wanted(pivot: Pivot, call: ToolCall) -> Arguments:
    arguments = _arguments(call)
    if arguments is None:
        raise PivotRefused(f"pivot {pivot.id!r}: the expert's arguments of {call.name!r} are no JSON object")
    return arguments


def _sorted_by(call: ToolCall) -> tuple[str, str]:
    arguments = _arguments(call)
    text = call.arguments_text if arguments is None else json.dumps(arguments, sort_keys=True, separators=(",", ":"))
    return call.name, text


def _compare(
    wanted: Arguments, name: str, call: ToolCall, *, tools: dict[str, Tool], harness: str, threshold: float
) -> str | None:
    """Why a call is not the expert's, or `None`."""
    given, tool = _arguments(call), tools.get(call.name)
    if given is None:
        return f"{call.name}: the arguments are no JSON object"
    if tool is None:
        return f"{call.name}: there is no such tool"
    given = _unquoted(given, tool)
    if not _valid(given, tool):
        return f"{call.name}: the arguments do not fit the tool's schema"
    if call.name != name:
        return f"expected a call of {name!r}, got {call.name!r}"
    surplus = sorted(given.keys() - wanted.keys())
    if surplus:
        return f"{name}: the expert gives no argument {surplus[0]!r}"
    check = _CHECKS.get((harness, name))
    if check is None:
        return None
    near = check(wanted, given)
    return None if near >= threshold else f"{name}: the arguments are not near enough to the expert's"


def _unquoted(arguments: Arguments, tool: Tool) -> Arguments:
    """Arguments with lists and objects that were given as their JSON text read, where the schema wants those."""
    properties = tool.parameters.get("properties")
    kinds = {"array": list, "object": dict}
    read = dict(arguments)
    for name, schema in properties.items() if isinstance(properties, dict) else ():
        kind = kinds.get(str(schema.get("type"))) if isinstance(schema, dict) and name in read else None
        if kind is None or not isinstance(read[name], str):
            continue
        try:
            value = json.loads(read[name])
        except ValueError:
            continue
        read[name] = value if isinstance(value, kind) else read[name]
    return read


def _valid(arguments: Arguments, tool: Tool) -> bool:
    try:
        Draft202012Validator.check_schema(tool.parameters)
        # Our own registry: the default one fetches what a schema refers to.
        return Draft202012Validator(tool.parameters, registry=Registry()).is_valid(arguments)
    except (SchemaError, Unresolvable) as error:
        raise PivotRefused(f"tools: the schema of {tool.name!r} cannot be used: {str(error)[:160]}") from error


_EQUAL, _OTHER = float("inf"), float("-inf")
"""How near arguments are that must be equal: near enough, or not, whatever the threshold."""


def _alike(wanted: Arguments, given: Arguments, *, key: str, normal: Callable[[str], str]) -> float:
    """The `difflib` ratio of a text argument."""
    ours, theirs = wanted.get(key), given.get(key)
    if not isinstance(ours, str) or not isinstance(theirs, str):
        return _OTHER
    return SequenceMatcher(None, normal(ours), normal(theirs)).ratio()


def _equal(wanted: Arguments, given: Arguments, *, keys: Sequence[str]) -> float:
    return _EQUAL if all(wanted.get(key) == given.get(key) for key in keys) else _OTHER


def _command(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n").strip()


def _web(text: str) -> str:
    return text.lower().strip()


def _update_plan(wanted: Arguments, given: Arguments) -> float:
    plan = given.get("plan")
    empty = not plan.strip() if isinstance(plan, str) else plan in (None, [], {})
    return _OTHER if empty else _EQUAL


def _execute_python(wanted: Arguments, given: Arguments) -> float:
    if not str(wanted.get("code", "")).strip() or not str(given.get("code", "")).strip():
        return _OTHER
    return _alike(wanted, given, key="code", normal=str)


def _return_result(wanted: Arguments, given: Arguments) -> float:
    ours, theirs = (json.dumps(side.get("result"), sort_keys=True, default=str) for side in (wanted, given))
    return SequenceMatcher(None, ours, theirs).ratio()


def _todowrite(wanted: Arguments, given: Arguments) -> float:
    ours, theirs = wanted.get("todos"), given.get("todos")
    if not isinstance(ours, list) or not isinstance(theirs, list) or len(ours) != len(theirs):
        return _OTHER
    pairs = list(zip(ours, theirs, strict=True))
    if not all(isinstance(side, dict) for pair in pairs for side in pair):
        return _OTHER
    same = all(one.get(key) == other.get(key) for one, other in pairs for key in ("status", "priority"))
    return _EQUAL if same else _OTHER


def _edit(wanted: Arguments, given: Arguments) -> float:
    if given.get("oldString") == given.get("newString"):
        return _OTHER
    return _equal(wanted, given, keys=("filePath", "replaceAll"))


def _web_search(wanted: Arguments, given: Arguments) -> float:
    if not wanted.get("query") or not given.get("query"):
        return _OTHER
    return _alike(wanted, given, key="query", normal=_web)


def _fetch_web_page(wanted: Arguments, given: Arguments) -> float:
    ours, theirs = wanted.get("url"), given.get("url")
    same = isinstance(ours, str) and isinstance(theirs, str) and ours and theirs and _web(ours) == _web(theirs)
    return _EQUAL if same else _OTHER


def _finish(wanted: Arguments, given: Arguments) -> float:
    paths = [_strings(side.get("paths")) for side in (wanted, given)]
    if not paths[0] or paths[0] != paths[1] or not wanted.get("reason") or not given.get("reason"):
        return _OTHER
    # NeMo Gym compares in this order, and `difflib` is not symmetric.
    return _alike(given, wanted, key="reason", normal=_web)


def _strings(value: Any) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        return []
    return sorted(item.strip() for item in value)


_CHECKS: dict[tuple[str, str], Check] = {
    ("codex", "exec_command"): partial(_alike, key="cmd", normal=_command),
    ("codex", "update_plan"): _update_plan,
    ("agent006", "execute_python"): _execute_python,
    ("agent006", "return_result"): _return_result,
    ("opencode", "bash"): partial(_alike, key="command", normal=_command),
    ("opencode", "todowrite"): _todowrite,
    ("opencode", "read"): partial(_equal, keys=("filePath",)),
    ("opencode", "write"): partial(_equal, keys=("filePath",)),
    ("opencode", "edit"): _edit,
    ("opencode", "glob"): partial(_equal, keys=("pattern", "path")),
    ("opencode", "grep"): partial(_equal, keys=("pattern", "path", "include")),
    ("opencode", "webfetch"): partial(_equal, keys=("url", "format")),
    ("opencode", "skill"): partial(_equal, keys=("name",)),
    ("opencode", "task"): partial(_equal, keys=("subagent_type",)),
    ("stirrup", "code_exec"): partial(_alike, key="cmd", normal=_command),
    ("stirrup", "web_search"): _web_search,
    ("stirrup", "fetch_web_page"): _fetch_web_page,
    ("stirrup", "finish"): _finish,
}
