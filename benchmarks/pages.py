"""How fast and how large browser pages are: resets cold and warm, steps, verdicts, contexts, and a long run.

    python benchmarks/pages.py                      # the figures
    python benchmarks/pages.py --minutes 10         # and 32 sessions at once for ten minutes, looking for leaks

Times are by the clock in milliseconds, on whatever else the machine does meanwhile. A reset is measured to the first
observation of a live page (`look`), not to a handle of one.
"""

from __future__ import annotations

import argparse
import os
import statistics
import threading
import time
from collections.abc import Callable
from pathlib import Path

from pivotgym.core.messages import Action, Message
from pivotgym.core.trajectory import Origin, Pivot, Step
from pivotgym.envs.base.runtime import Runtime
from pivotgym.envs.browsing import domain
from pivotgym.envs.browsing.pages import browser
from pivotgym.envs.browsing.pages.world import PageWorld

SHOP = Origin.model_validate({"kind": "site", "site": "shop", "seed": 1})
GAME = Origin.model_validate({"kind": "miniwob", "task": "login-user", "seed": "bench", "viewport": [500, 257]})


def call(name: str, **arguments: object) -> Action:
    return Action.model_validate({"tool_calls": [{"name": name, "arguments": arguments}]})


LOOK = call("look")


def numbered(text: str, role: str) -> int:
    return next(int(line.split("[")[1].split("]")[0]) for line in text.splitlines() if f"] {role}" in line)


def timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1000


def told(name: str, times: list[float]) -> None:
    ranked = sorted(times)
    p99 = ranked[min(len(ranked) - 1, int(len(ranked) * 0.99))]
    print(f"{name:<48} n={len(times):<4} p50 {statistics.median(times):8.0f} ms   p99 {p99:8.0f} ms", flush=True)


def started(origin: Origin) -> PageWorld:
    world = PageWorld()
    world.start(origin, 0)
    return world


def resets(name: str, origin: Origin, count: int) -> None:
    worlds: list[PageWorld] = []
    told(f"{name}: start, context ready ahead", [timed(lambda: worlds.append(started(origin))) for _ in range(count)])
    for world in worlds[1:]:
        world.close()
    kept = worlds[0]
    kept.run(
        call("fill", id=numbered(kept.run(LOOK).observations[0], "textbox") if origin is GAME else box(kept), text="x")
    )
    kept.keep("bench")
    kept.fork().close()
    forks: list[PageWorld] = []

    def warm() -> None:
        fork = kept.fork()
        fork.run(LOOK)
        forks.append(fork)

    times = []
    for _ in range(count):
        times.append(timed(warm))
        forks.pop().close()
        time.sleep(0.3)  # as between the resets of one client: the pool fills up again
    told(f"{name}: warm reset of a pivot, to the page", times)
    kept.close()


def box(world: PageWorld) -> int:
    text = world.run(LOOK).observations[0]
    return next(numbered(text, role) for role in ("searchbox", "textbox") if f"] {role}" in text)


def steps(count: int) -> None:
    world = started(SHOP)
    field = box(world)
    told("step: look", [timed(lambda: world.run(LOOK)) for _ in range(count)])
    told("step: fill", [timed(lambda: world.run(call("fill", id=field, text=str(time.time())))) for _ in range(count)])
    told("step: a page opened", [timed(lambda: world.run(call("goto", url="/"))) for _ in range(count)])
    told("digest and fork", [timed(lambda: world.fork().close()) for _ in range(count)])
    world.close()


def verdicts(count: int) -> None:
    runtime = Runtime(domain())
    probe = started(SHOP)
    field = box(probe)
    probe.close()
    pivot = Pivot(
        id="bench:0",
        domain="browsing",
        messages=[Message(role="user", content="Search.")],
        origin=SHOP,
        prefix=[Step(action=call("fill", id=field, text="lamp"))],
        reference=call("press", key="Enter"),
    )
    runtime.prepare(pivot)
    times = [timed(lambda: runtime.verify(pivot, call("press", key="Enter", id=field))) for _ in range(count)]
    told("verdict, run in a fork (shop)", times)
    runtime.close()


def chromium_kib() -> tuple[int, int, int]:
    """Proportional memory, processes and file descriptors of all below this process."""
    memory = processes = 0
    for pid in below(os.getpid()):
        try:
            rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except OSError:
            continue
        memory += next((int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:")), 0)
        processes += 1
    return memory, processes, len(os.listdir("/proc/self/fd"))


def own_kib() -> int:
    """Resident memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024


def below(pid: int) -> list[int]:
    found = []
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            parent = int(Path(f"/proc/{entry}/stat").read_text().rsplit(")", 1)[1].split()[1])
        except OSError:
            continue
        if parent == pid:
            found += [int(entry), *below(int(entry))]
    return found


def size(count: int) -> None:
    first = started(SHOP)
    before = chromium_kib()[0]
    worlds = [started(SHOP) for _ in range(count)]
    each = (chromium_kib()[0] - before) / count
    print(f"a context with a page of the shop: {each / 1024:.0f} MiB; {2**20 / each:.0f} in a GiB", flush=True)
    for world in (first, *worlds):
        world.close()


def soak(minutes: float, sessions: int) -> None:
    """Sessions that begin, fill, send, fork and end, again and again."""
    ends = time.monotonic() + 60 * minutes
    done, errors = [0] * sessions, [0] * sessions

    def live(place: int) -> None:
        while time.monotonic() < ends:
            try:
                world = started(SHOP)
                world.run(call("fill", id=box(world), text="lamp"))
                fork = world.fork()
                fork.run(call("press", key="Enter"))
                world.close()
                fork.close()
                done[place] += 1
            except Exception as error:
                errors[place] += 1
                print(f"session {place}: {error!r}"[:300], flush=True)

    threads = [threading.Thread(target=live, args=(place,)) for place in range(sessions)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        time.sleep(min(30, max(1, 60 * minutes / 10)))
        memory, processes, handles = chromium_kib()
        print(
            f"minute {(time.monotonic() - ends) / 60 + minutes:4.1f}: {sum(done)} sessions, {sum(errors)} errors; "
            f"Chromium and driver {memory // 1024} MiB in {processes} processes; this process {own_kib() // 1024} MiB, "
            f"{handles} file descriptors, {threading.active_count()} threads; "
            f"{browser.shared().open_contexts} contexts",
            flush=True,
        )
    print(f"{sum(done)} sessions in {minutes:g} minutes, {sum(errors)} errors, {browser.shared().launches} launches")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=50, help="measurements of each kind")
    parser.add_argument("--minutes", type=float, default=0.0, help="how long many sessions run; 0 leaves it out")
    parser.add_argument("--sessions", type=int, default=32)
    given = parser.parse_args()
    told("cold: Chromium started, first page shown", [timed(lambda: started(SHOP).close())])
    resets("shop", SHOP, given.count)
    resets("miniwob", GAME, given.count)
    steps(given.count)
    verdicts(given.count)
    size(12)
    if given.minutes:
        soak(given.minutes, given.sessions)


if __name__ == "__main__":
    main()
