"""A bash of this machine as a backend would start it, without a sandbox."""

import contextlib
import fcntl
import os
import signal
import subprocess
import termios
from pathlib import Path
from typing import Literal

from pivotgym.envs.sandbox.contract import Limits, ShellState
from pivotgym.envs.sandbox.shell import Channel, Session, argv
from pivotgym.envs.sandbox.shell.driver import terminal_argv
from pivotgym.envs.sandbox.shell.terminal import PtyTerminal


def heed_signals() -> None:
    """As a backend does: tests that run in the background ignore the keys of a terminal, and so would their bash."""
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


class BashProcess:
    """A plain subprocess in its own session, so that it can be ended with its children."""

    command: tuple[str, ...] = ()

    def __init__(self) -> None:
        control_read, self.control = os.pipe()
        self.report, report_write = os.pipe()
        self.stdout, stdout_write = os.pipe()
        self.stderr, stderr_write = os.pipe()
        self.control_path, self.report_path = f"/dev/fd/{control_read}", f"/dev/fd/{report_write}"
        self._popen = subprocess.Popen(
            self.command or argv(self.control_path),
            env={},
            cwd="/",
            pass_fds=(control_read, report_write),
            stdin=subprocess.DEVNULL,
            stdout=stdout_write,
            stderr=stderr_write,
            start_new_session=True,
            preexec_fn=heed_signals,
        )
        for descriptor in (control_read, report_write, stdout_write, stderr_write):
            os.close(descriptor)

    def wait(self, timeout_s: float) -> int | None:
        try:
            status = self._popen.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None
        return 128 - status if status < 0 else status

    def end(self) -> None:
        for status in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                if int(status.read_text().rsplit(")", 1)[1].split()[3]) == self._popen.pid:
                    os.kill(int(status.parent.name), signal.SIGKILL)
        self._popen.wait()

    def reason(self) -> Literal["memory", "disk", "died"] | None:
        return None


class PtyProcess(BashProcess):
    """The same on a pty."""

    def __init__(self, columns: int, rows: int) -> None:
        control_read, self.control = os.pipe()
        self.report, report_write = os.pipe()
        self.control_path, self.report_path = f"/dev/fd/{control_read}", f"/dev/fd/{report_write}"
        self.master, slave = os.openpty()
        termios.tcsetwinsize(slave, (rows, columns))
        self._popen = subprocess.Popen(
            self.command or terminal_argv(self.control_path),
            env={},
            cwd="/",
            pass_fds=(control_read, report_write),
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            preexec_fn=lambda: (heed_signals(), fcntl.ioctl(0, termios.TIOCSCTTY, 0)),
        )
        for descriptor in (control_read, report_write, slave):
            os.close(descriptor)


HOME = ShellState(environment={"PATH": os.environ["PATH"], "HOME": "/tmp", "LC_ALL": "C.UTF-8"})


def open_session(state: ShellState = HOME, **limits: float) -> Session:
    return Session(BashProcess, state, Limits(**limits))


def open_channel(state: ShellState = HOME) -> Channel:
    channel = Channel(BashProcess(), Limits())
    channel.restore(state)
    return channel


def open_terminal(state: ShellState = HOME, *, columns: int = 80, rows: int = 24) -> PtyTerminal:
    return PtyTerminal(PtyProcess, state, columns=columns, rows=rows)
