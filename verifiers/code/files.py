"""Whether two actions left the same files, by bytes, else by syntax; what neither decides is left to tests.

Owns: the comparison of `Effects.detail["files"]`. Does not own: syntax (`verifiers.code.syntax`), running tests.

Tests do not decide on files that only one of the actions changed, nor on tests: they would be judged by themselves.
An edit that changes only comments, docstrings or formatting leaves no trace in the syntax tree: where the expert's is
one, the candidate's text must be the same up to space at the ends of lines and empty lines.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pivotgym.verifiers.code.paths import byproduct, of_tests, plain
from pivotgym.verifiers.code.syntax import same_syntax

Level = Literal["same", "syntax", "undecided", "different"]
_LEVELS: tuple[Level, ...] = ("same", "syntax", "undecided", "different")
Entry = Mapping[str, Any]


@dataclass
class Compared:
    """What two actions did to files.

    Attributes:
        level: The worst of the files' levels: `same` bytes, same `syntax`, `undecided` where tests must decide, or
            `different` for certain.
        files: Level by path, of files that at least one of the actions changed.
        reasons: Why, by path, where the level is not `same`.
    """

    files: dict[str, Level] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)

    @property
    def level(self) -> Level:
        """See the class."""
        return max(self.files.values(), key=_LEVELS.index, default="same")

    @property
    def share(self) -> float:
        """Share of the files that are the same by bytes or syntax; 1.0 where there are none."""
        return (
            sum(level in ("same", "syntax") for level in self.files.values()) / len(self.files) if self.files else 1.0
        )


def changed_files(detail: Mapping[str, Any]) -> dict[str, Entry]:
    """The files that an action changed, by path, without by-products."""
    return {path: change for path, change in (detail.get("files") or {}).items() if not byproduct(path)}


def compare_files(expert: Mapping[str, Any], candidate: Mapping[str, Any]) -> Compared:
    """Compare two actions' `detail["files"]`; both started from one state.

    A file that came out otherwise when the expert ran again (`detail["unstable"]`) must only be changed by both.

    Raises:
        MissingDependency: If a language's grammar is not installed.
    """
    ours, theirs = changed_files(expert), changed_files(candidate)
    again = changed_files(expert["unstable"]) if expert.get("unstable") else None
    compared = Compared()
    for path in sorted(ours.keys() | theirs.keys()):
        before = (ours.get(path) or theirs[path])["before"]
        due = ours[path]["after"] if path in ours else before
        given = theirs[path]["after"] if path in theirs else before
        if again is not None and path in ours and path in theirs and again.get(path) != ours[path]:
            # The expert's own second run gave something else.
            compared.files[path] = "same"
            continue
        level, reason = _entry(plain(path, expert.get("root")), before, due, given)
        compared.files[path] = level
        if reason:
            compared.reasons[path] = reason
    return compared


def _entry(path: str, before: Entry | None, due: Entry | None, given: Entry | None) -> tuple[Level, str]:
    if due is None or given is None:
        return _missing(before, due, given)
    for name in ("kind", "mode"):
        if due.get(name) != given.get(name):
            return "different", f"its {name} is another one"
    if due.get("digest") == given.get("digest") and due.get("text") == given.get("text"):
        return "same", ""
    texts = [entry.get("text") for entry in (due, given)]
    if not all(isinstance(text, str) for text in texts):
        return "different", "its content is another one"
    return _texts(path, before.get("text") if before else None, str(texts[0]), str(texts[1]))


def _missing(before: Entry | None, due: Entry | None, given: Entry | None) -> tuple[Level, str]:
    if due is given:
        return "same", ""
    if given is None:
        return "different", "it is gone" if before else "it was not created"
    return "different", "it is still there" if before else "the expert's action does not create it"


def _texts(path: str, before: str | None, due: str, given: str) -> tuple[Level, str]:
    same = same_syntax(path, due, given)
    if same and before is not None and same_syntax(path, before, due):
        if _trimmed(due) == _trimmed(given):
            return "syntax", "only space differs"
        return "different", "the expert changes only comments or formatting, and the candidate not the same ones"
    if same:
        return "syntax", "its syntax tree is the same"
    if same is None and _trimmed(due) == _trimmed(given):
        return "syntax", "only space at the ends of lines differs"
    if same is False and same_syntax(path, given, given) is None:
        return "different", "it is no correct text of its language any more"
    if before is not None and before in (due, given):
        return "different", "the candidate leaves it as it was" if before == given else "the expert leaves it as it was"
    if before is not None and same_syntax(path, before, given):
        return "different", "the candidate changes only comments or formatting"
    if of_tests(path):
        return "different", "it is a test, which no test can judge"
    return "undecided", "its syntax tree is another one" if same is False else "its text is another one"


def _trimmed(text: str) -> list[str]:
    return [line.rstrip() for line in text.splitlines() if line.strip()]
