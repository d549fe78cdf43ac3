"""The command `check`: the conformance suite against a server, a domain or a folder.

Owns: its options, what is looked at, and what it prints. Does not own: the checks (`servers/conformance`).

Exit codes beside those of `cli/main`: 1 when a check failed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from pivotgym.cli.ui import bar, escape, say
from pivotgym.core.errors import InputError, MissingDependency
from pivotgym.core.jsonl import atomic
from pivotgym.core.trajectory import Pivot

if TYPE_CHECKING:
    from pivotgym.envs.base.contract import Domain, Task
    from pivotgym.servers.conformance.findings import Result
    from pivotgym.servers.conformance.subject import Subject

T = TypeVar("T")
ROOM = 8
"""Sessions that a server started for the check has room for: few, so that filling it is quick."""
MARKS = {"passed": "[green]passed [/]", "failed": "[bold red]failed [/]", "skipped": "[yellow]skipped[/]"}


def check(
    target: Annotated[
        str, typer.Argument(help="A server's address, an installed domain, `module:attribute`, or a domain's folder.")
    ],
    pivots: Annotated[
        list[Path] | None, typer.Option(help="JSON Lines of pivots to look at; a server is given them. Repeatable.")
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write the whole report here; `-` prints it instead of lines.")
    ] = None,
    sessions: Annotated[int, typer.Option(min=4, help="Sessions of the check for leaks.")] = 500,
    limit: Annotated[int, typer.Option(min=1, help="Most pivots, and most tasks, spread evenly over those there.")] = 8,
    only: Annotated[list[str] | None, typer.Option("--only", metavar="CHECK", help="Only this. Repeatable.")] = None,
    timeout_s: Annotated[float, typer.Option(min=0.1, help="Seconds that any one call may take.")] = 60.0,
    token: Annotated[Path | None, typer.Option(help="File with the server's bearer token.")] = None,
    source: Annotated[
        list[str] | None, typer.Option(metavar="NAME=PATH", help="Data to rebuild origins from. Repeatable.")
    ] = None,
) -> None:
    """Check a domain or a server: states, verdicts, tasks, the wire, limits, leaks. Exit code 1 if a check failed."""
    from pivotgym.servers.conformance import suite

    checks = suite.chosen(only or ())
    given = _given(pivots or [])
    quiet = json_file is not None and str(json_file) == "-"
    with ExitStack() as stack:
        if "://" in target:
            subject = stack.enter_context(_remote(target, given, token, limit, timeout_s))
        else:
            subject = stack.enter_context(_local(target, given, limit, timeout_s, source or []))
        subject.sessions = sessions
        progress = stack.enter_context(bar("checks"))
        results: list[Result] = []

        def told(result: Result) -> None:
            results.append(result)
            progress(len(results), len(checks))
            if not quiet:
                _tell(result)

        suite.run(subject, checks, on_result=told)
    found = suite.report(results, target)
    if quiet:
        typer.echo(json.dumps(found, indent=2))
    else:
        say(f"{found['passed']} passed, {found['failed']} failed, {found['skipped']} skipped")
    if json_file is not None and not quiet:
        with atomic(json_file) as file:
            file.write(json.dumps(found, indent=2).encode() + b"\n")
        say(f"report: {escape(str(json_file))}")
    if not found["ok"]:
        raise typer.Exit(1)


def _tell(result: Result) -> None:
    say(f"{MARKS[result.status]}  {result.check.name}  [dim]{escape(result.note)}[/]")
    if result.status == "failed":
        say(f"         {escape(result.check.demands)}")
    for finding in result.findings[:5]:
        say(f"         [bold]{escape(finding.where)}[/]")
        say(f"           expected {escape(finding.expected)}")
        say(f"           got      {escape(finding.got)}")
        say(f"           look at  {escape(finding.look_at)}")
    if len(result.findings) > 5:
        say(f"         and {len(result.findings) - 5} more: `--json FILE` has all")


def _given(paths: list[Path]) -> list[Pivot]:
    from pivotgym.cli.data import read_pivots

    return read_pivots(paths)


@contextmanager
def _remote(url: str, given: list[Pivot], token: Path | None, limit: int, timeout_s: float) -> Iterator[Subject]:
    from pivotgym.servers.conformance.subject import Subject
    from pivotgym.servers.settings import TOKEN_FILE, read_token

    subject = Subject(url, [], token=read_token(token, TOKEN_FILE), timeout_s=timeout_s)
    try:
        subject.client.wait_ready(timeout_s)
        subject.client.add_pivots(given)
        known = given or [subject.client.pivot(item["id"]) for item in spread(list(subject.client.pivots()), limit)]
        subject.pivots = spread(known, limit)
        subject.task_ids = spread([task["id"] for task in subject.client.tasks()], limit)
        yield subject
    finally:
        subject.close()


@contextmanager
def _local(target: str, given: list[Pivot], limit: int, timeout_s: float, source: list[str]) -> Iterator[Subject]:
    from pivotgym.cli.folders import importable, is_folder
    from pivotgym.envs.base import sources
    from pivotgym.envs.base.registry import load_domain
    from pivotgym.servers.conformance.subject import Subject
    from pivotgym.servers.serve import BackgroundServer
    from pivotgym.servers.settings import TOKEN_FILE, Settings, read_token

    with ExitStack() as stack:
        name = stack.enter_context(importable(Path(target))) if is_folder(target) else target
        named = sources.parse(source)
        sources.configure(named)
        stack.callback(sources.forget, *named)
        domain = load_domain(name)
        stack.callback(domain.close)
        lacking = domain.ready()
        if lacking is not None:
            raise MissingDependency(f"domain {target!r}: {lacking}")
        tasks = spread(list(domain.tasks()), limit)
        pivots = spread(given or list(domain.pivots()) or list(gold_pivots(domain, tasks)), limit)
        if not pivots and not tasks:
            raise InputError(
                f"domain {target!r}: no pivots and no tasks to check",
                hint="give pivots with --pivots FILE; tasks of domain 'swe' come with `pivotgym fetch swe`",
            )
        settings = Settings(max_sessions=ROOM, timeout_s=timeout_s, sources=named)
        shipped = {pivot.id for pivot in domain.pivots()}
        added = [pivot for pivot in pivots if pivot.id not in shipped]
        server = stack.enter_context(BackgroundServer(name, pivots=added, settings=settings))
        subject = Subject(
            server.url,
            pivots,
            [task.id for task in tasks],
            token=read_token(None, TOKEN_FILE),
            timeout_s=timeout_s,
            domain=domain,
            pids=server.pids,
        )
        stack.callback(subject.close)
        yield subject


def gold_pivots(domain: Domain, tasks: Sequence[Task]) -> Iterator[Pivot]:
    """The pivots of the tasks' gold runs, played now, at the turns that act and that the domain's rule names.

    Raises:
        InfrastructureError: If the world broke.
    """
    from pivotgym.envs.base.runtime import Runtime
    from pivotgym.envs.conformance.tasks import gold_trajectories
    from pivotgym.trainer.extract import cut

    runtime = Runtime(domain)
    try:
        for trajectory in gold_trajectories(runtime, tasks):
            found = (cut(trajectory, turn) for turn in domain.candidates(trajectory))
            yield from (pivot for pivot in found if domain.acts(pivot.reference))
    finally:
        runtime.close()


def spread(items: Sequence[T], most: int) -> list[T]:
    """At most so many items, spread evenly."""
    kept = min(most, len(items))
    return [items[place * len(items) // kept] for place in range(kept)]
