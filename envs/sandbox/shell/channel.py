"""One bash from its start to its end, over four descriptors.

Owns: sending commands, draining output without deadlock, reports, time-outs and floods. Does not own: what is sent
(`envs.sandbox.shell.driver`), starting a new shell after the end of one (`envs.sandbox.shell.session`).

No thread: everything happens inside the calls. Output of a background job that comes after its command's end waits in
the pipe and belongs to the next command, as on a terminal; when the pipe is full, the job waits.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import select
import time
from typing import Literal, Protocol

from pivotgym.core.errors import WorldFailed
from pivotgym.envs.sandbox.contract import Limits, NoShell, Ran, ShellState
from pivotgym.envs.sandbox.shell import driver
from pivotgym.envs.sandbox.shell.capture import Capture
from pivotgym.envs.sandbox.shell.dump import Report
from pivotgym.envs.sandbox.shell.quoting import to_bytes

_PIECE = 65536
_START_S = 20.0
_LAST_S = 2.0
"""How long output is still read after the processes were ended."""
_REPORT_LIMIT = 64 << 20
_SUBSTITUTION_S = 0.5
_QUIET_S = 0.1
_NO_BASH = re.compile(r"^bwrap: execvp |^setpriv: failed to execute |error while loading shared libraries")
"""What is said where bash, or what it is linked with, is no more in the sandbox."""

Ended = Literal["time", "output", "memory", "disk", "died"]

LOST = Ran(b"", b"no shell can be started any more\n", None, "died", shell_ended=True)
"""What a command gives where earlier ones took away what a shell needs (`rm -rf /`)."""


class Process(Protocol):
    """A started bash, as a backend hands it over. The channel closes the descriptors."""

    control: int
    """Where its script is written."""
    report: int
    """Where its reports are read; `stdout` and `stderr` likewise."""
    stdout: int
    stderr: int
    control_path: str
    """The control descriptor inside, as in `driver.argv`; `report_path` likewise."""
    report_path: str

    def wait(self, timeout_s: float) -> int | None:
        """Bash's exit status, 128 + n after signal n; `None` if it has not ended after this many seconds."""

    def end(self) -> None:
        """End every process of the sandbox, from any thread. Calling it again does nothing."""

    def reason(self) -> Literal["memory", "disk", "died"] | None:
        """After the end: the limit that ended it, `died` if the sandbox broke, `None` if bash ended by itself."""


class Channel:
    """A bash that waits for commands.

    Args:
        process: The started bash; ended together with this.
        limits: Wall time and output of each command.

    Raises:
        NoShell: If there is none that can be started.
        WorldFailed: If it does not answer.
    """

    def __init__(self, process: Process, limits: Limits) -> None:
        self._process, self._limits = process, limits
        self._ended = False
        self._resume, self._last = "", 0
        for descriptor in (process.control, process.report, process.stdout, process.stderr):
            os.set_blocking(descriptor, False)
        self._fresh = self._ask(driver.opening(process.control_path, process.report_path))
        self._report = self._fresh
        self._known = ShellState()

    def restore(self, state: ShellState) -> None:
        """Bring a fresh shell into a state.

        Raises:
            WorldFailed: If it does not answer.
        """
        self._take(self._ask(driver.restoring(state)))
        self._last, self._known = 0, state

    @property
    def alive(self) -> bool:
        """Whether it can run another command."""
        return not self._ended

    def dump(self) -> ShellState:
        """The state after the last command (or the last one that the shell outlived); nothing is run for it.

        A report that a command wrote in bash's place, and that says what bash never says, leaves the state before it.
        """
        with contextlib.suppress(ValueError, LookupError):
            self._known = self._report.state(self._fresh)
        return self._known

    def run(self, command: str, *, timeout_s: float | None = None, stdin: bytes = b"") -> Ran:
        """Run one command. Arguments as for `Sandbox.run`.

        When it ended by a limit, took the shell with it or left it damaged, `alive` is false from then on.
        """
        wall_s = self._limits.wall_s if timeout_s is None else min(timeout_s, self._limits.wall_s)
        sent = driver.command(command, before=self._resume, last=self._last, stdin=stdin)
        turn = _Turn(self._process, self._limits, sent, time.monotonic() + wall_s)
        ended = turn.until_reported()
        report = _readable(turn.report) if ended is None else None
        if report and report.lost:
            report = self._exchange(driver.again(report.exit))[0]
        if report is None:
            return self._finish(turn, ended)
        turn.drain(linger_s=_SUBSTITUTION_S if b">(" in to_bytes(command) else 0.0)
        self._take(report)
        if damaged := driver.DAMAGED.search(turn.stderr.value) is not None:
            self.close()
        return turn.ran(report.exit, shell_ended=damaged)

    def end(self) -> None:
        """End the processes, from any thread; a command that runs comes to its end by that."""
        self._process.end()

    def close(self) -> None:
        """End the shell and every process beside it. Calling it again does nothing."""
        if not self._ended:
            self._ended = True
            self._process.end()
            for descriptor in (
                self._process.control,
                self._process.report,
                self._process.stdout,
                self._process.stderr,
            ):
                os.close(descriptor)

    def _take(self, report: Report) -> None:
        self._report, self._resume, self._last = report, report.resume, report.exit

    def _ask(self, line: bytes) -> Report:
        """Send a line of ours; what the shell prints meanwhile is no command's output."""
        report, turn = self._exchange(line)
        if report and not report.lost:
            return report
        said = turn.stderr.value[-500:].decode(errors="replace").strip()
        not_run = self._process.wait(_LAST_S) in (126, 127)  # an engine's statuses for what it cannot execute
        self.close()
        if not_run or _NO_BASH.search(said):
            raise NoShell(
                f"the session's bash cannot be started: it said {said!r}",
                hint="the machine needs a bash that runs, and the user that its shell is to run as",
            )
        raise WorldFailed(f"the session's bash did not answer; it said {said!r}")

    def _exchange(self, line: bytes) -> tuple[Report | None, _Turn]:
        turn = _Turn(self._process, self._limits, line, time.monotonic() + _START_S)
        report = _readable(turn.report) if turn.until_reported() is None else None
        turn.drain()
        return report, turn

    def _finish(self, turn: _Turn, ended: Ended | None) -> Ran:
        """After a limit, or the end of the shell's reports: let what took its place come to its end, then end all."""
        ended = ended or (turn.until_exited() if turn.unreported else None)
        status = self._process.wait(0) if ended is None else None
        ended = ended or self._process.reason()
        self._process.end()
        turn.until_closed(_LAST_S)
        self.close()
        return turn.ran(
            None if ended else status, ended=ended or ("died" if status is None else None), shell_ended=True
        )


class _Turn:
    """One exchange: a line goes in, output and a report come out."""

    def __init__(self, process: Process, limits: Limits, line: bytes, deadline: float) -> None:
        self._process, self._deadline = process, deadline
        self._unsent = memoryview(line)
        limit = limits.output_kb * 1024
        self.stdout, self.stderr, self.report = Capture(limit), Capture(limit), bytearray()
        self._fields = 0
        self._streams = {process.stdout: self.stdout, process.stderr: self.stderr}
        self._open = {process.report, *self._streams}
        self._poll = select.poll()
        for descriptor in self._open:
            self._poll.register(descriptor, select.POLLIN)
        self._poll.register(process.control, select.POLLOUT)

    @property
    def _flooded(self) -> bool:
        return self.stdout.flooded or self.stderr.flooded or len(self.report) > _REPORT_LIMIT

    @property
    def unreported(self) -> bool:
        """Whether no whole report came; one that came and cannot be read is a broken shell's."""
        return self._fields < len(driver.FIELDS)

    def until_reported(self) -> Ended | None:
        """Run until a whole report came, or the report's pipe is closed."""
        while self.unreported and self._process.report in self._open:
            if ended := self._step(self._deadline):
                return ended
        return None

    def until_exited(self) -> Ended | None:
        """Run until the process is gone: `exec` puts another program where the shell was."""
        while self._process.wait(0.002) is None:
            ended = self._step(min(self._deadline, time.monotonic() + 0.02))
            if ended and (ended == "output" or time.monotonic() >= self._deadline):
                return ended
        return None

    def until_closed(self, limit_s: float) -> None:
        """Take what is left in the pipes; what exceeds a flood is counted no further."""
        deadline = time.monotonic() + limit_s
        while self._open and not self._flooded and self._step(deadline) != "time":
            pass

    def drain(self, linger_s: float = 0.0) -> None:
        """Take what was written before the report, at most what a pipe can hold; then wait for stragglers."""
        for descriptor in self._streams:
            left = _capacity(descriptor)
            while descriptor in self._open and left > 0 and (count := self._read(descriptor)):
                left -= count
        deadline = time.monotonic() + linger_s
        while time.monotonic() < deadline and self._open - {self._process.report}:
            if self._step(min(deadline, time.monotonic() + _QUIET_S)):
                break

    def ran(self, status: int | None, *, ended: Ended | None = None, shell_ended: bool = False) -> Ran:
        """What the command gave."""
        return Ran(
            self.stdout.value, self.stderr.value, status, ended, self.stdout.total, self.stderr.total, shell_ended
        )

    def _step(self, deadline: float) -> Ended | None:
        left = deadline - time.monotonic()
        if left <= 0:
            return "time"
        if not (ready := self._poll.poll(left * 1000)):
            return "time"
        for descriptor, _ in ready:
            if descriptor == self._process.control:
                self._write()
            else:
                self._read(descriptor)
        return "output" if self._flooded else None

    def _write(self) -> None:
        with contextlib.suppress(BlockingIOError, BrokenPipeError):
            self._unsent = self._unsent[os.write(self._process.control, self._unsent[:_PIECE]) :]
            if self._unsent:
                return
        self._poll.unregister(self._process.control)

    def _read(self, descriptor: int) -> int:
        try:
            piece = os.read(descriptor, _PIECE)
        except BlockingIOError:
            return 0
        if not piece:
            self._open.discard(descriptor)
            self._poll.unregister(descriptor)
        elif descriptor == self._process.report:
            self.report += piece
            self._fields += piece.count(0)
        else:
            self._streams[descriptor].add(piece)
        return len(piece)


def _readable(report: bytearray) -> Report | None:
    try:
        return Report.read(bytes(report))
    except ValueError:
        return None


def _capacity(descriptor: int) -> int:
    try:
        return fcntl.fcntl(descriptor, fcntl.F_GETPIPE_SZ)
    except OSError:  # a socket
        return 1 << 20
