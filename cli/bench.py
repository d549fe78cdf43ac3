"""Commands that measure: `bench verdicts`, and those of the modules beside this one.

Owns: their options and what they print. Does not own: running and counting (`envs/conformance`).
"""

from __future__ import annotations

import json
import os
import platform
import shlex
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from pivotgym.cli.bench_attacks import attacks, exploits
from pivotgym.cli.ui import bar, escape, say, show

if TYPE_CHECKING:
    from pivotgym.core.chat_server import ChatServer
    from pivotgym.core.trajectory import Pivot
    from pivotgym.envs.conformance.verdict_bench import Result
    from pivotgym.envs.conformance.verdict_cases import VerdictCase

bench = typer.Typer(
    no_args_is_help=True, help="Measure verdicts against labelled cases, and PivotRL against its alternatives."
)


bench.command()(attacks)
bench.command()(exploits)


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
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Write the page here, in Markdown, and its figures beside it (.json)."),
    ] = None,
    judge: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="Model that judges each pair, too: base_url, model, ... Repeatable."),
    ] = None,
) -> None:
    """Score labelled cases with our verifier beside exact match, string similarity, NeMo Gym's rules and a judge."""
    from pivotgym.core.chat_server import parse_chat_server
    from pivotgym.envs.base import sources
    from pivotgym.envs.conformance.verdict_bench import VerdictBench, report
    from pivotgym.envs.conformance.verdict_cases import read_cases
    from pivotgym.envs.swe.wheelhouse import naming

    found = [case for path in [*cases, *(more or [])] for case in read_cases(path)]
    named = {"fixtures": fixtures, "tau": data and data / "tau_bench", "corpus": corpus, "git_mirrors": git_mirrors}
    given = {name: path for name, path in named.items() if path is not None}
    judge_server = parse_chat_server("--judge", judge or [])
    sources.configure(given)
    try:
        with bar("cases") as progress, naming(packages([case.pivot for case in found]) if fetch else set()):
            results = VerdictBench(repeat=out is not None).run(found, on_progress=progress)
    finally:
        sources.forget(*given)
    more_results, facts = _beside(found, judge_server)
    result = {**report({**results, **more_results}), **facts}
    _show(result)
    if json_file is not None:
        write(json_file, json.dumps(result, indent=2) + "\n")
        say(f"report: {escape(str(json_file))}")
    if out is not None:
        _publish(out, result, judge_server)


def _beside(
    cases: Sequence[VerdictCase], judge_server: ChatServer | None
) -> tuple[dict[str, list[Result]], dict[str, Any]]:
    """The results of what needs no runtime: string similarity where it is installed, a judge where one is named."""
    results: dict[str, list[Result]] = {}
    facts: dict[str, Any] = {}
    if find_spec("rapidfuzz") is None:
        say("string similarity is left out: the package 'rapidfuzz' is not installed (pip install 'pivotgym\\[bench]')")
    else:
        from pivotgym.envs.conformance.similarity import SCORERS, tuned_similarity

        results["similarity"], tuned = tuned_similarity(cases)
        facts = {
            "scorers": list(SCORERS),
            "tuned": {name: [vars(one) for one in halves] for name, halves in tuned.items()},
        }
    if judge_server is not None:
        from pivotgym.envs.base.judges import ACTIONS, LlmJudge
        from pivotgym.envs.conformance.verdict_bench import judged

        with closing(LlmJudge(judge_server, instruction=ACTIONS)) as judge:
            results["judge"] = judged(cases, judge)
    return results, facts


def _publish(out: Path, result: Mapping[str, Any], judge_server: ChatServer | None) -> None:
    from pivotgym.envs.conformance.verdict_page import figures, page

    model = judge_server.model if judge_server is not None else ""
    write(out, page(result, command=command_line(), machine=machine(), judge=model))
    write(out.with_suffix(".json"), json.dumps(figures(result), indent=1) + "\n")
    say(f"page: {escape(str(out))}, figures: {escape(str(out.with_suffix('.json')))}")


def command_line() -> str:
    """This command, with names of files and folders in place of their paths."""
    words = [Path(word).name if "/" in word else word for word in sys.argv[1:]]
    return shlex.join(["pivotgym", *words])


def machine() -> str:
    """What this runs on, in words that name no one's machine."""
    load = f"{os.cpu_count()} processors at a load of {os.getloadavg()[0]:.0f}"
    return f"{platform.system()} {platform.machine()}, {load}, Python {platform.python_version()}"


def write(path: Path, text: str) -> None:
    """Write a text file; its folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def packages(pivots: Sequence[Pivot]) -> set[str]:
    """The source packages that pivots start from."""
    origins = [pivot.origin for pivot in pivots]
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
