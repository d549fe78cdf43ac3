"""What the gateway adds: the same calls to a server directly and through a gateway, in one run.

Run: `python benchmarks/gateway.py [--seconds S]`. The domain's world does nothing. One connection shows the time added
to a call that waits for nothing else; 64 show the gateway's CPU per call, which is what one gateway process can carry.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from serve import action, pivot, verify_body
from serve_load import Load, rss_mb, run_apart

from pivotgym.servers.client import Client
from pivotgym.servers.serve import BackgroundServer


@contextmanager
def gateway(*upstreams: str) -> Iterator[tuple[str, int]]:
    """A gateway process: its address and number."""
    options = [part for upstream in upstreams for part in ("--upstream", upstream)]
    code = "import sys; from pivotgym.cli.main import run_app; sys.exit(run_app(sys.argv[1:]))"
    command = [sys.executable, "-c", code, "gateway", "--port", "0", *options]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        found = re.search(r"http://\S+:\d+", process.stderr.readline())
        assert found is not None
        try:
            with Client(found[0]) as client:
                client.wait_ready(30)
            yield found[0], process.pid
        finally:
            process.terminate()


def beside(name: str, direct: tuple[str, int], through: tuple[str, int], path: str, body: str, seconds: float) -> None:
    """Print one line: both, and what is added."""
    found = []
    for connections in (1, 64):
        one = run_apart(Load(direct[0], path, [body], connections, seconds), direct[1])
        other = run_apart(Load(through[0], f"/plain{path}", [body], connections, seconds), through[1])
        found.append((one, other))
    (alone, alone_gw), (many, many_gw) = found
    ratio = alone_gw["p50_ms"] / alone["p50_ms"]
    print(
        f"{name:28} one call p50 {alone['p50_ms']:6.2f} -> {alone_gw['p50_ms']:6.2f} ms "
        f"(x{ratio:.2f})   64 at once {many['per_s']:7,.0f} -> {many_gw['per_s']:7,.0f}/s   "
        f"CPU ms each: server {many['cpu_ms']:.3f}, gateway {many_gw['cpu_ms']:.3f}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0)
    seconds = parser.parse_args().seconds
    os.environ["PYTHONPATH"] = str(Path(__file__).parent)
    pivots = [pivot(turn=turn) for turn in range(16)]
    with (
        BackgroundServer("serve_sessions:domain", pivots=pivots, process=True) as server,
        gateway(f"plain={server.url}") as through,
    ):
        direct = (server.url, server.pid)
        print(f"gateway {rss_mb(through[1]):.0f} MB resident")
        beside("/verify, pivot by id", direct, through, "/verify", verify_body(pivot_id="plain/a:0"), seconds)
        whole = verify_body(pivot=pivot(24_000).to_json())
        beside("/verify, 25 KB", direct, through, "/verify", whole, seconds)
        sent = [action(extra=number).to_json() for number in range(16)]
        items = [{"pivot_id": f"plain/a:{turn}", "actions": sent} for turn in range(16)]
        beside("/verify/batch of 256", direct, through, "/verify/batch", json.dumps({"items": items}), seconds)
        resets(direct, through, seconds)
        print(f"gateway {rss_mb(through[1]):.0f} MB resident after the load")


def resets(direct: tuple[str, int], through: tuple[str, int], seconds: float) -> None:
    """Resets of one session in place: the gateway reads the body and renames the session in body and answer."""
    with Client(f"{through[0]}/plain") as client, client.session(task_id="task") as session:
        for name, server, path, known in (
            ("direct", direct, "/reset", session.id.partition(".")[2]),
            ("gateway", through, "/plain/reset", session.id),
        ):
            body = json.dumps({"session_id": known, "task_id": "task"})
            found = run_apart(Load(server[0], path, [body], 1, seconds), server[1])
            print(f"/reset, {name:8} p50 {found['p50_ms']:6.2f} ms   {found['cpu_ms']:.3f} CPU ms each", flush=True)


if __name__ == "__main__":
    main()
