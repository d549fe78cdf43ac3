"""The study's plots, as SVG text.

Owns: what a plot shows. Does not own: the figures, nor the style (`trainer/plots`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pivotgym.study.claims import Gap
from pivotgym.study.curves import MeanPoint
from pivotgym.study.statistics import Estimate
from pivotgym.trainer.plots import BLUE, GREY, ORANGE, figure, svg

_LINES = (BLUE, ORANGE, "#3a9a6b", "#8257c9", "#c2453f", GREY)


def arms_plot(title: str, means: Mapping[str, Estimate], base: str) -> str:
    """A measure of every arm with its interval; the base as a line.

    Args:
        title: Says what is measured.
        means: Title of an arm -> its mean.
        base: Title of the base.
    """
    drawn, axes = figure(title)
    drawn.set_size_inches(6.5, 0.9 + 0.28 * len(means))
    for place, (name, value) in enumerate(means.items()):
        low, high = max(value.low, 0.0), min(value.high, 1.0)
        spread = [[value.mean - low], [high - value.mean]]
        axes.errorbar([value.mean], [place], xerr=spread, fmt="o", color=GREY if name == base else BLUE, capsize=3)
    if base in means:
        axes.axvline(means[base].mean, color=GREY, linewidth=1, linestyle=":")
    axes.set_yticks(range(len(means)), list(means))
    axes.set_xlim(left=0)
    axes.invert_yaxis()
    return svg(drawn)


def turns_plot(title: str, curves: Mapping[str, Sequence[MeanPoint]]) -> str:
    """Success against rollout turns, profiling counted.

    Args:
        title: Says where.
        curves: Title of an arm -> its checkpoints.
    """
    drawn, axes = figure(title)
    for colour, (name, points) in zip(_LINES, curves.items(), strict=False):
        turns, success = [point.cost.turns for point in points], [point.success for point in points]
        axes.plot(turns, success, "o-", color=colour, markersize=4, label=name)
    axes.set_xlabel("rollout turns, profiling counted")
    axes.set_ylabel("success on unseen tasks")
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False, fontsize=8)
    return svg(drawn)


def drift_plot(title: str, arms: Mapping[str, tuple[float, float]]) -> str:
    """What was gained in domain against how far the policy moved out of it.

    Args:
        title: Says where.
        arms: Title of an arm -> (KL to the base at unrelated states, gain in success).
    """
    drawn, axes = figure(title)
    drawn.set_size_inches(8.5, 4.2)
    for number, (name, (moved, gained)) in enumerate(arms.items(), start=1):
        # Names beside the points would lie on each other.
        axes.plot([moved], [gained], "o", color=BLUE, markersize=5, label=f"{number}  {name}")
        axes.annotate(f" {number}", (moved, gained), fontsize=8)
    axes.legend(frameon=False, fontsize=8, handlelength=0, markerscale=0, loc="center left", bbox_to_anchor=(1.0, 0.5))
    axes.axhline(0, color=GREY, linewidth=0.8)
    axes.set_xlabel("KL(base ‖ policy) of an action at unrelated states, nats")
    axes.set_ylabel("gain in success over the base")
    return svg(drawn)


def gaps_plot(title: str, gaps: Sequence[tuple[str, Gap]]) -> str:
    """The differences that decide the claims, with their intervals.

    Args:
        title: Says what.
        gaps: (label, difference).
    """
    drawn, axes = figure(title)
    drawn.set_size_inches(7.5, 0.9 + 0.26 * len(gaps))
    for place, (_, gap) in enumerate(gaps):
        if gap.estimate is None:
            continue
        value = gap.estimate
        spread = [[value.mean - value.low], [value.high - value.mean]]
        colour = {"yes": _LINES[2], "no": _LINES[4]}.get(gap.answer, GREY)
        axes.errorbar([value.mean], [place], xerr=spread, fmt="o", color=colour, capsize=3)
    axes.axvline(0, color=GREY, linewidth=1)
    axes.set_yticks(range(len(gaps)), [label for label, _ in gaps], fontsize=8)
    axes.set_xlabel("difference, 95 % interval (green: yes, red: no, grey: not decided)", fontsize=8)
    axes.invert_yaxis()
    return svg(drawn)
