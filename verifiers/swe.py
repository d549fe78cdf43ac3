"""The functional verifier of coding agents' actions.

Owns: the order of its rules, and what it reads of `Effects.detail`. Does not own: files and syntax (`code.files`),
lines (`code.lines`), reports of test runs (`code.reports`), the rule by text (`code.rule`), which tool is which
operation (a callable handed in, as harnesses are the environment's), or running anything.

1. *Invalid*: nothing said and nothing called; a call that cannot be run, with the reason.
2. *Fast path* (accepts, never rejects): the same operations.
3. *Execution*. Handing in the work counts: both do or none. Then the files: where either action changed any, they must
   be the same by bytes, else by syntax tree, else the tests that touch the change decide. Where no file changed, what
   was told counts: the lines reached by views, searches and lists, through whichever tool; the tests that ran and their
   results; the text and the exit status of any other command, else the facts as the terminal's verifier sees them.
4. *Rule*, where nothing can be executed: `code.rule`.

What is read of `Effects.detail`:

`files` and `git`: as in the terminal domain, with the `text` of files of up to a million characters: where it is
missing, a changed file is compared by its digest alone.

`operations`: for each operation that was run, in order, {"operation": `code.operations.to_json`, "output": its standard
output, "exit": its exit status or `None`, "failed": whether the tool refused it, "reached": where the world knows them,
[[file, number or `None`, text]] instead of the output}; without it, what `commands` says.
`tests`: {"selected": [test ids], "failed": [those that fail after the action], "failed_before": [those that failed
before it], "ended": the limit that ended the run, if one did}; the world adds it to both effects where `undecided`
names files. Whether a limit was the machine's fault is the world's to find out.
`root`: the repository's folder. `commands`, `shell`, `compare` and `unstable`: as in the terminal domain.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from pivotgym.core.messages import Action
from pivotgym.core.trajectory import Effects, Pivot, Verdict
from pivotgym.verifiers.attached import Attached
from pivotgym.verifiers.base import cut_short, decided
from pivotgym.verifiers.code.commands import operation_of
from pivotgym.verifiers.code.files import Compared, compare_files
from pivotgym.verifiers.code.lines import Line, as_text, overlap, reached, same_lines, told_in
from pivotgym.verifiers.code.operations import (
    Invalid,
    Operation,
    Replace,
    RunTests,
    Shell,
    Submit,
    Think,
    from_json,
    to_json,
)
from pivotgym.verifiers.code.reports import read_report
from pivotgym.verifiers.code.rule import kinds_shared, same_operations
from pivotgym.verifiers.shell.effects import difference

_BARE = re.compile(
    r"\s*(?:\S+[:=]\s*)?(?:[\d.,%]+|(?i:yes|no|true|false|ok|none))(?:\s+[\d.,%]+){0,8}(?:\s+[^\s()]+)?\s*"
)
"""A line that holds no text of a repository: counts, or a word for whether something is so, with a name beside it."""
Reader: TypeAlias = Callable[[Pivot, Action], Sequence[Operation]]
"""What an action of a pivot does, operation by operation; `Invalid` for a call that cannot be run."""


@dataclass(frozen=True)
class _Ran:
    """One operation with what it told."""

    operation: Operation
    output: str
    exit: int | None
    failed: bool
    lines: list[Line] | None


class SweComparator:
    """The rules above, as a `verifiers.base.Comparator`. Thread-safe.

    Args:
        read: Reads actions as operations.
    """

    name = "swe"

    def __init__(self, read: Reader) -> None:
        self._read = read
        self._experts: Attached[Sequence[Operation]] = Attached()

    def screen(self, pivot: Pivot, action: Action) -> Verdict | None:
        """Rules 1 and 2."""
        if action.truncated:
            return cut_short(action)
        if not action.tool_calls and not action.content.strip():
            return _invalid("the action is empty: expected a call")
        operations = self._read(pivot, action)
        bad = next((one for one in operations if isinstance(one, Invalid)), None)
        if bad is not None:
            return _invalid(bad.reason)
        if operations and tuple(operations) == tuple(self._expert(pivot)):
            reason = "the operations are the expert's"
            return decided(True, "same_operations", False, reason, {"operation": 1.0, "partial": 1.0})
        return None

    def compare(self, pivot: Pivot, expert: Effects, candidate: Effects) -> Verdict:
        """Rule 3.

        Raises:
            InputError: If `detail` holds an operation that is none.
            MissingDependency: If the grammar of a changed file's language is not installed.
        """
        if candidate.invalid is not None:
            return _invalid(candidate.invalid)
        ours, theirs = _ran(expert), _ran(candidate)
        hands_in = [any(isinstance(one.operation, Submit) for one in ran) for ran in (ours, theirs)]
        shared = {"operation": kinds_shared(*([one.operation for one in ran] for ran in (ours, theirs)))}
        if hands_in[0] != hands_in[1]:
            reason = "the candidate does not hand in its work" if hands_in[0] else "the candidate hands in its work"
            return decided(False, "submission", True, reason, {**shared, "partial": 0.0})
        files = compare_files(expert.detail, candidate.detail)
        if files.level == "undecided":
            return _by_tests(expert, candidate, files, shared)
        if files.level == "different" or expert.detail.get("git") != candidate.detail.get("git"):
            return _by_files(False, files, shared)
        if _cwd(expert) != _cwd(candidate):
            return decided(False, "execution", True, "the shell is in another folder", {**shared, "partial": 0.0})
        if files.files or expert.detail.get("git"):
            return _by_files(True, files, shared)
        return _by_told(expert, candidate, ours, theirs, shared)

    def undecided(self, expert: Effects, candidate: Effects) -> tuple[str, ...]:
        """Files on which only tests can decide: the world runs those that touch them and adds `detail["tests"]`.

        None where the expert's tests are known and cannot: the candidate's need not be run.
        """
        files = compare_files(expert.detail, candidate.detail)
        if files.level != "undecided" or ("tests" in expert.detail and not _sees(expert.detail["tests"])):
            return ()
        return tuple(path for path, level in files.files.items() if level == "undecided")

    def doubts(self, expert: Effects, verdict: Verdict) -> bool:
        """Whether equal outputs may be a coincidence: all the expert's lines are counts, `yes` and the like."""
        if verdict.method not in ("lines", "execution"):
            return False
        lines = [line for one in _ran(expert) for line in one.output.splitlines() if line.strip()]
        return bool(lines) and all(_BARE.fullmatch(line) for line in lines)

    def by_rule(self, pivot: Pivot, action: Action) -> Verdict:
        """Rule 4."""
        expert, given = self._expert(pivot), self._read(pivot, action)
        if not expert and not given:
            same = pivot.reference.content.split() == action.content.split()
            reason = "the text is the expert's" if same else "the text is another one, and nothing is called"
            return decided(same, "operations_by_text", False, reason, {"partial": float(same)})
        same = same_operations(expert, given, _root(pivot)) and old_texts_fit(pivot, expert, given)
        kinds = kinds_shared(expert, given)
        alike = similarity(pivot.reference, action)
        components = {"operation": kinds, "similarity": alike, "partial": 1.0 if same else 0.0}
        if same:
            return decided(True, "operations_by_text", False, "the operations are the same by their text", components)
        names = [", ".join(one.kind for one in operations) or "a message" for operations in (expert, given)]
        reason = f"expected {names[0]}, got {names[1]}" if kinds < 1 else "the operation is another one by its text"
        return decided(False, "operations_by_text", False, reason, components)

    def _expert(self, pivot: Pivot) -> Sequence[Operation]:
        known = self._experts.get(pivot)
        return known if known is not None else self._experts.keep(pivot, self._read(pivot, pivot.reference))


def old_texts_fit(pivot: Pivot, expert: Sequence[Operation], candidate: Sequence[Operation]) -> bool:
    """Whether a candidate's old texts are in the files for all that was seen of these, where they are not the expert's.

    The expert's text stands once in its file. Lines that a wider one adds must be in the messages, where these show
    the expert's; a narrower one must stand but once in each of them.
    """
    pairs = [
        (due.old, given.old)
        for due, given in zip(expert, candidate, strict=False)
        if isinstance(due, Replace) and isinstance(given, Replace) and due.old != given.old
    ]
    if not pairs:
        return True
    seen = [
        "\n".join([message.text, *(_text(call.arguments) for call in message.tool_calls or ())])
        for message in pivot.messages
    ]
    return all(_fits(due, given, seen) for due, given in pairs)


def _fits(due: str, given: str, seen: Sequence[str]) -> bool:
    if given in due:
        return max((text.count(given) for text in seen), default=0) < 2
    theirs, ours = ({line.strip() for line in text.splitlines()} for text in (given, due))
    shown = [text for text in seen if any(line and line in text for line in ours)]
    return not shown or all(any(line in text for text in seen) for line in theirs - ours)


def similarity(expert: Action, candidate: Action) -> float:
    """Similarity of two actions' arguments in [0, 1], for people; no verdict depends on it.

    Dice's coefficient of the triples of characters, counted: linear in the length, whatever the texts are.
    """
    texts = ["\n".join(_text(call.arguments) for call in action.tool_calls) for action in (expert, candidate)]
    ours, theirs = (Counter(map("".join, zip(text, text[1:], text[2:], strict=False))) for text in texts)
    total = ours.total() + theirs.total()
    return 2 * (ours & theirs).total() / total if total else float(texts[0] == texts[1])


def _text(arguments: Mapping[str, Any] | str) -> str:
    return arguments if isinstance(arguments, str) else "\n".join(str(arguments[key]) for key in sorted(arguments))


def _root(pivot: Pivot) -> str | None:
    root = pivot.origin.get("workdir")
    return root if isinstance(root, str) else None


def _invalid(reason: str) -> Verdict:
    return Verdict(reward=0.0, outcome="invalid", method="operations", executed=False, reason=reason)


def _ran(effects: Effects) -> list[_Ran]:
    found: list[_Ran] = []
    for record in effects.detail.get("operations") or [_command(one) for one in effects.detail.get("commands") or []]:
        operation = from_json(record["operation"])
        output, status = str(record.get("output") or ""), record.get("exit")
        known = record.get("reached")
        if known is not None:
            lines: list[Line] | None = [Line(str(text), file, number) for file, number, text in known]
        else:
            lines = reached(operation, output, effects.detail.get("root"))
        found.append(_Ran(operation, output, status, bool(record.get("failed")), lines))
    return found


def _command(record: Mapping[str, Any]) -> dict[str, Any]:
    """A record of `commands` as one of `operations`."""
    operation = to_json(operation_of(str(record["command"])))
    return {"operation": operation, "output": record.get("stdout"), "exit": record.get("exit")}


def _cwd(effects: Effects) -> Any:
    policy = effects.detail.get("compare") or {}
    return (effects.detail.get("shell") or {}).get("cwd") if policy.get("cwd") else None


def _by_files(same: bool, files: Compared, shared: dict[str, float]) -> Verdict:
    components = {**shared, "files": files.share, "partial": 1.0 if same else files.share * 0.5}
    if same:
        how = "the syntax trees of the files are the same" if files.level == "syntax" else "the files are the same"
        return decided(True, "syntax_tree" if files.level == "syntax" else "files", True, how, components)
    path = next((path for path, level in files.files.items() if level == "different"), None)
    reason = f"{path}: {files.reasons[path]}" if path else "the repository's commits or index are others"
    return decided(False, "files", True, reason, components, {"files": files.reasons})


def _by_tests(expert: Effects, candidate: Effects, files: Compared, shared: dict[str, float]) -> Verdict:
    """Tests decide only where they see the expert's edit: where it changed which of them fail."""
    ours, theirs = expert.detail.get("tests"), candidate.detail.get("tests")
    components = {**shared, "files": files.share, "partial": files.share * 0.5}
    evidence: dict[str, Any] = {"files": files.reasons}
    if ours and not _sees(ours):
        reason = "the files differ in their syntax trees, and no test sees the expert's change"
        return decided(False, "tests", True, reason, {**components, "undecided": 1.0}, evidence)
    if not ours or not theirs:
        reason = "the files differ in their syntax trees, and there are no tests to decide"
        return decided(False, "syntax_tree", True, reason, {**components, "undecided": 1.0}, evidence)
    if theirs.get("ended"):
        reason = f"the tests of the change do not end with the candidate's: {theirs['ended']}"
        return decided(False, "tests", True, reason, components, evidence)
    same = all(set(ours[name]) == set(theirs[name]) for name in ("selected", "failed"))
    evidence["failed"] = {"expert": sorted(ours["failed"])[:20], "candidate": sorted(theirs["failed"])[:20]}
    if same:
        return decided(
            True, "tests", True, "the tests of the change give the same results", {**components, "partial": 1.0}
        )
    return decided(False, "tests", True, "the tests of the change give other results", components, evidence)


def _sees(tests: Mapping[str, Any]) -> bool:
    """Whether the expert's tests see its edit: they ended, and others fail than before."""
    if tests.get("ended") or not tests.get("selected"):
        return False
    return set(tests["failed"]) != set(tests.get("failed_before") or [])


def _by_told(
    expert: Effects, candidate: Effects, ours: Sequence[_Ran], theirs: Sequence[_Ran], shared: dict[str, float]
) -> Verdict:
    """No file changed: what was told decides."""
    root = expert.detail.get("root")
    due = [one for one in ours if not isinstance(one.operation, Think)]
    given = [one for one in theirs if not isinstance(one.operation, Think)]
    if not due or not given:
        same = not due and not given and bool(theirs)
        reason = "neither tells anything" if same else "one of them tells nothing"
        return decided(same, "execution", True, reason, {**shared, "partial": float(same)})
    if [one.failed for one in due] != [one.failed for one in given] and any(one.failed for one in (*due, *given)):
        return decided(False, "execution", True, "one of them is refused by its tool", {**shared, "partial": 0.0})
    operations = [[one.operation for one in side] for side in (due, given)]
    if all(isinstance(one, RunTests) for side in operations for one in side):
        return _by_report(due, given, root, shared)
    sides = _sides(due, given, root)
    share = overlap(*sides)
    components = {**shared, "lines": share, "partial": share}
    if not any(sides):
        # Nothing found says what was looked for only where that is the same.
        same = same_operations(operations[0], operations[1], root)
        reason = "neither reaches a line, and they look for " + ("the same" if same else "something else")
        return decided(same, "lines", True, reason, {**components, "partial": float(same)})
    if same_lines(*sides) and _succeeded(due) == _succeeded(given):
        return decided(True, "lines", True, "they reach the same lines", {**components, "partial": 1.0})
    if _as_in_a_terminal(expert, candidate, operations):
        return decided(True, "execution", True, "the commands told the same facts", {**components, "partial": 1.0})
    reason = (
        f"they reach other lines ({share:.0%} in common)" if share < 1 else "one of them fails or reaches other files"
    )
    return decided(False, "lines", True, reason, {**components, "partial": min(share, 0.99)}, _evidence(sides))


def _as_in_a_terminal(expert: Effects, candidate: Effects, operations: Sequence[Sequence[Operation]]) -> bool:
    """Whether commands of which at least one is no operation did the same as the terminal's verifier sees it."""
    if not all(effects.detail.get("commands") for effects in (expert, candidate)):
        return False
    unknown = any(isinstance(one, Shell) for side in operations for one in side)
    return unknown and not difference(expert.detail, candidate.detail).reasons


def _sides(due: Sequence[_Ran], given: Sequence[_Ran], root: str | None) -> tuple[list[Line], list[Line]]:
    """Both sides' lines, as text where one of them is known as text only, unless its text is what the other reached."""
    lines = [None if any(one.lines is None for one in side) else _all(side) for side in (due, given)]
    ours, theirs = lines
    if ours is not None and theirs is not None:
        return ours, theirs
    raw = [[line for one in side for line in as_text(one.output, root)] for side in (due, given)]
    for place, known in enumerate(lines):
        if known is not None and told_in(known, raw[1 - place]):
            return known, known
    return raw[0], raw[1]


def _all(side: Sequence[_Ran]) -> list[Line]:
    return [line for one in side for line in one.lines or []]


def _succeeded(side: Sequence[_Ran]) -> bool:
    """Whether the last command ended well; a search that finds nothing among others is no failure."""
    return side[-1].exit in (None, 0)


def _evidence(sides: tuple[list[Line], list[Line]]) -> dict[str, Any]:
    return {
        name: [f"{line.file or ''}:{line.number or ''}:{line.text[:200]}" for line in side[:8]]
        for name, side in zip(("expert", "candidate"), sides, strict=True)
    }


def _by_report(due: Sequence[_Ran], given: Sequence[_Ran], root: str | None, shared: dict[str, float]) -> Verdict:
    same = same_operations([one.operation for one in due], [one.operation for one in given], root)
    reports = [[read_report(one.output) for one in side] for side in (due, given)]
    known = all(report is not None for side in reports for report in side)
    components = {**shared, "selection": float(same), "partial": 0.0}
    if not same:
        return decided(False, "test_run", True, "other tests are selected", components)
    if known and reports[0] != reports[1]:
        return decided(False, "test_run", True, "the same tests give other results", {**components, "partial": 0.5})
    if not known and [one.exit for one in due] != [one.exit for one in given]:
        return decided(False, "test_run", True, "the test runs end with other exit statuses", components)
    return decided(True, "test_run", True, "the same tests give the same results", {**components, "partial": 1.0})
