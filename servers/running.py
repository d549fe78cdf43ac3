"""Running an application of ours under uvicorn: in the foreground, or on a thread.

Owns: uvicorn's settings, and the thread. Does not own: which application (`app`, `gateway`, `policy`).
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable

import uvicorn
from fastapi import FastAPI

from pivotgym.servers import logs
from pivotgym.servers.auth import Redact
from pivotgym.servers.binding import bind, url_of
from pivotgym.servers.http import protocol
from pivotgym.servers.settings import Listening

PING_S, PONG_S = 60.0, 600.0
"""Between pings on an open WebSocket, and until one counts as lost: a client that computes for minutes answers late."""


def uvicorn_server(app: FastAPI, settings: Listening, *, sockets: bool = False) -> uvicorn.Server:
    """A uvicorn server, not running yet, with our limits on connections.

    Args:
        app: What is served.
        settings: Address and limits.
        sockets: Whether the application has routes for WebSockets.
    """
    access = logging.getLogger("uvicorn.access")
    if not any(isinstance(kept, Redact) for kept in access.filters):
        access.addFilter(Redact())
    config = uvicorn.Config(
        app,
        log_level="info" if settings.access_log else "warning",
        access_log=settings.access_log,
        log_config=None if logs.as_json() else uvicorn.config.LOGGING_CONFIG,
        server_header=False,
        timeout_graceful_shutdown=5,
        http=protocol(settings),  # type: ignore[arg-type]
        ws="websockets-sansio" if sockets else "none",
        ws_max_size=settings.max_body_bytes,
        ws_ping_interval=PING_S,
        ws_ping_timeout=PONG_S,
        ws_per_message_deflate=False,
        timeout_keep_alive=75,
        backlog=2048,
    )
    return uvicorn.Server(config)


def run(make: Callable[[], FastAPI], settings: Listening) -> None:
    """Serve an application until interrupted; the address is bound before it is made.

    Raises:
        ConfigError: As for `bind`.
    """
    with bind(settings) as bound:
        server = uvicorn_server(make(), settings)
        logs.say(f"serving on {url_of(bound)}, documentation under /docs")
        server.run(sockets=[bound])


class OnThread:
    """A server on a thread of this process.

    Args:
        make: Makes the server, once the address is bound.
        settings: Its address.

    Attributes:
        url: Where it answers.
        pids: This process.
    """

    def __init__(self, make: Callable[[], uvicorn.Server], settings: Listening) -> None:
        self._socket = bind(settings)
        try:
            self._server = make()
        except BaseException:
            self._socket.close()
            raise
        # From here on a call waits for the thread below; before, it would be refused.
        self._socket.listen()
        self.url, self.pids = url_of(self._socket), [os.getpid()]
        self._thread = threading.Thread(target=self._run, name="pivotgym-server", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        with self._socket:
            self._server.run(sockets=[self._socket])

    def stop(self) -> None:
        """Stop, and return once it is gone."""
        self._server.should_exit = True
        self._thread.join(timeout=15)
