"""The report's plots, as SVG text, and the style that other reports share.

Owns: what a plot shows and how it looks. Does not own: the figures.
"""

from __future__ import annotations

import io
from collections.abc import Sequence

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pivotgym.trainer.comparison import ARM_NAMES, ArmRow

BLUE, GREY, ORANGE = "#2f6fde", "#98a2b3", "#e07b39"


def figure(title: str) -> tuple[Figure, Axes]:
    """An empty plot in the style of all reports."""
    drawn, axes = plt.subplots(figsize=(6, 3.3), layout="constrained")
    axes.set_title(title, loc="left", fontsize=11)
    axes.spines[["top", "right"]].set_visible(False)
    return drawn, axes


def svg(drawn: Figure) -> str:
    """A plot as SVG text; closes it."""
    out = io.StringIO()
    drawn.savefig(out, format="svg", metadata={"Date": None})
    plt.close(drawn)
    return out.getvalue()[out.getvalue().index("<svg") :]


def arms_plot(rows: Sequence[ArmRow]) -> str:
    """Mean reward of each arm with its interval, executed and not executed apart."""
    drawn, axes = figure("Mean functional reward, 95 % interval")
    for offset, part, colour in ((-0.18, "executed", BLUE), (0.18, "not executed", ORANGE)):
        shown = [(place, row.parts[part]) for place, row in enumerate(rows)]
        points = [(place + offset, value) for place, value in shown if value is not None]
        if points:
            axes.errorbar(
                [value.mean for _, value in points],
                [place for place, _ in points],
                xerr=[[v.mean - v.low for _, v in points], [v.high - v.mean for _, v in points]],
                fmt="o",
                color=colour,
                capsize=3,
                label=part,
            )
    axes.set_yticks(range(len(rows)), [ARM_NAMES[row.arm] for row in rows])
    axes.set_xlim(left=0)
    axes.invert_yaxis()
    axes.legend(frameon=False, loc="upper right", fontsize=8)
    return svg(drawn)


def histogram_plot(histogram: Sequence[int], lambda_diff: float) -> str:
    """Profiled candidates by mean reward, with the filter's threshold."""
    drawn, axes = figure("Profiled candidates by mean reward of the reference policy")
    axes.bar([index / 10 + 0.05 for index in range(len(histogram))], histogram, width=0.09, color=GREY)
    axes.axvline(lambda_diff, color=BLUE, linewidth=1.2)
    axes.annotate(f"  λ = {lambda_diff}", (lambda_diff, max(histogram, default=1)), color=BLUE, va="top", fontsize=9)
    axes.set_xlabel("mean reward")
    axes.set_ylabel("candidates")
    return svg(drawn)


def training_plot(logs: Sequence[Sequence[dict[str, float]]]) -> str:
    """Mean reward of each GRPO step, one line per seed."""
    drawn, axes = figure("GRPO: mean reward of the sampled actions")
    for log in logs:
        steps = [row["step"] for row in log]
        rewards = [row["reward_mean"] for row in log]
        smooth = [
            sum(rewards[max(0, i - 4) : i + 1]) / len(rewards[max(0, i - 4) : i + 1]) for i in range(len(rewards))
        ]
        axes.plot(steps, rewards, color=GREY, linewidth=0.8)
        axes.plot(steps, smooth, color=BLUE, linewidth=1.8)
    axes.set_xlabel("step (thick: mean of the last five)")
    axes.set_ylim(bottom=0)
    return svg(drawn)


def signal_plot(logs: Sequence[Sequence[dict[str, float]]]) -> str:
    """Share of groups without signal at each GRPO step, one line per seed."""
    drawn, axes = figure("GRPO: share of groups without reward variance")
    for log in logs:
        axes.plot([row["step"] for row in log], [row["zero_variance_share"] for row in log], color=ORANGE)
    axes.set_xlabel("step")
    axes.set_ylim(0, 1)
    return svg(drawn)
