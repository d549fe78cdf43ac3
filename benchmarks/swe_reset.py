"""Resets of a large repository at turn 1 and 40, and verdicts by kind of action.

    python benchmarks/swe_reset.py [--files 50000] [--rounds 100] [--folder FOLDER_ON_THE_DISK_TO_MEASURE]

A repository of that many files is made, committed and checked out once; an agent edits, views and searches 40 turns. A
reset is a fork of the kept state of a turn with its first command (`true`) run; "in another process" takes the state from
the store first, as a server does that has just started. Builds are timed apart.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from pivotgym.core.messages import Action, ToolCall
from pivotgym.core.trajectory import Origin, Pivot, Step
from pivotgym.envs.base import sources
from pivotgym.envs.base.runtime import Runtime
from pivotgym.envs.swe import domain

TURNS = 40
MODULE = "def add(a, b):\n    return a - b\n\n\ndef twice(a):\n    return 2 * a\n"
TEST = "from pkg.calc import add\n\n\ndef test_add():\n    assert add(2, 3) == 5\n"


def main() -> None:
    """Build, replay, reset, verify."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--files", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--folder", type=Path, default=Path("/var/tmp"))
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder, prefix="pivotgym-bench-") as folder:
        os.chmod(folder, 0o755)
        os.environ["PIVOTGYM_SNAPSHOTS"] = f"{folder}/snapshots"
        commit = make_mirror(Path(folder, "mirrors", "some+repo"), given.files)
        sources.configure({"git_mirrors": f"{folder}/mirrors"})
        origin = Origin.model_validate({"kind": "git", "repo": "some/repo", "commit": commit})
        measure(origin, given.rounds)


def measure(origin: Origin, rounds: int) -> None:
    """All figures of one repository."""
    steps = [Step(action=turn(number)) for number in range(TURNS)]
    runtime = Runtime(domain())
    at = {number: pivot(origin, steps[:number]) for number in (0, 1, TURNS)}
    for number, what in ((0, "check-out and first reset"), (TURNS, f"replay of {TURNS} turns, each kept")):
        show(what, [timed(lambda one=at[number]: runtime.restore(one).close())])
    for number in (1, TURNS):
        show(
            f"reset at turn {number}, warm", [timed(lambda one=at[number]: reset(runtime, one)) for _ in range(rounds)]
        )
        cold = []
        for _ in range(max(rounds // 5, 1)):
            other = Runtime(domain())
            cold.append(timed(lambda one=at[number], other=other: reset(other, one)))
            other.close()
        show(f"reset at turn {number}, from the store", cold)
    for kind, expert, candidates in KINDS:
        point = pivot(origin, steps[:TURNS], expert)
        runtime.prepare(point)
        few = rounds if kind != "edit, by tests" else max(rounds // 10, 1)
        show(
            f"verdict: {kind}",
            [
                timed(lambda one=candidates[place % len(candidates)]: judged(runtime, point, one))
                for place in range(few)
            ],
        )
    runtime.close()


def reset(runtime: Runtime, point: Pivot) -> None:
    """A live world in the pivot's state that has run a command."""
    world = runtime.restore(point)
    world.run(bash("true"))
    world.close()


def judged(runtime: Runtime, point: Pivot, candidate: Action) -> None:
    """A verdict, which must accept."""
    verdict = runtime.verify(point, candidate)
    assert verdict.reward == 1.0, verdict.reason


def make_mirror(folder: Path, files: int) -> str:
    """A repository of small files in folders of 100; the id of its commit."""
    for number in range(files):
        place = folder / f"src/p{number // 10_000}/q{number // 100 % 100}/m{number % 100}.py"
        if number % 100 == 0:
            place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(f"VALUE = {number}\n")
    for path, text in (("pkg/__init__.py", ""), ("pkg/calc.py", MODULE), ("tests/test_calc.py", TEST)):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    named = {f"GIT_{who}_{what}": "a@b" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    for words in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-qm", "Start"]):
        subprocess.run(["git", *words], cwd=folder, env=os.environ | named, check=True)
    return (
        subprocess.run(["git", "rev-parse", "HEAD"], cwd=folder, capture_output=True, check=True)
        .stdout.decode()
        .strip()
    )


def bash(command: str) -> Action:
    """A call of the shell."""
    return Action(tool_calls=(ToolCall(name="bash", arguments={"command": command}),))


def edit(old: str, new: str) -> Action:
    """A call of the editor."""
    arguments = {"command": "str_replace", "path": "/testbed/pkg/calc.py", "old_str": old, "new_str": new}
    return Action(tool_calls=(ToolCall(name="str_replace_editor", arguments=arguments),))


def turn(number: int) -> Action:
    """What the agent does in a turn: edits, views, searches."""
    place = f"src/p0/q{number}/m{number}.py"
    return bash((f"echo 'NEW = {number}' >> {place}", f"cat {place}", "grep -rn VALUE src/p0/q0")[number % 3])


KINDS = (
    ("view", bash("sed -n 1,4p pkg/calc.py"), [bash("head -4 pkg/calc.py"), bash("head -n 4 /testbed/pkg/calc.py")]),
    ("search", bash("grep -rn VALUE src/p0/q1"), [bash("grep -rnE 'VALUE' src/p0/q1"), bash("cd src; grep -rn VALUE p0/q1")]),
    ("edit, same bytes", edit("a - b", "a + b"), [bash("sed -i 's/a - b/a + b/' pkg/calc.py"), edit("return a - b", "return a + b")]),
    ("edit, by syntax", edit("a - b", "a + b"), [edit("a - b", "(a + b)"), edit("a - b", "a +  b")]),
    ("edit, by tests", edit("a - b", "a + b"), [edit("a - b", "b + a")]),
)  # fmt: skip


def pivot(origin: Origin, prefix: list[Step], reference: Action | None = None) -> Pivot:
    """A pivot after a prefix."""
    return Pivot(id="p", domain="swe", messages=[], reference=reference or bash("true"), origin=origin, prefix=prefix)


def timed(job: Callable[[], Any]) -> float:
    """Seconds that a job takes."""
    began = time.perf_counter()
    job()
    return time.perf_counter() - began


def show(what: str, seconds: Iterable[float]) -> None:
    """Print median and 99th percentile."""
    times = sorted(1e3 * one for one in seconds)
    p99 = times[int(0.99 * (len(times) - 1))]
    print(f"{what:<45} n={len(times):<4} p50 {statistics.median(times):9.1f} ms   p99 {p99:9.1f} ms", flush=True)


if __name__ == "__main__":
    main()
