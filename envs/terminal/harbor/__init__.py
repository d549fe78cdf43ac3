"""Tasks of Harbor and Terminal-Bench 1, read from the folders of the source `harbor`.

Owns: which tasks there are, what each starts from, what it pays. Does not own: running actions (`envs.terminal`).

    folders   TaskFolder: what a task's folder says
    tooling   what tests stand on, put back before they run
    outcome   judge: the tests, run where the agent cannot reach

An origin names a task: `{"kind": "harbor", "task": NAME}`. Its image is built once by the container engine, whichever
backend then runs it. Tasks that ask for network get it only where the server allows it (`PIVOTGYM_SANDBOX_NETWORK=1`).
"""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

from pivotgym.core.errors import InputError, NotFound, VerifierFailed
from pivotgym.core.messages import Action, Message, Tool, ToolCall
from pivotgym.core.trajectory import Origin
from pivotgym.envs.base import sources
from pivotgym.envs.base.contract import Task
from pivotgym.envs.sandbox.contract import Backend, Base, Limits, Sandbox, ShellState
from pivotgym.envs.sandbox.docker.images import build_image, have_image, image_config
from pivotgym.envs.terminal.harbor.folders import TaskFolder, find_folder, read_folders
from pivotgym.envs.terminal.harbor.outcome import Outcome, judge

KIND = "harbor"
SOURCE = "harbor"
"""Name of the source: a task folder, or a folder of them."""
PROMPT = (
    "You work in a Linux shell through the tool `bash`. Do the task, then say in plain words that it is done. "
    "The task's tests are run afterwards."
)
BASH = Tool(
    name="bash",
    description="Run a command in a shell that lives through the session.",
    parameters={
        "type": "object",
        "properties": {"command": {"type": "string", "description": "The command, of one or several lines."}},
        "required": ["command"],
    },
)
_NETWORK = "PIVOTGYM_SANDBOX_NETWORK"
_UNREACHED = ("Could not resolve", "name resolution", "Network is unreachable", "Name or service not known")
_building = threading.Lock()


def tasks() -> list[Task]:
    """The tasks of the configured source; none where it is not configured. Those that cannot be run are left out."""
    place = sources.find(SOURCE)
    return [] if place is None else [_task(folder) for folder in read_folders(place)[0]]


def refused() -> dict[str, str]:
    """Names of tasks of the source that cannot be run, with the reason."""
    place = sources.find(SOURCE)
    return {} if place is None else read_folders(place)[1]


def folder_of(origin: Origin) -> TaskFolder:
    """The task that an origin names.

    Raises:
        InputError: If it names none, or has other fields.
        MissingDependency: If the source is not configured.
        NotFound: If the source has no such task.
    """
    name = origin.get("task")
    unknown = sorted((origin.model_extra or {}).keys() - {"task", "compare"})
    if unknown:
        raise InputError(f"origin: harbor: no field is called {unknown[0]!r}")
    if not isinstance(name, str) or not name or "/" in name or name.startswith("."):
        raise InputError(f"origin: task: expected a task's name, got {name!r:.80}")
    found = find_folder(sources.path(SOURCE), name)
    if found is None:
        raise NotFound(f"origin: task: the source {SOURCE!r} has no task called {name!r}")
    return found


def base(task: TaskFolder) -> Base:
    """What a task starts from; its image is built here if this machine has none yet.

    Raises:
        MissingDependency: If there is no container engine.
        InputError: If the image cannot be built; the message carries the end of the log.
    """
    image = have_image(_image(task))
    identity = json.dumps({"harbor": task.digest(), "image": image.id})
    return Base(
        identity, image=image.id, shell=ShellState(cwd=task.workdir or image.cwd), user=image.user or "root"
    )  # fmt: skip


def limits(task: TaskFolder) -> Limits:
    """What the agent may use."""
    wall_s = min(task.agent_s, 600.0)
    return Limits(
        wall_s=wall_s, cpu_s=int(task.agent_s) + 1, memory_mb=task.memory_mb, disk_mb=task.storage_mb,
        file_mb=task.storage_mb,
    )  # fmt: skip


def network(task: TaskFolder) -> bool:
    """Whether the task asks for network and this server allows it."""
    return task.network and os.environ.get(_NETWORK) == "1"


def outcome(task: Task, left: Sandbox, backend: Backend) -> float:
    """What a task pays on the machine that the agent has left. Arguments and errors as for `judged`."""
    return judged(folder_of(task.origin), left, backend).reward


def judged(task: TaskFolder, left: Sandbox, backend: Backend) -> Outcome:
    """Run a task's tests on the machine that the agent has left.

    Raises:
        VerifierFailed: If nothing is known: no reward was written, or the tests lacked a network that was not allowed.
        WorldFailed: If a sandbox breaks.
    """
    begun = base(task)
    online = network(task)
    found = judge(task, left, backend.base(begun), backend, cwd=begun.shell.cwd, network=online)
    if task.network and not online and found.reward == 0 and any(sign in found.output for sign in _UNREACHED):
        raise VerifierFailed(
            f"task {task.name!r}: its tests tried to reach the network, which this server does not allow",
            hint=f"start it with {_NETWORK}=1",
        )
    return found


def _image(task: TaskFolder) -> str:
    if task.image or task.context is None:
        return task.image
    tag = f"pivotgym/task:{task.digest()}"
    with _building:
        try:
            return image_config(tag).id
        except NotFound:
            return build_image(task.context, dockerfile=task.dockerfile, tag=tag, timeout_s=task.build_s)


def _task(folder: TaskFolder) -> Task:
    return Task(
        id=f"{KIND}/{folder.name}",
        origin=Origin.model_validate({"kind": KIND, "task": folder.name}),
        messages=[Message(role="system", content=PROMPT), Message(role="user", content=folder.instruction)],
        tools=[BASH],
        gold=_gold(folder.solution),
        metadata={**folder.metadata, "layout": folder.layout, "agent_s": folder.agent_s},
    )


def _gold(solution: Path | None) -> list[list[Action]]:
    """The solution as one command, where it is a single script."""
    if solution is None or (solution.parent.name == "solution" and len(list(solution.parent.iterdir())) > 1):
        return []
    script = solution.read_text(encoding="utf-8", errors="replace")
    # In a shell of its own: its `set -e` and `exit` are no business of the session's.
    command = f"bash <<'PIVOTGYM_SOLUTION'\n{script.rstrip()}\nPIVOTGYM_SOLUTION"
    return [[Action(tool_calls=(ToolCall(name=BASH.name, arguments={"command": command}),))]]
