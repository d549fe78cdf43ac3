"""The table of performance, in one run: servers beside plain FastAPI, each domain, the trainer.

    python benchmarks/run.py                   # prints the table
    python benchmarks/run.py --store           # and keeps it as docs/performance.json and docs/performance.md
    python benchmarks/run.py --compare         # and fails where CPU or memory is over 20 % above what is kept

Figures are the least of some rounds, on whatever else the machine does meanwhile. Compared are, of each row, CPU per
operation as a ratio to plain FastAPI's in the same run (which takes the machine's speed out of it) and resident memory:
never times by the clock. The measurements are those of `serve`, `serve_sessions`, `serve_cpu` and `run_domains`.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import platform
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import run_domains
import serve
import serve_bare
import serve_cpu
import uvloop
from run_table import Row, line, markdown, worse
from serve_load import Load, rss_mb, run_apart

import pivotgym
from pivotgym.servers.serve import BackgroundServer

ROOT = Path(__file__).parents[1]
STORED = ROOT / "docs" / "performance.json"
PAGE = STORED.with_suffix(".md")
PARTS = ("http", "load", "domains", "trainer")


def http_rows(payloads: Path) -> list[Row]:
    """CPU per request, in this process."""

    async def found() -> list[Row]:
        return [cost._asdict() async for cost in serve_cpu.measured(payloads)]

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(found())


def loaded_rows(seconds: float) -> Iterator[Row]:
    """Requests a second over 64 connections and memory, of processes of their own."""
    os.environ["PYTHONPATH"] = str(Path(__file__).parent)
    verify = serve.verify_body(pivot_id="plain/a:0")
    batch = serve.batch_body(serve.BATCHES["equal, in four spellings"])
    with serve_bare.running() as floor:
        bare = _loaded("plain FastAPI", floor, Load(floor[0], "/verify", [serve_bare.body(len(verify))], 64, seconds))
    begun = time.perf_counter()
    pivots = [serve.pivot(turn=turn) for turn in range(16)]
    with BackgroundServer("serve:domain", pivots=pivots, process=True) as running:
        started = time.perf_counter() - begun
        server = (running.url, running.pid)
        one = _loaded("a server under load: /verify", server, Load(running.url, "/verify", [verify], 64, seconds))
        many = _loaded(
            "a server under load: /verify/batch", server, Load(running.url, "/verify/batch", [batch], 4, seconds), 256
        )
    yield bare
    yield {**one, "floor_ms": bare["cpu_ms"], "start_s": started}
    yield many


def _loaded(name: str, server: tuple[str, int], load: Load, each: int = 1) -> Row:
    found = run_apart(load, server[1])
    return {
        "name": name,
        "cpu_ms": found["cpu_ms"] / each,
        "per_s": found["per_s"] * each,
        "p99_ms": found["p99_ms"],
        "rss_mb": rss_mb(server[1]),
    }


def measured(payloads: Path, seconds: float, parts: Sequence[str] = PARTS) -> Iterator[dict[str, Any]]:
    """The table, or those parts of it, as it grows."""
    about = machine()
    costs = http_rows(payloads)
    unit = next(row["floor_ms"] for row in costs if row["name"] == "/verify, pivot by id")
    kinds = {
        "load": lambda: loaded_rows(seconds),
        "http": lambda: costs,
        "domains": run_domains.domain_rows,
        "trainer": run_domains.trainer_rows,
    }
    rows: list[Row] = []
    for row in itertools.chain.from_iterable(kinds[part]() for part in PARTS if part in parts):
        if "cpu_ms" in row:
            row["ratio"] = row["cpu_ms"] / (row.get("floor_ms") or unit)
        rows.append(row)
        yield {"machine": about, "unit_ms": unit, "rows": rows}


def machine() -> Row:
    """Where and beside what it was measured."""
    model = next((line for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line), ": unknown")
    return {
        "cores": os.cpu_count(),
        "processor": model.partition(":")[2].strip(),
        "python": platform.python_version(),
        "pivotgym": pivotgym.__version__,
        "load_before": round(os.getloadavg()[0], 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--payloads", type=Path, default=Path("../shared/data/payloads"))
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--store", action="store_true")
    parser.add_argument("--compare", action="store_true")
    given = parser.parse_args()
    if given.compare and not STORED.is_file():
        parser.error(f"--compare: expected a table at {STORED.relative_to(ROOT)}, found none; --store makes one")
    stored = json.loads(STORED.read_text()) if given.compare else None
    for table in measured(given.payloads, given.seconds, given.parts):
        print(line(table["rows"][-1]), end="", flush=True)
        if given.store:  # as it grows, so that a run that is ended leaves what it has
            STORED.write_text(json.dumps(table, indent=1) + "\n")
            PAGE.write_text(markdown(table))
    told = worse(stored, table) if stored is not None else []
    if told:
        sys.exit("worse than docs/performance.json by more than 20 %:\n  " + "\n  ".join(told))


if __name__ == "__main__":
    main()
