"""Commands on whole tasks: `tasks list`, `tasks validate`, `tasks gold`, `tasks play`.

Owns: their options and what they print. Does not own: playing and judging (`envs/conformance`, `trainer/episodes`, the
domains).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from pivotgym.cli.options import (
    BaseUrl,
    Config,
    EngineOption,
    ModelOption,
    OutFile,
    Overrides,
    PolicyOption,
    engine_overrides,
)
from pivotgym.cli.ui import bar, escape, say, show
from pivotgym.core.errors import ConfigError, InputError, MissingDependency
from pivotgym.core.jsonl import write_records

if TYPE_CHECKING:
    from pivotgym.core.trajectory import Trajectory
    from pivotgym.envs.base.runtime import Runtime
    from pivotgym.envs.conformance.tasks import Validated

tasks = typer.Typer(
    no_args_is_help=True, help="Whole tasks of a domain: list, validate, write expert runs, let a policy play."
)

DomainName = Annotated[str, typer.Argument(help="The domain, e.g. `terminal`.", metavar="DOMAIN")]
Wanted = Annotated[
    list[str] | None, typer.Option("--task", help="Only tasks whose id begins with this. Repeatable.", metavar="ID")
]
Limit = Annotated[int | None, typer.Option(min=1, help="Only so many, spread evenly over the tasks.", metavar="N")]


@contextmanager
def _runtime(domain: str, *, plays: bool = True) -> Iterator[Runtime]:
    from pivotgym.envs.base.registry import load_domain
    from pivotgym.envs.base.runtime import Runtime

    runtime = Runtime(load_domain(domain))
    try:
        lacking = runtime.domain.ready() if plays else None
        if lacking is not None:
            raise MissingDependency(f"domain {domain!r}: {lacking}")
        yield runtime
    finally:
        runtime.close()
        runtime.domain.close()


@tasks.command("list")
def list_(domain: DomainName, task: Wanted = None, limit: Limit = None) -> None:
    """Ids and instructions of a domain's tasks."""
    from pivotgym.envs.conformance.tasks import chosen

    with _runtime(domain, plays=False) as runtime:
        for found in chosen(runtime, task or (), limit):
            asked = next((message.text for message in found.messages if message.role == "user"), "")
            say(f"[bold]{escape(found.id)}[/]  {escape(' '.join(asked.split()))}")


@tasks.command()
def validate(
    domain: DomainName,
    task: Wanted = None,
    limit: Limit = None,
    times: Annotated[int, typer.Option(min=1, help="How often each run is played.")] = 2,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the whole report here.")] = None,
) -> None:
    """Play each task's gold run (must pay 1), nothing (0) and every known attempt; fail if one is not as it must be."""
    from pivotgym.envs.conformance.tasks import chosen, validate_all

    with _runtime(domain) as runtime, bar("tasks") as progress:
        found = validate_all(runtime, chosen(runtime, task or (), limit), times=times, on_progress=progress)
    if not found:
        raise InputError(f"domain: {domain!r} has no tasks to validate")
    _show(found)
    if json_file is not None:
        json_file.parent.mkdir(parents=True, exist_ok=True)
        json_file.write_text(json.dumps([one.to_json() for one in found], indent=2) + "\n")
        say(f"report: {escape(str(json_file))}")
    if not all(one.ok for one in found):
        raise typer.Exit(4 if any(run.error for one in found for run in one.runs) else 3)


def _show(found: list[Validated]) -> None:
    table = Table(title="tasks", title_justify="left")
    table.add_column("task", no_wrap=True)
    for head in ("gold", "nothing", "others", "seconds"):
        table.add_column(head, justify="right")
    table.add_column("wrong")
    for one in found:
        runs = {run.name: run for run in one.runs}
        rest = [run for run in one.runs if run.name not in ("gold", "nothing")]
        wrong = "; ".join(f"{run.name}: {run.error or run.outcomes}" for run in one.runs if not run.ok)
        good = sum(run.ok for run in rest)
        cells = [str(runs[name].outcomes[0]) for name in ("gold", "nothing")]
        table.add_row(escape(one.task), *cells, f"{good}/{len(rest)}", f"{one.seconds:.1f}", escape(wrong))
    show(table)
    say(f"{sum(one.ok for one in found)} of {len(found)} tasks are as they must be")


@tasks.command()
def gold(domain: DomainName, out_file: OutFile, task: Wanted = None, limit: Limit = None) -> None:
    """Play the tasks' gold runs and write them as expert trajectories, with what was observed."""
    from pivotgym.envs.conformance.tasks import chosen, gold_trajectories

    outcomes: list[float] = []

    def counted(found: Iterator[Trajectory]) -> Iterator[Trajectory]:
        for one in found:
            outcomes.append(one.outcome or 0.0)
            yield one

    with _runtime(domain) as runtime:
        write_records(out_file, counted(gold_trajectories(runtime, chosen(runtime, task or (), limit))))
    say(f"{len(outcomes)} trajectories in {escape(str(out_file))}, mean outcome {_mean(outcomes)}")


@tasks.command()
def play(
    domain: DomainName,
    out_file: OutFile,
    task: Wanted = None,
    limit: Limit = None,
    max_steps: Annotated[int | None, typer.Option(min=1, help="Cut runs after so many steps.", metavar="N")] = None,
    arm: Annotated[str, typer.Option(help="Name of the policy in the file: base, sft, grpo, ...")] = "base",
    config: Config = None,
    set_: Overrides = None,
    policy: PolicyOption = None,
    engine: EngineOption = None,
    base_url: BaseUrl = None,
    model: ModelOption = None,
) -> None:
    """Let a policy play each task once and write its runs; the tasks' own outcomes are printed. Resumable."""
    from pivotgym.cli.resources import environment, sampling_engine
    from pivotgym.envs.conformance.tasks import picked
    from pivotgym.trainer import episodes
    from pivotgym.trainer.config import load_config, save_config

    cut = [] if max_steps is None else [f"evaluate.max_steps={max_steps}"]
    overrides = [*(set_ or []), f"domain={domain}", *cut, *engine_overrides(engine, base_url, model)]
    settings = load_config(config, overrides)
    if settings.engine.kind == "ray":
        raise ConfigError(
            "engine.kind: expected 'local' or 'openai' for whole tasks, got 'ray'",
            hint="a batch engine starts anew with each step; serve the policy with vLLM and name it with --base-url",
        )
    sampler = sampling_engine(settings, policy)
    save_config(settings, out_file.with_suffix(".config.yaml"))
    with environment(settings) as client, bar(f"playing {arm}") as progress:
        asked = picked([one["id"] for one in client.tasks()], domain, task or (), limit)
        rows = episodes.play(
            asked,
            sampler,
            client,
            out_file,
            settings.evaluate,
            arm=arm,
            max_prompt_tokens=settings.max_prompt_tokens,
            on_progress=progress,
        )
    ends = Counter(row.end for row in rows)
    steps, invalid = sum(row.steps for row in rows), sum(row.invalid for row in rows)
    say(
        f"{arm}: mean outcome {_mean([row.outcome for row in rows])} over {len(rows)} tasks, in {escape(str(out_file))}"
    )
    say(f"  {steps} steps, {invalid} of them no action; {', '.join(f'{end}: {count}' for end, count in ends.items())}")
    if len(rows) < len(asked):
        say(f"  {len(asked) - len(rows)} runs failed through no fault of the policy; run the same command again")
        raise typer.Exit(4)


def _mean(outcomes: list[float]) -> str:
    return f"{sum(outcomes) / len(outcomes):.3f}" if outcomes else "none"
