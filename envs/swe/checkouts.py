"""A commit's files with a light `.git`, as a tree that becomes a base of the snapshot store.

Owns: what is in that tree. Does not own: where the repository is (`mirrors`), copying it into the store
(`envs.sandbox`), which happens once per commit: all states of it stand on one read-only layer.

The `.git` is a shallow one: the commit, its files and nothing else. `git status`, `git diff`, `git stash`, `git log`
and commits work; the history before the commit is cut off, and what came after it, where the fix is, cannot be found.
"""

from __future__ import annotations

import os
import re
import tempfile
from functools import lru_cache
from pathlib import Path

from pivotgym.core.errors import InputError, NotFound
from pivotgym.envs.swe import develop
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


def apply_patch(folder: Path, patch: str) -> None:
    """Apply a git diff to a tree.

    Raises:
        InputError: If it does not apply, or leads out of the tree.
    """
    with tempfile.NamedTemporaryFile("w", suffix=".diff", encoding="utf-8") as file:
        file.write(patch)
        file.flush()
        try:
            git(folder, "apply", "--whitespace=nowarn", file.name)
        except NotFound as error:
            raise InputError(f"patch: expected a git diff that applies: {error.message}") from error


def write_below(folder: Path, path: str, text: str) -> None:
    """Write a file of a tree, whose own links are not followed out of it.

    Args:
        folder: The tree.
        path: Below it, without `.` and `..`.
        text: Its content.

    Raises:
        InputError: If there is no place for a file of that name.
    """
    place = folder / path
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        if not place.parent.resolve().is_relative_to(folder.resolve()) or place.is_symlink():
            raise InputError(f"files: expected paths below the work folder, {path} leads elsewhere by a link")
        place.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(f"files: {path[:200]} cannot be written: {error.strerror}") from error


@lru_cache(maxsize=1024)
def read_at(repo: str, commit: str, path: str) -> str | None:
    """The text of a file of a commit; `None` where it has none of that name. Errors as for `git_dir`."""
    source = git_dir(repo)
    try:
        return git(source, "cat-file", "blob", f"{commit}:{path}").decode(errors="replace")
    except NotFound:
        return None


@lru_cache(maxsize=1024)
def version_of(repo: str, commit: str) -> str:
    """The version that the history gives a commit, see `develop.version_at`. Errors as for `git_dir`."""
    return develop.version_at(git_dir(repo), commit)


def _settle(folder: Path, seconds: int) -> None:
    """Give every file the commit's time, and the index the same, so that `git status` need not read files again."""
    for place, folders, files in os.walk(folder):
        if ".git" in folders:
            folders.remove(".git")
        for name in (*folders, *files):
            os.utime(Path(place) / name, (seconds, seconds), follow_symlinks=False)
    git(folder, "update-index", "-q", "--refresh")
