"""Two actions by what they did: files, repositories, the shell's state, exit status, output, claims and limits.

Owns: which of these count, in which order they are asked, and the reason given. Does not own: the single comparisons
(modules beside this one), or the verdict (`verifiers.terminal`).

`Effects.detail` of a terminal world: `commands` [{command, exit, stdout, stderr, ended, cut}], `files`, `git`, `shell`
{cwd, umask, environment}, `complete`, `due`, and `compare`, which says what counts:

- `files`: folders in which changed files count.
- `output`: `always`, as text; `reads`, as facts, where the expert's action changed no file that counts; `never`.
- `exit`: whether the last command failed. `cwd`, `environment` (exported variables), `umask`: the shell afterwards.

A limit that ended a command is no normal end, and is equal to an end by the same limit only. After a claim that the
task is done nobody reads the output. A claim must be met by a claim, unless the tests of the task, run in the
candidate's state, say that it is right to claim, or not to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pivotgym.verifiers.shell.files import counted, describe, different_paths, different_repositories, scratch
from pivotgym.verifiers.shell.output import Printed, fact_lines, nothing, same_facts, same_text, without_echo
from pivotgym.verifiers.shell.unstable import Mask, settled

Detail = Mapping[str, Any]

VOLATILE_VARIABLES = frozenset(["_", "BASHPID", "COLUMNS", "LINES", "OLDPWD", "PWD", "SECONDS", "SHLVL"])
"""Variables that tell of the shell's history or of the terminal; the working directory is compared by itself."""
UNSTABLE = "unstable"
"""Where the detail of an expert that ran twice has what the second run gave."""
_SHOWN = 500


@dataclass
class Difference:
    """What was found, in the order in which it was asked.

    Attributes:
        components: 1.0 or 0.0 for each thing compared.
        reasons: One sentence for each 0.0.
        evidence: What differed.
    """

    components: dict[str, float] = field(default_factory=dict)
    reasons: list[str] = field(default_factory=list)
    evidence: dict[str, Any] = field(default_factory=dict)

    def ask(self, name: str, reason: str | None, evidence: Any = None) -> None:
        """Note that a thing is the same (no reason) or why it is not."""
        self.components[name] = float(reason is None)
        if reason is not None:
            self.reasons.append(reason)
            if evidence is not None:
                self.evidence[name] = evidence


def difference(expert: Detail, candidate: Detail) -> Difference:
    """What keeps two actions from being equivalent.

    Args:
        expert: The expert's detail, with that of its second run under `UNSTABLE` where it ran twice.
        candidate: The candidate's.
    """
    compare = expert.get("compare") or {}
    found = Difference()
    found.ask("complete", _claims(expert, candidate))
    found.ask("ended", _limits(expert, candidate))
    found.ask("files", *_files(expert, candidate, compare))
    _ask_shell(found, expert, candidate, compare)
    if compare.get("exit", True):
        found.ask("exit", _exits(expert, candidate))
    if not (expert.get("complete") and candidate.get("complete")) and _reads(expert, compare):
        found.ask("output", *_outputs(expert, candidate, compare))
    return found


def differs_from_itself(first: Detail, again: Detail) -> bool:
    """Whether two runs of one action did not do the same."""
    keys = ("files", "git", "shell", "commands")
    return any(first.get(key) != again.get(key) for key in keys)


def of_terminal(detail: Detail) -> Detail:
    """The detail of keys that were typed, as one command: the text it left on the terminal, without what was typed.

    When which text came depends on the waiting, and belongs to no key.
    """
    commands = _commands(detail)
    if not commands:
        return detail
    keys = "".join(str(one.get("command", "")) for one in commands)
    shown = without_echo("\n".join(str(one.get("stdout", "")) for one in commands), keys)
    ended = next((one["ended"] for one in commands if one.get("ended")), None)
    again = {UNSTABLE: of_terminal(detail[UNSTABLE])} if detail.get(UNSTABLE) else {}
    whole = {**commands[-1], "command": keys, "stdout": shown, "ended": ended}
    return {**detail, "commands": [whole], **again}


def _again(expert: Detail) -> Detail:
    return expert.get(UNSTABLE) or {}


def _claims(expert: Detail, candidate: Detail) -> str | None:
    ours, theirs = bool(expert.get("complete")), bool(candidate.get("complete"))
    if ours == theirs or candidate.get("due") == theirs:
        return None
    return "it does not say that the task is done" if ours else "it says too early that the task is done"


def _limits(expert: Detail, candidate: Detail) -> str | None:
    ours, theirs = (
        sorted(str(one["ended"]) for one in _commands(detail) if one.get("ended")) for detail in (expert, candidate)
    )
    if ours == theirs:
        return None
    if not theirs:
        return f"the expert's command was ended by a limit ({ours[0]}), this one was not"
    return f"a command was ended by a limit: {theirs[0]}"


def _commands(detail: Detail) -> Sequence[Mapping[str, Any]]:
    return detail.get("commands") or ()


def _roots(compare: Mapping[str, Any]) -> Sequence[str]:
    return compare.get("files") or ("/",)


def _counted(detail: Detail, compare: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return counted(detail.get("files") or {}, _roots(compare), detail.get("git") or ())


def _lasting(changes: Mapping[str, Mapping[str, Any]], roots: Sequence[str]) -> dict[str, Mapping[str, Any]]:
    """The changes that are not to intermediate files."""
    return {path: change for path, change in changes.items() if not scratch(path, roots)}


def _files(expert: Detail, candidate: Detail, compare: Mapping[str, Any]) -> tuple[str | None, Any]:
    again = _again(expert)
    changes = [_counted(detail, compare) for detail in (expert, again, candidate)]
    if not _scratch_counts(expert, changes[0], compare):
        changes = [_lasting(one, _roots(compare)) for one in changes]
    ours, repeated, theirs = changes
    paths = different_paths(ours, theirs)
    if paths and again:
        paths = settled(ours, repeated, theirs, paths)
    if paths:
        left = "; ".join(describe(path, theirs.get(path)) for path in paths[:3])
        instead = "; ".join(describe(path, ours.get(path)) for path in paths[:3])
        evidence = {path: {"expert": ours.get(path), "candidate": theirs.get(path)} for path in paths[:5]}
        return f"the files afterwards differ: {left}, where the expert leaves {instead}", evidence
    repositories = _repositories(expert, candidate, again)
    if repositories:
        return f"the repository {repositories[0]} afterwards holds something else", {"repositories": repositories[:5]}
    return None, None


def _scratch_counts(expert: Detail, changes: Mapping[str, Mapping[str, Any]], compare: Mapping[str, Any]) -> bool:
    """Whether intermediate files are all that the expert's action does."""
    shows = any(not nothing(str(one.get("stdout", ""))) for one in _commands(expert))
    return not shows and not _lasting(changes, _roots(compare)) and not _writes_repository(expert)


def _repositories(expert: Detail, candidate: Detail, again: Detail) -> list[str]:
    ours, theirs = expert.get("git") or {}, candidate.get("git") or {}
    found = different_repositories(ours, theirs)
    moving = set(different_repositories(ours, again.get("git") or {})) if again else set()
    return [path for path in found if not (path in moving and path in ours and path in theirs)]


def _ask_shell(found: Difference, expert: Detail, candidate: Detail, compare: Mapping[str, Any]) -> None:
    ours, theirs, again = (detail.get("shell") or {} for detail in (expert, candidate, _again(expert)))
    if not ours or not theirs:
        return
    for name in ("cwd", "umask"):
        if compare.get(name, True):
            same = ours.get(name) == theirs.get(name) or _explained(ours.get(name), again.get(name), theirs.get(name))
            reason = None if same else f"the {name} afterwards is {theirs.get(name)}, the expert's {ours.get(name)}"
            found.ask(name, reason)
    if compare.get("environment", True):
        names = _variables(*(shell.get("environment") or {} for shell in (ours, theirs, again)), twice=bool(again))
        reason = f"exported variables differ: {', '.join(names[:5])}" if names else None
        found.ask("environment", reason, names or None)


def _variables(
    ours: Mapping[str, str], theirs: Mapping[str, str], again: Mapping[str, str], *, twice: bool
) -> list[str]:
    return sorted(
        name
        for name in (ours.keys() | theirs.keys()) - VOLATILE_VARIABLES
        if ours.get(name) != theirs.get(name)
        and not (twice and _explained(ours.get(name), again.get(name), theirs.get(name)))
    )


def _explained(first: Any, again: Any, value: Any) -> bool:
    """Whether two runs of the expert say that a value changes from run to run, and this one is of its kind."""
    texts = (first, again, value)
    return first != again and all(isinstance(text, str) for text in texts) and Mask([first], [again]).fits([value])


def _exits(expert: Detail, candidate: Detail) -> str | None:
    ours, theirs = _failed(expert), _failed(candidate)
    again = _again(expert)
    if ours == theirs or (again and _failed(again) != ours):
        return None
    return "the command failed, the expert's did not" if theirs else "the command succeeded, the expert's failed"


def _failed(detail: Detail) -> bool:
    """Whether the last command failed; one that was ended, or typed into another program, has no status."""
    commands = _commands(detail)
    return bool(commands) and commands[-1].get("exit") not in (0, None)


def _reads(expert: Detail, compare: Mapping[str, Any]) -> bool:
    """Whether the output counts."""
    policy = compare.get("output", "reads")
    if policy != "reads":
        return bool(policy == "always")
    return not _writes_repository(expert) and not _lasting(_counted(expert, compare), _roots(compare))


def _writes_repository(detail: Detail) -> bool:
    """Whether a repository was changed; that reading commands refresh its index is no change."""
    return bool(detail.get("git")) and any(
        "/.git/" in path and not path.endswith("/.git/index") for path in detail.get("files") or ()
    )


def _outputs(expert: Detail, candidate: Detail, compare: Mapping[str, Any]) -> tuple[str | None, Any]:
    ours, theirs, again = (_printed(detail, "stdout") for detail in (expert, candidate, _again(expert)))
    product = compare.get("output") == "always"
    if _all_nothing(ours) and _all_nothing(theirs):
        return _both_silent(expert, candidate, again, compare, product)
    same = same_text if product else same_facts
    if _same_outputs(ours, theirs, again, same) or (not product and _same_merged(expert, candidate)):
        return None, None
    reason = "the output is not the expert's" if product else "the output does not tell what the expert's tells"
    if _all_nothing(theirs):
        reason = "it prints nothing, the expert's action does"
    shown = {"expert": _joined(ours).text[:_SHOWN], "candidate": _joined(theirs).text[:_SHOWN]}
    return reason, shown


def _both_silent(
    expert: Detail, candidate: Detail, again: Sequence[Printed], compare: Mapping[str, Any], product: bool
) -> tuple[str | None, Any]:
    """Whether two actions that print nothing tell the same: where they worked, their errors are read."""
    if _lasting(_counted(expert, compare), _roots(compare)):
        return None, None
    if not compare.get("exit", True) and _failed(expert) != _failed(candidate):
        return "neither prints anything, but one of them failed", None
    ours, theirs = _printed(expert, "stderr"), _printed(candidate, "stderr")
    if product or _failed(expert) or _same_outputs(ours, theirs, _printed(_again(expert), "stderr"), same_facts):
        return None, None
    return "the error output does not tell what the expert's tells", None


def _same_outputs(ours: Sequence[Printed], theirs: Sequence[Printed], again: Sequence[Printed], same: Any) -> bool:
    """Whether commands told the same: one by one in any order, or all together."""
    whole, given = _joined(ours), _joined(theirs)
    if same(whole, given):
        return True
    if len(ours) == len(theirs) > 1:
        left = list(theirs)
        for one in ours:
            match = next((other for other in left if same(one, other)), None)
            if match is None:
                break
            left.remove(match)
        else:
            return True
    return bool(again) and Mask(fact_lines(whole), fact_lines(_joined(again))).fits(fact_lines(given))


def _same_merged(expert: Detail, candidate: Detail) -> bool:
    """Whether both outputs of each, put together in any order, are the same: `2>&1` moves lines, it tells nothing."""
    lines = []
    for detail in (expert, candidate):
        both = [*_printed(detail, "stdout"), *_printed(detail, "stderr")]
        lines.append(sorted(line for one in both for line in fact_lines(one)))
    return lines[0] == lines[1] and any(_printed(detail, "stderr") for detail in (expert, candidate))


def _printed(detail: Detail, stream: str) -> list[Printed]:
    cwd = str((detail.get("shell") or {}).get("cwd", ""))
    return [
        Printed(str(one[stream]), str(one.get("command", "")), cwd)
        for one in _commands(detail)
        if not nothing(str(one.get(stream, "")))
    ]


def _all_nothing(printed: Sequence[Printed]) -> bool:
    return not printed


def _joined(printed: Sequence[Printed]) -> Printed:
    if len(printed) == 1:
        return printed[0]
    text = "\n".join(one.text.strip("\n") for one in printed)
    return Printed(text, "\n".join(one.command for one in printed), printed[0].cwd if printed else "")
