from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from toy_domain import StoreDomain, call, make_pivot

from pivotgym.core.errors import ConfigError, NotFound, Unreachable, WorldFailed, WrongState
from pivotgym.core.jsonl import write_records
from pivotgym.servers.binding import bind
from pivotgym.servers.client import Client
from pivotgym.servers.serve import BackgroundServer
from pivotgym.servers.settings import Settings

RED = call("set", key="color", value="red")
HERE = str(Path(__file__).parent)


@pytest.fixture(autouse=True)
def _toy_domain_for_children(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", HERE)


def gone(url: str) -> bool:
    with Client(url, retries=0) as client:
        try:
            client.health()
        except Unreachable:
            return True
    return False


def test_a_server_that_writes_much_goes_on() -> None:
    with (
        BackgroundServer("toy_domain:domain", settings=Settings(access_log=True)) as server,
        httpx.Client(base_url=server.url, trust_env=False, timeout=20) as http,
    ):
        assert {http.get("/health", params={"x": "y" * 4000}).status_code for _ in range(40)} == {200}


def test_process_serves_pivots_of_files_and_objects_and_is_gone_afterwards(tmp_path: Path) -> None:
    path = tmp_path / "pivots.jsonl"
    write_records(path, [make_pivot(0)])
    with BackgroundServer("toy_domain:domain", pivots=[path, make_pivot(1)]) as server:
        assert server.pid != os.getpid()
        with Client(server.url) as client:
            assert [client.verify(f"toy/a:{n}", RED).reward for n in range(2)] == [1.0, 1.0]
    assert gone(server.url)


def test_process_that_ends_before_it_is_ready_is_an_error_at_once() -> None:
    with pytest.raises(WorldFailed, match="the server process ended with 7 before it was ready"):
        BackgroundServer("toy_domain:dying").start()


def test_thread_serves_a_domain_object_and_is_gone_afterwards() -> None:
    with BackgroundServer(StoreDomain()) as server, Client(server.url) as client:
        assert server.pid == os.getpid()
        assert client.metadata()["name"] == "toy"
    assert gone(server.url)


def test_process_ends_when_its_parent_is_killed() -> None:
    code = (
        "import time; from pivotgym.servers.serve import BackgroundServer\n"
        "server = BackgroundServer('toy_domain:domain').start(); print(server.url, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        url = parent.stdout.readline().strip()
        assert not gone(url)
        parent.send_signal(signal.SIGKILL)
    ends = time.monotonic() + 10
    while not gone(url) and time.monotonic() < ends:
        time.sleep(0.05)
    assert gone(url)


def test_stopping_twice_does_nothing() -> None:
    server = BackgroundServer(StoreDomain()).start()
    url = server.url
    for _ in range(2):
        server.stop()
    assert gone(url)


def test_error_of_the_process_comes_back_as_itself() -> None:
    with pytest.raises(NotFound, match="nosuch"):
        BackgroundServer("nosuch").start()


def test_missing_pivot_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"expected a JSON Lines file, found none at .*nowhere\.jsonl"):
        BackgroundServer(StoreDomain(), pivots=[tmp_path / "nowhere.jsonl"]).start()


def test_contradicting_pivots_are_refused_at_the_start() -> None:
    with pytest.raises(WrongState, match="is known with digest"):
        BackgroundServer(StoreDomain(), pivots=[make_pivot(0), make_pivot(0, call("get", key="x"))]).start()


def test_domain_object_cannot_go_to_a_process() -> None:
    with pytest.raises(ConfigError, match="process: a domain object cannot be sent to another process"):
        BackgroundServer(StoreDomain(), process=True)


def test_port_in_use_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"host, port: cannot bind 127.0.0.1:{port}: "):
            bind(Settings(port=port))


def test_port_of_workers_that_have_just_ended_can_be_bound_again() -> None:
    with bind(Settings(port=0), shared=True) as ended:
        port = ended.getsockname()[1]
        ended.listen()
        with socket.create_connection(("127.0.0.1", port)):
            ended.accept()[0].close()  # the side that closes first keeps the address for a minute
    bind(Settings(port=port)).close()


def test_serve_runs_in_the_foreground_until_interrupted() -> None:
    code = (
        "from pivotgym.servers.serve import serve; from pivotgym.servers.settings import Settings\n"
        "serve('toy_domain:domain', settings=Settings(port=0))"
    )
    with subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr is not None
        line = running.stderr.readline()
        url = line.split()[2].rstrip(",")
        with Client(url) as client:
            client.wait_ready()
        running.send_signal(signal.SIGINT)
        running.wait(timeout=15)
    assert line.startswith("serving on http://127.0.0.1:")
    assert gone(url)
