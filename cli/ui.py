"""What the command line shows: lines, progress bars, errors.

Owns: the look. Does not own: what is said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from pivotgym.servers import logs

__all__ = ["bar", "complain", "err", "escape", "out", "say", "show"]

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)

OnProgress = Callable[[int, int], None]


def say(line: str) -> None:
    """One line for a person; may hold rich's markup, so texts from elsewhere go through `escape`."""
    if logs.as_json():
        logs.say(Text.from_markup(line).plain.strip())
    else:
        out.print(line, soft_wrap=True)


def show(table: Table, *, columns: int = 120) -> None:
    """A table with every name and figure in full, also into a pipe, which has 80 columns for rich."""
    console = Console(width=max(out.width, columns), highlight=False)
    if logs.as_json():
        with console.capture() as shown:
            console.print(table)
        logs.say(shown.get())
    else:
        console.print(table)


@contextmanager
def bar(title: str) -> Iterator[OnProgress]:
    """A progress bar; the yielded function takes (done, total)."""
    columns = (
        TextColumn("  {task.description}"),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=err, transient=True, disable=logs.as_json()) as progress:
        task = progress.add_task(title, total=None)

        def update(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        yield update


def complain(message: str, hint: str | None) -> None:
    """An error with its fix."""
    if logs.as_json():
        logs.log.error(f"{message} (fix: {hint})" if hint else message)
        return
    err.print(f"[bold red]error[/]: {escape(message)}", soft_wrap=True)
    if hint:
        err.print(f"  [dim]fix:[/] {escape(hint)}", soft_wrap=True)
