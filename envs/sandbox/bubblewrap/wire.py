"""Frames between server and warden: a JSON object with open files beside it. Owns the framing, not the requests.

A frame is a length of 8 bytes (network order), then JSON in UTF-8; the descriptors travel with the first byte
(SCM_RIGHTS). JSON carries file names that are not UTF-8 as lone surrogates, as `os.fsdecode` gives them.
"""

from __future__ import annotations

import json
import os
import resource
import select
import socket
import struct
from collections.abc import Sequence
from typing import Any

_LENGTH = struct.Struct("!Q")
_MOST_FILES = 16


def send(connection: socket.socket, message: dict[str, Any], files: Sequence[int] = ()) -> None:
    """Send one frame.

    Raises:
        OSError: If the other side is gone.
    """
    body = json.dumps(message).encode()
    data = memoryview(_LENGTH.pack(len(body)) + body)
    sent = socket.send_fds(connection, [data], list(files)) if files else connection.send(data)
    connection.sendall(data[sent:])


def receive(connection: socket.socket) -> tuple[dict[str, Any], list[int]] | None:
    """The next frame with its files, which the caller closes; `None` when the other side is gone."""
    data, files, _, _ = socket.recv_fds(connection, _LENGTH.size, _MOST_FILES)
    try:
        head = data + _exactly(connection, _LENGTH.size - len(data)) if data else b""
        if len(head) < _LENGTH.size:
            raise EOFError
        body = _exactly(connection, *_LENGTH.unpack(head))
    except EOFError:
        for file in files:
            os.close(file)
        return None
    return json.loads(body), files


def many_files() -> None:
    """Let this process open as many files as it may: each sandbox takes five in the server, three in the warden."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def readable(file: int, timeout_s: float) -> bool:
    """Whether there is something to read, or an end, within this time. For any descriptor: `select` stops at 1,024."""
    poll = select.poll()
    poll.register(file, select.POLLIN)
    return bool(poll.poll(1000 * timeout_s))


def _exactly(connection: socket.socket, count: int) -> bytes:
    parts = bytearray()
    while len(parts) < count:
        part = connection.recv(min(count - len(parts), 1 << 20))
        if not part:
            raise EOFError
        parts += part
    return bytes(parts)
