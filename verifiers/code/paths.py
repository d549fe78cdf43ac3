"""Paths of a repository, however they are written.

Owns: when two paths are the same file, and which files are tests, or only by-products of
running programs.
"""

from __future__ import annotations

import posixpath
import re

_ROOTS = re.compile(
    r"/(?:testbed|workspace|repo|app|src|code|project|work)|/(?:workspace|src|code|project|work)/[^/]*(?:__|-)[^/]*"
    r"|/(?:root|home/[^/]+)/[^/]+"
)
"""Folders in which harnesses put a repository, for states whose origin does not say. One in a folder of theirs must
look like a repository's (`owner__name`, `name-1.2`): else it may as well be a folder of the repository."""
_BYPRODUCTS = re.compile(
    r"(?:^|/)(?:__pycache__|\.pytest_cache|\.mypy_cache|\.ruff_cache|\.hypothesis|\.tox|\.eggs|[^/]+\.egg-info"
    r"|node_modules/\.cache)(?:/|$)|\.py[co]$|\.orig$|(?:^|/)\.coverage$|(?:^|/)\.git(?:/(?!hooks/)|$)"
    r"|^/(?:tmp|var/tmp|run)/"
)
"""Caches, compiled files, the copies `patch` leaves, git's own files (compared as refs) but its hooks, and temporary
folders."""
_TESTS = re.compile(r"(?:^|/)(?:tests?|testing|__tests__)/|(?:^|/)(?:test_[^/]*|[^/]*_test|conftest|tests)\.py$")


def plain(path: str, root: str | None = None) -> str:
    """A path as seen from the repository: without its root, `./` and a slash at the end.

    >>> plain("/testbed/./src/a.py", "/testbed"), plain("./src/"), plain("/etc/hosts", "/testbed")
    ('src/a.py', 'src', '/etc/hosts')
    """
    clean = posixpath.normpath(path.strip()) if path.strip() else "."
    base = posixpath.normpath(root) if root else ""
    if base and clean == base:
        return "."
    return clean.removeprefix(f"{base}/") if base else clean


def same_path(one: str, other: str, root: str | None = None) -> bool:
    """Whether two paths name one file, as far as their text tells.

    A relative and an absolute path do where the rest of the absolute one is the root; without a root, where it is a
    folder in which harnesses put repositories.
    """
    short, long = sorted((plain(one, root), plain(other, root)), key=lambda path: path.startswith("/"))
    if short == long:
        return True
    if root or short.startswith("/") or not long.startswith("/"):
        return False
    rest = long if short == "." else long.removesuffix(f"/{short}")
    return (short == "." or rest != long) and _ROOTS.fullmatch(rest) is not None


def byproduct(path: str) -> bool:
    """Whether a file is what running a program leaves behind, which no edit means."""
    return _BYPRODUCTS.search(path) is not None


def of_tests(path: str) -> bool:
    """Whether a file, by its path in the repository, is a test, or what tests are run with.

    >>> of_tests("tests/data.json"), of_tests("src/test_a.py"), of_tests("src/contest.py")
    (True, True, False)
    """
    return _TESTS.search(path) is not None
