"""Actions of coding agents as operations.

Owns: which table reads a call, and why a call is invalid. Does not own: the tables (`tables`), shell commands that are
an operation (`verifiers.code.commands`).

A call whose tool no table knows is `Other`. A call that a table knows and that does not fit is `Invalid`, with the
reason: a missing argument is never an empty one.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pivotgym.core.messages import Action, Tool, ToolCall
from pivotgym.core.trajectory import Pivot
from pivotgym.envs.swe.operations.build import BUILDERS, shell_line
from pivotgym.envs.swe.operations.tables import Entry, Form, Harness, harnesses, table_of
from pivotgym.envs.swe.operations.values import BadValue, read_value
from pivotgym.verifiers.code.commands import operation_of
from pivotgym.verifiers.code.operations import Invalid, Operation, Other, Patch, Shell, Submit


def harness_of(pivot: Pivot) -> str | None:
    """The harness that a pivot names (`harness` of its origin or metadata), where there is a table for it."""
    kept = pivot.metadata.get("nemo_gym")
    rows = (kept if isinstance(kept, Mapping) else {}).get("metadata")
    named = [
        pivot.origin.get("harness"),
        pivot.metadata.get("harness"),
        *(_harness_fields(kept)),
        *(_harness_fields(rows)),
    ]
    tables = (table_of(name) for name in named if isinstance(name, str))
    return next((table.harness for table in tables if table is not None), None)


def _harness_fields(value: Any) -> list[Any]:
    return [value["harness"]] if isinstance(value, Mapping) and "harness" in value else []


def operations_of(action: Action, tools: Sequence[Tool] = (), harness: str | None = None) -> tuple[Operation, ...]:
    """What an action does, call by call; nothing for a plain text.

    Args:
        action: The action.
        tools: What was offered: which table fits best, and which further arguments there may be. A call of a tool
            that was not offered is invalid.
        harness: The table to read by where it has the tool; by default the one that fits best.
    """
    named = table_of(harness) if harness else None
    harness = named.harness if named else None
    if not action.tool_calls:
        return _spoken(action.content, harness)
    offered = {tool.name: tool for tool in tools}
    return tuple(_called(call, offered, harness) for call in action.tool_calls)


def commands_of(action: Action, harness: str | None = None) -> tuple[str | None, ...]:
    """The shell command of each call (or of the one block of a text), to be run as it stands.

    Args:
        action: The action.
        harness: As for `operations_of`.

    Returns:
        One for each operation of `operations_of`; `None` for what is no shell command: a call of another tool, one that
        hands in the work or is invalid, `apply_patch` and the tools that are called as programs.
    """
    table = table_of(harness) if harness else None
    if not action.tool_calls:
        texts = [_block(action.content, table)]
    else:
        texts = [_command(call, table.harness if table else None) for call in action.tool_calls]
    operations = operations_of(action, (), harness)
    return tuple(
        text if text is not None and operation == operation_of(text) and not isinstance(operation, Patch) else None
        for text, operation in zip(texts, operations, strict=False)
    )


def _command(call: ToolCall, harness: str | None) -> str | None:
    """The command line of a call of a shell; `None` for any other."""
    if isinstance(call.arguments, str):
        return None
    _, entry = _table(call, set(), harness)
    form = entry.forms[0] if entry is not None and entry.forms else None
    if form is None or form.operation != "shell":
        return None
    given = {one.field: call.arguments[name] for name, one in form.read.items() if call.arguments.get(name) is not None}
    return shell_line(**given) if "command" in given else None


def _called(call: ToolCall, offered: Mapping[str, Tool], harness: str | None) -> Operation:
    if offered and call.name not in offered:
        return Invalid(f"no tool is called {call.name!r}; the tools are {sorted(offered)}")
    if isinstance(call.arguments, str):
        return Invalid(f"{call.name}: expected a JSON object as arguments, got {call.arguments[:80]!r}")
    tool = offered.get(call.name)
    properties = tool.parameters.get("properties") if tool else None
    declared = set(properties) if isinstance(properties, dict) else set()
    table, entry = _table(call, declared, harness)
    if table is None or entry is None:
        return Other(call.name, json.dumps(call.arguments, sort_keys=True, ensure_ascii=False))
    return _ended(_by_entry(call.name, entry, call.arguments, declared), table, harness)


def _table(call: ToolCall, declared: set[str], harness: str | None) -> tuple[Harness | None, Entry | None]:
    """The table for a call: the named one, else the one that knows most of the arguments."""
    found = [(table, entry) for table in harnesses().values() if (entry := table.entry(call.name)) is not None]
    named = [pair for pair in found if pair[0].harness == harness]
    wanted = declared or set(call.arguments)
    return max(named or found, key=lambda pair: len(wanted & _known(pair[1])), default=(None, None))


def _known(entry: Entry) -> set[str]:
    forms = [*entry.forms, *entry.cases.values()]
    names = {name for form in forms for name in (*form.arguments, *form.ignored)}
    return {*names, *entry.ignored, *([entry.choose] if entry.choose else [])}


def _by_entry(name: str, entry: Entry, arguments: Mapping[str, Any], declared: set[str]) -> Operation:
    allowed = entry.ignored | (declared - _known(entry))
    if entry.choose is None:
        results = [_by_form(name, form, arguments, allowed) for form in entry.forms]
        fitting = (result for result in results if not isinstance(result, Invalid))
        return next(fitting, results[-1] if len(results) == 1 else _closest(entry.forms, results, arguments))
    chosen = arguments.get(entry.choose)
    if not isinstance(chosen, str) or chosen not in entry.cases:
        return Invalid(f"{name}: expected {entry.choose!r} as one of {sorted(entry.cases)}, got {_shown(chosen)}")
    # Editors are called with the other cases' arguments left empty; these say nothing.
    others = _known(entry) - set(entry.cases[chosen].arguments)
    rest = {key: value for key, value in arguments.items() if key not in others}
    return _by_form(f"{name} {chosen}", entry.cases[chosen], rest, allowed)


def _closest(forms: Sequence[Form], results: Sequence[Operation], arguments: Mapping[str, Any]) -> Operation:
    """The reason of the form that knows most of the arguments."""
    return max(zip(forms, results, strict=True), key=lambda pair: len(set(arguments) & set(pair[0].arguments)))[1]


def _by_form(name: str, form: Form, arguments: Mapping[str, Any], allowed: Iterable[str]) -> Operation:
    unknown = arguments.keys() - form.arguments.keys() - form.ignored - set(allowed)
    if unknown:
        return Invalid(f"{name}: there is no argument {sorted(unknown)[0]!r}; they are {sorted(form.arguments)}")
    if form.body is not None:
        return Invalid(f"{name}: expected lines that end with {form.body.until!r}")
    fields = dict(form.constants)
    for key, argument in form.read.items():
        value = arguments.get(key)
        if value is None:
            if argument.optional:
                continue
            return Invalid(f"{name}: the argument {key!r} is missing")
        try:
            fields[argument.field] = read_value(argument.kind, value)
        except BadValue as bad:
            return Invalid(f"{name}: expected {key!r} as {bad}, got {_shown(value)}")
    try:
        return BUILDERS[form.operation](**fields)
    except BadValue as bad:
        return Invalid(f"{name}: expected {bad}")


def _ended(operation: Operation, table: Harness, harness: str | None) -> Operation:
    """The operation as this harness runs it: a tool called as a program, or a command that hands in the work.

    Every harness has a shell, so where none is named any table's way to hand in the work counts.
    """
    if not isinstance(operation, Shell):
        return operation
    ends = [one.submits for one in (harnesses().values() if harness is None else [table]) if one.submits]
    if any(re.fullmatch(pattern, operation.command.strip(), re.DOTALL) for pattern in ends):
        return Submit(command=operation.command.strip())
    return _program(operation, table) if table.called_as_programs else operation


def _program(shell: Shell, table: Harness) -> Operation:
    """A command whose first word is a tool of the table, as a call of that tool."""
    command = shell.command.strip()
    name = command.split(maxsplit=1)[0]
    entry = table.tools.get(name)
    if entry is None or not entry.forms or "command" in entry.forms[0].arguments:
        return shell
    results: list[Operation] = []
    for form in entry.forms:
        found = _written(name, form, command)
        # The first line says that this form is meant, so what is wrong with it is wrong with the call.
        if not isinstance(found, Invalid) or (form.body is not None and _meant(name, form, command)):
            return found
        results.append(found)
    return results[0]


def _meant(name: str, form: Form, command: str) -> bool:
    """Whether the first line of a command fits a form that goes on below it."""
    assert form.body is not None
    return not isinstance(_written(name, form, f"{command.partition(chr(10))[0]}\n{form.body.until}"), Invalid)


def _written(name: str, form: Form, command: str) -> Operation:
    """A call written as a command line; a form with a body has its arguments on the first line."""
    constants = form.constants
    if form.body is not None:
        command, _, rest = command.partition("\n")
        text = _body(rest, form.body.until)
        if text is None:
            return Invalid(f"{name}: expected lines that end with {form.body.until!r}")
        constants = {**constants, form.body.field: text}
    try:
        words = shlex.split(command)[1:]
    except ValueError:
        return Invalid(f"{name}: a quote is not closed")
    return _by_words(name, form.model_copy(update={"body": None, "constants": constants}), words)


def _by_words(name: str, form: Form, words: Sequence[str]) -> Operation:
    if len(words) > len(form.arguments):
        return Invalid(f"{name}: expected at most {len(form.arguments)} words, got {len(words)}")
    return _by_form(name, form, dict(zip(form.arguments, words, strict=False)), ())


def _body(text: str, until: str) -> str | None:
    """The lines before the one that ends them, without the last line break; `None` where there is no such line."""
    lines = text.split("\n")
    return "\n".join(lines[: lines.index(until)]) if until in lines else None


def _spoken(text: str, harness: str | None) -> tuple[Operation, ...]:
    """The operation in a text, for harnesses whose actions are texts."""
    table = harnesses().get(harness or "")
    if table is None or table.block is None:
        return ()
    blocks = _blocks(text, table)
    if len(blocks) != 1:
        return (Invalid(f"expected exactly one bash block, got {len(blocks)}"),)
    if not blocks[0].strip():
        return (Invalid("the bash block is empty"),)
    return (_ended(BUILDERS["shell"](command=blocks[0].rstrip("\n")), table, harness),)


def _blocks(text: str, table: Harness) -> list[str]:
    return re.findall(rf"^```(?:{table.block})[ \t]*\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def _block(text: str, table: Harness | None) -> str | None:
    blocks = _blocks(text, table) if table is not None and table.block is not None else []
    return blocks[0].rstrip("\n") if len(blocks) == 1 else None


def _shown(value: Any) -> str:
    return "nothing" if value is None else repr(value)[:80]
