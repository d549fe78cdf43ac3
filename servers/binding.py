"""Binding a server's address.

Owns: the socket before anything serves on it. Does not own: serving (`serve`).
"""

from __future__ import annotations

import socket
from contextlib import suppress
from pathlib import Path

from pivotgym.core.errors import ConfigError
from pivotgym.servers.settings import Listening, read_tokens


def bind(settings: Listening, *, shared: bool = False) -> socket.socket:
    """Bind the server's socket, so that its port is known (and refused) before anything else is done.

    Args:
        settings: The address and the tokens.
        shared: Whether other processes of this user may bind it too.

    Raises:
        ConfigError: If the address cannot be bound, or needs a token and has none.
    """
    read_tokens(settings)
    if shared and not (hasattr(socket, "SO_REUSEPORT") and hasattr(socket, "AF_UNIX")):
        raise ConfigError("workers: more than one needs SO_REUSEPORT, which this system lacks", hint="take one worker")
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    # The address again at once after a server has ended: connections that it closed keep it for a minute else.
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if shared:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        bound.bind((settings.host, settings.port))
    except OSError as error:
        bound.close()
        raise ConfigError(
            f"host, port: cannot bind {settings.host}:{settings.port}: {error.strerror or error}",
            hint="choose another port, or 0 for a free one",
        ) from error
    return bound


def bind_file(path: str) -> socket.socket:
    """Bind a socket that is a file, in the place of one that a process left there.

    Raises:
        ConfigError: If it cannot be bound.
    """
    with suppress(FileNotFoundError):
        Path(path).unlink()
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        bound.bind(path)
    except OSError as error:
        bound.close()
        raise ConfigError(f"workers: cannot bind {path}: {error}", hint="point TMPDIR at a short path") from error
    return bound


def url_of(bound: socket.socket) -> str:
    """The address of a bound socket."""
    host, port = bound.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
