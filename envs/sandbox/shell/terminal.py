"""An interactive bash on a pty, with a screen.

Owns: typing, waiting until the shell reads again, the shell's state at its last prompt. Does not own: names of keys
(`envs.sandbox.shell.keys`), what a screen shows (`envs.sandbox.shell.screen`), opening the pty (a backend).

Bash reports at each prompt (`PROMPT_COMMAND`), on a descriptor of its own: exit status and state come from there, never
from what is on the screen. Children see that descriptor open; what they write there is no report and is left out.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import select
import struct
import termios
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from pivotgym.core.errors import WorldFailed, WrongState
from pivotgym.envs.sandbox.contract import ShellState, Terminal
from pivotgym.envs.sandbox.shell import driver
from pivotgym.envs.sandbox.shell.dump import Report
from pivotgym.envs.sandbox.shell.keys import typed
from pivotgym.envs.sandbox.shell.screen import Display

_PIECE, _PIECES = 65536, 4
_REPORT_LIMIT = 64 << 20
_STATUS = re.compile(rb"\0\d{1,3}\0")
"""How a report begins, after whatever is before it."""
_START_S = 20.0
_SHOWN = 1 << 20
"""Bytes of one call that are put on the screen one by one; of what is beyond only the last `_TAIL` are."""
_TAIL = 1 << 16
_UNREAD_PAUSE_S = 0.001
_PROMPT_S = 0.01
"""Silence after a report that ends a call; `_EDIT_S` where fewer reports came than lines were typed, `_DEAF_S` where
nothing at all was heard of the keys."""
_EDIT_S, _DEAF_S = 0.15, 0.6


class TerminalProcess(Protocol):
    """A bash started as `driver.terminal_argv` says, on a pty that controls it. The terminal closes the descriptors."""

    master: int
    """The pty's own side."""
    control: int
    """Where the start file is written; `report` where reports are read."""
    report: int
    control_path: str
    """The control descriptor inside; `report_path` likewise."""
    report_path: str

    def wait(self, timeout_s: float) -> int | None:
        """As for `channel.Process`."""

    def end(self) -> None:
        """End every process of the sandbox, from any thread. Calling it again does nothing."""


class PtyTerminal(Terminal):
    """See `Terminal`. A shell that was left (`exit`, C-d) is started again at the next keys, in its last state.

    Args:
        launch: Starts a bash on a new pty of the given columns and rows.
        state: Where the shell begins.
        columns: Width in cells.
        rows: Height in cells.

    Raises:
        WorldFailed: If the shell shows no prompt.
    """

    def __init__(
        self, launch: Callable[[int, int], TerminalProcess], state: ShellState, *, columns: int = 160, rows: int = 40
    ) -> None:
        self._launch, self._state, self._size = launch, state, (columns, rows)
        self._display = Display(columns, rows)
        self._exit: int | None = None
        self._process: TerminalProcess | None = None
        self._lock, self._closed = threading.Lock(), False
        self._sent = self._jobs = False
        self._unsent = b""
        self._start()

    @property
    def busy(self) -> bool:
        """See `Terminal`; also true while a command of the shell itself runs (`read`, a loop)."""
        return self._process is not None and not self._editing(self._process)

    @property
    def last_exit(self) -> int | None:
        """See `Terminal`."""
        return self._exit

    def screen(self) -> str:
        """See `Terminal`."""
        with self._lock:
            self._collect(time.monotonic(), lambda: True)
        return self._display.screen()

    def state(self) -> ShellState:
        """The shell's state at its last prompt."""
        return self._state

    def resize(self, columns: int, rows: int) -> None:
        """Change the size in cells; the program in front is told."""
        self._size = (columns, rows)
        self._display.resize(columns, rows)
        if self._process:
            fcntl.ioctl(self._process.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def send(self, keys: str, *, wait_s: float) -> str:
        """See `Terminal`. Keys are spelled as `envs.sandbox.shell.keys` says.

        No keys only wait: all of `wait_s` while a program or a job in the background runs, else no longer than it
        takes to see that the shell is silent.
        """
        deadline = time.monotonic() + wait_s
        with self._lock:
            if self._closed:
                raise WrongState("the terminal is closed", hint="open a new session")
            if self._process is None:
                self._start()
            self._sent = bool(sent := typed(keys))
            self._unsent += sent
            self._expected = self._reports + (sent.count(b"\n") or int(sent in (b"\r", b"\x03", b"\x04")))
            self._collect(deadline, self._settled)
            return self._display.new_text()

    def close(self) -> None:
        """End the shell and every process beside it, from any thread. Calling it again does nothing."""
        self._closed = True
        if process := self._process:
            process.end()
        with self._lock:
            self._drop()

    def _drop(self) -> None:
        process, self._process = self._process, None
        if process:
            process.end()
            for descriptor in (process.master, process.report):
                os.close(descriptor)

    def _start(self) -> None:
        process = self._process = self._launch(*self._size)
        for descriptor in (process.master, process.control, process.report):
            os.set_blocking(descriptor, False)
        self._frame, self._reports, self._expected = bytearray(), 0, 2
        self._fresh: Report | None = None
        self._group: int | None = None
        self._unsent, before = b"", self._exit
        self._shown, self._held = 0, bytearray()
        self._write_start_file(process)
        deadline = time.monotonic() + _START_S
        self._collect(deadline, self._settled)
        if self._reports < 2:
            said = self._display.screen()[-500:]
            self._drop()
            raise WorldFailed(f"the terminal's bash showed no prompt; it said {said!r}")
        self._group = os.tcgetpgrp(process.master)
        self._exit = before

    def _write_start_file(self, process: TerminalProcess) -> None:
        text = memoryview(driver.start_file(self._state, process.control_path, process.report_path))
        deadline = time.monotonic() + _START_S
        room = select.poll()  # `select` cannot watch descriptors above 1023, which a busy server has
        room.register(process.control, select.POLLOUT)
        try:
            while text and time.monotonic() < deadline:
                with contextlib.suppress(BlockingIOError):
                    text = text[os.write(process.control, text[:_PIECE]) :]
                    continue
                room.poll(100)
                self._read_report(process)
        except BrokenPipeError:
            pass  # said below: no prompt comes
        finally:
            os.close(process.control)

    def _editing(self, process: TerminalProcess) -> bool:
        """Whether bash's line editor has the terminal: it alone takes it out of canonical mode in the shell's group."""
        try:
            canonical = termios.tcgetattr(process.master)[3] & termios.ICANON
            return not canonical and self._group in (None, os.tcgetpgrp(process.master))
        except (OSError, termios.error):
            return False

    def _settled(self) -> bool:
        if self._unsent or self._process is None or not self._editing(self._process):
            return False
        silence = time.monotonic() - self._heard
        if self._reports >= self._expected > self._before:
            return silence >= _PROMPT_S
        if self._shown or not self._sent:
            return silence >= _EDIT_S and (self._sent or not self._jobs)
        return silence >= _DEAF_S

    def _collect(self, deadline: float, done: Callable[[], bool]) -> None:
        """Type what is unsent and take what comes, until `done` or the deadline or the shell's end."""
        process = self._process
        self._shown, self._before, self._heard = 0, self._reports, time.monotonic()
        poll = select.poll()
        while process and self._process is process:
            wanted = select.POLLIN | (select.POLLOUT if self._unsent else 0)
            poll.register(process.master, wanted)
            poll.register(process.report, select.POLLIN)
            heard = poll.poll(_PROMPT_S * 1000)
            if any(descriptor == process.report for descriptor, _ in heard):
                self._read_report(process)
            if any(descriptor == process.master for descriptor, _ in heard):
                self._exchange(process)
            if not heard and process.wait(0) is not None:  # a child may keep the pty open
                self._drop()
            if time.monotonic() >= deadline or (not heard and done()):
                break
        self._flush()

    def _exchange(self, process: TerminalProcess) -> None:
        """Read from the pty, write to it."""
        try:
            with contextlib.suppress(BlockingIOError):
                self._show(os.read(process.master, _PIECE))
            with contextlib.suppress(BlockingIOError):
                self._unsent = self._unsent[os.write(process.master, self._unsent[:1024]) :]
        except OSError:  # EIO: no process has the other side any more
            self._read_report(process)
            self._drop()

    def _show(self, data: bytes) -> None:
        self._heard = time.monotonic()
        self._shown += len(data)
        if self._shown <= _SHOWN:
            self._unsent += self._display.feed(data)
        else:
            self._held += data
            over = self._held[:-_TAIL]
            del self._held[:-_TAIL]
            self._display.skip(over.count(b"\n"))
            time.sleep(_UNREAD_PAUSE_S)

    def _flush(self) -> None:
        if self._held:
            self._display.feed(bytes(self._held[self._held.find(b"\n") + 1 :]))
            self._held = bytearray()

    def _read_report(self, process: TerminalProcess) -> None:
        with contextlib.suppress(BlockingIOError):
            for _ in range(_PIECES):  # a child may write there without end
                piece = os.read(process.report, _PIECE)
                if not piece:
                    break
                self._heard = time.monotonic()
                self._frame += piece
        while (end := self._report_end()) > 0:
            if self._take(bytes(self._frame[:end])):
                del self._frame[:end]
            else:  # written by a child, or out of step because of one: the next that begins as a report does
                found = _STATUS.search(self._frame)
                del self._frame[: found.start() + 1 if found else self._frame.rfind(0) + 1]
        if len(self._frame) > _REPORT_LIMIT:
            self._frame.clear()

    def _report_end(self) -> int:
        """Where as many fields as a report has end; 0 where there are fewer."""
        end = 0
        for _ in driver.FIELDS:
            end = self._frame.find(0, end) + 1
            if not end:
                break
        return end

    def _take(self, raw: bytes) -> bool:
        """Take a report in; `False` if it is none."""
        try:
            report = Report.read(raw)
            if not report.fields["cwd"].startswith(b"/"):
                return False
            state = report.state(self._fresh or report)
        except ValueError:
            return False
        self._reports += 1
        if self._fresh is None:
            self._fresh = report
            return True
        own = {"TERM": driver.TERM} if "TERM" not in self._state.environment else {}
        environment = {name: value for name, value in state.environment.items() if own.get(name) != value}
        self._state, self._exit = replace(state, environment=environment), report.exit
        self._jobs = bool(report.fields["jobs"])
        return True
