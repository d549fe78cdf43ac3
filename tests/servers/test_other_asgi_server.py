"""Our application behind plain uvicorn, whose connections do not say that a client left."""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator

import httpx
import pytest
import uvicorn
from toy_domain import StoreDomain, call, make_pivot

from pivotgym.servers.app import create_app
from pivotgym.servers.settings import Settings


def eventually(condition: Callable[[], bool], within_s: float = 10.0) -> bool:
    ends = time.monotonic() + within_s
    while not condition() and time.monotonic() < ends:
        time.sleep(0.01)
    return condition()


@pytest.fixture
def port() -> Iterator[int]:
    app = create_app(StoreDomain(), pivots=[make_pivot(0)], settings=Settings(threads=1))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
    with socket.create_server(("127.0.0.1", 0)) as bound:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
        thread.start()
        assert eventually(lambda: server.started)
        yield bound.getsockname()[1]
        server.should_exit = True
        thread.join(timeout=15)


def test_queued_work_of_a_client_that_left_is_dropped(port: int) -> None:
    def figure(name: str) -> float:
        page = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False).text
        found = re.search(rf"^pivotgym_{re.escape(name)} (.*)$", page, re.MULTILINE)
        return float(found[1]) if found else 0.0

    def ask(wire: socket.socket, seconds: float) -> None:
        body = json.dumps({"pivot_id": "toy/a:0", "action": call("sleep", seconds=seconds).to_json()})
        wire.sendall(f"POST /verify HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())

    with socket.create_connection(("127.0.0.1", port)) as stays:
        ask(stays, 0.6)
        assert eventually(lambda: figure("pool_unfinished") == 1)
        with socket.create_connection(("127.0.0.1", port)) as leaves:
            ask(leaves, 0.1)
            assert eventually(lambda: figure("pool_unfinished") == 2)
        assert eventually(lambda: figure('errors_total{code="client_gone"}') == 1)
        assert stays.recv(4096).startswith(b"HTTP/1.1 200")
    assert figure('verdicts_total{executed="true",outcome="different"}') == 1
