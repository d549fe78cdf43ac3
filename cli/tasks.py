"""Commands on whole tasks: `tasks list`, `tasks validate`, `tasks gold`.

Owns: their options and what they print. Does not own: playing and judging (`envs/conformance`, the domains).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from pivotgym.cli.options import OutFile
from pivotgym.cli.ui import bar, escape, say, show
from pivotgym.core.errors import InputError, MissingDependency
from pivotgym.core.jsonl import write_records

if TYPE_CHECKING:
    from pivotgym.envs.base.runtime import Runtime
    from pivotgym.envs.conformance.tasks import Validated

tasks = typer.Typer(no_args_is_help=True, help="Whole tasks of a domain: list, validate, write expert runs.")

DomainName = Annotated[str, typer.Argument(help="The domain, e.g. `terminal`.", metavar="DOMAIN")]
Wanted = Annotated[
    list[str] | None, typer.Option("--task", help="Only tasks whose id begins with this. Repeatable.", metavar="ID")
]


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
def list_(domain: DomainName, task: Wanted = None) -> None:
    """Ids and instructions of a domain's tasks."""
    from pivotgym.envs.conformance.tasks import chosen

    with _runtime(domain, plays=False) as runtime:
        for found in chosen(runtime, task or ()):
            asked = next((message.text for message in found.messages if message.role == "user"), "")
            say(f"[bold]{escape(found.id)}[/]  {escape(' '.join(asked.split()))}")


@tasks.command()
def validate(
    domain: DomainName,
    task: Wanted = None,
    times: Annotated[int, typer.Option(min=1, help="How often each run is played.")] = 2,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the whole report here.")] = None,
) -> None:
    """Play each task's gold run (must pay 1), nothing (0) and every known attempt; fail if one is not as it must be."""
    from pivotgym.envs.conformance.tasks import chosen, validate_all

    with _runtime(domain) as runtime, bar("tasks") as progress:
        found = validate_all(runtime, chosen(runtime, task or ()), times=times, on_progress=progress)
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
def gold(domain: DomainName, out_file: OutFile, task: Wanted = None) -> None:
    """Play the tasks' gold runs and write them as expert trajectories, with what was observed."""
    from pivotgym.envs.conformance.tasks import chosen, gold_trajectories

    with _runtime(domain) as runtime:
        count = write_records(out_file, gold_trajectories(runtime, chosen(runtime, task or ())))
    say(f"{count} trajectories in {escape(str(out_file))}")
