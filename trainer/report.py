"""Run folders -> `report.html` and `report.json`.

Owns: the page and its reading in words. Does not own: intervals and pooling (`trainer/comparison`), plots
(`trainer/plots`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined

from pivotgym.core.errors import NotFound
from pivotgym.core.jsonl import atomic, read_lines, read_records
from pivotgym.trainer.comparison import ARM_NAMES, PARTS, ArmRow, DifferenceRow, arm_table, difference_table
from pivotgym.trainer.config import load_config
from pivotgym.trainer.evaluation import EvalRow
from pivotgym.trainer.plots import arms_plot, histogram_plot, signal_plot, training_plot
from pivotgym.trainer.stats import Interval
from pivotgym.trainer.training import read_log


def build_report(runs: Sequence[str | Path], out: str | Path) -> Path:
    """Write `report.html` and `report.json` for one run, or for several seeds of the same run, pooled.

    Args:
        runs: Run folders, each with `config.yaml` and `eval.jsonl`, as the other commands leave them.
        out: The folder for the two files.

    Returns:
        The path of `report.html`.

    Raises:
        NotFound: If a folder has no `eval.jsonl`.
    """
    folders = [Path(run) for run in runs]
    for folder in folders:
        if not (folder / "eval.jsonl").is_file():
            raise NotFound(f"runs: expected {folder / 'eval.jsonl'}, found none", hint="run `pivotgym evaluate` first")
    seeds = [list(read_records(folder / "eval.jsonl", EvalRow)) for folder in folders]
    arms, differences = arm_table(seeds), difference_table(seeds)
    out = Path(out)
    with atomic(out / "report.json") as file:
        file.write(json.dumps(_as_json(arms, differences), indent=2).encode())
    with atomic(out / "report.html") as file:
        file.write(_page(folders, arms, differences).encode())
    return out / "report.html"


def _page(folders: list[Path], arms: list[ArmRow], differences: list[DifferenceRow]) -> str:
    config_file = folders[0] / "config.yaml"
    config = load_config(config_file if config_file.exists() else None)
    stages = [dict(stage) for stage in _lines(folders[0] / "stages.jsonl")]
    template = Environment(autoescape=True, undefined=StrictUndefined).from_string(
        (files("pivotgym.trainer") / "report.html").read_text()
    )
    seeds = "1 seed" if len(folders) == 1 else f"{len(folders)} seeds, pooled"
    return template.render(
        title="PivotRL on real tool-use tasks",
        subtitle=f"Policy {config.policy}, domain {config.domain}, {seeds}.",
        parts=PARTS,
        names=ARM_NAMES,
        arms=arms,
        differences=differences,
        cell=_cell,
        temperature=config.evaluate.temperature,
        low_temperature=config.evaluate.low_temperature,
        reading=reading(differences),
        plots=_plots(folders, arms, config.filter.lambda_diff),
        counts=_counts(folders[0]),
        stages=stages,
        total=sum(float(stage["wall_s"]) for stage in stages),
        config=config_file.read_text() if config_file.exists() else "",
    )


def _plots(folders: list[Path], arms: list[ArmRow], lambda_diff: float) -> list[str]:
    plots = [arms_plot(arms)]
    logs = [log for folder in folders if (log := read_log(folder / "grpo" / "log.jsonl"))]
    if logs:
        plots += [training_plot(logs), signal_plot(logs)]
    summary = folders[0] / "filter.json"
    if summary.exists():
        plots.insert(1, histogram_plot(json.loads(summary.read_text())["histogram"], lambda_diff))
    return plots


def _counts(folder: Path) -> list[tuple[str, int]]:
    counts: list[tuple[str, int]] = []
    for name in ("extract-train", "extract-eval", "filter"):
        file = folder / f"{name}.json"
        if not file.exists():
            continue
        data = json.loads(file.read_text())
        counts += [
            (f"{name}: {key}", data[key]) for key in ("trajectories", "turns", "candidates", "total") if key in data
        ]
        counts += [(f"{name}: dropped, {reason}", count) for reason, count in data["dropped"].items()]
        counts.append((f"{name}: kept", data["kept"]))
        counts += [(f"{name}: the rule {rule} would keep", kept) for rule, kept in data.get("by_rule", {}).items()]
    return counts


def _lines(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    newest = {str(row["stage"]): row for row in read_lines(path, dict)}
    return list(newest.values())


def _cell(value: Interval | None, signed: bool = False) -> str:
    if value is None:
        return "–"
    form = "+.3f" if signed else ".3f"
    return f"{value.mean:{form}} [{value.low:{form}}, {value.high:{form}}]"


def reading(differences: Sequence[DifferenceRow]) -> str:
    """What the differences say, in words, and what they do not."""
    found = {(row.first, row.second): row.parts["all"] for row in differences}
    sentences = []
    gain = found.get(("sft", "grpo"))
    if gain is not None:
        sentences.append(f"GRPO after SFT: {gain.mean:+.3f}, {_decided(gain)}.")
    control = found.get(("sft@low", "grpo"))
    if control is not None:
        sentences.append(f"Against the same SFT policy at low temperature: {control.mean:+.3f}, {_decided(control)}.")
    both = found.get(("sft@low", "grpo@low"))
    sharper = [one for one in (control, both) if one is not None]
    if both is not None:
        sentences.append(f"With both at low temperature: {both.mean:+.3f}, {_decided(both)}.")
    if sharper:
        beyond = "does more than" if any(one.low > 0 for one in sharper) else "is not shown to do more than"
        sentences.append(f"So GRPO {beyond} sharpen here.")
    whole = found.get(("base", "grpo"))
    if whole is not None:
        sentences.append(
            f"Base to final: {whole.mean:+.3f}, {_decided(whole)}; SFT's share of it is in the table above."
        )
    return " ".join(sentences)


def _decided(value: Interval) -> str:
    if value.low > 0:
        return "the interval is above 0"
    if value.high < 0:
        return "the interval is below 0"
    return "the interval holds 0: not decided"


def _as_json(arms: Sequence[ArmRow], differences: Sequence[DifferenceRow]) -> dict[str, Any]:
    def parts(row: ArmRow | DifferenceRow) -> dict[str, Any]:
        return {part: None if value is None else vars(value) for part, value in row.parts.items()}

    return {
        "schema_version": 1,
        "arms": [{"arm": row.arm, **parts(row)} for row in arms],
        "differences": [{"from": row.first, "to": row.second, **parts(row)} for row in differences],
    }
