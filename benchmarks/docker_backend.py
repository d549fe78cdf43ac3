"""The docker backend: starting, commands, saving, forking, and many containers at once.

    python benchmarks/docker_backend.py [--image IMAGE] [--times N]

Beside it, in the same run, what `docker run IMAGE true` takes. Prints milliseconds, median and worst, as JSON lines.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import threading
import time
from collections.abc import Callable

from pivotgym.envs.sandbox.contract import Base, Limits, ShellState, Snapshot
from pivotgym.envs.sandbox.docker import DockerBackend

LIMITS = Limits(memory_mb=256, processes=64)


def timed(what: str, times: int, call: Callable[[], object]) -> None:
    taken = []
    for _ in range(times):
        begun = time.perf_counter()
        call()
        taken.append((time.perf_counter() - begun) * 1000)
    report(what, p50_ms=round(statistics.median(taken), 1), worst_ms=round(max(taken), 1), times=times)


def report(what: str, **figures: object) -> None:
    print(json.dumps({"what": what, **figures}), flush=True)


def sequential(backend: DockerBackend, start: Snapshot, image: str, times: int) -> None:
    timed("docker run IMAGE true", times, lambda: subprocess.run(["docker", "run", "--rm", image, "true"], check=True))

    def opened() -> None:
        sandbox = backend.open(start, limits=LIMITS)
        sandbox.run("true")
        closing.append(sandbox.close)

    closing: list[Callable[[], None]] = []
    timed("open and first command", times, opened)
    timed("close", times, lambda: closing.pop()())
    sandbox = backend.open(start, limits=LIMITS)
    sandbox.run("true")
    timed("command `true` in a live shell", times * 20, lambda: sandbox.run("true"))
    sandbox.run("for i in $(seq 100); do echo $i > $i; done")
    timed("changes, 100 files", times, sandbox.changes)
    timed("read a file", times, lambda: sandbox.read("/work/1"))
    timed("write a file", times, lambda: sandbox.write("/work/w", b"1"))
    timed("save", times, lambda: backend.drop(sandbox.save()))

    def forked() -> None:
        fork = sandbox.fork()
        fork.run("true")
        closing.append(fork.close)

    timed("fork and first command", times, forked)
    for close in (*closing, sandbox.close):
        close()


def at_once(backend: DockerBackend, start: Snapshot, count: int) -> None:
    """Open, write, fork, read in the fork, close, in as many threads."""
    said: dict[int, bytes] = {}

    def session(number: int) -> None:
        sandbox = backend.open(start, limits=LIMITS)
        sandbox.run(f"echo {number} > mine")
        fork = sandbox.fork()
        said[number] = fork.run("cat mine").stdout
        fork.close()
        sandbox.close()

    threads = [threading.Thread(target=session, args=(number,)) for number in range(count)]
    begun = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    right = sum(said.get(number) == b"%d\n" % number for number in range(count))
    report(f"{count} sessions at once, each with a fork", right=right, seconds=round(time.perf_counter() - begun, 1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--image", default="python:3.11-slim-bookworm")
    parser.add_argument("--times", type=int, default=20)
    given = parser.parse_args()
    backend = DockerBackend()
    start = backend.base(Base("benchmark", image=given.image, files={"/work/a": b"1"}, shell=ShellState(cwd="/work")))
    sequential(backend, start, given.image, given.times)
    for count in (16, 32):
        at_once(backend, start, count)
    backend.close()


if __name__ == "__main__":
    main()
