"""Git repositories that an action changed, by what they hold instead of by their bytes.

Two commits of the same tree and message, made a second apart, have different ids and different bytes under `.git`; for
a verdict they are the same. Owns: finding the repositories among changed paths, and what is asked of git. Does not own:
running git: the caller hands in something that runs a command in a throw-away copy.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable
from typing import Any

from pivotgym.envs.sandbox.contract import Ran
from pivotgym.envs.sandbox.effects import printable, shown

MAX_REPOSITORIES = 8
_DEPTH = 20
_ASKED = r"""
git() { command git -c safe.directory='*' -c core.fsmonitor=false -c core.pager=cat -c log.showSignature=false "$@"; }
unset GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE
cd -- %(path)s || exit 97
git rev-parse --git-dir >/dev/null 2>&1 || exit 98
head=$(git symbolic-ref -q HEAD || git rev-parse -q --verify 'HEAD^{tree}' || echo none)
printf 'head\0%%s\0' "$head"
printf 'index\0%%s\0' "$(git ls-files -s | sha256sum | cut -d' ' -f1)"
printf 'config\0%%s\0' "$(git config --local --list 2>/dev/null | LC_ALL=C sort | sha256sum | cut -d' ' -f1)"
git for-each-ref --format='%%(refname)' | while IFS= read -r ref; do
  printf 'ref\0%%s\0' "$ref"
  git log -%(depth)d --format='%%T%%x00%%B%%x00' "$ref" -- 2>/dev/null |
  while IFS= read -r -d '' tree && IFS= read -r -d '' said; do printf 'commit\0%%s\0%%s\0' "$tree" "$said"; done
done
"""


def repositories(paths: Iterable[str]) -> list[str]:
    """Folders whose `.git` holds some of these paths, sorted."""
    found = {path.partition("/.git/")[0] or "/" for path in paths if "/.git/" in path}
    return sorted(found)


def git_detail(changed: Iterable[str], run: Callable[[str], Ran]) -> dict[str, Any]:
    """`Effects.detail["git"]` for the repositories among changed paths.

    Args:
        changed: Changed paths.
        run: Runs a bash command in a throw-away copy of the state.

    Returns:
        By path of the repository: `head` (a ref's name, or a tree's id where HEAD is detached), `refs` (by name, for
        each commit, newest first, up to 20: its tree's id and message), `index` and `config` (digests). A folder that
        git does not take for a repository is left out.
    """
    found = {}
    for path in repositories(changed)[:MAX_REPOSITORIES]:
        ran = run("( " + _ASKED % {"path": shlex.quote(path), "depth": _DEPTH} + " )")
        if ran.exit == 0:
            found[printable(path)] = _read(shown(ran.stdout))
    return found


def _read(text: str) -> dict[str, Any]:
    words = iter(text.split("\0"))
    found: dict[str, Any] = {"head": "none", "refs": {}, "index": "", "config": ""}
    commits: list[list[str]] = []
    for word in words:
        if word in ("head", "index", "config"):
            found[word] = next(words, "")
        elif word == "ref":
            commits = found["refs"][next(words, "")] = []
        elif word == "commit":
            commits.append([next(words, "").strip(), next(words, "").strip()])
    return found
