"""Listings that a command cuts: `find | head` shows some lines, which ones is up to the file system.

Owns: which commands do that, and when two of their outputs are parts of one listing. Does not own: running them.

The order in which a folder is read is no part of a repository. Two outputs agree where they are as long as each other
and every line of both is a line of the whole listing: a file that is not there, or another text, is never let through.
"""

from __future__ import annotations

import re
from collections import Counter

_CUT = re.compile(r"(?P<whole>[^;&<>`\n]+?)\s*\|\s*(?:head|tail)(?:\s+(?:-n\s*|-|--lines=)\d+)?\s*", re.DOTALL)
_UNORDERED = re.compile(r"\bfind\s|\b(?:e|f)?grep\s+(?:\S+\s+)*?-\w*[rR]|\bls\s+-\w*[Uf]|\brg\s")
_ORDERED = re.compile(r"\|\s*sort\b")
_FRAME = re.compile(r"</?(?:output|returncode|output_head|output_tail)>")


def uncut(command: str) -> str | None:
    """A command without the `head` or `tail` that cuts its listing; `None` where it is no such command.

    >>> uncut("find . -name '*.py' | xargs grep -l foo | head -n 5")
    "find . -name '*.py' | xargs grep -l foo"
    >>> uncut("find . | sort | head")
    """
    found = _CUT.fullmatch(command.strip())
    if found is None or not _UNORDERED.search(found["whole"]) or _ORDERED.search(found["whole"]):
        return None
    return found["whole"]


def parts_of(listing: str, one: str, other: str) -> bool:
    """Whether two outputs are parts of a listing, equally long.

    Args:
        listing: All its lines.
        one: An output, with or without its exit status and frame.
        other: Another, likewise.
    """
    first, second, whole = (Counter(text.splitlines()) for text in (one, other, listing))
    only_first, only_second = first - second, second - first
    if only_first.total() != only_second.total():
        return False
    return all(line in whole and not _FRAME.search(line) for line in (only_first | only_second))
