"""Several worker processes: one server to its clients, whichever worker a call comes to."""

from __future__ import annotations

import os
import re
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from toy_domain import StoreDomain, call, make_pivot

from pivotgym.core.errors import ConfigError, NotFound
from pivotgym.servers.client import Client
from pivotgym.servers.serve import BackgroundServer
from pivotgym.servers.settings import Settings

HERE = str(Path(__file__).parent)
WORKERS = 3
RED = call("set", key="color", value="red")


@pytest.fixture(scope="module")
def crew() -> Iterator[BackgroundServer]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", HERE)
        settings = Settings(workers=WORKERS, threads=2, max_sessions=12, max_pivots=50)
        with BackgroundServer("toy_domain:domain", pivots=map(make_pivot, range(3)), settings=settings) as running:
            yield running


TLS = ssl.create_default_context()
"""Made once: making one takes longer than most of these tests."""


def connect(server: BackgroundServer) -> httpx.Client:
    return httpx.Client(base_url=server.url, trust_env=False, timeout=20, verify=TLS)


@pytest.fixture(scope="module")
def wires(crew: BackgroundServer) -> Iterator[list[httpx.Client]]:
    """Connections of their own, so many that no worker is likely to be left out."""
    made = [connect(crew) for _ in range(16)]
    yield made
    for http in made:
        http.close()


def opened(http: httpx.Client, **body: object) -> str:
    answer = http.post("/sessions", json={"task_id": "goal-1", **body})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["session_id"])


def figure(http: httpx.Client, name: str) -> float:
    found = re.search(rf"^pivotgym_{re.escape(name)} (.*)$", http.get("/metrics").text, re.MULTILINE)
    return float(found[1]) if found else 0.0


def eventually(condition: Callable[[], bool], within_s: float = 20.0) -> bool:
    ends = time.monotonic() + within_s
    while not condition() and time.monotonic() < ends:
        time.sleep(0.05)
    return condition()


def test_session_answers_on_every_connection(wires: list[httpx.Client]) -> None:
    session = opened(wires[0])
    for number, http in enumerate(wires):
        step = {"action": call("set", key=f"k{number}", value=number).to_json()}
        assert http.post(f"/sessions/{session}/step", json=step).status_code == 200
        if number == 5:
            break
    for http in wires:
        assert http.get(f"/sessions/{session}").json()["steps"] == 6
    assert wires[-1].delete(f"/sessions/{session}").json() == {"session_id": session, "closed": True}
    for http in wires:
        assert http.get(f"/sessions/{session}").status_code == 404


def test_gym_names_find_the_session_too(wires: list[httpx.Client]) -> None:
    session = opened(wires[0])
    for http in wires[:8]:
        answer = http.post("/step", json={"session_id": session, "action": call("get", key="x").to_json()})
        assert answer.json()["observation"] == "None"
    for http in wires[:8]:
        assert http.post("/reset", json={"session_id": session, "task_id": "goal-2"}).json()["session_id"] == session
    wires[0].delete(f"/sessions/{session}")


def test_fork_stays_with_its_session(wires: list[httpx.Client]) -> None:
    session = opened(wires[0])
    forks = {
        http.post(f"/sessions/{session}/fork", json={"idempotency_key": "f"}).json()["session_id"] for http in wires
    }
    assert len(forks) == 1
    for name in (session, *forks):
        assert wires[3].delete(f"/sessions/{name}").status_code == 200


def test_creation_is_carried_out_once_whichever_worker_the_repeat_comes_to(wires: list[httpx.Client]) -> None:
    ids = {opened(http, idempotency_key="same") for http in wires}
    assert len(ids) == 1
    wires[0].delete(f"/sessions/{ids.pop()}")


def test_key_for_another_request_is_refused_by_every_worker(wires: list[httpx.Client]) -> None:
    session = opened(wires[0], idempotency_key="mine")
    for http in wires:
        assert http.post("/sessions", json={"task_id": "goal-2", "idempotency_key": "mine"}).status_code == 409
    wires[0].delete(f"/sessions/{session}")


def test_all_slots_can_be_used_from_one_connection_and_not_one_more(wires: list[httpx.Client]) -> None:
    keys: list[dict[str, object]] = [{"idempotency_key": f"slot{n}"} if n % 2 else {} for n in range(12)]
    sessions = [opened(wires[0], **key) for key in keys]
    assert len({name.partition("-")[0] for name in sessions}) == WORKERS
    answer = wires[0].post("/sessions", json={"task_id": "goal-1"})
    assert (answer.status_code, answer.json()["code"], answer.headers["retry-after"]) == (503, "full", "1")
    assert opened(wires[1], idempotency_key="slot1") == sessions[1]
    for name in sessions:
        wires[1].delete(f"/sessions/{name}")
    assert eventually(lambda: figure(wires[0], "sessions_live") == 0)


def test_pivot_added_to_one_worker_is_known_to_all(wires: list[httpx.Client]) -> None:
    pivot = make_pivot(30).to_json()
    assert wires[0].post("/pivots", json={"pivots": [pivot]}).json()["added"] == 1
    for http in wires:
        body = {"pivot_id": "toy/a:30", "action": RED.to_json()}
        assert http.post("/verify", json=body).json()["reward"] == 1.0
    assert {http.post("/pivots", json={"pivots": [pivot]}).json()["added"] for http in wires} == {0}
    assert len({http.get("/pivots").text for http in wires}) == 1
    assert len({http.get("/metadata").json()["pivots"] for http in wires}) == 1


def test_contradicting_pivot_is_refused_by_every_worker(wires: list[httpx.Client]) -> None:
    wires[0].post("/pivots", json={"pivots": [make_pivot(31).to_json()]})
    other = make_pivot(31, call("get", key="x")).to_json()
    assert {http.post("/pivots", json={"pivots": [other]}).status_code for http in wires} == {409}


def test_prepare_builds_in_every_worker(wires: list[httpx.Client]) -> None:
    before = figure(wires[0], "states_cached")
    pivot = make_pivot(32, origin={"kind": "store", "prepared": True}).to_json()
    wires[0].post("/pivots", json={"pivots": [pivot]})
    answer = wires[0].post("/pivots/prepare", json={"pivot_ids": ["toy/a:32", "nowhere"]}).json()
    assert (answer["prepared"], answer["executable"], list(answer["errors"])) == (1, ["toy/a:32"], ["nowhere"])
    body = {"pivot_id": "toy/a:32", "action": call("get", key="x").to_json()}
    for http in wires:
        assert http.post("/verify", json=body).json()["executed"] is True
    assert figure(wires[0], "states_cached") - before == WORKERS


def test_metrics_are_summed_and_each_request_counted_once(wires: list[httpx.Client]) -> None:
    name = 'requests_total{route="GET /sessions/{session_id}",status="200"}'
    session = opened(wires[0])
    before = figure(wires[0], name)
    for http in wires:
        http.get(f"/sessions/{session}")
    assert {figure(http, name) - before for http in wires} == {16.0}
    assert figure(wires[0], "sessions_live") == 1
    assert figure(wires[0], "workers") == WORKERS
    wires[0].delete(f"/sessions/{session}")


@pytest.mark.parametrize("name", ["9-0", "1-..", "1-%3Fx", "1-%2e%2e", "-", "1", "٣-0", "99999999999999999999-0"])
def test_made_up_session_is_404_on_every_worker(wires: list[httpx.Client], name: str) -> None:
    answers = {(a.status_code, a.json()["code"]) for a in (http.get(f"/sessions/{name}") for http in wires[:6])}
    assert answers == {(404, "not_found")}


def test_killed_worker_takes_only_its_sessions_and_comes_back(crew: BackgroundServer) -> None:
    with connect(crew) as http:
        sessions = [opened(http, idempotency_key=f"killed{number}") for number in range(12)]
        http.post("/pivots", json={"pivots": [make_pivot(33).to_json()]})
    lost = next(name for name in sessions if name.startswith("2-"))
    killed = crew.pids[2]
    os.kill(killed, signal.SIGKILL)
    answers: list[str | int] = []
    assert eventually(lambda: answers.append(state(crew, lost)) or answers[-1] == 404, 60), (answers, standing(killed))
    assert {state(crew, name) for name in sessions if name[0] != "2"} == {"live"}
    with Client(crew.url) as client:
        assert eventually(client.ready)
        assert crew.pids[2] != killed
        assert state(crew, lost) == 404
        for _ in range(12):
            with connect(crew) as http:
                assert http.get("/pivots/toy/a:33").status_code == 200
                assert opened(http, idempotency_key="again")
    for name in sessions:
        with connect(crew) as http:
            http.delete(f"/sessions/{name}")


def state(server: BackgroundServer, session_id: str) -> str | int:
    """A session's state, or the status that a call in it gets."""
    with httpx.Client(base_url=server.url, transport=httpx.HTTPTransport(retries=3, verify=TLS)) as http:
        try:
            answer = http.get(f"/sessions/{session_id}")
        except httpx.TransportError:  # it had come to the worker that was killed
            return 0
    return str(answer.json()["state"]) if answer.status_code == 200 else answer.status_code


def standing(pid: int) -> str:
    """What the system knows of a process, for the message of a test that waited for its end."""
    try:
        return Path(f"/proc/{pid}/status").read_text()
    except OSError as error:
        return str(error)


def test_domain_object_cannot_have_workers() -> None:
    with pytest.raises(ConfigError, match="process: a domain object cannot be sent to another process"):
        BackgroundServer(StoreDomain(), settings=Settings(workers=2))


def test_fewer_sessions_than_workers_are_refused() -> None:
    server = BackgroundServer("toy_domain:domain", settings=Settings(workers=3, max_sessions=2))
    with pytest.raises(ConfigError, match="max_sessions: expected at least one for each of 3 workers, got 2"):
        server.start()


@pytest.mark.slow
def test_error_of_a_worker_comes_back_as_itself() -> None:
    with pytest.raises(NotFound, match="nosuch"):
        BackgroundServer("nosuch", settings=Settings(workers=2)).start()


def test_workers_in_the_foreground_end_with_sigterm() -> None:
    command = [sys.executable, "-c", "from pivotgym.cli.main import console; console()"]
    command += ["serve", "toy_domain:domain", "--port", "0", "--workers", "2"]
    environment = {**os.environ, "PYTHONPATH": HERE}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as running:
        assert running.stderr is not None
        url = running.stderr.readline().split()[2].rstrip(",")
        with Client(url, retries=0) as client:
            client.wait_ready()
            running.send_signal(signal.SIGTERM)
            assert running.wait(timeout=15) == 0
            assert not client.ready()


@pytest.mark.slow
def test_workers_end_when_their_parent_is_killed() -> None:
    code = (
        "import time; from pivotgym.servers.serve import BackgroundServer\n"
        "from pivotgym.servers.settings import Settings\n"
        "server = BackgroundServer('toy_domain:domain', settings=Settings(workers=2)).start()\n"
        "print(server.url, flush=True); time.sleep(60)"
    )
    environment = {**os.environ, "PYTHONPATH": HERE}
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=environment) as parent:
        assert parent.stdout is not None
        url = parent.stdout.readline().strip()
        parent.send_signal(signal.SIGKILL)
    with Client(url, retries=0) as client:
        assert eventually(lambda: not client.ready())
