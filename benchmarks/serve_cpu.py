"""CPU per request without sockets: bytes go into the protocol and come out of it, in this process.

Run: `python benchmarks/serve_cpu.py [--payloads FOLDER]`. The least of many rounds is shown, so that the figures hold
on a machine that is busy with other things; plain FastAPI stands beside ours. What a socket costs (the same for both)
comes on top: `serve` and `serve_sessions` have the whole.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parent))

import serve_bare
import uvicorn
import uvloop
from serve import BATCHES, PAYLOADS, action, batch_body, pivot, verify_body
from serve_load import request_bytes
from serve_sessions import STEPS, domain
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from pivotgym.servers.app import create_app
from pivotgym.servers.http import protocol
from pivotgym.servers.settings import Settings

ROUNDS = 12


class Wire(asyncio.Transport):
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        super().__init__({"sockname": ("127.0.0.1", 1), "peername": ("127.0.0.1", 2)})
        self.written: list[bytes] = []

    def write(self, data: Any) -> None:
        """Keep it."""
        self.written.append(data)

    def is_closing(self) -> bool:
        """Never."""
        return False

    def close(self) -> None:
        """Nothing to close."""

    def pause_reading(self) -> None:
        """Nothing is read."""

    def resume_reading(self) -> None:
        """Nothing is read."""


class Connection:
    """A connection to an application."""

    def __init__(self, app: Any, kind: Callable[..., Any]) -> None:
        config = uvicorn.Config(app, log_level="warning", access_log=False, lifespan="off")
        config.load()
        self._protocol = kind(config, ServerState(), {}, asyncio.get_running_loop())
        self._wire = Wire()
        self._protocol.connection_made(self._wire)

    async def ask(self, request: bytes) -> bytes:
        """Send a request and wait for the answer, which uvicorn writes as a head and a body."""
        written = self._wire.written
        written.clear()
        self._protocol.data_received(request)
        while len(written) < 2:
            await asyncio.sleep(0)
        if b" 200 " not in written[0][:20]:
            raise SystemExit(f"answered {b''.join(written).decode()}")
        return written[1]


async def least(call: Callable[[], Awaitable[Any]], times: int, each: int = 1) -> float:
    """CPU milliseconds of one call, the least of some rounds."""
    found = []
    for _ in range(ROUNDS):
        begun = time.process_time()
        for _ in range(times):
            await call()
        found.append((time.process_time() - begun) / times / each * 1e3)
    return min(found)


STEP = json.dumps({"action": action().to_json()}).encode()


def post(path: str, body: str | bytes) -> bytes:
    return request_bytes("host", path, body.encode() if isinstance(body, str) else body)


async def session(connection: Connection) -> None:
    """Reset, eight steps, close."""
    session_id = json.loads(await connection.ask(post("/sessions", '{"task_id": "task"}')))["session_id"]
    step = post(f"/sessions/{session_id}/step", STEP)
    for _ in range(STEPS):
        await connection.ask(step)
    await connection.ask(request_bytes("host", f"/sessions/{session_id}", b"", "DELETE"))


class Cost(NamedTuple):
    """CPU milliseconds of one operation, and of the same on plain FastAPI where it does the same."""

    name: str
    cpu_ms: float
    floor_ms: float | None = None


async def measured(payloads: Path) -> AsyncIterator[Cost]:
    """Each operation's cost, one after another."""
    app = create_app(domain(), pivots=[pivot(turn=turn) for turn in range(16)], settings=Settings())
    ours = Connection(app, protocol(Settings()))
    floor = Connection(serve_bare.app, HttpToolsProtocol)
    for name in PAYLOADS if payloads.is_dir() else ():
        body = (payloads / f"{name}.json").read_bytes()
        cpu_ms = await least(partial(ours.ask, post("/nemo_gym/verify", body)), 30)
        floor_ms = await least(partial(floor.ask, post("/verify", body)), 30)
        yield Cost(f"/nemo_gym/verify, {len(body) / 1e3:.1f} KB", cpu_ms, floor_ms)
    for name, sent in {
        "/verify, pivot by id": verify_body(pivot_id="plain/a:0"),
        "/verify, whole pivot, 25 KB": verify_body(pivot=pivot(24_000).to_json()),
        "/verify, executed": json.dumps({"pivot_id": "plain/a:0", "action": action(3).to_json()}),
    }.items():
        same = serve_bare.body(len(sent))
        cpu_ms = await least(partial(ours.ask, post("/verify", sent)), 50)
        yield Cost(name, cpu_ms, await least(partial(floor.ask, post("/verify", same)), 50))
    for name, actions in BATCHES.items():
        cpu_ms = await least(partial(ours.ask, post("/verify/batch", batch_body(actions))), 2, each=256)
        yield Cost(f"/verify/batch of 256, {name}, per action", cpu_ms)
    sessions = [await least(partial(session, to), 10, STEPS + 1) for to in (ours, floor)]
    yield Cost("sessions, per reset or step", *sessions)


async def run(payloads: Path) -> None:
    async for name, cpu_ms, floor_ms in measured(payloads):
        beside = "" if floor_ms is None else f"   plain FastAPI {floor_ms:.4f}   ratio {cpu_ms / floor_ms:.2f}"
        print(f"{name:56} {cpu_ms:.4f} CPU ms each{beside}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--payloads", type=Path, default=Path("../shared/data/payloads"))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run(parser.parse_args().payloads))


if __name__ == "__main__":
    main()
