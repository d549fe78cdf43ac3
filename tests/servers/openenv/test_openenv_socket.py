"""The socket of OpenEnv's clients as anybody may use it: what is no message, silence, other sites, lost connections."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_domain import Store, make_pivot
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from pivotgym.servers.serve import BackgroundServer
from pivotgym.servers.settings import Settings

Serving = Callable[..., BackgroundServer]
RESET = {"type": "reset", "data": {"injected_state": {"pivot_id": "toy/a:1"}}}
CODES = {"INVALID_JSON", "UNKNOWN_TYPE", "VALIDATION_ERROR", "EXECUTION_ERROR", "SESSION_ERROR", "CAPACITY_REACHED"}


def opened(url: str, **options: Any) -> ClientConnection:
    return connect(url.replace("http", "ws", 1) + "/openenv/ws", proxy=None, **options)


def ask(socket: ClientConnection, message: Any) -> Any:
    socket.send(message if isinstance(message, str | bytes) else json.dumps(message))
    return json.loads(socket.recv(timeout=20))


@pytest.fixture(scope="module")
def shared(server: BackgroundServer) -> Iterator[ClientConnection]:
    with opened(server.url) as made:
        yield made


@pytest.fixture
def socket(server: BackgroundServer) -> Iterator[ClientConnection]:
    with opened(server.url) as made:
        yield made


def comes_true(holds: Callable[[], bool]) -> bool:
    ends = time.monotonic() + 20
    while not holds() and time.monotonic() < ends:
        time.sleep(0.02)
    return holds()


@pytest.mark.parametrize(
    ("message", "code", "text"),
    [
        ("{", "INVALID_JSON", "expected JSON"),
        ("\ud800".encode("utf-8", "surrogatepass").decode("latin-1"), "INVALID_JSON", "expected JSON"),
        ("[" * 500 + "]" * 500, "INVALID_JSON", "expected JSON"),
        ([1], "UNKNOWN_TYPE", "expected one of ['reset', 'step', 'state', 'close'], got 'None'"),
        (b"\x00", "UNKNOWN_TYPE", "expected one of"),
        ({"type": "fork"}, "UNKNOWN_TYPE", "got 'fork'"),
        ({"type": ["reset"]}, "UNKNOWN_TYPE", "got \"['reset']\""),
        ({"type": "reset", "data": []}, "VALIDATION_ERROR", "data: expected an object, got list"),
        ({"type": "step", "data": {"content": "x"}}, "SESSION_ERROR", "no episode has begun (send reset first)"),
    ],
)
def test_what_is_no_message_is_refused_and_the_talk_goes_on(
    socket: ClientConnection, message: Any, code: str, text: str
) -> None:
    refused = ask(socket, message)
    assert (refused["type"], refused["data"]["code"]) == ("error", code)
    assert text in refused["data"]["message"]
    assert ask(socket, RESET)["type"] == "observation"


def test_an_error_says_in_our_words_whether_a_repeat_may_help(socket: ClientConnection) -> None:
    refused = ask(socket, {"type": "reset", "data": {"injected_state": {"pivot_id": "no/such:0"}}})
    assert refused["data"]["error"] == {**refused["data"]["error"], "code": "not_found", "retryable": False}


def test_mcp_is_refused_as_json_rpc_does(socket: ClientConnection) -> None:
    answer = ask(socket, {"type": "mcp", "data": {"jsonrpc": "2.0", "id": 7, "method": "tools/list"}})
    assert (answer["data"]["id"], answer["data"]["error"]["code"]) == (7, -32601)


def test_a_session_that_was_closed_is_named_as_that_and_reset_makes_another(
    server: BackgroundServer, socket: ClientConnection
) -> None:
    ask(socket, RESET)
    session_id = ask(socket, {"type": "state"})["data"]["session_id"]
    httpx.delete(f"{server.url}/sessions/{session_id}", trust_env=False)
    lost = ask(socket, {"type": "step", "data": {"content": "x"}})
    assert (lost["data"]["code"], "closed by a client" in lost["data"]["message"]) == ("SESSION_ERROR", True)
    assert ask(socket, RESET)["type"] == "observation"


def test_close_ends_the_connection(socket: ClientConnection) -> None:
    socket.send('{"type": "close"}')
    with pytest.raises(ConnectionClosed) as ended:
        socket.recv(timeout=20)
    assert ended.value.rcvd is not None
    assert ended.value.rcvd.code == 1000


def begins(url: str) -> bool:
    """Whether a new connection gets a session."""
    with opened(url) as socket:
        try:
            return bool(ask(socket, RESET)["type"] == "observation")
        except ConnectionClosed:
            return False


def test_a_connection_that_breaks_closes_its_session(serving: Serving) -> None:
    url = serving(max_sessions=1).url
    live = Store.live
    with opened(url) as broken:
        ask(broken, RESET)
        broken.socket.close()
    assert comes_true(lambda: begins(url))
    assert comes_true(lambda: Store.live <= live + 1), "but for the pivot's state, which is kept"


def test_a_connection_that_breaks_while_a_step_runs_closes_its_session(serving: Serving) -> None:
    url = serving(max_sessions=1).url
    called = {"function": {"name": "sleep", "arguments": '{"seconds": 0.3}'}, "type": "function"}
    with opened(url) as broken:
        ask(broken, {"type": "reset", "data": {"injected_state": {"task_id": "goal-1"}}})
        broken.send(json.dumps({"type": "step", "data": {"content": "", "tool_calls": [called]}}))
        broken.socket.close()
    assert comes_true(lambda: begins(url))


def test_one_connection_too_many_is_told_so(serving: Serving) -> None:
    url = serving(max_sessions=1).url
    with opened(url), opened(url) as second:
        refused = json.loads(second.recv(timeout=20))
        with pytest.raises(ConnectionClosed) as ended:
            second.recv(timeout=20)
    assert (refused["data"]["code"], refused["data"]["error"]["retryable"]) == ("CAPACITY_REACHED", True)
    assert ended.value.rcvd is not None
    assert ended.value.rcvd.code == 1013


def test_sessions_of_others_count_too(serving: Serving) -> None:
    url = serving(max_sessions=1).url
    httpx.post(url + "/sessions", json={"task_id": "goal-1"}, trust_env=False)
    with opened(url) as socket:
        assert ask(socket, RESET)["data"]["code"] == "CAPACITY_REACHED"


def test_a_silent_connection_is_closed(serving: Serving) -> None:
    with opened(serving(idle_timeout_s=0.2).url) as socket:
        with pytest.raises(ConnectionClosed) as ended:
            socket.recv(timeout=20)
        assert ended.value.rcvd is not None
        assert (ended.value.rcvd.code, ended.value.rcvd.reason) == (1008, "silent for too long")


def test_a_message_over_the_limit_closes_the_connection(serving: Serving) -> None:
    with opened(serving(max_body_bytes=2000).url) as socket:
        socket.send("x" * 3000)
        with pytest.raises(ConnectionClosed) as ended:
            socket.recv(timeout=20)
    assert ended.value.rcvd is not None
    assert ended.value.rcvd.code == 1009


def test_a_connection_outlives_the_time_in_which_a_request_must_come(serving: Serving) -> None:
    with opened(serving(receive_timeout_s=0.2).url) as socket:
        time.sleep(0.5)
        assert ask(socket, RESET)["type"] == "observation"


def test_a_page_of_another_site_is_refused(server: BackgroundServer) -> None:
    with pytest.raises(InvalidStatus) as refused, opened(server.url, origin="http://evil.example"):
        pass
    assert refused.value.response.status_code == 403
    assert json.loads(refused.value.response.body)["message"].startswith("origin: expected that of this server")


def test_a_page_of_this_server_is_not(server: BackgroundServer) -> None:
    with opened(server.url, origin=server.url) as socket:
        assert ask(socket, RESET)["type"] == "observation"


@pytest.mark.parametrize("header", [{}, {"Authorization": "Basic !"}, {"Authorization": "Bearer another"}])
def test_without_the_token_there_is_no_connection(serving: Serving, tmp_path: Path, header: dict[str, str]) -> None:
    (tmp_path / "token").write_text("bearer-secret")
    url = serving(token_file=tmp_path / "token").url
    with pytest.raises(InvalidStatus) as refused, opened(url, additional_headers=header):
        pass
    assert refused.value.response.status_code == 401
    assert json.loads(refused.value.response.body)["code"] == "unauthorized"
    with opened(url, additional_headers={"Authorization": "Bearer bearer-secret"}) as socket:
        assert ask(socket, RESET)["type"] == "observation"


def test_the_password_opens_no_route_of_ours(serving: Serving, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("bearer-secret")
    url = serving(token_file=tmp_path / "token").url
    answers = [httpx.get(url + path, auth=("x", "bearer-secret"), trust_env=False) for path in ("/metadata", "/pivots")]
    assert [answer.status_code for answer in answers] == [401, 401]


def test_an_address_that_is_none_is_refused(server: BackgroundServer) -> None:
    with pytest.raises(InvalidStatus), connect(server.url.replace("http", "ws", 1) + "/nothing", proxy=None):
        pass


@settings(max_examples=30, deadline=None, derandomize=True)
@given(
    st.text(max_size=30)
    | st.fixed_dictionaries(
        {"type": st.sampled_from(["reset", "step", "state", "mcp"])},
        optional={"data": st.dictionaries(st.sampled_from(["seed", "content", "injected_state", "text"]), st.text())},
    ).map(json.dumps)
)
def test_any_text_gets_one_answer(shared: ClientConnection, text: str) -> None:
    answer = ask(shared, text)
    assert answer["type"] in ("observation", "state", "mcp", "error")
    assert answer["type"] != "error" or answer["data"]["code"] in CODES


@pytest.mark.slow
def test_a_session_may_live_in_another_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    asked = Settings(workers=2, threads=2, max_sessions=4)
    with BackgroundServer("toy_domain:domain", pivots=[make_pivot(1)], settings=asked) as crew, ExitStack() as stack:
        sockets = [stack.enter_context(opened(crew.url)) for _ in range(4)]  # two sessions fit in each worker
        assert [ask(one, RESET)["type"] for one in sockets] == ["observation"] * 4
        homes = {ask(one, {"type": "state"})["data"]["session_id"].partition("-")[0] for one in sockets}
        assert homes == {"0", "1"}
        assert [ask(one, RESET)["type"] for one in sockets] == ["observation"] * 4


def test_http_describes_what_the_socket_takes_and_answers(server: BackgroundServer) -> None:
    with httpx.Client(base_url=server.url + "/openenv", trust_env=False) as http:
        assert http.get("/health").json() == {"status": "healthy"}
        assert http.get("/metadata").json()["name"] == "toy"
        schema = http.get("/schema").json()
        assert "text" in schema["observation"]["properties"]
        assert "digest" in schema["state"]["properties"]
        assert set(http.get("/openapi.json").json()["paths"]) == {
            "/health",
            "/metadata",
            "/schema",
            "/mcp",
            "/openapi.json",
        }


def test_mcp_over_http_is_refused_as_json_rpc_does(server: BackgroundServer) -> None:
    answer = httpx.post(server.url + "/openenv/mcp", json={"id": 3, "method": "tools/list"}, trust_env=False).json()
    assert (answer["jsonrpc"], answer["id"], answer["error"]["code"]) == ("2.0", 3, -32601)
