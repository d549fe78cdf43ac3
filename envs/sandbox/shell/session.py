"""A session's shell: one state that outlives every bash.

Owns: starting a new bash in the state before the command that ended the last one. Does not own: one bash
(`envs.sandbox.shell.channel`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from pivotgym.core.errors import WrongState
from pivotgym.envs.sandbox.contract import Limits, NoShell, Ran, ShellState
from pivotgym.envs.sandbox.shell.channel import LOST, Channel, Process


class Session:
    """Runs commands one after the other. Used by one thread at a time; `close` may come from any.

    Args:
        launch: Starts a bash as `driver.argv` says; called at the first command, and again whenever one was ended.
        state: Where the session begins.
        limits: Wall time and output of each command.
    """

    def __init__(self, launch: Callable[[], Process], state: ShellState, limits: Limits) -> None:
        self._launch, self._state, self._limits = launch, state, limits
        self._channel: Channel | None = None
        self._lock, self._closed, self._ran = threading.Lock(), False, False

    def run(self, command: str, *, timeout_s: float | None = None, stdin: bytes = b"") -> Ran:
        """Run a command. Arguments as for `Sandbox.run`.

        Raises:
            NoShell: If there was no bash that can be started from the beginning; one that an earlier command took
                away is told by `Ran.ended`.
            WorldFailed: If a bash does not answer.
            WrongState: After `close`.
        """
        with self._lock:
            try:
                channel = self._live()
            except NoShell:
                if not self._ran:
                    raise
                return LOST
            self._ran = True
            ran = channel.run(command, timeout_s=timeout_s, stdin=stdin)
            if not channel.alive:
                self._state, self._channel = channel.dump(), None
            return ran

    def state(self) -> ShellState:
        """The present state; a shell that was ended stands in the state before the command that ended it."""
        return self._channel.dump() if self._channel else self._state

    def close(self) -> None:
        """End the shell and every process beside it, from any thread. Calling it again does nothing."""
        self._closed = True
        if channel := self._channel:
            channel.end()
        with self._lock:
            if channel := self._channel:
                self._state, self._channel = channel.dump(), None
                channel.close()

    def _live(self) -> Channel:
        if self._closed:
            raise WrongState("the session's shell is closed", hint="open a new session")
        if self._channel is None:
            channel = Channel(self._launch(), self._limits)
            channel.restore(self._state)
            self._channel = channel
        return self._channel
