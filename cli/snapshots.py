"""Commands on stored states of machines: `snapshots ls`, `verify`, `gc`.

Owns: their options and what they print. Does not own: the store (`envs/sandbox/store`).
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Column, Table

from pivotgym.cli.ui import complain, escape, say, show
from pivotgym.core.errors import ConfigError

if TYPE_CHECKING:
    from pivotgym.envs.sandbox.store.overview import Row

snapshots = typer.Typer(
    no_args_is_help=True,
    help="Stored states of machines, in PIVOTGYM_SNAPSHOTS (or ~/.cache/pivotgym/snapshots).",
)
_COLUMNS = ("key", "backend", "turn", "layers", "own size", "whole size", "others on it", "in use", "last used")
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead.")]


@snapshots.command()
def ls(as_json: AsJson = False) -> None:
    """List the stored states, the least recently used first, and what they take on the disk."""
    from pivotgym.envs.sandbox.keeping import shared_store
    from pivotgym.envs.sandbox.store.overview import overview

    found = overview(shared_store())
    if as_json:
        _print(asdict(found))
        return
    if found.rows:
        show(_table(found.rows), columns=130)
    say(
        f"{len(found.rows)} snapshots on {found.layers} layers, {_size(found.bytes)} of {_size(found.max_bytes)}, "
        f"in {escape(found.folder)}"
    )


@snapshots.command()
def verify(
    remove: Annotated[
        bool, typer.Option("--remove", help="Drop what is damaged; it is built again when needed.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Read every stored file and compare it with what was committed; exit code 3 if something is damaged."""
    from pivotgym.envs.sandbox.keeping import shared_store

    store = shared_store()
    layers, nodes = len(store.layers.all()), len(store.nodes())
    problems = store.verify()
    if remove:
        for problem in problems:
            store.drop(problem)
    if as_json:
        _print({"layers": layers, "snapshots": nodes, "problems": [asdict(one) for one in problems], "removed": remove})
    else:
        for problem in problems:
            say(f"  {problem.kind} {escape(problem.name)}: {escape(problem.what)}{', removed' if remove else ''}")
        say(f"{layers} layers and {nodes} snapshots read, {len(problems)} problems")
    if problems and not remove:
        complain("the snapshot store is damaged", "pivotgym snapshots verify --remove")
        raise typer.Exit(3)


@snapshots.command()
def gc(
    max_gb: Annotated[float | None, typer.Option(help="Drop down to so many GB; by default the store's limit.")] = None,
    all_: Annotated[bool, typer.Option("--all", help="Drop all that no process uses.")] = False,
    as_json: AsJson = False,
) -> None:
    """Drop the least recently used states, and what killed processes left. What is in use stays."""
    from pivotgym.envs.sandbox.keeping import shared_store

    if max_gb is not None and (all_ or max_gb < 0):
        wrong = "one of --max-gb and --all" if all_ else "--max-gb of 0 or more"
        raise ConfigError(f"gc: expected {wrong}, got --max-gb {max_gb:g}{' --all' if all_ else ''}")
    store = shared_store()
    aim = 0 if all_ else store.max_bytes if max_gb is None else int(max_gb * 10**9)
    # A layer that was just made, by a process that is about to store it, stays for a moment even so.
    freed = store.evict(aim, grace_s=10.0) if all_ else store.evict(aim)
    left, count = sum(store.sizes().values()), len(store.nodes())
    if as_json:
        _print({"freed_bytes": freed, "bytes": left, "snapshots": count})
    else:
        say(f"{_size(freed)} freed; {count} snapshots with {_size(left)} stay")


def _table(rows: list[Row]) -> Table:
    table = Table(*(Column(name, no_wrap=True) for name in _COLUMNS))
    for row in rows:
        table.add_row(
            escape(_short(row.key)),
            escape(row.backend),
            "" if row.turn is None else str(row.turn),
            str(row.layers),
            _size(row.own_bytes),
            _size(row.bytes),
            str(row.others),
            "yes" if row.held else "",
            time.strftime("%Y-%m-%d %H:%M", time.localtime(row.used)),
        )
    return table


def _short(key: str) -> str:
    """The beginning of a key's digest, behind what a base's key has before it."""
    kind, _, name = key.rpartition(":")
    return f"base {name[:11]}" if kind else name[:16]


def _size(count: float) -> str:
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} GB"


def _print(value: dict[str, Any]) -> None:
    # Not through rich, which would wrap it.
    typer.echo(json.dumps(value, indent=2))
