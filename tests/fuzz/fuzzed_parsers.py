"""The parsers of text that policies, datasets and sandboxes write, each with words of its language."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pivotgym.core.formats import format_names, get_format, terminus
from pivotgym.core.messages import Action, ToolCall
from pivotgym.envs.browsing.pages import actions as page_actions
from pivotgym.envs.browsing.pages.tasks.reading import Page
from pivotgym.envs.sandbox.shell.dump import read_variables
from pivotgym.envs.sandbox.shell.screen import Display
from pivotgym.envs.swe.metadata import read_metadata
from pivotgym.envs.swe.operations.read import operations_of
from pivotgym.envs.terminal.actions import requests
from pivotgym.verifiers.code import lines, patches, reports
from pivotgym.verifiers.code.commands import operation_of
from pivotgym.verifiers.code.syntax import same_syntax
from pivotgym.verifiers.message_rule import message_rule
from pivotgym.verifiers.searching import addresses, answers, queries
from pivotgym.verifiers.shell import parse as shell


@dataclass(frozen=True)
class Parser:
    """What reads any text: a function that may not raise, and pieces of its language."""

    read: Callable[[str], Any]
    pieces: tuple[str, ...]


_JSON = (
    "{",
    "}",
    "[",
    "]",
    '"',
    ":",
    ",",
    "null",
    "1e999",
    "-0",
    "NaN",
    "1" * 400,
    '"\\ud800"',
    '"name"',
    '"arguments"',
)
_CALLS = (
    "<tool_call>",
    "</tool_call>",
    "<think>",
    "</think>",
    "<|python_tag|>",
    "<|im_end|>",
    "f(a=",
    ")",
    "**{",
    *_JSON,
)
_TERMINUS = (
    '{"analysis":"","plan":"","commands":[',
    '{"keystrokes":"C-c","duration":',
    "]}",
    "```json",
    "task_complete",
)
_SHELL = ("$(", "`", "<<E\n", "E\n", "'", '"', "\\", "|", "&&", ";", "(", ")", "{", "}", "for x in", "do", "done", "[[")
_SHELL += (
    "grep -rn",
    "sed -n '1,",
    "find . -name",
    "cat",
    "rm -rf /",
    "2>&1",
    ">",
    "*",
    "~",
    "$'\\x",
    "\x00",
    "apply_patch",
)
_PATCH = ("*** Begin Patch\n", "*** End Patch", "*** Update File: a\n", "*** Add File: b\n", "*** Delete File: a\n")
_PATCH += ("*** Move to: c\n", "@@ x\n", "@@\n", "-x\n", "+y\n", " z\n", "*** End of File\n", "diff --git a/a b/a\n")
_CODE = (
    "def f(",
    "):",
    "\n\t",
    "\n    ",
    "lambda",
    "'''",
    '"""',
    "f'{",
    "}'",
    "async",
    "=",
    "(",
    ")",
    "\x0c",
    "\\\n",
    "#",
)
_REPORT = (
    "== 1 passed",
    " in 0.1s ==",
    "PASSED",
    "FAILED t.py::a",
    "ERROR",
    "\x1b[31m",
    "a.py:1:",
    "1-",
    "--\n",
    "     1\t",
)
_WORDS = (
    "1,000",
    "2024-13-45",
    "31 Feb",
    "$",
    "€3.5m",
    "twenty",
    "-first",
    "Dr.",
    "“",
    "3:99",
    "no",
    "not",
    "?",
    "%",
    "½",
)
_ADDRESS = (
    "http://",
    "https://",
    "[::",
    "]",
    "%",
    "%ff",
    ":99999",
    "@",
    "..",
    "/",
    "#",
    "?a=",
    "xn--",
    "\u3002",
    "javascript:",
)
_TREE = ("URL: ", '[1] button "', '"', "\\", "\n", "  ", '[99] textbox "a" value="', "at=1,2", "checked", "\\u12")
_SCREEN = (
    "\x1b[",
    "\x1b]",
    "\x1b[?1049h",
    "99999",
    ";",
    "m",
    "H",
    "J",
    "\x07",
    "\x9b",
    "\r",
    "\b",
    "\x1b#8",
    "\x0e",
    "r",
)

_CONFIG = (
    "[project]\n",
    "[metadata]\n",
    "[tool.setuptools]\n",
    "name = ",
    '"x"',
    "[",
    "]",
    "a = 1\n",
    "%(a)s",
    "setup(",
    ")",
    "=",
)
_DECLARED = ("declare -- x=", "declare -A y=(", '["k"]=', '"v"', "$'\\x", "')", ")", "\n", "declare -ix z\n")


def _call(name: str, argument: str) -> Callable[[str], Action]:
    return lambda text: Action(tool_calls=(ToolCall(name=name, arguments={argument: text}),))


def _variables(text: str) -> None:
    with contextlib.suppress(ValueError):  # documented: the command broke its shell
        list(read_variables(text.encode("utf-8", "surrogatepass")))


def _screen(text: str) -> str:
    terminal = Display(80, 24)
    terminal.feed(text.encode("utf-8", "surrogatepass"))
    return terminal.screen()


PARSERS = {
    **{name: Parser(get_format(name).parse, _CALLS) for name in format_names()},
    "terminus": Parser(terminus.read_terminus, (*_TERMINUS, *_JSON)),
    "terminal text": Parser(lambda text: requests(Action(content=text)), (*_TERMINUS, *_JSON)),
    "terminal call": Parser(lambda text: requests(_call("bash", "command")(text)), _SHELL),
    "bash": Parser(shell.parse, _SHELL),
    "unquoted": Parser(shell.unquoted, _SHELL),
    "operation": Parser(operation_of, _SHELL),
    "edit by text": Parser(lambda text: operations_of(Action(content=text)), (*_SHELL, *_PATCH, "```bash\n", "```")),
    "edit by call": Parser(
        lambda text: operations_of(Action(tool_calls=(ToolCall(name="str_replace_editor", arguments=text),))),
        ("command", "str_replace", "view_range", *_JSON),
    ),
    "patch": Parser(patches.read_patch, _PATCH),
    "patched": Parser(lambda text: patches.patched(text, {"a": "x\nz\n", "b": None}), _PATCH),
    "paths of a patch": Parser(patches.paths_of, _PATCH),
    "syntax": Parser(lambda text: same_syntax("a.py", text, text + " "), _CODE),
    "report of tests": Parser(reports.read_report, _REPORT),
    "lines of an output": Parser(lines.as_text, _REPORT),
    "message": Parser(lambda text: message_rule(text, text[::-1]), _WORDS),
    "answer": Parser(lambda text: answers.rule_answer(text, text[::-1], text), _WORDS),
    "query": Parser(lambda text: queries.by_text(text, text[::-1]), _WORDS),
    "address": Parser(addresses.address_key, _ADDRESS),
    "page": Parser(lambda text: Page(text).elements, _TREE),
    "page call": Parser(lambda text: page_actions.problem(ToolCall(name="fill", arguments=text), False), _JSON),
    "package's metadata": Parser(lambda text: read_metadata(lambda path: text), _CONFIG),
    "shell's variables": Parser(_variables, _DECLARED),
    "screen": Parser(_screen, _SCREEN),
}
