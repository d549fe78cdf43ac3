from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import threading
from collections.abc import Callable

import httpx
import pytest
from toy_domain import StoreDomain, call, make_pivot

from pivotgym.core.errors import InfrastructureError, NotFound, Unreachable
from pivotgym.core.messages import Malformed
from pivotgym.core.trajectory import Verdict
from pivotgym.servers.binding import bind
from pivotgym.servers.client import AsyncClient, Client, TextAction, VerifyItem
from pivotgym.servers.serve import BackgroundServer, make_server
from pivotgym.servers.settings import Settings

Serving = Callable[..., BackgroundServer]
RED, BLUE = call("set", key="color", value="red"), call("set", key="color", value="blue")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def test_every_kind_of_action_is_sent(client: Client) -> None:
    actions = [RED, RED.to_json(), TextAction("hello", "hermes"), Malformed(text="{", reason="no JSON")]
    outcomes = [client.verify("toy/a:0", action).outcome for action in actions]
    assert outcomes == ["equivalent", "equivalent", "different", "invalid"]


def test_batch_answers_by_item_and_action(client: Client) -> None:
    results = client.verify_batch([VerifyItem("toy/a:0", [RED, BLUE]), VerifyItem(make_pivot(8), [RED])])
    assert [[scored.reward for scored in group if isinstance(scored, Verdict)] for group in results] == [[1, 0], [1]]


def test_batch_has_errors_in_their_places(client: Client) -> None:
    results = client.verify_batch([VerifyItem("toy/a:0", [call("break"), RED]), VerifyItem("nowhere", [RED])])
    assert isinstance(results[0][0], InfrastructureError)
    assert isinstance(results[0][1], Verdict)
    assert isinstance(results[1][0], NotFound)


def test_batch_larger_than_one_call_is_split(serving: Serving) -> None:
    with Client(serving().url) as client:
        (group,) = client.verify_batch([VerifyItem("toy/a:0", [RED] * 1100)])
    assert [scored.reward for scored in group if isinstance(scored, Verdict)] == [1.0] * 1100


def test_closing_a_session_the_server_forgot_does_nothing(client: Client, http: httpx.Client) -> None:
    session = client.session(pivot_id="toy/a:0")
    assert http.delete(f"/sessions/{session.id}").status_code == 200
    session.close()
    assert http.get(f"/sessions/{session.id}").status_code == 404


def test_nobody_there_is_unreachable() -> None:
    with Client(f"http://127.0.0.1:{free_port()}", retries=1) as client:
        with pytest.raises(Unreachable, match="no answer in 2 tries"):
            client.health()
        assert not client.ready()


def test_calls_survive_a_restart_of_the_server() -> None:
    settings = Settings(port=free_port())

    def serve_once() -> tuple[threading.Thread, Callable[[], None]]:
        bound = bind(settings)
        server = make_server(StoreDomain(), [make_pivot()], settings)
        thread = threading.Thread(target=lambda: server.run(sockets=[bound]))
        thread.start()

        def stop() -> None:
            server.should_exit = True
            thread.join()
            bound.close()

        return thread, stop

    _, stop = serve_once()
    with Client(f"http://127.0.0.1:{settings.port}", retries=8) as client:
        client.wait_ready()
        assert client.verify("toy/a:0", RED).reward == 1.0
        stop()
        later: list[Callable[[], None]] = []
        restart = threading.Timer(0.3, lambda: later.append(serve_once()[1]))
        restart.start()
        assert client.verify("toy/a:0", RED).reward == 1.0
        restart.join()
        later[0]()


def test_async_client_does_the_same(server: BackgroundServer) -> None:
    async def use() -> None:
        async with AsyncClient(server.url) as client:
            assert (await client.health(), await client.ready()) == ({"status": "ok"}, True)
            await client.wait_ready()
            assert (await client.metadata())["name"] == "toy"
            assert "toy/a:0" in [pivot["id"] async for pivot in client.pivots()]
            assert len([task async for task in client.tasks()]) == 3
            assert await client.pivot("toy/a:1") == make_pivot(1)
            assert await client.add_pivots([make_pivot(1)]) == 0
            assert (await client.prepare(["toy/a:0"])).refused == {}
            results = await client.verify_batch([VerifyItem("toy/a:0", [RED, BLUE])])
            assert [scored.reward for scored in results[0] if isinstance(scored, Verdict)] == [1.0, 0.0]
            async with await client.session(task_id="goal-1") as session, await session.fork() as copy:
                assert (await copy.step(call("set", key="goal", value=1))).observation == "1"
                assert (await copy.describe())["steps"] == 1
                assert (await session.describe())["steps"] == 0

    asyncio.run(use())


def test_async_calls_run_at_once(server: BackgroundServer) -> None:
    async def use() -> list[Verdict]:
        async with AsyncClient(server.url) as client:
            return await asyncio.gather(*(client.verify("toy/a:0", RED) for _ in range(50)))

    assert {verdict.reward for verdict in asyncio.run(use())} == {1.0}


def test_async_unreachable() -> None:
    async def use() -> None:
        async with AsyncClient(f"http://127.0.0.1:{free_port()}", retries=0) as client:
            await client.health()

    with pytest.raises(Unreachable, match="no answer in 1 try"):
        asyncio.run(use())


def test_importing_the_client_loads_no_server_and_no_heavy_library() -> None:
    heavy = ["fastapi", "starlette", "uvicorn", "torch", "gymnasium", "numpy", "pivotgym.envs", "pivotgym.verifiers"]
    code = f"import sys, pivotgym.servers.client; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
