"""Starting and stopping servers: in the foreground, on a thread, or as a process of its own.

Owns: binding, running and stopping. Does not own: what is served (`app`). FastAPI and uvicorn are imported only when a
server starts.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pivotgym.core.errors import ConfigError, MissingDependency, TimedOut
from pivotgym.core.trajectory import Pivot
from pivotgym.servers import logs
from pivotgym.servers.binding import bind, url_of
from pivotgym.servers.client import Client
from pivotgym.servers.process import Files, ServerProcess
from pivotgym.servers.settings import Settings, read_tokens
from pivotgym.servers.workers import Workers

if TYPE_CHECKING:
    import uvicorn

    from pivotgym.envs.base.contract import Domain
    from pivotgym.servers.peers import Place
    from pivotgym.servers.running import OnThread

START_TIMEOUT_S = 60.0
_LOOK_EVERY_S = 1.0
"""How often it is asked whether a process that is not ready still lives."""


def make_server(
    domain: str | Domain, pivots: Iterable[Path | Pivot], settings: Settings, place: Place | None = None
) -> uvicorn.Server:
    """A uvicorn server that is not running yet.

    Args:
        domain: As for `serve`.
        pivots: Files of pivots, or pivots.
        settings: Limits, tokens.
        place: Which of several worker processes this is.

    Raises:
        MissingDependency: If the extra `serve` is not installed.
        NotFound: If there is no such domain or file.
        InputError: As for `create_app`.
    """
    try:
        from pivotgym.servers.app import create_app
        from pivotgym.servers.running import uvicorn_server
        from pivotgym.servers.service import ALONE
    except ImportError as error:
        raise not_installed(error) from error
    from pivotgym.envs.base.registry import load_domain
    from pivotgym.servers.pivots import read_pivots

    loaded = load_domain(domain) if isinstance(domain, str) else domain
    given: list[Path | Pivot] = list(pivots)
    paths = [Path(item) for item in given if not isinstance(item, Pivot)]
    known = [item for item in given if isinstance(item, Pivot)]
    app = create_app(loaded, pivots=[*known, *read_pivots(paths)], settings=settings, place=place or ALONE)
    return uvicorn_server(app, settings, sockets=True)


def not_installed(error: ImportError) -> MissingDependency:
    """What is said where the extra `serve` is missing."""
    return MissingDependency(
        f"serving needs the package {error.name!r}, which is not installed", hint="pip install 'pivotgym[serve]'"
    )


def serve(domain: str | Domain, *, pivots: Sequence[Path] = (), settings: Settings | None = None) -> None:
    """Serve a domain until interrupted.

    Args:
        domain: Name of an installed domain, `module:attribute`, or the domain itself.
        pivots: JSON Lines files of pivots, known from the start.
        settings: Address, limits, tokens.

    Raises:
        PivotGymError: As for `bind` and `make_server`.
    """
    settings = settings or Settings()
    if settings.workers > 1:
        _serve_by_workers(_by_name(domain), pivots, settings)
        return
    with bind(settings) as bound:
        server = make_server(domain, pivots, settings)
        logs.say(f"serving on {url_of(bound)}, documentation under /docs")
        server.run(sockets=[bound])


def _serve_by_workers(domain: str, pivots: Sequence[Path], settings: Settings) -> None:
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    workers = Workers(domain, pivots, settings)
    try:
        logs.say(f"serving on {workers.url}, documentation under /docs")
        ended.wait()
    finally:
        workers.stop()


def _by_name(domain: str | Domain) -> str:
    if not isinstance(domain, str):
        raise ConfigError("process: a domain object cannot be sent to another process; give its name")
    return domain


class BackgroundServer:
    """A server on a free loopback port for as long as a `with` block lasts.

    Args:
        domain: As for `serve`.
        pivots: Files of pivots, or pivots.
        settings: Limits; its host and port are replaced.
        process: Whether it runs as a process of its own, which ends when this one does, however that ends; by default
            for a domain given by name, and on a thread for a domain object.

    Attributes:
        url: Where it answers, once started.
    """

    def __init__(
        self,
        domain: str | Domain,
        *,
        pivots: Iterable[Path | Pivot] = (),
        settings: Settings | None = None,
        process: bool | None = None,
    ) -> None:
        self._domain = domain
        self._pivots: list[Path | Pivot] = list(pivots)
        self._settings = (settings or Settings()).model_copy(update={"host": "127.0.0.1", "port": 0})
        wanted = isinstance(domain, str) if process is None else process
        self._name = _by_name(domain) if wanted or self._settings.workers > 1 else None
        self._running: OnThread | _Process | Workers | None = None
        self.url = ""

    def start(self) -> BackgroundServer:
        """Start, and return once the server is ready.

        Raises:
            PivotGymError: What the server itself failed with.
            WorldFailed: If its process ends before it is ready.
            TimedOut: If it is not ready within a minute.
        """
        running: OnThread | _Process | Workers
        if self._name is None:
            running = _on_thread(self._domain, self._pivots, self._settings)
        elif self._settings.workers > 1:
            running = Workers(self._name, self._pivots, self._settings)
        else:
            running = _Process(self._name, self._pivots, self._settings)
        self._running, self.url = running, running.url
        try:
            with Client(self.url, token=read_tokens(self._settings).bearer) as client:
                self._wait(client, running)
        except BaseException:
            self.stop()
            raise
        return self

    def _wait(self, client: Client, running: OnThread | _Process | Workers) -> None:
        ends = time.monotonic() + START_TIMEOUT_S
        while True:
            try:
                return client.wait_ready(_LOOK_EVERY_S)
            except TimedOut as error:
                if isinstance(running, _Process):  # workers are started again, and a thread does not end by itself
                    running.check()
                if time.monotonic() > ends:
                    told = f"{self.url} is not ready after {START_TIMEOUT_S:g} s: {error.__cause__}"
                    raise TimedOut(told) from error

    def stop(self) -> None:
        """Stop, and return once it is gone. Stopping again does nothing."""
        running, self._running = self._running, None
        if running is not None:
            running.stop()

    @property
    def pid(self) -> int:
        """The process it runs in, the first of several; 0 while it is stopped."""
        return next(iter(self.pids), 0)

    @property
    def pids(self) -> list[int]:
        """The processes it runs in, one per worker; none while it is stopped."""
        return self._running.pids if self._running is not None else []

    def __enter__(self) -> BackgroundServer:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


def _on_thread(domain: str | Domain, pivots: list[Path | Pivot], settings: Settings) -> OnThread:
    try:
        from pivotgym.servers.running import OnThread
    except ImportError as error:
        raise not_installed(error) from error
    return OnThread(lambda: make_server(domain, pivots, settings), settings)


class _Process:
    def __init__(self, domain: str, pivots: list[Path | Pivot], settings: Settings) -> None:
        self._files = Files(pivots)
        self._child = ServerProcess(domain, self._files.paths, settings)
        self.pids = [self._child.pid]
        try:
            self.url = self._child.listening()
        except BaseException:
            self.stop()
            raise

    def check(self) -> None:
        self._child.check()

    def stop(self) -> None:
        self._child.stop()
        self._files.close()
