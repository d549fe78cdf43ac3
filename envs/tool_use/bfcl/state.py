"""Copying and describing the state of BFCL's API classes.

Owns: a copy of an instance by hand, the canonical form its digest is taken of, and random generators that are copied
only when they are drawn from. Does not own: which calls are made (`toolkit`).

Why by hand: `copy.deepcopy` of these instances takes 1 to 3 ms, most of it in the 625 words of a `random.Random`.
"""

from __future__ import annotations

import hashlib
import random
from typing import Any, Self

_ATOMS = frozenset({str, int, float, bool, type(None), bytes, complex})
_SKIPPED = frozenset({"_last_modified", "_api_description", "parent"})
"""Times of modification are shown by no call; the description is constant; a parent is told by where a folder is."""


MOST_VALUES = 5_000
"""Copied folders share what is within them, so that a few dozen calls make a state with millions of paths."""
DEEPEST = 120
"""Containers within each other, two to a folder; Python's own limit of recursion must not decide."""


class SharedRandom:
    """A `random.Random` that forks share until one of them draws."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._owned = False
        self._mark: str | None = None

    def __getattr__(self, name: str) -> Any:
        self._own()
        return getattr(self._rng, name)

    def _own(self) -> None:
        self._mark = None
        if not self._owned:
            state = self._rng.getstate()
            self._rng = random.Random(0)
            self._rng.setstate(state)
            self._owned = True

    def fork(self) -> Self:
        """A copy, sharing the generator until either draws."""
        mark = self.mark()
        self._owned = False
        copy = type(self)(self._rng)
        copy._mark = mark
        return copy

    def mark(self) -> str:
        """Digest of the generator's state."""
        if self._mark is None:
            self._mark = hashlib.sha256(repr(self._rng.getstate()).encode()).hexdigest()
        return self._mark


def copied(value: Any, memo: dict[int, Any] | None = None) -> Any:
    """A deep copy that keeps sharing and cycles within, as folders that were copied or moved have them."""
    kind = type(value)
    if kind in _ATOMS:
        return value
    memo = {} if memo is None else memo
    if id(value) in memo:
        return memo[id(value)]
    if kind is dict:
        new: Any = {}
        memo[id(value)] = new
        for key, item in value.items():
            new[key] = copied(item, memo)
    elif kind is list:
        new = []
        memo[id(value)] = new
        new.extend(copied(item, memo) for item in value)
    elif kind in (tuple, set, frozenset):
        new = memo[id(value)] = kind(copied(item, memo) for item in value)
    elif kind is SharedRandom:
        new = memo[id(value)] = value.fork()
    elif kind.__module__.startswith(_THEIR_MODULES):
        new = memo[id(value)] = object.__new__(kind)
        for key, item in vars(value).items():
            new.__dict__[key] = copied(item, memo)
    else:
        new = memo[id(value)] = value
    return new


_THEIR_MODULES = "pivotgym.envs.tool_use.bfcl._classes"


class TooLarge(Exception):
    """A state with more values, or values deeper within each other, than one digest may take."""


def canonical(value: Any, *, private: bool = True) -> Any:
    """JSON data that is equal for equal states: the order of keys and folders does not count.

    Args:
        value: An instance or anything within.
        private: Whether attributes with a leading underscore count: the current folder and the random generator,
            which later results depend on. BFCL's own state check leaves them out.

    Raises:
        TooLarge: If that would be more than `MOST_VALUES`, or deeper than `DEEPEST`.
    """
    return _Description(private).of(value, ())


class _Description:
    """One walk through a state, which counts what it meets."""

    def __init__(self, private: bool) -> None:
        self._private = private
        self._left = MOST_VALUES

    def of(self, value: Any, path: tuple[int, ...]) -> Any:
        """`path` holds the identities of the containers around `value`: a folder within itself is a cycle."""
        kind = type(value)
        if kind in _ATOMS:
            return value
        if id(value) in path:
            return ["cycle", len(path) - path.index(id(value))]
        self._left -= 1
        if self._left < 0 or len(path) > DEEPEST:
            raise TooLarge
        inner = (*path, id(value))
        if kind is dict:
            return {str(key): self.of(item, inner) for key, item in value.items()}
        if kind in (list, tuple):
            return [self.of(item, inner) for item in value]
        if kind is SharedRandom:
            return value.mark()
        if kind.__module__.startswith(_THEIR_MODULES):
            counted = {key: item for key, item in vars(value).items() if _counts(key, self._private)}
            return {key: self._attribute(value, key, item, inner) for key, item in counted.items()}
        return [kind.__name__, str(value)]

    def _attribute(self, owner: Any, name: str, value: Any, path: tuple[int, ...]) -> Any:
        if name != "_current_dir":
            return self.of(value, path)
        place, top = _place(value)
        # A folder that was moved or removed while it was the current one lives on outside the tree.
        return place if top is owner.root and _within(owner.root, place, value) else [place, self.of(value, path)]


def _counts(name: str, private: bool) -> bool:
    return name not in _SKIPPED and (private or not name.startswith("_"))


def _place(folder: Any) -> tuple[list[str], Any]:
    """Names from the top to a folder, and the top."""
    names = [folder.name]
    while folder.parent is not None:
        folder = folder.parent
        names.append(folder.name)
    return names[::-1], folder


def _within(root: Any, place: list[str], folder: Any) -> bool:
    found = root
    for name in place[1:]:
        found = getattr(found, "contents", {}).get(name)
    return found is folder
