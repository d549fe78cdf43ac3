"""How long the gateway's page takes with a run of 10,000 pivots: the first load, which indexes the run, and later ones.

Run: `python benchmarks/web_page.py [--pivots N] [--rounds R]`. The run is made here: states of eight messages with six
tools, profiles and samples, about 12 KB a line. The times of the server are those of whole requests on one connection;
load and first contentful paint are what a Chromium on this machine says, a new context each time, so nothing is cached.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx

from pivotgym.core.jsonl import write_records
from pivotgym.core.messages import Action, Message, Tool, ToolCall
from pivotgym.core.samples import PivotSamples, Sample
from pivotgym.core.trajectory import Origin, Pivot, Profile, Sampling, Verdict
from pivotgym.envs.browsing.pages import chromium
from pivotgym.servers.gateway.app import create_gateway
from pivotgym.servers.gateway.settings import GatewaySettings
from pivotgym.servers.running import OnThread, uvicorn_server

TEXT = "The shelf by the window holds what was asked for; the other one is empty since the spring. " * 12
SCHEMA = {"type": "object", "properties": {name: {"type": "string", "description": TEXT[:90]} for name in "abcd"}}
TOOLS = [Tool(name=f"tool_{number}", description=TEXT[:200], parameters=SCHEMA) for number in range(6)]
REWARDS = ((0.0,) * 8, (1.0,) * 8, (1.0, 0.0) * 4, (0.0,) * 7 + (1.0,))


def pivots(count: int) -> Iterator[Pivot]:
    """Profiled pivots, half of them with variance."""
    for number in range(count):
        roles = ("user", "assistant", "tool", "assistant", "tool", "assistant", "tool", "user")
        call = ToolCall(name="tool_1", arguments={"a": str(number)})
        pivot = Pivot(
            id=f"made/{number // 10}:{number % 10}",
            domain="plain",
            messages=[Message(role=role, content=f"{number} {TEXT}") for role in roles],
            tools=TOOLS,
            reference=Action(tool_calls=(call,)),
            origin=Origin(kind="none"),
            prefix=[],
        )
        rewards = REWARDS[number % len(REWARDS)]
        made = Profile(
            pivot_digest=pivot.digest, rewards=rewards, policy="0" * 64, format="hermes/1", sampling=Sampling()
        )
        yield pivot.with_profile(made)


def samples(pivot: Pivot) -> PivotSamples:
    """Eight sampled actions with verdicts."""
    assert pivot.profile is not None
    return PivotSamples(
        pivot_id=pivot.id,
        pivot_digest=pivot.digest,
        samples=[
            Sample(
                action=Action(tool_calls=(ToolCall(name="tool_2", arguments={"a": str(place)}),)),
                verdict=Verdict(
                    reward=reward or 0.0,
                    outcome="equivalent" if reward else "different",
                    method="execution",
                    executed=True,
                    evidence={"results": {"expert": TEXT, "candidate": TEXT[:200]}},
                ),
            )
            for place, reward in enumerate(pivot.profile.rewards)
        ],
    )


def write_run(folder: Path, count: int) -> None:
    """A run of that many pivots."""
    made = list(pivots(count))
    write_records(folder / "profile.jsonl", made)
    write_records(folder / "profile.samples.jsonl", map(samples, made))
    write_records(folder / "pivots.jsonl", [one for one in made if one.profile and one.profile.variance > 0])
    steps = ({"step": step, "reward_mean": 0.5, "kl": 0.01, "masked": 0.0} for step in range(1, 501))
    write_records(folder / "grpo" / "log.jsonl", steps)


def timed(work: Callable[[], Any]) -> float:
    """Milliseconds that it takes."""
    begun = time.perf_counter()
    work()
    return 1000 * (time.perf_counter() - begun)


def painted(browser: Any, url: str) -> tuple[float, float]:
    """Load event and first contentful paint of a page, milliseconds after its navigation began."""
    page = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
    page.goto(url, wait_until="load")
    page.wait_for_selector("main")
    paint = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
    while (first := page.evaluate(paint)) is None:
        page.wait_for_timeout(10)
    load = page.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd")
    page.context.close()
    return float(load), float(first)


def main() -> None:
    """Print the times of each view."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--pivots", type=int, default=10_000)
    options.add_argument("--rounds", type=int, default=20)
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        made = multiprocessing.get_context("spawn").Process(
            target=write_run, args=(Path(folder) / "made", given.pivots)
        )
        made.start()  # apart, so that its memory is none of the gateway's
        made.join()
        size = sum(file.stat().st_size for file in Path(folder).glob("made/*.jsonl"))
        print(f"{given.pivots:,} pivots, {size / 2**20:,.0f} MiB; load average {os.getloadavg()[0]:.1f}", flush=True)
        settings = GatewaySettings.load({"port": 0, "upstreams": "plain=http://127.0.0.1:9", "runs": folder})
        gateway = OnThread(lambda: uvicorn_server(create_gateway(settings), settings), settings)
        try:
            measure(gateway.url, given.rounds)
        finally:
            gateway.stop()


def measure(url: str, rounds: int) -> None:
    """Print the times of the views of the gateway there."""
    views = {
        "list, first page": "/ui/runs/made/pivots",
        "list, last page": "/ui/runs/made/pivots?page=200",
        "list, a search": "/ui/runs/made/pivots?q=made/77",
        "one pivot": "/ui/runs/made/pivots/made%2F500:5",
        "the run": "/ui/runs/made",
    }
    with httpx.Client(base_url=url, timeout=120, transport=httpx.HTTPTransport(retries=20)) as client:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        first = timed(lambda: read_whole(client, views["list, first page"]))
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        print(f"indexed at the first look: {first / 1000:.2f} s, {grown / 2**10:.0f} MiB more memory", flush=True)
        read_whole(client, views["one pivot"])
        served = {
            name: statistics.median(timed(lambda p=path: client.get(p)) for _ in range(rounds))
            for name, path in views.items()
        }
    from playwright.sync_api import sync_playwright

    flags = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as driver, driver.chromium.launch(executable_path=chromium.executable(), args=flags) as one:
        painted(one, url + "/ui")
        for name, path in views.items():
            found = [painted(one, url + path) for _ in range(rounds)]
            load, paint = (statistics.median(values) for values in zip(*found, strict=True))
            print(
                f"{name:18} server p50 {served[name]:6.1f} ms   first paint p50 {paint:5.0f} ms   load {load:5.0f} ms"
            )


def read_whole(client: httpx.Client, path: str) -> None:
    """Ask until the run's files have been read."""
    while "for the first time" in client.get(path).text:
        time.sleep(0.05)


if __name__ == "__main__":
    main()
