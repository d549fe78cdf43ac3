"""Three streams of a shell over the two that an engine gives: output, errors, and the shell's reports.

Owns: the marks in both streams that say where a report belongs, and taking them out. Does not own: what a report says
(`envs.sandbox.shell`), connections (`envs.sandbox.docker.pump`).

An engine keeps no order between streams: a report on a stream of its own could overtake the output of the command that
it reports. So a helper beside the shell takes the report and then writes a mark, which nobody can guess, into output
and errors, with the report after the one in errors. A report is passed on when both marks were met: then everything
that was written before it was passed on before it.
"""

from __future__ import annotations

import secrets
from collections import deque

from pivotgym.envs.sandbox.shell import driver

OUTPUT, ERRORS, REPORT = 1, 2, 3
_FOLLOWS, _END = b"R", b"E"

# Told apart at its end: the shell is gone, or `exec` put another program in its place.
_HELPER = (
    "LC_ALL=C; exec 3<&-; "
    f'while builtin mapfile -t -d "" -n {len(driver.FIELDS)} r && ((${{#r[@]}} == {len(driver.FIELDS)})); do '
    'builtin printf %s "$n"; builtin printf %sR "$n" >&2; builtin printf "%s\\0" "${r[@]}" >&2; done; '
    'builtin printf %s "$n"; builtin printf %sE "$n" >&2'
)
_START = f"n=$0; exec 3<&0 </dev/null; exec 4> >({_HELPER}); exec -c {' '.join(driver.argv())}"


def new_mark() -> str:
    """A mark that no output holds by chance."""
    return f"\x1e{secrets.token_hex(16)}\x1f"


def shell_argv(mark: str) -> list[str]:
    """Starts a session's bash: control on standard input, which it sees as `/dev/fd/3`, reports to `/dev/fd/4`."""
    return ["bash", "--norc", "--noprofile", "-c", _START, mark]


class Sorter:
    """Takes marks and reports out of the two streams.

    Args:
        mark: As given to `shell_argv`.
    """

    def __init__(self, mark: str) -> None:
        self._mark = mark.encode()
        self._held = {OUTPUT: b"", ERRORS: b""}
        self._met = {OUTPUT: 0, ERRORS: 0}
        self._missing_fields = 0
        self._reports: deque[bytes] = deque()
        self._passed = 0

    def take(self, stream: int, data: bytes) -> list[tuple[int, bytes]]:
        """What to pass on, and where to; a report of no bytes means that there will be no more.

        Args:
            stream: `OUTPUT` or `ERRORS`.
            data: The next bytes of it.
        """
        passed: list[tuple[int, bytes]] = []
        rest = self._held[stream] + data
        while rest:
            if stream == ERRORS and self._missing_fields:
                rest = self._report(rest)
                continue
            before, mark, after = rest.partition(self._mark)
            if not mark or (stream == ERRORS and not after):
                kept = rest[len(before) :] if mark else before[len(before) - self._begun(before) :]
                passed.append((stream, rest[: len(rest) - len(kept)]))
                rest = kept
                break
            passed.append((stream, before))
            self._met[stream] += 1
            rest = after
            if stream == ERRORS:
                self._opened(after[:1])
                rest = after[1:]
        self._held[stream] = rest
        return [part for part in passed if part[1]] + self._due()

    def left(self) -> list[tuple[int, bytes]]:
        """What is passed on when the streams have ended: what looked like the beginning of a mark."""
        return [(stream, held) for stream, held in self._held.items() if held]

    def _begun(self, text: bytes) -> int:
        """How many bytes at the end may be the beginning of a mark."""
        at = text.rfind(b"\x1e", max(len(text) - len(self._mark) + 1, 0))
        while at >= 0:
            if self._mark.startswith(text[at:]):
                return len(text) - at
            at = text.rfind(b"\x1e", max(len(text) - len(self._mark) + 1, 0), at)
        return 0

    def _opened(self, kind: bytes) -> None:
        self._reports.append(b"")
        self._missing_fields = len(driver.FIELDS) if kind == _FOLLOWS else 0

    def _report(self, data: bytes) -> bytes:
        """Take what belongs to the report that has begun; returns the rest."""
        end = 0
        while self._missing_fields and (found := data.find(b"\0", end)) >= 0:
            end = found + 1
            self._missing_fields -= 1
        if self._missing_fields:
            end = len(data)
        self._reports[-1] += data[:end]
        return data[end:]

    def _due(self) -> list[tuple[int, bytes]]:
        due = []
        whole = len(self._reports) - bool(self._missing_fields)
        while whole and self._passed < min(self._met.values()):
            due.append((REPORT, self._reports.popleft()))
            self._passed += 1
            whole -= 1
        return due
