"""The gateway before two servers of one domain: where calls go, and what comes back."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from gateways import RunningGateway
from toy_domain import StoreDomain, call, make_pivot

from pivotgym.core.errors import NotFound
from pivotgym.servers.client import Client
from pivotgym.servers.serve import BackgroundServer
from pivotgym.servers.settings import Settings

RED = call("set", key="color", value="red")
BLUE = call("set", key="color", value="blue")


@pytest.fixture(scope="module")
def replicas() -> Iterator[list[BackgroundServer]]:
    started = [
        BackgroundServer(StoreDomain(), pivots=map(make_pivot, range(3)), settings=Settings(max_sessions=8)).start()
        for _ in range(2)
    ]
    yield started
    for server in started:
        server.stop()


@pytest.fixture(scope="module")
def gateway(replicas: list[BackgroundServer]) -> Iterator[RunningGateway]:
    one, other = (server.url for server in replicas)
    with RunningGateway(f"toy={one},toy={other},single={one}", max_body_bytes=200_000) as running:
        yield running


@pytest.fixture
def client(gateway: RunningGateway) -> Iterator[Client]:
    with Client(f"{gateway.url}/toy", retries=0) as made:
        yield made


@pytest.fixture
def http(gateway: RunningGateway) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=gateway.url, trust_env=False, timeout=20) as made:
        yield made


def served(server: BackgroundServer, route: str) -> float:
    """How many requests of a route a server has answered."""
    return figure(f"{server.url}/metrics", route)


def figure(url: str, route: str) -> float:
    page = httpx.get(url, trust_env=False).text
    lines = [line for line in page.splitlines() if line.startswith(f'pivotgym_requests_total{{route="{route}"')]
    return sum(float(line.rpartition(" ")[2]) for line in lines)


def test_verdict_comes_through(client: Client) -> None:
    assert client.verify("toy/a:0", RED).reward == 1.0
    assert client.verify("toy/a:0", BLUE).reward == 0.0


def test_verdicts_spread_over_all_servers(client: Client, replicas: list[BackgroundServer]) -> None:
    before = [served(server, "POST /verify") for server in replicas]
    for _ in range(10):
        client.verify("toy/a:0", RED)

    assert [served(server, "POST /verify") - count for server, count in zip(replicas, before, strict=True)] == [5, 5]


def test_session_stays_with_its_server(client: Client) -> None:
    with client.session(task_id="goal-1") as session:
        for number in range(4):
            session.step(call("set", key="x", value=number))
        assert session.step(call("get", key="x")).observation.endswith("3")
        assert session.describe()["steps"] == 5


def test_fork_stays_with_its_session(client: Client) -> None:
    with client.session(task_id="goal-1") as session:
        session.step(call("set", key="x", value=7))
        with session.fork() as copy:
            assert copy.id != session.id
            assert copy.step(call("get", key="x")).observation.endswith("7")


def test_sessions_spread_over_all_servers(client: Client) -> None:
    opened = [client.session(task_id="goal-1") for _ in range(12)]
    tags = {session.id.partition(".")[0] for session in opened}
    for session in opened:
        session.close()

    assert len(tags) == 2


def test_full_server_passes_a_new_session_to_another(client: Client) -> None:
    opened = [client.session(task_id="goal-1") for _ in range(16)]
    try:
        answer = httpx.post(f"{client._options.base_url}/sessions", json={"task_id": "goal-1"}, trust_env=False)
    finally:
        for session in opened:
            session.close()

    assert (answer.status_code, answer.json()["code"]) == (503, "full")
    assert int(answer.headers["retry-after"]) >= 1


def test_repeated_key_gives_the_first_session_again(http: httpx.Client) -> None:
    body = {"task_id": "goal-1", "idempotency_key": "the-same-again"}
    ids = {http.post("/toy/sessions", json=body).json()["session_id"] for _ in range(6)}

    assert len(ids) == 1


def test_another_gateway_knows_the_session(client: Client, replicas: list[BackgroundServer]) -> None:
    with client.session(task_id="goal-1") as session:
        session.step(call("set", key="x", value=5))
        upstreams = ",".join(f"toy={server.url}" for server in replicas)
        with RunningGateway(upstreams) as later:
            said = httpx.get(f"{later.url}/toy/sessions/{session.id}", trust_env=False).json()

    assert (said["session_id"], said["steps"]) == (session.id, 1)


@pytest.mark.parametrize("name", ["nothing", "0123456789ab.0-1", "%2E%2E", "a%2Fb", "é", "x" * 3000])
def test_unknown_session_is_not_found(http: httpx.Client, name: str) -> None:
    answer = http.get(f"/toy/sessions/{name}")

    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_closed_session_is_named_as_the_client_knows_it(client: Client) -> None:
    session = client.session(task_id="goal-1")
    session.close()

    with pytest.raises(NotFound, match="it was closed by a client") as caught:
        session.step(RED)
    assert session.id in caught.value.message
    assert caught.value.session_id == session.id


def test_gyms_names_stick_to_the_session_in_the_body(http: httpx.Client) -> None:
    made = http.post("/toy/reset", json={"task_id": "goal-1"}).json()["session_id"]
    action = {"tool_calls": [{"name": "set", "arguments": {"key": "x", "value": 1}}]}
    for _ in range(3):
        assert http.post("/toy/step", json={"session_id": made, "action": action}).status_code == 200
    again = http.post("/toy/reset", json={"session_id": made, "task_id": "goal-2"}).json()

    assert again["session_id"] == made
    assert http.get(f"/toy/sessions/{made}").json()["steps"] == 0


@pytest.mark.parametrize("path", ["/toy/step", "/toy/reset", "/toy/sessions", "/toy/verify", "/toy/pivots"])
@pytest.mark.parametrize("body", [b"{", b"[]", b'{"session_id": 3}', b'{"session_id": "\\ud800"}', b"\xff"])
def test_broken_body_is_the_callers_fault(http: httpx.Client, path: str, body: bytes) -> None:
    answer = http.post(path, content=body)

    assert 400 <= answer.status_code < 500
    assert answer.json()["code"]


def test_pivots_are_added_to_all_servers(client: Client, replicas: list[BackgroundServer]) -> None:
    assert client.add_pivots([make_pivot(20), make_pivot(21)]) == 2
    for server in replicas:
        with Client(server.url) as direct:
            assert [item["id"] for item in direct.pivots()][-2:] == ["toy/a:20", "toy/a:21"]


def test_pages_of_pivots_go_on_at_any_server(http: httpx.Client) -> None:
    found, cursor = [], "0"
    while cursor is not None:
        page = http.get("/toy/pivots", params={"limit": 1, "cursor": cursor}).json()
        found += [item["id"] for item in page["pivots"]]
        cursor = page["next"]

    assert len(found) == len(set(found)) == page["total"]


def test_pivot_with_a_slash_is_found(client: Client) -> None:
    assert client.pivot("toy/a:1").id == "toy/a:1"


def test_unknown_domain_is_not_found(http: httpx.Client) -> None:
    answer = http.get("/nothing/health")

    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize("path", ["/toy", "/toy/", "/toy/nothing", "/", "/toy%2Fready"])
def test_unknown_route_is_not_found(http: httpx.Client, path: str) -> None:
    assert http.get(path).status_code == 404


def test_wrong_method_says_which_is_right(http: httpx.Client) -> None:
    answer = http.put("/toy/verify", json={})

    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize("path", ["/toy/health", "/toy/pivots", "/toy/ready", "/toy/nothing"])
def test_head_is_answered_without_a_body(http: httpx.Client, path: str) -> None:
    answer = http.head(path)

    assert answer.content == b""
    assert answer.status_code == http.get(path).status_code


def test_body_over_the_limit_is_refused_by_the_gateway(http: httpx.Client) -> None:
    answer = http.post("/toy/verify", content=b"x" * 200_001)

    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


def test_health_and_readiness(http: httpx.Client) -> None:
    assert http.get("/health").json() == {"status": "ok"}
    said = http.get("/ready").json()
    assert said["ready"] is True
    assert said["upstreams"]["toy"] == {"servers": 2, "ready": 2, "troubles": {}}
    assert http.get("/toy/ready").json() == {"ready": True}
    assert http.get("/toy/health").json() == {"status": "ok"}


def test_metadata_lists_domains_and_servers(http: httpx.Client, replicas: list[BackgroundServer]) -> None:
    said = http.get("/metadata").json()

    toy = said["domains"]["toy"]
    assert toy["metadata"]["name"] == "toy"
    assert {server["address"] for server in toy["servers"]} == {server.url for server in replicas}
    assert {server["state"] for server in toy["servers"]} == {"ready"}


def test_metrics_are_added_up_by_domain(http: httpx.Client) -> None:
    http.post("/single/verify", json={"pivot_id": "toy/a:0", "action": RED.to_json()})
    page = http.get("/metrics").text

    assert 'pivotgym_gateway_requests_total{domain="single",route="POST /verify",status="200"}' in page
    assert 'pivotgym_requests_total{domain="toy",route="POST /verify",status="200"}' in page
    assert 'pivotgym_gateway_replicas{domain="toy",state="ready"} 2.0' in page


def test_domains_metrics_are_the_sum_of_its_servers(gateway: RunningGateway, replicas: list[BackgroundServer]) -> None:
    whole = figure(f"{gateway.url}/toy/metrics", "POST /verify")

    assert whole == sum(served(server, "POST /verify") for server in replicas) > 0
