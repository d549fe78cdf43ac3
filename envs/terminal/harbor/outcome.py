"""What a task pays: its tests run in a fresh copy of the machine the agent has left.

Owns: bringing the tests in, running them, reading the reward. Does not own: what counts as a tampered tool (`tooling`),
task folders (`folders`), sandboxes (`envs.sandbox`).

The agent never sees the tests: they are put into a copy that was opened from a saved state after the agent was done,
with no process of the agent's, with a clean environment, and with whatever lay at `/tests` and `/logs/verifier` taken
away. A reward counts only when it was not there before and is there after.
"""

from __future__ import annotations

import json
import math
import re
from contextlib import closing
from dataclasses import dataclass, replace

from pivotgym.core.errors import InputError, MissingDependency, NotFound, VerifierFailed, WorldFailed
from pivotgym.envs.sandbox.contract import Backend, Changes, Limits, Ran, Sandbox, ShellState, Snapshot
from pivotgym.envs.terminal.harbor.folders import TaskFolder
from pivotgym.envs.terminal.harbor.tooling import TESTS, mend, tampered

LOGS = "/logs/verifier"
REWARDS = (f"{LOGS}/reward.json", f"{LOGS}/reward.txt")
_SUMMARY = re.compile(r"^(PASSED|FAILED|ERROR|XFAIL|XPASS|SKIPPED)\s+(\S.*)$")
_BAR = re.compile(r"^=+ (.*?) =+\s*$")


@dataclass(frozen=True)
class Outcome:
    """What the tests said.

    Attributes:
        reward: In [0, 1].
        reason: One sentence.
        rewards: All named values that the tests wrote, `reward` among them.
        mended: Paths that were put back or taken away before.
        output: What the tests printed.
    """

    reward: float
    reason: str
    rewards: dict[str, float]
    mended: tuple[str, ...] = ()
    output: str = ""


def judge(task: TaskFolder, left: Sandbox, start: Snapshot, backend: Backend, *, cwd: str, network: bool) -> Outcome:
    """Run a task's tests on the machine that the agent has left; that one stays as it is.

    Args:
        task: The task.
        left: The agent's sandbox.
        start: The snapshot of the task's image.
        backend: What opened both.
        cwd: Where the tests run.
        network: Whether tests may use the network; tasks that need it are not judged without.

    Raises:
        VerifierFailed: If the tests wrote no reward, or one that is none: then nothing is known, and it is not 0.
        WorldFailed: If a sandbox breaks.
    """
    saved = left.save()
    programs = start.shell.environment.get("PATH", "")
    found = {} if task.repairs_tools else tampered(backend.changes_since_base(saved), cwd, programs)
    try:
        outcome = _tested(task, saved, start, backend, found, cwd=cwd, network=network)
    except (VerifierFailed, WorldFailed) as error:
        if saved.digest == start.digest or (isinstance(error, WorldFailed) and _starts(backend, saved)):
            raise
        # Whose fault is it? Where the tests come to a reward on the untouched start, the agent has broken them.
        _tested(task, start, start, backend, {}, cwd=cwd, network=network)
        outcome = Outcome(0.0, "the tests cannot run any more on what was left", {"reward": 0.0})
    return replace(outcome, mended=tuple(found))


def _tested(
    task: TaskFolder, saved: Snapshot, start: Snapshot, backend: Backend, found: Changes, *, cwd: str, network: bool
) -> Outcome:
    """Run the tests on a copy of a saved state. Errors as for `judge`."""
    clean = ShellState(cwd=cwd, environment={**start.shell.environment, **task.test_env, "TEST_DIR": TESTS})
    limits = Limits(
        wall_s=task.tests_s, cpu_s=int(task.tests_s) + 1, memory_mb=task.memory_mb, disk_mb=task.storage_mb,
        file_mb=task.storage_mb, output_kb=4096,
    )  # fmt: skip
    with closing(_opened(task, backend, replace(saved, shell=clean), limits, network)) as machine:
        if found:
            with closing(backend.open(start)) as pristine:
                mend(machine, pristine, found)
        made = machine.run(f"rm -rf -- {TESTS} {LOGS}; mkdir -p {TESTS} {LOGS} && chmod 777 {LOGS}")
        if made.exit != 0:
            raise VerifierFailed(f"task {task.name!r}: the folders of the tests cannot be made: {_text(made)[-200:]}")
        for path, content in task.tests().items():
            machine.write(f"{TESTS}/{path}", content, mode=0o755 if path.endswith(".sh") else 0o644)
        planted = [path for path in REWARDS if machine.read(path) is not None]
        if planted:
            raise VerifierFailed(f"task {task.name!r}: {planted[0]} cannot be taken away before the tests run")
        ran = machine.run(f"bash {TESTS}/{task.script.name}", timeout_s=task.tests_s)
        return replace(_outcome(task, machine, ran), output=_text(ran))


def _opened(task: TaskFolder, backend: Backend, saved: Snapshot, limits: Limits, network: bool) -> Sandbox:
    """A copy to test on; a system that its agent has ruined may not start."""
    try:
        return backend.open(saved, limits=limits, network=network)
    except (NotFound, MissingDependency):
        raise
    except InputError as error:
        raise VerifierFailed(f"task {task.name!r}: what was left does not start: {error.message}") from error


def _starts(backend: Backend, saved: Snapshot) -> bool:
    """Whether a saved state can run anything."""
    try:
        with closing(backend.open(saved)) as machine:
            return machine.run("true").ended is None
    except (NotFound, MissingDependency):
        raise
    except (InputError, WorldFailed):
        return False


def _outcome(task: TaskFolder, machine: Sandbox, ran: Ran) -> Outcome:
    if ran.ended is not None:
        limit = f"did not end within {task.tests_s:g} s" if ran.ended == "time" else f"went over a limit: {ran.ended}"
        return Outcome(0.0, f"the tests {limit}", {"reward": 0.0})
    if task.layout == "terminal-bench":
        return _summary(task, ran)
    for path in REWARDS:
        content = machine.read(path)
        if content is not None:
            rewards = read_reward(task, path, content)
            value = rewards["reward"]
            return Outcome(value, f"the tests wrote {value:g} to {path}", rewards)
    raise VerifierFailed(
        f"task {task.name!r}: the tests wrote no reward and ended with status {ran.exit}",
        hint=f"tests/test.sh must write {REWARDS[1]} or {REWARDS[0]} in every case",
        details={"output": _text(ran)[-2000:]},
    )


def read_reward(task: TaskFolder, path: str, content: bytes) -> dict[str, float]:
    """The named values of a reward file; `reward` is their mean where the file does not name it.

    Raises:
        VerifierFailed: If it holds no number in [0, 1].
    """
    text = content.decode(errors="replace").strip()
    try:
        given = json.loads(text)
    except ValueError:
        given = text
    named = given if isinstance(given, dict) and given else {"reward": given}
    rewards = {
        str(name): float(value)
        for name, value in named.items()
        if isinstance(value, int | float) and math.isfinite(value) and 0 <= value <= 1
    }
    if len(rewards) < len(named):
        raise VerifierFailed(f"task {task.name!r}: {path}: expected numbers from 0 to 1, got {text[:80]!r}")
    return {"reward": sum(rewards.values()) / len(rewards), **rewards}


def _summary(task: TaskFolder, ran: Ran) -> Outcome:
    """Terminal-Bench 1: every test in pytest's short summary must have passed."""
    results: dict[str, str] = {}
    inside = False
    for line in ran.stdout.decode(errors="replace").splitlines():
        if bar := _BAR.match(line):
            inside = bar[1] == "short test summary info"
        elif inside and (found := _SUMMARY.match(line)):
            results[found[2].split(" - ")[0]] = found[1]
    if not results:
        raise VerifierFailed(
            f"task {task.name!r}: the tests printed no summary of pytest and ended with status {ran.exit}",
            hint="run-tests.sh must run pytest with -rA",
            details={"output": _text(ran)[-2000:]},
        )
    failed = sorted(name for name, result in results.items() if result not in ("PASSED", "XFAIL", "SKIPPED"))
    reward = float(not failed and "PASSED" in results.values())
    reason = f"{len(results) - len(failed)} of {len(results)} tests passed"
    return Outcome(reward, f"{reason}; {failed[0]} did not" if failed else reason, {"reward": reward})


def _text(ran: Ran) -> str:
    return (ran.stdout + ran.stderr).decode(errors="replace")
