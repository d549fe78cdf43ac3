"""Commands on search corpora: `corpus build`, `corpus search`, `corpus about`.

Owns: their options and what they print. Does not own: the index (`envs/browsing/search`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pivotgym.cli.options import OutFolder
from pivotgym.cli.ui import escape, out, say
from pivotgym.core.errors import InputError

if TYPE_CHECKING:
    from pivotgym.envs.browsing.search.index import Corpus

corpus = typer.Typer(no_args_is_help=True, help="Search corpora: build the index of JSON Lines files, search it.")

Place = Annotated[str, typer.Argument(help="Folder of a built corpus, or `almanac`, our own.", metavar="CORPUS")]


@corpus.command()
def build(
    files: Annotated[list[Path], typer.Argument(help="JSON Lines: url, title, and text or snippet; also .gz.")],
    out_folder: OutFolder,
    name: Annotated[str | None, typer.Option(help="The corpus's name; by default the first file's.")] = None,
    dense: Annotated[
        Path | None,
        typer.Option(help="Folder of a sentence encoder (transformers): dense retrieval beside BM25.", metavar="MODEL"),
    ] = None,
    on_error: Annotated[str, typer.Option("--on-error", help="`stop` at the first bad line, or `skip` it.")] = "stop",
) -> None:
    """Build the index of pages. It appears complete or not at all; a page is in memory at a time."""
    from pivotgym.core.jsonl import ReadReport, read_lines
    from pivotgym.envs.browsing.search import index
    from pivotgym.envs.browsing.search.dense import Encoder
    from pivotgym.envs.browsing.search.pages import Page, page_of

    if on_error not in ("stop", "skip"):
        raise InputError(f"on_error: expected 'stop' or 'skip', got {on_error!r}")
    encoder = Encoder(dense) if dense is not None else None
    report = ReadReport()

    def pages() -> Iterator[Page]:
        for file in files:
            yield from read_lines(file, page_of, on_error="skip" if on_error == "skip" else "stop", report=report)

    with out.status("pages") as status:
        found = index.build(
            pages(),
            out_folder,
            name=name or files[0].name,
            on_progress=lambda count: status.update(f"{count:,} pages"),
            encoder=encoder,
        )
    for reason in report.reasons:
        say(f"  skipped: {escape(reason)}")
    where = escape(str(out_folder))
    say(f"{found.pages:,} pages in {where}, {report.skipped} lines skipped; digest {found.digest[:16]}")


@corpus.command()
def search(
    place: Place,
    query: Annotated[str, typer.Argument(help="What to search for.")],
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Most results.")] = 10,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON Lines instead.")] = False,
) -> None:
    """Search a built corpus, as the tool does."""
    from pivotgym.envs.browsing.search import showing

    for number, hit in enumerate(_opened(place).search(query, limit), 1):
        if as_json:
            row = {"rank": number, "score": hit.score, "url": hit.page.url, "title": hit.page.title}
            typer.echo(json.dumps(row, ensure_ascii=False))
        else:
            say(f"{number:>3} {hit.score:8.3f}  [bold]{escape(hit.page.title)}[/]  {escape(hit.page.url)}")
            say(f"              {escape(showing.snippet(hit.page.text, query))}")


@corpus.command()
def about(place: Place) -> None:
    """What a built corpus is, as JSON."""
    typer.echo(json.dumps(asdict(_opened(place).about), indent=2))


def _opened(place: str) -> Corpus:
    from pivotgym.envs.browsing.search import almanac, catalogue
    from pivotgym.envs.browsing.search.index import Corpus

    return catalogue.corpus(place) if place == almanac.NAME else Corpus(Path(place))
