"""A load generator: raw HTTP/1.1 over asyncio, in a process of its own, so that it takes nothing from the server.

Owns: sending the same requests over many connections and timing each. Does not own: what is measured (`serve`,
`serve_sessions`).
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import statistics
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)


@dataclass
class Load:
    """What is sent: bodies to a path in turn, over so many connections, for so many seconds."""

    url: str
    path: str
    bodies: list[str]
    connections: int = 64
    seconds: float = 4.0


def request_bytes(host: str, path: str, body: bytes, method: str = "POST") -> bytes:
    """A request as it is sent."""
    about = f"Content-Type: application/json\r\nContent-Length: {len(body)}"
    return f"{method} {path} HTTP/1.1\r\nHost: {host}\r\n{about}\r\n\r\n".encode() + body


async def exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> bytes:
    """Send a request and read the answer's body; anything but 200 ends the run."""
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    found = _LENGTH.search(head)
    body = await reader.readexactly(int(found.group(1)) if found else 0)
    if b" 200 " not in head.split(b"\r\n", 1)[0]:
        raise SystemExit(f"the server answered {head.decode()}{body.decode()}")
    return body


async def _connection(load: Load, number: int, ends: float, times: list[float]) -> None:
    host = load.url.removeprefix("http://")
    name, port = host.split(":")
    reader, writer = await asyncio.open_connection(name, int(port), limit=2**26)
    requests = [request_bytes(host, load.path, body.encode()) for body in load.bodies]
    while time.perf_counter() < ends:
        begun = time.perf_counter()
        await exchange(reader, writer, requests[number % len(requests)])
        times.append(time.perf_counter() - begun)
        number += 1
    writer.close()


async def _run(load: Load) -> dict[str, float]:
    times: list[float] = []
    begun = time.perf_counter()
    await asyncio.gather(*(_connection(load, n, begun + load.seconds, times) for n in range(load.connections)))
    seconds = time.perf_counter() - begun
    cuts = statistics.quantiles(times, n=100)
    return {"count": len(times), "seconds": seconds, "p50_ms": cuts[49] * 1e3, "p99_ms": cuts[98] * 1e3}


def run_apart(load: Load, pid: int) -> dict[str, float]:
    """Run a load from another process; adds requests per second and the server's CPU per request."""
    before = cpu_s(pid)
    done = subprocess.run(
        [sys.executable, __file__], input=json.dumps(asdict(load)).encode(), stdout=subprocess.PIPE, check=True
    )
    result: dict[str, float] = json.loads(done.stdout)
    result["per_s"] = result["count"] / result["seconds"]
    result["cpu_ms"] = (cpu_s(pid) - before) / result["count"] * 1e3
    return result


def cpu_s(pid: int) -> float:
    """CPU seconds a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rss_mb(pid: int) -> float:
    """Resident memory of a process, MB."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found.group(1)) / 1024 if found else 0.0


def show(name: str, result: dict[str, Any], unit: str = "requests", each: int = 1) -> None:
    """Print one line of figures; `each` is how many units one request carries."""
    print(
        f"{name:34} {result['per_s'] * each:10,.0f} {unit}/s   p50 {result['p50_ms']:6.1f} ms   "
        f"p99 {result['p99_ms']:6.1f} ms   {result['cpu_ms'] / each:6.3f} CPU ms each",
        flush=True,
    )


if __name__ == "__main__":
    print(json.dumps(asyncio.run(_run(Load(**json.load(sys.stdin))))))
