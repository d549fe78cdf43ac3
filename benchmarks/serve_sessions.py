"""How fast one server process runs sessions of a trivial world: reset and eight steps, 64 clients.

Run: `python benchmarks/serve_sessions.py`. Plain FastAPI, with sessions that are a number in a dictionary, stands
beside it in the same run.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from serve import Plain, action, pivot
from serve_bare import running as bare
from serve_load import cpu_s, exchange, request_bytes, rss_mb

from pivotgym.core.messages import Message
from pivotgym.core.trajectory import Origin
from pivotgym.envs.base.contract import Task
from pivotgym.servers.serve import BackgroundServer

CLIENTS, STEPS = 64, 8


class WithTask(Plain):
    """The domain of `serve`, with one task."""

    def tasks(self) -> Iterable[Task]:
        """The one task."""
        yield Task("task", Origin(kind="nothing"), [Message(role="user", content="Go.")], pivot().tools)


def domain() -> WithTask:
    return WithTask()


async def _client(url: str, ends: float, counts: list[int]) -> None:
    host = url.removeprefix("http://")
    name, port = host.split(":")
    reader, writer = await asyncio.open_connection(name, int(port), limit=2**24)
    reset = request_bytes(host, "/sessions", json.dumps({"task_id": "task"}).encode())
    body = json.dumps({"action": action().to_json()}).encode()
    while time.perf_counter() < ends:
        session_id = json.loads(await exchange(reader, writer, reset))["session_id"]
        step = request_bytes(host, f"/sessions/{session_id}/step", body)
        for _ in range(STEPS):
            await exchange(reader, writer, step)
        await exchange(reader, writer, request_bytes(host, f"/sessions/{session_id}", b"", "DELETE"))
        counts.append(STEPS + 1)
    writer.close()


async def _load(url: str, seconds: float) -> dict[str, float]:
    counts: list[int] = []
    begun = time.perf_counter()
    await asyncio.gather(*(_client(url, begun + seconds, counts) for _ in range(CLIENTS)))
    return {"ops": sum(counts), "seconds": time.perf_counter() - begun}


def measure(name: str, url: str, pid: int) -> None:
    """Load a server and print one line."""
    before = cpu_s(pid)
    done = subprocess.run([sys.executable, __file__, url], stdout=subprocess.PIPE, check=True)
    result = json.loads(done.stdout)
    cpu_ms = (cpu_s(pid) - before) / result["ops"] * 1e3
    print(
        f"{name}: {result['ops'] / result['seconds']:,.0f} resets and steps/s (closing is not counted), "
        f"{cpu_ms:.3f} CPU ms each, {rss_mb(pid):.0f} MB resident"
    )


def main() -> None:
    os.environ["PYTHONPATH"] = str(Path(__file__).parent)
    with BackgroundServer("serve_sessions:domain", process=True) as server:
        measure("sessions", server.url, server.pid)
    with bare() as (url, pid):
        measure("plain FastAPI", url, pid)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(asyncio.run(_load(sys.argv[1], 4.0))))
    else:
        main()
