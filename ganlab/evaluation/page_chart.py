"""A line chart as SVG: scores over epochs."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 680, 300
LEFT, RIGHT, TOP, BOTTOM = 64, 12, 12, 44
TICKS, TICKS_AT_MOST = 6, 10
LOGARITHMIC_FROM = 20.0
"""The axis is logarithmic if the largest score is at least this multiple of the smallest."""

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Line:
    name: str
    style: str
    """The CSS class: ``c0`` to ``c6`` have a colour each; all others are grey."""

    paths: list[str]
    """The points of the curve of each training seed, in the format of an SVG polyline."""


@dataclass(frozen=True)
class Tick:
    at: float
    label: str


@dataclass(frozen=True)
class Chart:
    """The values that the template needs to draw a chart."""

    metric: str
    lines: list[Line]
    x_ticks: list[Tick]
    y_ticks: list[Tick]
    logarithmic: bool
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT
    top: int = TOP
    bottom: int = HEIGHT - BOTTOM


COLOURS = 7


def draw(metric: str, curves: Sequence[tuple[str, Sequence[Points]]]) -> Chart | None:
    """Return a chart of the curves of each name; None unless a curve has at least two points."""
    curves = [(name, [_finite(points) for points in of]) for name, of in curves]
    points = [point for _, of in curves for curve in of for point in curve]
    if not any(len(curve) > 1 for _, of in curves for curve in of):
        return None
    xs, ys = zip(*points, strict=True)
    logarithmic = min(ys) > 0 and max(ys) / min(ys) > LOGARITHMIC_FROM
    x_ticks = _nice(min(0.0, *xs), max(xs))
    y_ticks = _powers(min(ys), max(ys)) if logarithmic else _nice(min(ys), max(ys))
    scale: Callable[[float], float] = math.log10 if logarithmic else float
    x = _place(min(*xs, x_ticks[0]), max(*xs, x_ticks[-1]), LEFT, WIDTH - RIGHT)
    bounds = scale(min(*ys, y_ticks[0])), scale(max(*ys, y_ticks[-1]))
    y = _place(*bounds, HEIGHT - BOTTOM, TOP)
    lines = [
        Line(
            name,
            f"c{rank}" if rank < COLOURS else "other",
            [" ".join(f"{x(a):.1f},{y(scale(b)):.1f}" for a, b in curve) for curve in of if curve],
        )
        for rank, (name, of) in enumerate(curves)
    ]
    return Chart(
        metric,
        [line for line in lines if line.paths],
        [Tick(round(x(tick), 1), f"{tick:,.6g}") for tick in x_ticks],
        [Tick(round(y(scale(tick)), 1), f"{tick:,.6g}") for tick in y_ticks],
        logarithmic,
    )


def _finite(points: Points) -> Points:
    return [(x, y) for x, y in points if math.isfinite(x) and math.isfinite(y)]


def _place(low: float, high: float, start: float, end: float) -> Callable[[float], float]:
    return lambda value: start + (value - low) / ((high - low) or 1.0) * (end - start)


def _nice(low: float, high: float) -> list[float]:
    """Return evenly spaced round numbers that enclose ``low`` and ``high``."""
    rough = ((high - low) or abs(high) or 1.0) / (TICKS - 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(step * power for step in (1, 2, 5, 10) if step * power >= rough)
    first, last = math.floor(low / step), math.ceil(high / step)
    if first == last:  # centre a flat curve
        first, last = first - 1, last + 1
    return [number * step for number in range(first, last + 1)]


def _powers(low: float, high: float) -> list[float]:
    """Return powers of ten that enclose ``low`` and ``high``, and their multiples if few."""
    powers = range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 2)
    for steps in ((1, 2, 5), (1,)):
        ticks = [step * 10.0**power for power in powers for step in steps]
        first = max(tick for tick in ticks if tick <= low)
        last = min(tick for tick in ticks if tick >= high)
        ticks = [tick for tick in ticks if first <= tick <= last]
        if len(ticks) <= TICKS_AT_MOST:
            break
    return ticks
