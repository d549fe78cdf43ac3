"""Servers that end, come back, join or are cut off behind a gateway."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from gateways import RunningGateway
from toy_domain import StoreDomain, call, make_pivot

from pivotgym.core.errors import NotFound, PivotGymError, Warming
from pivotgym.servers.client import Client, Session
from pivotgym.servers.serve import BackgroundServer
from pivotgym.servers.settings import Settings

HERE = str(Path(__file__).parent)
RED = call("set", key="color", value="red")


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], BackgroundServer]]:
    """Starts servers of the toy domain as processes, which can be killed."""
    monkeypatch.setenv("PYTHONPATH", HERE)
    started: list[BackgroundServer] = []

    def begin() -> BackgroundServer:
        started.append(BackgroundServer("toy_domain:domain", pivots=map(make_pivot, range(3))))
        return started[-1].start()

    yield begin
    for server in started:
        server.stop()


def kill(server: BackgroundServer) -> None:
    os.kill(server.pid, signal.SIGKILL)


def eventually(condition: Callable[[], bool], within_s: float = 20.0) -> bool:
    ends = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > ends:
            return False
        time.sleep(0.02)
    return True


def states(gateway: RunningGateway) -> Counter[str]:
    servers = httpx.get(f"{gateway.url}/metadata", trust_env=False).json()["domains"]["toy"]["servers"]
    return Counter(server["state"] for server in servers)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def test_killed_server_takes_its_sessions_and_no_verdict_with_it(start: Callable[[], BackgroundServer]) -> None:
    pair = [start(), start()]
    rewards: list[float] = []
    failures: list[PivotGymError] = []
    killed = threading.Event()

    def load(client: Client) -> None:
        after = 0
        while after < 20:
            after += killed.is_set()
            try:
                rewards.append(client.verify("toy/a:0", call("set", key="color", value=len(rewards))).reward)
            except PivotGymError as error:
                failures.append(error)

    with (
        RunningGateway(",".join(f"toy={server.url}" for server in pair)) as gateway,
        Client(f"{gateway.url}/toy", retries=0) as client,
    ):
        sessions = [client.session(task_id="goal-1") for _ in range(16)]
        threads = [threading.Thread(target=load, args=(client,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        assert eventually(lambda: len(rewards) > 40)
        kill(pair[0])
        killed.set()
        for thread in threads:
            thread.join()
        assert eventually(lambda: states(gateway) == {"ready": 1, "down": 1})
        ends = [end_of_step(session) for session in sessions]
        client.session(task_id="goal-1").close()

    assert failures == []
    assert set(rewards) == {0.0}
    assert set(ends) == {"stepped", "lost"}


def end_of_step(session: Session) -> str:
    """Whether a session can still be stepped, or is lost with its server."""
    try:
        session.step(RED)
    except NotFound as error:
        said_so = "the server that held it has ended" in error.message and error.session_id == session.id
        return "lost" if said_so else str(error)
    return "stepped"


def test_step_in_flight_when_its_server_dies_is_retryable(start: Callable[[], BackgroundServer]) -> None:
    server = start()
    with (
        RunningGateway(f"toy={server.url}") as gateway,
        Client(f"{gateway.url}/toy", retries=0) as client,
        client.session(task_id="goal-1") as session,
    ):
        threading.Timer(0.3, kill, args=(server,)).start()
        with pytest.raises(Warming, match="a server of 'toy' gave no answer: the connection ended") as caught:
            session.step(call("sleep", seconds=20))
        assert (caught.value.session_id, caught.value.retry_after_s) == (session.id, 1.0)

        assert eventually(lambda: states(gateway) == {"down": 1})
        with pytest.raises(Warming, match=r"no server of 'toy' can take calls: [0-9a-f]+: down: "):
            client.verify("toy/a:0", RED)
        said = httpx.get(f"{gateway.url}/ready", trust_env=False)
        assert said.status_code == 503
        assert said.json()["details"]["upstreams"]["toy"]["ready"] == 0


@pytest.fixture(scope="module")
def server() -> Iterator[BackgroundServer]:
    """A server that no test ends."""
    with BackgroundServer(StoreDomain(), pivots=map(make_pivot, range(3))) as running:
        yield running


def test_server_that_joins_gets_what_was_added(server: BackgroundServer) -> None:
    port = free_port()
    upstreams = f"toy={server.url},toy=http://127.0.0.1:{port}"
    with RunningGateway(upstreams) as gateway, Client(f"{gateway.url}/toy") as client:
        client.add_pivots(map(make_pivot, range(10, 30)))
        late = BackgroundServer(StoreDomain(), pivots=map(make_pivot, range(3)), settings=Settings())
        late._settings = late._settings.model_copy(update={"port": port})
        with late, Client(late.url) as direct:
            assert eventually(lambda: states(gateway) == {"ready": 2})
            ids = [item["id"] for item in direct.pivots()]

        with Client(server.url) as first:
            assert ids == [item["id"] for item in first.pivots()]


def test_name_that_leads_nowhere_is_said() -> None:
    with RunningGateway("toy=http://nowhere.invalid:1", wait=False) as gateway:
        said = httpx.get(f"{gateway.url}/toy/ready", trust_env=False, timeout=20)

    assert said.status_code == 503
    assert "nowhere.invalid: the name leads nowhere" in said.json()["message"]


def test_name_leads_to_its_servers(server: BackgroundServer) -> None:
    port = server.url.rpartition(":")[2]
    with RunningGateway(f"toy=http://localhost:{port}") as gateway, Client(f"{gateway.url}/toy") as client:
        assert client.verify("toy/a:0", RED).reward == 1.0


def test_call_is_dropped_upstream_when_its_client_leaves(server: BackgroundServer) -> None:
    def gone() -> float:
        page = httpx.get(f"{server.url}/metrics", trust_env=False).text
        lines = [line for line in page.splitlines() if line.startswith('pivotgym_errors_total{code="client_gone"}')]
        return sum(float(line.rpartition(" ")[2]) for line in lines)

    with RunningGateway(f"toy={server.url}") as gateway:
        body = {"pivot_id": "toy/a:0", "action": call("sleep", seconds=3).to_json()}
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(f"{gateway.url}/toy/verify", json=body, trust_env=False, timeout=0.3)

        assert eventually(lambda: gone() == 1)


def test_full_gateway_refuses_with_a_time_to_come_again(server: BackgroundServer) -> None:
    with RunningGateway(f"toy={server.url}", max_in_flight=1) as gateway, Client(f"{gateway.url}/toy") as client:
        slow = threading.Thread(target=client.verify, args=("toy/a:0", call("sleep", seconds=1.0)))
        slow.start()
        assert eventually(lambda: httpx.get(f"{gateway.url}/toy/health", trust_env=False).status_code == 503)
        refused = httpx.get(f"{gateway.url}/toy/health", trust_env=False)
        slow.join()

    assert (refused.json()["code"], refused.headers["retry-after"]) == ("full", "1")


def test_verdict_is_asked_for_elsewhere_where_a_pivot_is_not_known_yet(server: BackgroundServer) -> None:
    with BackgroundServer(StoreDomain(), pivots=map(make_pivot, range(3))) as fresh:
        upstreams = f"toy={server.url},toy={fresh.url}"
        with RunningGateway(upstreams, check_s=60) as gateway, Client(f"{gateway.url}/toy", retries=0) as client:
            with Client(server.url) as direct:
                direct.add_pivots([make_pivot(77)])

            assert [client.verify("toy/a:77", RED).reward for _ in range(4)] == [1.0] * 4
            assert [client.session(pivot_id="toy/a:77").step(RED).reward for _ in range(4)] == [1.0] * 4
