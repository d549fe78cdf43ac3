"""What a command costs in a session's bash, beyond its own time.

    python benchmarks/shell.py [--repeats 300]

A plain bash on this machine, without a sandbox. Each row: median and 99th percentile of one call in milliseconds, and
the median of the same command in a bare `bash -c`. The last rows read and restore a state, and type into a terminal.
"""

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "envs"))

from bash_process import HOME, open_channel, open_session, open_terminal

COMMANDS = {
    "true": "true",
    "echo": "echo hello",
    "ls /": "ls /",
    "1 MB of output": "head -c 1000000 /dev/zero",
    "1 MB of command": "cat > /dev/null <<'END'\n" + "x" * 999_999 + "\nEND",
    "10 ms of sleep": "sleep 0.01",
}
# What a session tends to have gathered after an activated environment and some functions.
FILLED = "; ".join(f"f{n}() {{ echo {n}; ls; }}; v{n}='some value {n}'; export E{n}={n}" for n in range(50))


def timed(call: Callable[[], object], repeats: int) -> list[float]:
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append((time.perf_counter() - start) * 1000)
    return sorted(times)


def row(name: str, times: list[float], bare: float | None = None) -> None:
    beside = "" if bare is None else f"{bare:10.2f}"
    print(f"{name:28}{statistics.median(times):10.2f}{times[int(len(times) * 0.99)]:10.2f}{beside}")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=300)
    repeats = parser.parse_args().repeats
    print(f"{'ms':28}{'p50':>10}{'p99':>10}{'bash -c':>10}")
    for label, first in (("", "true"), (", filled shell", FILLED)):
        session = open_session(output_kb=64)
        session.run(first)
        for name, command in COMMANDS.items():
            times = timed(
                lambda run=session.run, command=command: run(command), min(repeats, 100) if "MB" in name else repeats
            )
            plain = ["bash"] if "of command" in name else ["bash", "-c", command]
            bare = timed(lambda plain=plain: subprocess.run(plain, input=b"", capture_output=True), 50)
            row(name + label, times, None if "of command" in name else statistics.median(bare))
        row("read the state" + label, timed(session.state, repeats))
        state = session.state()
        row("start and restore" + label, timed(lambda state=state: open_channel(state).close(), min(repeats, 50)))
        session.close()
    terminal = open_terminal(HOME)
    row("terminal: echo", timed(lambda: terminal.send("echo hello\n", wait_s=10), 50))
    terminal.close()


if __name__ == "__main__":
    main()
