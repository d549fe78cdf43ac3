"""Starting and stopping servers: in the foreground, on a thread, or as a process of its own.

Owns: binding, running and stopping. Does not own: what is served (`app`). FastAPI and uvicorn are imported only when a
server starts.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pivotgym.core.errors import ConfigError, MissingDependency, WorldFailed, from_wire
from pivotgym.core.jsonl import write_records
from pivotgym.core.trajectory import Pivot
from pivotgym.servers.client import Client
from pivotgym.servers.settings import Settings, read_tokens

if TYPE_CHECKING:
    import uvicorn

    from pivotgym.envs.base.contract import Domain

START_TIMEOUT_S = 60.0


def bind(settings: Settings) -> socket.socket:
    """Bind the server's socket, so that its port is known (and refused) before anything else is done.

    Raises:
        ConfigError: If the address cannot be bound.
    """
    read_tokens(settings)
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((settings.host, settings.port))
    except OSError as error:
        bound.close()
        raise ConfigError(
            f"host, port: cannot bind {settings.host}:{settings.port}: {error.strerror or error}",
            hint="choose another port, or 0 for a free one",
        ) from error
    return bound


def url_of(bound: socket.socket) -> str:
    """The address of a bound socket."""
    host, port = bound.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def make_server(domain: str | Domain, pivots: Iterable[Path | Pivot], settings: Settings) -> uvicorn.Server:
    """A uvicorn server that is not running yet.

    Raises:
        MissingDependency: If the extra `serve` is not installed.
        NotFound: If there is no such domain or file.
        InputError: As for `create_app`.
    """
    try:
        import uvicorn

        from pivotgym.servers.app import create_app
        from pivotgym.servers.auth import Redact
        from pivotgym.servers.http import protocol
    except ImportError as error:
        raise MissingDependency(
            f"serving needs the package {error.name!r}, which is not installed", hint="pip install 'pivotgym[serve]'"
        ) from error
    from pivotgym.envs.base.registry import load_domain
    from pivotgym.servers.pivots import read_pivots

    loaded = load_domain(domain) if isinstance(domain, str) else domain
    given: list[Path | Pivot] = list(pivots)
    paths = [Path(item) for item in given if not isinstance(item, Pivot)]
    known = [item for item in given if isinstance(item, Pivot)]
    app = create_app(loaded, pivots=[*known, *read_pivots(paths)], settings=settings)
    access = logging.getLogger("uvicorn.access")
    if not any(isinstance(kept, Redact) for kept in access.filters):
        access.addFilter(Redact())
    config = uvicorn.Config(
        app,
        log_level="info" if settings.access_log else "warning",
        access_log=settings.access_log,
        server_header=False,
        timeout_graceful_shutdown=5,
        http=protocol(settings),  # type: ignore[arg-type]
        ws="none",
        timeout_keep_alive=75,
        backlog=2048,
    )
    return uvicorn.Server(config)


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
    with bind(settings) as bound:
        server = make_server(domain, pivots, settings)
        print(f"serving on {url_of(bound)}, documentation under /docs", file=sys.stderr, flush=True)
        server.run(sockets=[bound])


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
        pid: The process it runs in.
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
        self._as_process = isinstance(domain, str) if process is None else process
        if self._as_process and not isinstance(domain, str):
            raise ConfigError("process: a domain object cannot be sent to another process; give its name")
        self._running: _Thread | _Process | None = None
        self.url = ""
        self.pid = 0

    def start(self) -> BackgroundServer:
        """Start, and return once the server is ready.

        Raises:
            PivotGymError: What the server itself failed with.
            TimedOut: If it is not ready within a minute.
        """
        running: _Thread | _Process
        if self._as_process:
            running = _Process(str(self._domain), self._pivots, self._settings)
        else:
            running = _Thread(self._domain, self._pivots, self._settings)
        self._running, self.url, self.pid = running, running.url, running.pid
        try:
            with Client(self.url, token=read_tokens(self._settings).bearer) as client:
                client.wait_ready(START_TIMEOUT_S)
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Stop, and return once it is gone. Stopping again does nothing."""
        running, self._running = self._running, None
        if running is not None:
            running.stop()

    def __enter__(self) -> BackgroundServer:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


class _Thread:
    def __init__(self, domain: str | Domain, pivots: list[Path | Pivot], settings: Settings) -> None:
        self._socket = bind(settings)
        try:
            self._server = make_server(domain, pivots, settings)
        except BaseException:
            self._socket.close()
            raise
        self.url, self.pid = url_of(self._socket), os.getpid()
        self._thread = threading.Thread(target=self._run, name="pivotgym-server", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        with self._socket:
            self._server.run(sockets=[self._socket])

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(timeout=15)


class _Process:
    """A child that reads its task from standard input and ends when standard input does."""

    def __init__(self, domain: str, pivots: list[Path | Pivot], settings: Settings) -> None:
        self._files = tempfile.TemporaryDirectory(prefix="pivotgym-")
        known = [item for item in pivots if isinstance(item, Pivot)]
        paths = [str(Path(item).absolute()) for item in pivots if not isinstance(item, Pivot)]
        if known:
            paths.append(str(Path(self._files.name) / "pivots.jsonl"))
            write_records(paths[-1], known)
        task = {"domain": domain, "pivots": paths, "settings": settings.model_dump(mode="json")}
        self._child = subprocess.Popen(
            [sys.executable, "-m", "pivotgym.servers.child"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self.pid = self._child.pid
        try:
            self.url = self._ask(json.dumps(task))
        except BaseException:
            self.stop()
            raise

    def _ask(self, task: str) -> str:
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        self._child.stdin.write(task.encode() + b"\n")
        self._child.stdin.flush()
        line = self._child.stdout.readline()
        if not line:
            raise WorldFailed(f"the server process ended with {self._child.wait()} before it listened; see its log")
        answer: dict[str, Any] = json.loads(line)
        if "url" not in answer:
            raise from_wire(answer)
        return str(answer["url"])

    def stop(self) -> None:
        for pipe in (self._child.stdin, self._child.stdout):
            if pipe is not None:
                pipe.close()
        try:
            self._child.wait(timeout=15)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        self._files.cleanup()
