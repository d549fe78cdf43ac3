"""The study's page: tables, plots and answers in Markdown, made from the raw lines alone.

Owns: what the page says and its files. Does not own: intervals, answers, plots.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

from pivotgym.core.errors import InputError
from pivotgym.core.jsonl import atomic, write_records
from pivotgym.study import plots
from pivotgym.study.claims import POOLED, Answered, Gap, answer_claims, values
from pivotgym.study.config import BASE, StudyConfig
from pivotgym.study.curves import cost_to, mean_curve
from pivotgym.study.results import Cost, Result
from pivotgym.study.statistics import Estimate, mean

_ON_CURVES = ("pivotrl", "cand_functional", "e2e", "pivotrl_e2e", "prefix_rft")
_MEASURES = {
    "success": "episode success on unseen tasks",
    "pivot_reward": "functional reward at held-out pivots",
    "retention": "functional reward at the other domains' held-out pivots",
}


def write_report(results: Sequence[Result], config: StudyConfig, folder: Path, *, command: str) -> Path:
    """Write the page, its plots and the lines that it was made from.

    Args:
        results: Raw lines.
        config: For the arms' titles, and sizes.
        folder: Where `README.md`, the plots and `results.jsonl` go; older plots there are replaced.
        command: What makes this page again.

    Returns:
        The page.

    Raises:
        InputError: If there is no line.
    """
    if not results:
        raise InputError("results: expected at least one finished arm, got none")
    shutil.rmtree(folder / "plots", ignore_errors=True)
    (folder / "plots").mkdir(parents=True)
    ordered = sorted(results, key=lambda row: (row.domain, row.seed, row.arm))
    write_records(folder / "results.jsonl", ordered)
    answered = answer_claims(results, times=config.times)
    parts = [_head(results, config, command), _answers(answered), _claims_plot(answered, config, folder)]
    for domain in sorted({row.domain for row in results}):
        parts.append(_domain([row for row in results if row.domain == domain], domain, config, folder))
    with atomic(folder / "README.md") as file:
        file.write("\n".join(part for part in parts if part).encode())
    return folder / "README.md"


def _head(results: Sequence[Result], config: StudyConfig, command: str) -> str:
    seeds = sorted({row.seed for row in results})
    return f"""# The study

Made by `{command}` from `results.jsonl` beside this page, one line per arm, domain and seed. Everything here is at
small scale: a policy of about a million parameters, pre-trained on the environments' own text, trained and measured on
CPU. It says what holds for such a policy in these tasks and nothing of the size of an effect elsewhere.

{len(results)} lines: {len({row.arm for row in results})} arms, {len({row.domain for row in results})} domains,
seeds {", ".join(map(str, seeds))}. Intervals are 95 %, over tasks and seeds (two-way clustered bootstrap, Student's
quantile for few seeds). All arms start from the same base: the pre-trained policy after SFT on
{config.warmup.trajectories} experts of every domain. SFT and single-action RL draw from the same states, at most
{config.data.candidates} of other experts' runs.
"""


def _answers(answered: Sequence[Answered]) -> str:
    lines = ["## The claims", "", "| | claim | where | answer | difference | excluded |", "|---|---|---|---|---|---|"]
    for one in answered:
        for number, gap in enumerate(one.gaps):
            decides = number < len(one.claim.deciding)
            first = number == 0
            told = (str(one.claim.number), one.claim.text, one.domain, f"**{one.answer}**") if first else ("",) * 4
            shown = _gap_text(gap) + ("" if decides else f" ({gap.answer}; beside)")
            lines.append("| " + " | ".join((*told, shown, gap.excluded)) + " |")
        if one.note:
            lines.append(f"| | *{one.note}* | | | | |")
    lines += [
        "",
        "*yes*: the interval lies above 0 (claim 6: above what is allowed). *no*: it lies below a gain of 0.02 (claim",
        "6: below what is allowed), so that a gain worth speaking of is excluded. *beside*: shown, does not decide.",
        "",
    ]
    return "\n".join(lines)


def _gap_text(gap: Gap) -> str:
    return f"{gap.text} {gap.estimate if gap.estimate is not None else 'no data'}"


def _claims_plot(answered: Sequence[Answered], config: StudyConfig, folder: Path) -> str:
    gaps = [
        (f"{one.claim.number}  {one.domain}: {gap.text}", gap)
        for one in answered
        for gap in one.gaps[: len(one.claim.deciding)]
        if gap.estimate is not None and one.domain != POOLED
    ]
    return _plot(folder, "claims", plots.gaps_plot("What decides the claims", gaps)) if gaps else ""


def _domain(rows: Sequence[Result], domain: str, config: StudyConfig, folder: Path) -> str:
    arms = [name for name in config.arms if any(row.arm == name for row in rows)]
    means = {name: {arm: _mean(rows, arm, name) for arm in arms} for name in (*_MEASURES, *_DRIFT)}
    parts = [f"## {domain}", "", *_table(rows, arms, means, config), "", *_costs(rows, arms, config), ""]
    parts += _audits(rows, arms, config)
    for name, title in _MEASURES.items():
        shown = {config.arms[arm].title: value for arm, value in means[name].items() if value is not None}
        if shown:
            drawn = plots.arms_plot(f"{domain}: {title}", shown, config.arms[BASE].title)
            parts.append(_plot(folder, f"{domain}-{name}", drawn))
    curves = {config.arms[arm].title: mean_curve(rows, arm) for arm in _ON_CURVES if arm in arms}
    if curves:
        parts.append(_plot(folder, f"{domain}-turns", plots.turns_plot(f"{domain}: success by rollout turns", curves)))
    moved = {
        config.arms[arm].title: (kl.mean, success.mean - start.mean)
        for arm in arms
        if (kl := means["kl"][arm]) and (success := means["success"][arm]) and (start := means["success"].get(BASE))
    }
    if moved:
        parts.append(_plot(folder, f"{domain}-drift", plots.drift_plot(f"{domain}: gain and drift", moved)))
    return "\n".join(parts)


_DRIFT = {"kl": "KL to base", "rank_correlation": "rank corr.", "text_nll": "perplexity"}
_HEADS = ("arm", "seeds", "success", "at pivots", "other domains", *_DRIFT.values(), "states", "no variance")


def _table(
    rows: Sequence[Result], arms: Sequence[str], means: dict[str, dict[str, Estimate | None]], config: StudyConfig
) -> Iterable[str]:
    yield "| " + " | ".join(_HEADS) + " |"
    yield "|---|" + "---:|" * (len(_HEADS) - 1)
    for arm in arms:
        own = [row for row in rows if row.arm == arm]
        shares = [row.zero_variance_share for row in own if row.zero_variance_share is not None]
        text = means["text_nll"][arm]
        cells = [
            config.arms[arm].title + (" *" if config.arms[arm].recipe else ""),
            str(len(own)),
            *(_interval(means[name][arm]) for name in _MEASURES),
            *(_number(means[name][arm]) for name in ("kl", "rank_correlation")),
            "–" if text is None else f"{math.exp(text.mean):.2f}",
            f"{sum(row.states for row in own) / len(own):.0f}",
            f"{sum(shares) / len(shares):.2f}" if shares else "–",
        ]
        yield "| " + " | ".join(cells) + " |"
    yield ""
    yield "\\* recipes from neighbouring work. *no variance*: share of groups whose rewards are all equal."


def _costs(rows: Sequence[Result], arms: Sequence[str], config: StudyConfig) -> Iterable[str]:
    """Costs in all, profiling apart, and what the success took that PivotRL and end-to-end RL both reach."""
    level = _level(rows)
    reach = f"; to success {level:.2f}: turns, CPU s" if level is not None else ""
    yield f"Costs, mean over seeds; profiling is part of the sums{reach}."
    yield ""
    heads = ["arm", "turns", "of them profiling", "tokens", "verdicts", "wall s", "CPU s"]
    heads += ["turns to it", "wall s to it", "CPU s to it"] if level is not None else []
    yield "| " + " | ".join(heads) + " |"
    yield "|---|" + "---:|" * (len(heads) - 1)
    for arm in arms:
        own = [row for row in rows if row.arm == arm]
        cost = sum((row.cost for row in own), start=Cost())
        shown = [cost.turns, sum(row.profiling.turns for row in own), cost.tokens, cost.verdicts]
        cells = [config.arms[arm].title, *(f"{value / len(own):.0f}" for value in (*shown, cost.wall_s, cost.cpu_s))]
        if level is not None:
            took = cost_to(mean_curve(rows, arm), level)
            cells += ["never"] * 3 if took is None else [f"{x:.0f}" for x in (took.turns, took.wall_s, took.cpu_s)]
        yield "| " + " | ".join(cells) + " |"


def _level(rows: Sequence[Result]) -> float | None:
    """The success that PivotRL and end-to-end RL both end at or pass; `None` where that is the base's."""
    curves = [curve for arm in ("pivotrl", "e2e") if (curve := mean_curve(rows, arm))]
    level = min((curve[-1].success for curve in curves), default=0.0)
    return level if len(curves) == 2 and level > curves[0][0].success else None


def _audits(rows: Sequence[Result], arms: Sequence[str], config: StudyConfig) -> list[str]:
    """The rewards against execution, on a sample of what was drawn in training."""
    lines = []
    for arm in arms:
        audits = [row.audit for row in rows if row.arm == arm and row.audit is not None]
        paid, unpaid = sum(one.checked_accepted for one in audits), sum(one.checked_rejected for one in audits)
        if audits:
            false = f"{sum(one.false_accepts for one in audits)} of {paid}"
            missed = f"{sum(one.false_rejects for one in audits)} of {unpaid}"
            lines.append(f"| {config.arms[arm].title} | {false} | {missed} |")
    if not lines:
        return []
    heads = [
        "Rewards met in training, scored again by execution:",
        "",
        "| arm | paid, though execution rejects | not paid, though execution accepts |",
        "|---|---:|---:|",
    ]
    return [*heads, *lines, ""]


def _mean(rows: Sequence[Result], arm: str, measure: str) -> Estimate | None:
    found = values(rows, arm, measure)
    return mean(found) if found else None


def _interval(value: Estimate | None) -> str:
    return "–" if value is None else f"{value.mean:.3f} [{max(value.low, 0):.3f}, {min(value.high, 1):.3f}]"


def _number(value: Estimate | None) -> str:
    return "–" if value is None else f"{value.mean:.3f}"


def _plot(folder: Path, name: str, drawn: str) -> str:
    with atomic(folder / "plots" / f"{name}.svg") as file:
        file.write(drawn.encode())
    return f"![{name}](plots/{name}.svg)\n"
