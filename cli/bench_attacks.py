"""`bench attacks` and `bench exploits`: adversarial search against verdicts, and what is known already.

Owns: its options and what it prints. Does not own: mutations and counts (`envs.conformance.adversarial`), or
the table of exploits (`envs.conformance.exploits`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pivotgym.cli.ui import bar, escape, say

if TYPE_CHECKING:
    from pivotgym.core.trajectory import Pivot


def attacks(
    cases: Annotated[
        list[Path] | None, typer.Option("--cases", help="JSON Lines of labelled cases, for their states. Repeatable.")
    ] = None,
    pivots: Annotated[list[Path] | None, typer.Option("--pivots", help="JSON Lines of pivots. Repeatable.")] = None,
    tasks: Annotated[
        list[str] | None,
        typer.Option(
            "--tasks", metavar="DOMAIN[:ID]", help="Tasks whose gold runs are played; ID begins theirs. Repeatable."
        ),
    ] = None,
    trajectories: Annotated[
        list[Path] | None, typer.Option("--trajectories", help="JSON Lines of expert runs in chat format. Repeatable.")
    ] = None,
    by_text: Annotated[
        bool, typer.Option("--by-text", help="As if no state could be built: attack the rules that compare texts.")
    ] = False,
    source: Annotated[
        list[str] | None, typer.Option(metavar="NAME=PATH", help="Data to rebuild origins from. Repeatable.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option(help="Most states of each file and tasks of each domain, evenly spread.")
    ] = None,
    each: Annotated[int, typer.Option(help="Actions that are drawn of a mutation at a state.")] = 1,
    seed: Annotated[int, typer.Option(help="Of the draw.")] = 0,
    fetch: Annotated[bool, typer.Option(help="Fetch source packages that cases name, by pip.")] = True,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the whole report here.")] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write the page here, in Markdown.")] = None,
) -> None:
    """Change expert actions by rule; count harmful changes that are accepted and harmless ones that are not."""
    from pivotgym.cli.bench import command_line, packages, write
    from pivotgym.core.errors import ConfigError
    from pivotgym.core.jsonl import read_records
    from pivotgym.core.readers.chat import read_chat
    from pivotgym.core.trajectory import Pivot
    from pivotgym.envs.base import sources
    from pivotgym.envs.conformance.adversarial.attack_page import page
    from pivotgym.envs.conformance.adversarial.search import attack, distinct, report, unbuilt
    from pivotgym.envs.conformance.verdict_cases import read_cases
    from pivotgym.envs.swe.wheelhouse import naming
    from pivotgym.trainer.extract import extract

    if not (cases or pivots or tasks or trajectories):
        hint = "name some with --cases, --pivots, --trajectories or --tasks"
        raise ConfigError("bench attacks: expected states to attack, got none", hint=hint)
    given = sources.parse(source or [])
    sources.configure(given)
    try:
        groups: list[Sequence[Pivot]] = [[case.pivot for case in read_cases(path)] for path in cases or []]
        groups += [list(read_records(path, Pivot)) for path in pivots or []]
        groups += [list(extract(read_chat(path))) for path in trajectories or []]
        chosen = [pivot for group in groups for pivot in _spread(distinct(group), limit)]
        chosen += [pivot for named in tasks or [] for pivot in _of_tasks(named, limit)]
        chosen = [unbuilt(pivot) for pivot in chosen] if by_text else chosen
        with bar("states") as progress, naming(packages(chosen) if fetch else set()):
            result = report(attack(chosen, each=each, seed=seed, on_progress=progress))
    finally:
        sources.forget(*given)
    _tell_each(result)
    text = page(result, command=command_line())
    say(escape(text))
    if json_file is not None:
        write(json_file, json.dumps(result, indent=2) + "\n")
    if out is not None:
        write(out, text)


def exploits(
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write the page here, in Markdown.")] = None,
) -> None:
    """Say which verifier accepts which known exploit."""
    from pivotgym.cli.bench import write
    from pivotgym.envs.conformance.exploits import answers, page

    text = page(answers())
    if out is None:
        say(escape(text))
    else:
        write(out, text)
        say(f"page: {escape(str(out))}")


def _tell_each(result: dict[str, Any]) -> None:
    """What was judged wrongly, and what could not be judged."""
    for wrong in result["wrong"]:
        what = "harmful, accepted" if wrong["harmful"] else "harmless, rejected"
        say(escape(f"{wrong['pivot']} {wrong['mutation']} ({what} by {wrong['method']}): {wrong['reason']}"))
        say(escape(f"    {wrong['expert']}\n    {wrong['candidate']}"))
    for failed in result["failed"]:
        say(escape(f"{failed['pivot']} {failed['mutation']}: {failed['error']}\n    {failed['candidate']}"))


def _spread(pivots: Sequence[Pivot], limit: int | None) -> list[Pivot]:
    kept = len(pivots) if limit is None else min(limit, len(pivots))
    return [pivots[place * len(pivots) // kept] for place in range(kept)]


def _of_tasks(named: str, limit: int | None) -> Iterator[Pivot]:
    """The turns with calls of the gold runs of some tasks, `DOMAIN` or `DOMAIN:ID`, played now."""
    from contextlib import closing

    from pivotgym.envs.base.registry import load_domain
    from pivotgym.envs.base.runtime import Runtime
    from pivotgym.envs.conformance.tasks import chosen, gold_trajectories
    from pivotgym.trainer.extract import extract

    domain, _, beginning = named.partition(":")
    with closing(Runtime(load_domain(domain))) as runtime:
        played = gold_trajectories(runtime, chosen(runtime, [beginning] if beginning else [], limit))
        yield from (pivot for pivot in extract(played) if pivot.reference.tool_calls)
