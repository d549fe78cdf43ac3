"""The pivots a server knows, and pages of lists.

Owns: finding them by id, adding, paging, and what is checked of a pivot that a client sends. Does not own: building
their states (`envs.base`).
"""

from __future__ import annotations

import hashlib
import random
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic_core import to_json

from pivotgym.core.errors import InputError, NotFound, PivotRefused, TooLarge, WrongState
from pivotgym.core.jsonl import read_records
from pivotgym.core.trajectory import Pivot
from pivotgym.envs.base.contract import Domain
from pivotgym.servers.added import AddedPivots
from pivotgym.servers.schemas import PivotSummary

T = TypeVar("T")
MAX_PAGE = 1000
INLINE_BYTES = 4 * 2**20
"""Of JSON; checked pivots with what is worked out for them take five times as much memory."""


def read_pivots(paths: Iterable[Path]) -> list[Pivot]:
    """The pivots of JSON Lines files.

    Raises:
        NotFound: If a file does not exist.
        BadLine: If a line is not a pivot.
    """
    return [pivot for path in paths for pivot in read_records(path, Pivot)]


class Page(Generic[T]):
    """Part of a list that only grows: cursors stay valid."""

    def __init__(self, items: Sequence[T], cursor: str | None, limit: str | None) -> None:
        """Cut a page.

        Raises:
            InputError: If `cursor` or `limit` is not a number this server gave out or allows.
        """
        start = _number("cursor", cursor, 0, 0, len(items))
        end = start + _number("limit", limit, 100, 1, MAX_PAGE)
        self.items = items[start:end]
        self.next = str(end) if end < len(items) else None
        self.total = len(items)


def _number(name: str, text: str | None, default: int, least: int, most: int) -> int:
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 9 and least <= int(text) <= most):
        raise InputError(f"{name}: expected a whole number from {least} to {most}, got {text[:40]!r}")
    return int(text)


class Inline:
    """Pivots that came whole with a request, by their JSON, bounded by size. Used from the event loop only.

    The next request with the same pivot need not be checked again, and finds what the runtime worked out for it.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._kept: OrderedDict[bytes, tuple[Pivot, int]] = OrderedDict()
        self._bytes = 0

    def look_up(self, value: Any) -> tuple[Pivot | None, tuple[bytes, int]]:
        """The pivot kept for a JSON value, if there is one; and what `keep` wants to know."""
        text = to_json(value)
        key = hashlib.sha256(text).digest()
        known = self._kept.get(key)
        if known is not None:
            self._kept.move_to_end(key)
        return known[0] if known is not None else None, (key, len(text))

    def exchange(self, data: Any) -> tuple[bytes, int] | None:
        """Put a known pivot in the place of `data["pivot"]`; for one that is not known, what `keep` wants to know."""
        sent = data.get("pivot") if isinstance(data, dict) else None
        if not isinstance(sent, dict):
            return None
        known, key = self.look_up(sent)
        if known is None:
            return key
        data["pivot"] = known
        return None

    def keep(self, key: tuple[bytes, int], pivot: Pivot) -> Pivot:
        """Remember a pivot; the one that is kept."""
        digest, size = key
        if digest not in self._kept:
            self._kept[digest] = (pivot, size)
            self._bytes += size
            while self._bytes > self._most_bytes:
                self._bytes -= self._kept.popitem(last=False)[1][1]
        return pivot


class PivotRegistry:
    """Pivots by id, in the order in which they came. Thread-safe.

    Args:
        domain: What is served.
        max_pivots: How many there may be.
        max_origin_bytes: Size, as JSON, of an origin that a client sends.

    Attributes:
        added: Where several workers keep what is added; `None` for one worker, and until those from the start are in.
        inline: Pivots that came whole with a request.
    """

    def __init__(self, domain: Domain, max_pivots: int, max_origin_bytes: int) -> None:
        self._domain = domain
        self._max_pivots = max_pivots
        self._max_origin_bytes = max_origin_bytes
        self._pivots: dict[str, Pivot] = {}
        self._summaries: list[PivotSummary] = []
        self._lock = threading.Lock()
        self.added: AddedPivots | None = None
        self.inline = Inline(INLINE_BYTES)

    def __len__(self) -> int:
        return len(self._summaries)

    def get(self, pivot_id: str) -> Pivot:
        """The pivot of that id.

        Raises:
            NotFound: If there is none.
        """
        pivot = self._pivots.get(pivot_id)
        if pivot is None and self.added is not None:
            self.refresh()
            pivot = self._pivots.get(pivot_id)
        if pivot is None:
            raise NotFound(
                f"pivot_id: this server has no pivot {pivot_id[:200]!r} (it has {len(self)})",
                hint="GET /pivots lists them; POST /pivots adds some; or send the whole pivot",
            )
        return pivot

    def checked(self, pivot: Pivot) -> Pivot:
        """A pivot that came from outside, once it is known to fit this server.

        Raises:
            InputError: If it belongs to another domain.
            TooLarge: If its origin is over the limit.
        """
        if pivot.domain != self._domain.name:
            raise InputError(
                f"pivot.domain: expected {self._domain.name!r}, which this server serves, got {pivot.domain[:100]!r}",
                hint="`pivotgym serve DOMAIN` serves another; a run takes its domain from `--set domain=DOMAIN`",
            )
        size = len(to_json(pivot.origin, inf_nan_mode="null"))
        if size > self._max_origin_bytes:
            raise TooLarge(f"pivot.origin: expected at most {self._max_origin_bytes} bytes of JSON, got {size}")
        return pivot

    def find(self, pivot_id: str | None, pivot: Pivot | None) -> Pivot:
        """The pivot that a request names or carries: exactly one of the two.

        Raises:
            InputError: If both or neither are given.
            PivotRefused: If nothing can be compared with its expert's action.
        """
        if (pivot_id is None) == (pivot is None):
            came = "neither" if pivot is None else "both"
            raise InputError(f"pivot_id, pivot: expected exactly one of them, got {came}")
        return usable(self.get(pivot_id) if pivot_id is not None else self.checked(pivot))  # type: ignore[arg-type]

    def drawn(self, rng: random.Random) -> str:
        """The id of a pivot drawn by `rng`.

        Raises:
            NotFound: If there is none to draw from.
        """
        self.refresh()
        if not self._summaries:
            raise NotFound("this server has no pivots to draw from", hint="POST /pivots adds some; or name a state")
        return rng.choice(self._summaries).id

    def add(self, pivots: Sequence[Pivot]) -> int:
        """Add pivots, all or none, and return how many were new.

        Raises:
            WrongState: If an id is known with another digest.
            TooLarge: If the limit would be passed.
        """
        sent = [(self.checked(pivot), _summary(pivot)) for pivot in pivots]
        with self._lock:
            if self.added is None:
                return len(self._take(sent))
            with self.added.exclusive():
                self._take_unread(self.added)
                return len(self._take(sent, self.added.add))

    def refresh(self) -> None:
        """Take in what other workers added."""
        if self.added is not None:
            with self._lock:
                self._take_unread(self.added)

    def _take_unread(self, added: AddedPivots) -> None:
        for pivot in added.unread():
            self._take([(pivot, _summary(pivot))])

    def _take(
        self, sent: Sequence[tuple[Pivot, PivotSummary]], write: Callable[[Iterable[Pivot]], None] | None = None
    ) -> list[Pivot]:
        new = self._new(sent)
        if len(self) + len(new) > self._max_pivots:
            raise TooLarge(f"pivots: expected at most {self._max_pivots} in all, got {len(self) + len(new)}")
        if write is not None:  # before this worker knows them: what cannot be written is known to none
            write(pivot for pivot, _ in new.values())
        for pivot, summary in new.values():
            self._pivots[pivot.id] = pivot
            self._summaries.append(summary)
        return [pivot for pivot, _ in new.values()]

    def _new(self, sent: Sequence[tuple[Pivot, PivotSummary]]) -> dict[str, tuple[Pivot, PivotSummary]]:
        new: dict[str, tuple[Pivot, PivotSummary]] = {}
        for pivot, summary in sent:
            known = self._pivots.get(pivot.id) or (new[pivot.id][0] if pivot.id in new else None)
            if known is None:
                new[pivot.id] = (pivot, summary)
            elif known.digest != summary.digest:
                raise WrongState(
                    f"pivots: {pivot.id!r} is known with digest {known.digest[:12]}, got {summary.digest[:12]}",
                    hint="give a changed pivot an id of its own, or restart the server without the old one",
                )
        return new

    def page(self, cursor: str | None, limit: str | None) -> Page[PivotSummary]:
        """A page of the list. Errors as for `Page`."""
        self.refresh()
        return Page(self._summaries, cursor, limit)


def usable(pivot: Pivot) -> Pivot:
    """The pivot, once its expert's action is one that could have been taken; what is wrong there is not the policy's.

    Raises:
        PivotRefused: If it is empty, cut short, or calls with arguments that are no JSON object or a tool not offered.
    """
    expert = pivot.reference
    problem = None
    if expert.truncated or not (expert.tool_calls or expert.content.strip()):
        problem = "was cut at its token limit" if expert.truncated else "is empty"
    for place, call in enumerate(expert.tool_calls):
        if call.malformed:
            problem = f"has arguments in call {place} that are no JSON object"
        elif pivot.tools and all(tool.name != call.name for tool in pivot.tools):
            problem = f"calls {call.name[:100]!r}, which is none of the {len(pivot.tools)} tools offered"
    if problem is not None:
        raise PivotRefused(
            f"pivot.reference: the expert's action of pivot {pivot.id[:200]!r} {problem}",
            hint="mend the pivot; no action can be scored against it",
        )
    return pivot


def _summary(pivot: Pivot) -> PivotSummary:
    return PivotSummary(
        id=pivot.id, digest=pivot.digest, domain=pivot.domain, trajectory_id=pivot.trajectory_id, turn=pivot.turn
    )
