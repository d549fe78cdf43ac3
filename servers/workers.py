"""Several worker processes behind one address; one that ends is started again.

Each binds the address itself (SO_REUSEPORT), so that the kernel shares out connections and no router stands between.
When a worker ends, its sessions end with it; the others go on.

Owns: starting, watching and stopping the processes. Does not own: how they share sessions and pivots (`peers`,
`added`).
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable
from pathlib import Path

from pivotgym.core.errors import ConfigError, PivotGymError
from pivotgym.core.trajectory import Pivot
from pivotgym.servers.binding import bind, url_of
from pivotgym.servers.process import Files, ServerProcess
from pivotgym.servers.settings import Settings

log = logging.getLogger("pivotgym.servers")
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 10.0
HEALTHY_S = 10.0
"""A worker that served this long is started again at once."""


class Workers:
    """The workers of one server.

    Args:
        domain: Name of a domain.
        pivots: Files of pivots, or pivots.
        settings: Address, limits, tokens, number of workers.

    Attributes:
        url: Where they answer.

    Raises:
        ConfigError: If the address cannot be bound, or there are fewer sessions than workers.
        PivotGymError: What a worker failed with.
    """

    def __init__(self, domain: str, pivots: Iterable[Path | Pivot], settings: Settings) -> None:
        if settings.max_sessions < settings.workers:
            raise ConfigError(
                f"max_sessions: expected at least one for each of {settings.workers} workers, "
                f"got {settings.max_sessions}"
            )
        if settings.port:
            bind(settings).close()  # SO_REUSEPORT alone would share the port with another server of this user
        self._held = bind(settings, shared=True)  # never listens: it keeps the port while no worker has it
        self.url = url_of(self._held)
        self._domain = domain
        self._settings = settings.model_copy(update={"port": self._held.getsockname()[1]})
        self._files = Files(pivots)
        self._stopping = threading.Event()
        self._workers: dict[int, ServerProcess] = {}
        try:
            for index in range(settings.workers):
                self._workers[index] = self._begin(index)
            for worker in self._workers.values():
                worker.listening()
        except BaseException:
            self.stop()
            raise
        self._watchers = [
            threading.Thread(target=self._keep, args=(index,), name=f"pivotgym-worker-{index}", daemon=True)
            for index in self._workers
        ]
        for watcher in self._watchers:
            watcher.start()

    @property
    def pids(self) -> list[int]:
        """The processes, by worker number."""
        return [self._workers[index].pid for index in sorted(self._workers)]

    def _begin(self, index: int) -> ServerProcess:
        place = [index, self._settings.workers, self._files.folder.name]
        return ServerProcess(self._domain, self._files.paths, self._settings, place)

    def _keep(self, index: int) -> None:
        """Start a worker again whenever it ends, until all are stopped."""
        pause_s, begun = FIRST_PAUSE_S, time.monotonic()
        while True:
            ended = self._workers[index].wait()
            if self._stopping.is_set():
                return
            self._workers[index].tell_to_end()
            pause_s = FIRST_PAUSE_S if time.monotonic() - begun > HEALTHY_S else min(2 * pause_s, LONGEST_PAUSE_S)
            log.error("worker %d ended with %d; it is started again in %g s", index, ended, pause_s)
            if self._stopping.wait(pause_s):
                return
            begun = time.monotonic()
            self._begin_again(index)

    def _begin_again(self, index: int) -> None:
        worker = self._workers[index] = self._begin(index)
        if self._stopping.is_set():
            worker.tell_to_end()
            return
        try:
            worker.listening()
        except (PivotGymError, ValueError) as error:  # ValueError: its pipe was closed, since all are being stopped
            log.error("worker %d cannot be started again: %s", index, error)

    def stop(self) -> None:
        """Stop all, and return once they are gone. Stopping again does nothing."""
        self._stopping.set()
        for worker in list(self._workers.values()):
            worker.tell_to_end()
        for worker in list(self._workers.values()):
            worker.stop()
        self._held.close()
        self._files.close()
