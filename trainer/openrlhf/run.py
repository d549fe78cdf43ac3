"""A training run through OpenRLHF, from a configuration to a policy: what `pivotgym train --engine openrlhf` calls.

Owns: the files of a run, the process, and its failures as our errors. Does not own: the flags (`flags`), what runs in
the process (`launch`).
"""

from __future__ import annotations

import importlib.util
import json
import os
import shlex
import subprocess
import sys
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pivotgym.core.errors import MissingDependency, PivotGymError, PolicyFailed, from_wire
from pivotgym.core.formats import format_for
from pivotgym.core.jsonl import atomic
from pivotgym.trainer.config import RunConfig
from pivotgym.trainer.models import policy_folder
from pivotgym.trainer.openrlhf import cpu
from pivotgym.trainer.openrlhf.flags import Places, agent_settings, command_line, flags, steps_of_rows
from pivotgym.trainer.openrlhf.launch import ENTRY, RAY_ADDRESS_ENV
from pivotgym.trainer.openrlhf.processes import RUN_ENV, end_all, stopped_by_sigterm
from pivotgym.trainer.openrlhf.rows import make_rows, write_rows
from pivotgym.trainer.openrlhf.settings import AGENT_ENV, AgentSettings
from pivotgym.trainer.ray_start import worker_environment

FAILURE_FILE = "failure.json"
LAST_LINES = 15


@dataclass(frozen=True)
class Plan:
    """A run that could be started.

    Attributes:
        places: Its files.
        arguments: Flags of `train_ppo_ray`.
        agent: Settings of the sampling processes.
        variables: Environment variables of the process.
    """

    places: Places
    arguments: list[str]
    agent: AgentSettings
    variables: dict[str, str]

    @property
    def command(self) -> str:
        """The resolved command, to read and to paste."""
        told = {AGENT_ENV: self.agent.model_dump_json(), **self.variables}
        return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in sorted(told.items())) + command_line(
            [sys.executable, "-m", "pivotgym.trainer.openrlhf.launch", *self.arguments]
        )


def has_cuda() -> bool:
    """Whether this machine has a GPU that PyTorch can use."""
    import torch

    return torch.cuda.is_available()


def make_plan(
    config: RunConfig,
    out: str | Path,
    ids: Sequence[str],
    *,
    kind: Literal["pivot", "task"],
    server: str,
    policy: str | Path | None = None,
    cuda: bool | None = None,
) -> Plan:
    """Resolve a configuration; write the data file and the command line into `out/openrlhf`.

    Args:
        config: The run's.
        out: The run's folder.
        ids: Pivots or tasks that the server knows.
        kind: Which of the two.
        server: Environment server, as the sampling machines reach it.
        policy: Another starting policy than the configured one.
        cuda: Whether to run on GPUs; by default, whether this machine has one or a Ray cluster is named.

    Raises:
        ConfigError: If this engine cannot do what the configuration asks for.
        InputError: If there is no id.
        DigestMismatch: If `out` holds a run on other states.
    """
    if cuda is None:
        cuda = config.openrlhf.ray_address is not None or has_cuda()
    name = str(policy or config.policy)
    places = Places(policy_folder(name), Path(out))
    agent = agent_settings(config, server=server, format_name=_format(config, name, places.policy))
    arguments = flags(config, places, cuda=cuda)
    grpo = config.grpo
    rows = make_rows(ids, kind, steps=steps_of_rows(config), per_step=grpo.pivots_per_step, seed=grpo.seed)
    places.rows.parent.mkdir(parents=True, exist_ok=True)
    write_rows(places.rows, rows)
    site = None if cuda else cpu.write_site((places.out / "openrlhf" / "site").resolve())
    variables = worker_environment(cuda=cuda, site=site)
    if config.openrlhf.ray_address is not None:
        variables[RAY_ADDRESS_ENV] = config.openrlhf.ray_address
    plan = Plan(places, arguments, agent, variables)
    with atomic(places.out / "openrlhf" / "command.sh") as file:
        file.write(plan.command.encode())
    return plan


def _format(config: RunConfig, name: str, folder: Path) -> str:
    if config.format != "auto":
        return config.format
    file = folder / "chat_template.jinja"
    settings = folder / "tokenizer_config.json"
    template = file.read_text() if file.is_file() else None
    if template is None and settings.is_file():
        found = json.loads(settings.read_text()).get("chat_template")
        template = found if isinstance(found, str) else None
    return format_for(name, template).name


def run(plan: Plan, *, on_line: Callable[[str], None] | None = None) -> None:
    """Run a plan to its end; the policy is in `out/policy`, the log in `out/log.jsonl`.

    Args:
        plan: From `make_plan`.
        on_line: Called with each line that the process prints; all are in `out/openrlhf/run.log`.

    Raises:
        MissingDependency: If OpenRLHF is not installed.
        PivotGymError: What stopped the run, as the process left it; a checkpoint of the last step is there.
        PolicyFailed: If the process ended otherwise; the message holds its last lines.
        KeyboardInterrupt: On SIGTERM, too. In any case no process of the run is left.
    """
    if importlib.util.find_spec("openrlhf") is None:
        raise MissingDependency(
            "engine 'openrlhf': the package openrlhf is not installed",
            hint="with CUDA: pip install 'pivotgym[openrlhf]'; without: make openrlhf-cpu",
        )
    failure = plan.places.out / FAILURE_FILE
    failure.unlink(missing_ok=True)
    mark = uuid.uuid4().hex
    environment = {**os.environ, **plan.variables, AGENT_ENV: plan.agent.model_dump_json(), RUN_ENV: mark}
    last: list[str] = []
    with stopped_by_sigterm(), (plan.places.out / "openrlhf" / "run.log").open("a") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "pivotgym.trainer.openrlhf.launch", *plan.arguments],
            env=environment,
            stdin=subprocess.PIPE,  # Closed when this process is gone, however it went.
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        try:
            for line in process.stdout or ():
                log.write(line)
                log.flush()
                last = [*last[1 - LAST_LINES :], line.rstrip()]
                if on_line is not None:
                    on_line(line.rstrip("\n"))
            code = process.wait()
        finally:
            end_all(mark)
            process.wait()
    if failure.is_file():
        raise _left(failure, plan.places.out / "openrlhf" / "run.log")
    if code != 0:
        text = "\n".join(last)
        raise PolicyFailed(
            f"{ENTRY} ended with code {code}; its last lines:\n{text}",
            hint=f"the whole log is {plan.places.out / 'openrlhf' / 'run.log'}",
        )


def _left(failure: Path, log: Path) -> PivotGymError:
    record = json.loads(failure.read_text())
    error = from_wire(record)
    where = record["checkpoint"] or "none: no step was finished"
    mend = error.hint or "the same command goes on from there"
    error.hint = f"last checkpoint: {where}; {mend}; the whole log is {log}"
    return error
