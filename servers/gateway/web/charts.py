"""Curves and histograms as points of SVG: where each mark stands, in the units of the drawing.

Owns: scales, ticks and marks. Does not own: colours and words (`templates`, `static`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from pivotgym.servers.gateway.web.models import Curve, ProfileShown

WIDTH, HEIGHT = 420, 190
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 10, 12, 26
_SMOOTH = 5


@dataclass(frozen=True)
class Tick:
    """A tick of an axis: where, and its text."""

    at: float
    text: str


@dataclass(frozen=True)
class Bar:
    """A bin of the histogram: its two parts, the one without variance below."""

    x: float
    width: float
    flat_y: float
    flat_height: float
    rest_y: float
    rest_height: float
    label: str


@dataclass(frozen=True)
class Chart:
    """A drawing of `width` x `height`; the plot is the box from (`left`, `top`) to (`right`, `bottom`).

    Attributes:
        line: Points of the curve, as SVG's `points` takes them, and `smooth` those of its moving mean.
        dots: The points alone, where there are few.
        bars: Of a histogram.
        mark: Where the filter's threshold stands, `None` where there is none.
        text: The chart in words, for those who do not see it.
    """

    text: str
    x_ticks: list[Tick]
    y_ticks: list[Tick]
    line: str = ""
    smooth: str = ""
    dots: list[tuple[float, float]] = ()  # type: ignore[assignment]
    bars: list[Bar] = ()  # type: ignore[assignment]
    mark: float | None = None
    width: int = WIDTH
    height: int = HEIGHT
    left: int = _LEFT
    right: int = WIDTH - _RIGHT
    top: int = _TOP
    bottom: int = HEIGHT - _BOTTOM


def curve(drawn: Curve) -> Chart:
    """A curve over steps, with the mean of each five points as a second, thicker one."""
    steps, values = drawn.steps, drawn.values
    low, high = min(0.0, *values), max(values)
    ticks = nice_ticks(low, above(low, high))
    low, high = min(low, ticks[0]), max(high, ticks[-1])
    first, last = steps[0], above(steps[0], steps[-1])
    xs = [_scale(step, first, last, _LEFT, WIDTH - _RIGHT) for step in steps]
    means = [_mean(values[max(0, place - _SMOOTH + 1) : place + 1]) for place in range(len(values))]
    along = [_scale(value, low, high, HEIGHT - _BOTTOM, _TOP) for value in values]
    calm = [_scale(value, low, high, HEIGHT - _BOTTOM, _TOP) for value in means]
    return Chart(
        text=f"{drawn.title}: {len(values)} points from step {steps[0]:g} to {steps[-1]:g}; first {values[0]:.3g}, "
        f"last {values[-1]:.3g}, lowest {min(values):.3g}, highest {max(values):.3g}",
        x_ticks=[
            Tick(_scale(at, first, last, _LEFT, WIDTH - _RIGHT), f"{at:g}")
            for at in nice_ticks(first, last)
            if first <= at <= last and at == int(at)
        ],
        y_ticks=[Tick(_scale(at, low, high, HEIGHT - _BOTTOM, _TOP), f"{at:.6g}") for at in ticks],
        line=_points(xs, along),
        smooth=_points(xs, calm) if len(values) > _SMOOTH else "",
        dots=list(zip(xs, along, strict=True)) if len(values) <= 40 else [],
    )


def histogram(profile: ProfileShown) -> Chart:
    """Candidates by mean reward, those without variance apart, with the filter's threshold."""
    most = max(1, *profile.bins)
    ticks = [at for at in nice_ticks(0.0, float(most)) if at == int(at)]
    high = max(float(most), ticks[-1])

    def y(value: float) -> float:
        return _scale(value, 0.0, high, HEIGHT - _BOTTOM, _TOP)

    step = (WIDTH - _RIGHT - _LEFT) / len(profile.bins)
    bars = [
        Bar(
            x=round(_LEFT + place * step + 2, 2),
            width=round(step - 4, 2),
            flat_y=y(flat),
            flat_height=round(y(0) - y(flat), 2),
            rest_y=y(count),
            rest_height=round(y(flat) - y(count), 2),
            label=f"{place / 10:.1f} to {(place + 1) / 10:.1f}: {count} candidates, {flat} of them without variance",
        )
        for place, (count, flat) in enumerate(zip(profile.bins, profile.flat, strict=True))
    ]
    limit = profile.lambda_diff
    return Chart(
        text=f"{profile.candidates} candidates by mean reward; "
        + "; ".join(bar.label for bar, count in zip(bars, profile.bins, strict=True) if count),
        x_ticks=[Tick(_scale(at / 10, 0, 1, _LEFT, WIDTH - _RIGHT), f"{at / 10:g}") for at in range(0, 11, 2)],
        y_ticks=[Tick(y(at), f"{at:g}") for at in ticks],
        bars=bars,
        mark=_scale(limit, 0, 1, _LEFT, WIDTH - _RIGHT) if limit is not None and 0 <= limit <= 1 else None,
    )


def nice_ticks(low: float, high: float, count: int = 4) -> list[float]:
    """Round numbers from at most `low` to at least `high`, about `count` steps of 1, 2 or 5 times a power of ten."""
    span = high - low
    if not (0 < span < math.inf):
        return [low, above(low, low)]
    power = 10.0 ** math.floor(math.log10(span / count))
    step = next((power * factor for factor in (1, 2, 5, 10) if power * factor * count >= span * 0.999), span)
    begin = math.floor(low / step + 1e-9)
    end = math.ceil(high / step - 1e-9)
    return [float(f"{at * step:.10g}") for at in range(begin, end + 1)]


def above(low: float, high: float) -> float:
    """`high`, or something further up where the two are too close to be told apart in a drawing."""
    apart = max(1e-290, 1e-9 * max(abs(low), abs(high)))
    return high if high - low > apart else low + max(1.0, abs(low))


def _scale(value: float, low: float, high: float, start: float, end: float) -> float:
    return round(start + (value - low) / (high - low) * (end - start), 2)


def _mean(values: list[float]) -> float:
    return math.fsum(values) / len(values)


def _points(xs: list[float], ys: list[float]) -> str:
    return " ".join(f"{x:g},{y:g}" for x, y in zip(xs, ys, strict=True))
