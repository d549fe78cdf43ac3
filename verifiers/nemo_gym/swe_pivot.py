"""`swe_pivot`: one call of a coding agent, by kind of tool, then target, then similarity of the text.

Owns: this rule, and the tool names that it knows. Does not own: what a call does: nothing is run, and that is its
weakness (an edit to the opposite condition is 0.9 similar; a bash call without a command matches every other).

The first call counts. Its kind must be the expert's, by name or by category; its target (file, range, first word and
paths of a command) must be near; its text must be similar, by `difflib` on the first 2,000 characters. Arguments that
are no JSON are an empty object. Arguments that are JSON but no object are no match; NeMo Gym's answer depends on the
tool there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any, ClassVar, Literal

from pivotgym.core.errors import PivotRefused
from pivotgym.core.messages import Action, ToolCall
from pivotgym.core.trajectory import Pivot, Verdict
from pivotgym.verifiers.nemo_gym.base import PREFIX, Options, TextRule

_CATEGORIES = {
    "edit": """str_replace_editor text_editor file_editor code_editor edit_file modify_file update_file file_edit edit
        modify apply_patch patch_file apply_diff apply_changes write write_file save_file create_file""",
    "bash": """execute_bash run_bash bash_exec shell_run shell bash terminal shell_command shell_cmd run_shell_cmd
        exec_command exec_cmd""",
    "search": """grep search_text find_pattern text_search glob find_files file_glob match_files grep_files search_files
        find_in_files code_search list_dir ls show_dir ls_dir list_directory""",
    "read": "read read_file view_file cat_file view file_view inspect show_file read_file_content",
    "finish": "finish submit",
    "think": "think",
    "planning": """task_tracker todo_tracker plan_tracker todo_read todo_write update_plan list_tasks update_tasks
        read_todos write_todos edit_plan modify_plan""",
}
_BY_NAME = {
    spelling: category
    for category, names in _CATEGORIES.items()
    for name in names.split()
    for spelling in (name, name.replace("_", ""))
}
_PATH_KEYS = ("path", "file", "file_path", "filename", "file_name")
_PATH = re.compile(r"(?:^|[\s='\"(])((?:/[\w._-]+)+|\.\.?/[\w._/-]+|[\w._-]+/[\w._/-]+)")
_SEEN_CHARACTERS = 2000
_LEAST_COMMAND_SIMILARITY = 0.3
_LEAST_VIEW_OVERLAP = 0.8
_FULL_EDIT_CHARACTERS = 500


class SwePivotOptions(Options):
    """The server's options.

    Attributes:
        reward_mode: `binary` gives 1 from `similarity_full_credit` on; `continuous` gives part of it from
            `similarity_threshold` on, and less for large edits.
        enable_target_match: Whether the target counts.
        enable_argument_similarity: Whether the text counts.
        similarity_threshold: Similarity that is worth 0.5.
        similarity_full_credit: Similarity that is worth 1.
        enable_diff_size_shaping: Whether large edits cost something (`continuous` only).
        diff_size_alpha: The most that they cost.
    """

    reward_mode: Literal["binary", "continuous"] = "binary"
    enable_target_match: bool = True
    enable_argument_similarity: bool = True
    similarity_threshold: float = 0.4
    similarity_full_credit: float = 0.8
    enable_diff_size_shaping: bool = True
    diff_size_alpha: float = 0.1


@dataclass(frozen=True)
class CodingCall:
    """A call with the category of its tool (`unknown` where the name is not known)."""

    name: str
    category: str
    arguments: dict[str, Any]

    def both(self, other: CodingCall, *categories: str) -> bool:
        """Whether this call and another are of these categories."""
        return self.category in categories and other.category in categories

    def text(self, *keys: str) -> str:
        """The first of these arguments that is given, as text."""
        return next((str(self.arguments[key]).strip() for key in keys if key in self.arguments), "")


def category_of(name: str) -> str:
    """The category of a tool, by its name in snake or camel case."""
    return _BY_NAME.get(name.lower(), "unknown")


class SwePivot(TextRule):
    """The rule above."""

    name = PREFIX + "swe_pivot"
    options_type: ClassVar[type[Options]] = SwePivotOptions

    def decide(self, pivot: Pivot, action: Action) -> Verdict:
        """See the module."""
        options: SwePivotOptions = self.options
        expected = _read(pivot.reference.tool_calls[0]) if len(pivot.reference.tool_calls) == 1 else None
        if expected is None:
            raise PivotRefused(f"pivot {pivot.id!r}: {self.name} expects one call of the expert, got none or several")
        call = _read(action.tool_calls[0]) if action.tool_calls else None
        if call is None:
            return self.verdict(0.0, "expected a call with an object as arguments, got none")
        if not same_tool(call, expected):
            return self.verdict(0.0, f"{call.name!r} is another kind of tool than {expected.name!r}")
        if options.enable_target_match and not same_target(call, expected):
            return self.verdict(0.0, "the call has another target", tool=1.0)
        if not options.enable_argument_similarity:
            return self._shaped(call, 1.0, {"tool": 1.0})
        similar = similarity(call, expected)
        return self._shaped(call, self._credit(similar), {"tool": 1.0, "similarity": similar})

    def _credit(self, similar: float) -> float:
        options: SwePivotOptions = self.options
        least, full = options.similarity_threshold, options.similarity_full_credit
        if similar >= full:
            return 1.0
        if options.reward_mode == "binary" or similar < least:
            return 0.0
        return 0.5 + 0.5 * (similar - least) / (full - least)

    def _shaped(self, call: CodingCall, reward: float, components: dict[str, float]) -> Verdict:
        options: SwePivotOptions = self.options
        if reward and options.enable_diff_size_shaping and options.reward_mode == "continuous":
            reward *= 1.0 - size_penalty(call, options.diff_size_alpha)
        if "similarity" not in components:
            return self.verdict(reward, "the call is of the same kind", **components)
        return self.verdict(reward, f"the text of the call is {components['similarity']:.2f} similar", **components)


def _read(call: ToolCall) -> CodingCall | None:
    arguments: Any = call.arguments
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments)
        except ValueError:
            arguments = {}
    return CodingCall(call.name, category_of(call.name), arguments) if isinstance(arguments, dict) else None


def same_tool(call: CodingCall, expected: CodingCall) -> bool:
    """Whether two calls are of the same tool, or of the same known category."""
    if call.name.lower() == expected.name.lower():
        return True
    return call.category == expected.category != "unknown"


def same_target(call: CodingCall, expected: CodingCall) -> bool:
    """Whether two calls act on the same thing, as far as their arguments tell; what one leaves out is no difference."""
    if call.both(expected, "edit"):
        return (
            _agree(str(call.arguments.get("command", "")), str(expected.arguments.get("command", "")))
            and _agree(_tail(call.text(*_PATH_KEYS), 2), _tail(expected.text(*_PATH_KEYS), 2))
            and _covers(call, expected)
        )
    if call.both(expected, "bash"):
        return _same_command(call.text("command", "cmd"), expected.text("command", "cmd"))
    if call.both(expected, "search", "read"):
        return _agree(_tail(call.text(*_PATH_KEYS), 3), _tail(expected.text(*_PATH_KEYS), 3))
    return True


def _agree(one: str, other: str) -> bool:
    return not one or not other or one == other


def _tail(path: str, parts: int) -> str:
    return "/".join(path.strip("/").split("/")[-parts:]) if path else ""


def _covers(call: CodingCall, expected: CodingCall) -> bool:
    """Whether a view shows enough of the lines that the expert's shows."""
    if not call.arguments.get("command") == expected.arguments.get("command") == "view":
        return True
    seen, wanted = _lines(call.arguments.get("view_range")), _lines(expected.arguments.get("view_range"))
    if seen is None or wanted is None:
        return True
    shared = max(0, min(seen[1], wanted[1]) - max(seen[0], wanted[0]))
    return shared / max(1, wanted[1] - wanted[0]) >= _LEAST_VIEW_OVERLAP


def _lines(value: Any) -> tuple[int, int] | None:
    try:
        value = json.loads(value) if isinstance(value, str) else value
        return (int(value[0]), int(value[1])) if isinstance(value, list) and len(value) == 2 else None
    except (ValueError, TypeError, OverflowError):
        return None


def _same_command(given: str, expected: str) -> bool:
    if not given or not expected:
        return True
    if given.split()[0].rpartition("/")[2] != expected.split()[0].rpartition("/")[2]:
        return False
    ours, theirs = _paths(expected), _paths(given)
    if ours and theirs and not ours & theirs:
        return False
    return _ratio(given, expected) >= _LEAST_COMMAND_SIMILARITY


def _paths(command: str) -> set[str]:
    """The ends of the paths in a command."""
    found: Iterable[str] = _PATH.findall(command)
    return {_tail(path.rstrip("/"), 3) for path in found if len(path) > 2 and not path.startswith("--")} - {""}


def _ratio(given: str, expected: str) -> float:
    return SequenceMatcher(None, given[:_SEEN_CHARACTERS], expected[:_SEEN_CHARACTERS]).ratio()


def similarity(call: CodingCall, expected: CodingCall) -> float:
    """How similar the texts of two calls are: of edits and commands; other calls are as good as equal."""
    if call.both(expected, "bash"):
        given, wanted = call.text("command", "cmd"), expected.text("command", "cmd")
        return _ratio(given, wanted) if given and wanted else 1.0
    if not call.both(expected, "edit"):
        return 1.0
    ours = [str(expected.arguments.get(key, "")) for key in ("old_str", "new_str")]
    theirs = [str(call.arguments.get(key, "")) for key in ("old_str", "new_str")]
    if any(ours) and any(theirs):
        return min(_part(given, wanted) for given, wanted in zip(theirs, ours, strict=True))
    return _part(_edited(call), _edited(expected))


def _part(given: str, wanted: str) -> float:
    return _ratio(given, wanted) if given and wanted else float(given == wanted)


def _edited(call: CodingCall) -> str:
    """What an edit writes."""
    arguments = call.arguments
    if "new_str" in arguments:
        return f"{arguments.get('old_str', '')}\n{arguments['new_str']}"
    return next((str(arguments[key]) for key in ("patch", "diff", "content", "file_text") if key in arguments), "")


def size_penalty(call: CodingCall, most: float) -> float:
    """What the size of an edit costs, up to `most` at 500 characters."""
    written = _edited(call) if call.category == "edit" else ""
    return most * min(len(written) / _FULL_EDIT_CHARACTERS, 1.0)
