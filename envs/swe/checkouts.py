"""A commit's files with a light `.git`, as a tree that becomes a base of the snapshot store.

Owns: what is in that tree. Does not own: where the repository is (`mirrors`), copying it into the store
(`envs.sandbox`), which happens once per commit: all states of it stand on one read-only layer.

The `.git` is a shallow one: the commit, its files and nothing else. `git status`, `git diff`, `git stash`, `git log`
and commits work; the history before the commit is cut off, and what came after it, where the fix is, cannot be found.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from pivotgym.core.errors import InputError, NotFound
from pivotgym.envs.swe.mirrors import git, git_dir

BRANCH = "main"
_COMMIT = re.compile(r"[0-9a-f]{40}")
_SETTINGS = {
    # Inodes and times of change are others in every sandbox; size and the second of the last change are kept.
    "core.checkStat": "minimal",
    "core.trustctime": "false",
    "core.logAllRefUpdates": "false",
    "gc.auto": "0",
    "user.name": "agent",
    "user.email": "agent@localhost",
    "advice.detachedHead": "false",
}


def checked_commit(commit: str) -> str:
    """A full commit id.

    Raises:
        InputError: If it is none.
    """
    if not _COMMIT.fullmatch(commit):
        raise InputError(f"commit: expected a full commit id of 40 hexadecimal digits, got {commit[:80]!r}")
    return commit


def check_out(repo: str, commit: str, folder: Path) -> None:
    """Make the tree of a commit.

    Args:
        repo: `owner/name`.
        commit: Its full id.
        folder: An empty folder, or none yet.

    Raises:
        InputError: If a name is none.
        MissingDependency: If there is no git, or no place for repositories is configured.
        NotFound: If the repository or the commit is not there.
    """
    source = git_dir(repo)
    checked_commit(commit)
    folder.mkdir(parents=True, exist_ok=True)
    git(folder, "init", "--quiet", f"--initial-branch={BRANCH}")
    for name, value in _SETTINGS.items():
        git(folder, "config", name, value)
    try:
        # Mirrors can be shallow or lack an object that no file of this commit needs: only what it needs is asked for.
        git(folder, "fetch", "--quiet", "--no-tags", "--depth=1", f"file://{source}", commit)
    except NotFound as error:
        raise NotFound(f"commit: {repo} has no {commit}, or not whole: {error.message}") from error
    git(folder, "checkout", "--quiet", "-B", BRANCH, "FETCH_HEAD")
    (folder / ".git" / "FETCH_HEAD").unlink(missing_ok=True)
    for sample in (folder / ".git" / "hooks").glob("*.sample"):
        sample.unlink()
    _settle(folder, int(git(folder, "log", "-1", "--format=%ct")))


def _settle(folder: Path, seconds: int) -> None:
    """Give every file the commit's time, and the index the same, so that `git status` need not read files again."""
    for place, folders, files in os.walk(folder):
        if ".git" in folders:
            folders.remove(".git")
        for name in (*folders, *files):
            os.utime(Path(place) / name, (seconds, seconds), follow_symlinks=False)
    git(folder, "update-index", "-q", "--refresh")
