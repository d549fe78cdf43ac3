"""What differs between two runs of one action: times, random values, process ids.

Owns: `Mask`, the pattern of two such texts, and files that hold them. Does not own: running twice (`envs.base`).

Of a line that came out twice in different ways, what both have stays; what differs becomes a class: numbers by their
form (`16:15:05`, `0.004`, about as many digits), words and random text by their characters and about their length.
Equal lines in another order become lines in any order. A candidate must have the stable rest and the classes. It is
not run twice, so a constant in the place of a changing value passes.
"""

from __future__ import annotations

import math
import posixpath
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from pivotgym.verifiers.shell.files import Changes, Entry, same_entry, same_frame

_TOKEN = re.compile(r"\d+(?:[.:]\d+)*|[^\W\d_]+|\s+|.", re.S)
_NUMBER = re.compile(r"\d+(?:[.:]\d+)*")
_CHARACTERS = (r"\d", r"[0-9a-f]", r"[0-9A-F]", r"[A-Za-z]", r"[A-Za-z0-9]", r"[A-Za-z0-9+/=_-]", r"\S", r"[\s\S]")
"""Classes of characters, the narrowest first."""
_MORE_DIGITS = 2


class Mask:
    """The pattern of two outputs of one command, as lines.

    Args:
        first: The lines of one run, `again` those of another.
    """

    def __init__(self, first: Sequence[str], again: Sequence[str]) -> None:
        self._first, self._again = list(first), list(again)

    def fits(self, lines: Sequence[str]) -> bool:
        """Whether further lines are of the pattern."""
        first, again = self._first, self._again
        if Counter(first) == Counter(again):
            return list(lines) == first or (first != again and Counter(lines) == Counter(first))
        if len(first) == len(again):
            return len(lines) == len(first) and all(map(_line_fits, first, again, lines))
        return self._shapes_fit(lines)

    def _shapes_fit(self, lines: Sequence[str]) -> bool:
        """Where even the number of lines differs: what both runs have must be there, and nothing that neither has."""
        first, again, shapes = (Counter(map(_shape, one)) for one in (self._first, self._again, lines))
        stable = first & again
        return not stable - shapes and (shapes - stable).keys() <= ((first | again) - stable).keys() | stable.keys()


def _shape(line: str) -> str:
    return _NUMBER.sub("0", line)


def _line_fits(first: str, again: str, line: str) -> bool:
    if first == again:
        return line == first
    one, other, third = (_TOKEN.findall(text) for text in (first, again, line))
    alike = len(one) == len(other) and all(map(_alike, one, other))
    if alike and len(third) == len(one) and all(map(_token_fits, one, other, third)):
        return True
    return _middle_fits(first, again, line, one_word=alike)


def _alike(one: str, other: str) -> bool:
    """Whether two tokens are of one kind, so that the lines are made alike."""
    if one == other:
        return True
    if _NUMBER.fullmatch(one) and _NUMBER.fullmatch(other):
        return _form(one) == _form(other)
    return one.isalpha() and other.isalpha()


def _token_fits(first: str, again: str, token: str) -> bool:
    if first == again:
        return token == first
    if _NUMBER.fullmatch(first):
        if not _NUMBER.fullmatch(token) or _form(token) != _form(first):
            return False
        digits = sorted((len(first), len(again)))
        return digits[0] - _MORE_DIGITS <= len(token) <= digits[1] + _MORE_DIGITS
    return token.isalpha() and _length_fits(first, again, token)


def _form(number: str) -> str:
    """`16:15:05` -> `0:0:0`."""
    return re.sub(r"\d+", "0", number)


def _middle_fits(first: str, again: str, line: str, *, one_word: bool) -> bool:
    """Whether a line begins and ends as both do, and between is of the same characters and about as long.

    With `one_word` only where what lies between is one: two random words may be made alike by chance.
    """
    begin = posixpath.commonprefix([first, again])
    end = posixpath.commonprefix([first[len(begin) :][::-1], again[len(begin) :][::-1]])[::-1]
    if len(line) < len(begin) + len(end) or not (line.startswith(begin) and line.endswith(end)):
        return False
    middles = [text[len(begin) : len(text) - len(end)] for text in (first, again, line)]
    if one_word and not all(re.fullmatch(r"[\w+/=-]*", text) for text in middles[:2]):
        return False
    allowed = next(kind for kind in _CHARACTERS if all(re.fullmatch(f"{kind}*", text) for text in middles[:2]))
    return re.fullmatch(f"{allowed}*", middles[2]) is not None and _length_fits(*middles)


def _length_fits(first: str, again: str, text: str) -> bool:
    shortest, longest = sorted((len(first), len(again)))
    return shortest // 2 <= len(text) <= math.ceil(longest * 1.5)


def unstable_paths(first: Changes, again: Changes) -> set[str]:
    """The paths that two runs left in different states."""
    return {
        path
        for path in first.keys() | again.keys()
        if not same_entry((first.get(path) or {}).get("after"), (again.get(path) or {}).get("after"))
    }


def settled(first: Changes, again: Changes, candidate: Changes, paths: Sequence[str]) -> list[str]:
    """Of the paths that the candidate left otherwise than the first run, those that two runs do not explain."""
    unstable = unstable_paths(first, again)
    left = [path for path in paths if not (path in unstable and _path_fits(path, first, again, candidate))]
    for path in [path for path in left if path in unstable and path in first and path not in again]:
        stand_in = _renamed(path, left, first, again, candidate)
        left = [one for one in left if stand_in is None or one not in (path, stand_in)]
    return left


def _path_fits(path: str, first: Changes, again: Changes, candidate: Changes) -> bool:
    entries = [(one.get(path) or {}).get("after") for one in (first, again, candidate)]
    return None not in entries and _entries_fit(*(entry or {} for entry in entries))


def _entries_fit(first: Entry, again: Entry, candidate: Entry) -> bool:
    if not (same_frame(first, again) and same_frame(first, candidate)):
        return False
    texts = [entry.get("text") for entry in (first, again, candidate)]
    if all(isinstance(text, str) for text in texts):
        mask = Mask(str(texts[0]).split("\n"), str(texts[1]).split("\n"))
        return mask.fits(str(texts[2]).split("\n"))
    archives = [_names(entry.get("archive")) for entry in (first, again, candidate)]
    if None not in archives:
        return bool(archives[0] == archives[2])
    sizes = [entry.get("size", 0) for entry in (first, again, candidate)]
    return sizes[2] == sizes[0] if sizes[0] == sizes[1] else bool(sizes[2]) == bool(sizes[0])


def _names(archive: Any) -> Any:
    """An archive's container and what its members are, without their content."""
    if not isinstance(archive, Mapping):
        return None
    return archive.get("container"), sorted(repr(list(member)[:3]) for member in archive.get("members") or ())


def _renamed(path: str, left: Sequence[str], first: Changes, again: Changes, candidate: Changes) -> str | None:
    """The candidate's file that stands for one under a random name, or `None`."""
    folder, name = posixpath.split(path)
    others = [one for one in again if one not in first and posixpath.dirname(one) == folder]
    for own in left:
        if own in first or own not in candidate or posixpath.dirname(own) != folder:
            continue
        for other in others:
            entries = [change.get("after") for change in (first[path], again[other], candidate[own])]
            named = _line_fits(name, posixpath.basename(other), posixpath.basename(own))
            if named and None not in entries and _entries_fit(*(entry or {} for entry in entries)):
                return own
    return None
