"""What a gateway makes of servers that answer in odd ways, broken ways, or not at all."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from gateways import RunningGateway
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_domain import StoreDomain

from pivotgym.servers.gateway import health
from pivotgym.servers.gateway.connections import Broken, Connections
from pivotgym.servers.gateway.settings import Address
from pivotgym.servers.serve import BackgroundServer

READY = b'HTTP/1.1 200 OK\r\ncontent-length: 14\r\n\r\n{"ready":true}'
PAGE = b'HTTP/1.1 200 OK\r\ncontent-length: 35\r\n\r\n{"pivots":[],"next":null,"total":0 }'
SPACED = PAGE.replace(b"35", b"36")


class Puppet:
    """A server that writes the bytes it is told to, after the usual answers to looks.

    Attributes:
        url: Where it is.
        heads: The heads of the requests that were no looks.
        look_pause_s: Waited before a look is answered.
    """

    def __init__(self) -> None:
        self.says: list[bytes] = [b""]
        self.pause_s = self.look_pause_s = 0.0
        self.heads: list[str] = []
        self._loop = asyncio.new_event_loop()
        self._server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                await self._answer(head, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def _answer(self, head: str, writer: asyncio.StreamWriter) -> None:
        if head.startswith(("GET /ready", "GET /pivots?limit=1 ")):
            await asyncio.sleep(self.look_pause_s)
            writer.write(READY if head.startswith("GET /ready") else SPACED)
            return
        self.heads.append(head)
        for part in self.says:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(self.pause_s)
        writer.close()

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._server.close()
        self._loop.close()


@pytest.fixture(scope="module")
def puppet() -> Iterator[Puppet]:
    made = Puppet()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def gateway(puppet: Puppet) -> Iterator[RunningGateway]:
    with RunningGateway(f"odd={puppet.url}", timeout_s=0.5, check_s=30.0) as running:
        yield running


@pytest.fixture
def get(puppet: Puppet, gateway: RunningGateway) -> Callable[..., httpx.Response]:
    """Asks for something to which the puppet says these bytes."""

    def ask(*says: bytes, pause_s: float = 0.0, path: str = "/tasks") -> httpx.Response:
        puppet.says, puppet.pause_s = list(says), pause_s
        return httpx.get(f"{gateway.url}/odd{path}", trust_env=False, timeout=20)

    return ask


def test_answer_without_a_length_lasts_to_the_end_of_the_connection(get: Callable[..., httpx.Response]) -> None:
    assert get(b"HTTP/1.1 200 OK\r\n\r\nfirst ", b"second").text == "first second"


def test_chunked_answer_comes_whole(get: Callable[..., httpx.Response]) -> None:
    parts = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n", b"7\r\n second\r\n0\r\n\r\n"

    assert get(*parts).text == "first second"


def test_large_answer_comes_whole(get: Callable[..., httpx.Response]) -> None:
    body = bytes(range(256)) * 20_000
    answer = get(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body), body)

    assert (answer.content, answer.headers["content-length"]) == (body, str(len(body)))


def test_large_answer_that_breaks_off_breaks_off_for_the_client(get: Callable[..., httpx.Response]) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        get(b"HTTP/1.1 200 OK\r\ncontent-length: 9000000\r\n\r\n", b"x" * 2_000_000)


def test_provisional_answer_is_passed_over(get: Callable[..., httpx.Response]) -> None:
    assert get(b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\nfine").text == "fine"


def test_headers_of_a_connection_stay_behind(get: Callable[..., httpx.Response]) -> None:
    answer = get(b"HTTP/1.1 503 No\r\nretry-after: 7\r\nset-cookie: a=b\r\nserver: x\r\ncontent-length: 0\r\n\r\n")

    assert answer.headers["retry-after"] == "7"
    assert not {"set-cookie", "server"} & set(answer.headers)


@pytest.mark.parametrize(
    ("says", "reason"),
    [
        ([b""], "the connection ended before the whole answer"),
        ([b"HTTP/1.1 200 OK\r\ncontent-le"], "the connection ended before the whole answer"),
        ([b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nab"], "the connection ended before the whole answer"),
        ([b"SSH-2.0-OpenSSH\r\n"], "the answer is no HTTP"),
        ([b"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n"], "the answer is no HTTP"),
    ],
)
def test_broken_answer_is_retryable(get: Callable[..., httpx.Response], says: list[bytes], reason: str) -> None:
    answer = get(*says)

    assert (answer.status_code, answer.json()["code"], answer.json()["retryable"]) == (503, "warming", True)
    assert reason in answer.json()["message"]


def test_late_answer_is_a_time_out(get: Callable[..., httpx.Response], puppet: Puppet) -> None:
    before = len(puppet.heads)
    answer = get(b"", b"HTTP/1.1 200 OK\r\n\r\n", pause_s=1.0)

    assert (answer.status_code, answer.json()["code"]) == (504, "timeout")
    assert "no answer within 0.5 s" in answer.json()["message"]
    assert len(puppet.heads) == before + 1


def test_answer_that_stops_midway_is_a_time_out(get: Callable[..., httpx.Response]) -> None:
    answer = get(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nab", b"cde", pause_s=1.0)

    assert answer.status_code == 504
    assert "the answer stopped for 0.5 s" in answer.json()["message"]


def test_servers_refusal_of_the_gateway_is_not_the_callers_fault(get: Callable[..., httpx.Response]) -> None:
    answer = get(b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n")

    assert (answer.status_code, answer.json()["code"]) == (503, "infrastructure")
    assert "a server of 'odd' refuses the gateway's token" in answer.json()["message"]


def test_server_that_is_too_busy_to_be_looked_at_is_not_given_up(
    puppet: Puppet, monkeypatch: pytest.MonkeyPatch
) -> None:
    puppet.says, puppet.pause_s = [b"HTTP/1.1 200 OK\r\n\r\nfine"], 0.0
    with RunningGateway(f"odd={puppet.url}", check_s=0.05) as running:
        monkeypatch.setattr(health, "LOOK_S", 0.1)
        puppet.look_pause_s = 0.5
        time.sleep(0.5)
        found = httpx.get(f"{running.url}/odd/tasks", trust_env=False).text
        puppet.look_pause_s = 0.0

    assert found == "fine"


def test_server_that_says_it_is_stopping_is_passed_over(puppet: Puppet) -> None:
    body = b'{"code":"stopping","message":"the server is stopping","retryable":true}'
    puppet.says = [b"HTTP/1.1 503 No\r\ncontent-length: %d\r\n\r\n" % len(body), body]
    with (
        BackgroundServer(StoreDomain()) as server,
        RunningGateway(f"toy={puppet.url},toy={server.url}", check_s=60.0) as running,
    ):
        answers = [httpx.get(f"{running.url}/toy/tasks", trust_env=False) for _ in range(4)]
        session = {"task_id": "goal-1"}
        made = [httpx.post(f"{running.url}/toy/sessions", json=session, trust_env=False) for _ in range(4)]

    assert {answer.status_code for answer in [*answers, *made]} == {200}


def test_clients_headers_stay_behind(get: Callable[..., httpx.Response], puppet: Puppet, gateway: Any) -> None:
    puppet.says = [b"HTTP/1.1 200 OK\r\n\r\n"]
    headers = {"authorization": "Bearer mine", "cookie": "a=b", "x-forwarded-for": "1.2.3.4"}
    httpx.get(f"{gateway.url}/odd/tasks", headers=headers, trust_env=False)

    head = puppet.heads[-1].lower()
    assert not any(name in head for name in ("mine", "cookie", "x-forwarded-for"))


def test_query_and_quoted_path_come_as_they_were(get: Callable[..., httpx.Response], puppet: Puppet) -> None:
    get(b"HTTP/1.1 200 OK\r\n\r\n", path="/pivots/a%2Fb%3A1?x=%20y&z=")

    assert puppet.heads[-1].startswith("GET /pivots/a%2Fb%3A1?x=%20y&z= HTTP/1.1\r\n")


@settings(max_examples=50)
@given(st.binary(max_size=300), st.lists(st.integers(1, 60), min_size=1, max_size=12), st.booleans())
def test_answer_is_the_same_in_whatever_pieces_it_comes(body: bytes, sizes: list[int], chunked: bool) -> None:
    framed = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if chunked and body else body
    header = b"transfer-encoding: chunked" if chunked and body else b"content-length: %d" % len(body)
    message = b"HTTP/1.1 200 OK\r\n%b\r\n\r\n%b" % (header, framed)

    assert asyncio.run(_read_in_pieces(message, sizes)) == (200, body)


async def _read_in_pieces(message: bytes, sizes: list[int]) -> tuple[int, bytes]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        rest, number = message, 0
        while rest:
            size = sizes[number % len(sizes)]
            writer.write(rest[:size])
            await asyncio.sleep(0)
            rest, number = rest[size:], number + 1
        await writer.drain()
        await reader.read()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        address = Address("http", "127.0.0.1", server.sockets[0].getsockname()[1])
        connections = Connections(address, 5.0)
        answer = await (await connections.take()).ask(b"GET / HTTP/1.1\r\n\r\n", 5.0)
        found = answer.status, await answer.body()
        connections.close()
    return found


def test_connection_is_used_again() -> None:
    async def twice() -> int:
        made = 0

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal made
            made += 1
            for _ in range(2):
                await reader.readuntil(b"\r\n\r\n")
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nx")
            writer.close()

        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            connections = Connections(Address("http", "127.0.0.1", server.sockets[0].getsockname()[1]), 5.0)
            for _ in range(2):
                await (await (await connections.take()).ask(b"GET / HTTP/1.1\r\n\r\n", 5.0)).body()
            connections.close()
        return made

    assert asyncio.run(twice()) == 1


def test_nobody_listening_is_told_from_other_failures() -> None:
    async def fail() -> Broken:
        server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        server.close()
        await server.wait_closed()
        with pytest.raises(Broken) as caught:
            await Connections(Address("http", "127.0.0.1", port), 5.0).take()
        return caught.value

    error = asyncio.run(fail())
    assert (error.refused, error.sent) == (True, False)
