"""Commands that measure: `bench verdicts`, `bench study`.

Owns: their options and what they print. Does not own: running and counting (`envs/conformance`).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from pivotgym.cli.ui import bar, escape, say, show

if TYPE_CHECKING:
    from pivotgym.envs.conformance.verdict_cases import VerdictCase

bench = typer.Typer(
    no_args_is_help=True, help="Measure verdicts against labelled cases, and PivotRL against its alternatives."
)


@bench.callback()
def _group() -> None:
    """Keep `verdicts` a command of its own: a group of one command would swallow its name."""


@bench.command()
def verdicts(
    cases: Annotated[list[Path], typer.Option("--cases", help="JSON Lines of labelled cases. Repeatable.")],
    more: Annotated[list[Path] | None, typer.Argument(help="More case files, after `--cases FILE`.")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the whole report here.")] = None,
    fixtures: Annotated[Path | None, typer.Option(help="Folder of the file systems that origins name.")] = None,
    data: Annotated[Path | None, typer.Option(help="Folder of databases: `tau_bench/` in it.")] = None,
    corpus: Annotated[Path | None, typer.Option(help="JSON Lines of the pages that searches go over.")] = None,
    git_mirrors: Annotated[
        Path | None, typer.Option(help="Folder of `owner+name/` with a git directory below.")
    ] = None,
    fetch: Annotated[
        bool, typer.Option(help="Fetch source packages that cases name, by pip, which runs their build scripts.")
    ] = True,
) -> None:
    """Score labelled cases with our verifier beside exact match and NeMo Gym's rules, by kind and in all."""
    from pivotgym.envs.base import sources
    from pivotgym.envs.conformance.verdict_bench import VerdictBench, report
    from pivotgym.envs.conformance.verdict_cases import read_cases
    from pivotgym.envs.swe.wheelhouse import naming

    found = [case for path in [*cases, *(more or [])] for case in read_cases(path)]
    named = {"fixtures": fixtures, "tau": data and data / "tau_bench", "corpus": corpus, "git_mirrors": git_mirrors}
    given = {name: path for name, path in named.items() if path is not None}
    sources.configure(given)
    try:
        with bar("cases") as progress, naming(_packages(found) if fetch else set()):
            result = report(VerdictBench().run(found, on_progress=progress))
    finally:
        sources.forget(*given)
    _show(result)
    if json_file is not None:
        json_file.parent.mkdir(parents=True, exist_ok=True)
        json_file.write_text(json.dumps(result, indent=2) + "\n")
        say(f"report: {escape(str(json_file))}")


def _packages(cases: Sequence[VerdictCase]) -> set[str]:
    """The source packages that cases start from."""
    origins = [case.pivot.origin for case in cases]
    return {str(one.get("package")) for one in origins if one.kind == "sdist" and one.get("package")}


def _show(result: dict[str, Any]) -> None:
    apart = ", ".join(result["world_knowledge_kinds"])
    methods = result["methods"]
    show(_table(f"all kinds but {apart}", methods))
    show(_table("all kinds", {name: found["with_world_knowledge"] for name, found in methods.items()}))
    if "pivotgym" in methods:
        show(_table("pivotgym by kind", methods["pivotgym"]["by_kind"]))
    for wrong in result["disagreements"]:
        if wrong["error"] is None:
            label = "equivalent" if wrong["equivalent"] else "different"
            say(escape(f"  {wrong['id']} ({wrong['kind']}) is {label}, we say {wrong['outcome']}: {wrong['message']}"))
    errors = Counter((one["error"], one["message"]) for one in result["disagreements"] if one["error"] is not None)
    for (code, message), count in errors.most_common():
        say(escape(f"  {count} x {code}: {message}"))


def _table(title: str, rows: dict[str, dict[str, Any]]) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("", no_wrap=True)
    heads = ("cases", "errors", "balanced accuracy", "false accepts", "false rejects", "ms p50", "ms p95")
    for head in heads:
        table.add_column(head, justify="right")
    for name, found in rows.items():
        times = found["ms_per_verdict"] or {}
        rates = [found[key] for key in ("balanced_accuracy", "false_accept_rate", "false_reject_rate")]
        cells = [_rate(rate) for rate in rates] + [_ms(times.get("p50")), _ms(times.get("p95"))]
        table.add_row(escape(name), str(found["cases"]), str(found["errors"]), *cells)
    return table


def _rate(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


@bench.command()
def study(
    out: Annotated[Path, typer.Argument(help="Folder of the study; run again to go on.")],
    quick: Annotated[bool, typer.Option("--quick", help="A smaller set of the same, within 20 minutes.")] = False,
    arms: Annotated[list[str] | None, typer.Option(help="Only these arms. Repeatable.")] = None,
    domains: Annotated[list[str] | None, typer.Option(help="Only these domains. Repeatable.")] = None,
    seeds: Annotated[int | None, typer.Option(min=1, help="How many.")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes, each at one domain and seed.")] = 1,
    config: Annotated[Path | None, typer.Option(help="Another configuration than the one shipped.")] = None,
    report: Annotated[Path | None, typer.Option(help="Folder of the report; OUT/report by default.")] = None,
) -> None:
    """Train PivotRL and its alternatives, every arm from one configuration, and answer the study's claims."""
    from pivotgym.study.config import load_study
    from pivotgym.study.report import write_report
    from pivotgym.study.run import Study, run_study
    from pivotgym.study.source import StudySource

    settings = load_study(config, quick=quick)
    chosen = settings.chosen(arms, domains, seeds)
    source = StudySource(settings.domains, settings.base)
    results = run_study(Study(out, settings, source, *chosen), workers=workers, say=lambda line: say(escape(line)))
    command = f"pivotgym bench study OUT{' --quick' if quick else ''}"
    page = write_report(results, settings, report or out / "report", command=command)
    say(f"report: {escape(str(page))}")
