"""Charts of the report: values scaled to an SVG's view box, with axes that end at round numbers."""

import math
from dataclasses import dataclass
from itertools import groupby

from qloratory.data import Row
from qloratory.wording import is_number, number

WIDTH, HEIGHT = 420, 240  # units of a line chart's view box
LEFT, RIGHT, TOP, BOTTOM = 58, 410, 30, 196
DOTS_TOP, GROUP_HEIGHT, ROW_HEIGHT = 14, 22, 17  # units of a dot chart: its first line, a group's title, a dot's row


@dataclass(frozen=True)
class Curve:
    """A line chart, in units of the SVG's view box. Ticks are (position, label)."""

    title: str
    description: str
    x_name: str
    y_name: str
    path: str
    x_ticks: list[tuple[float, str]]
    y_ticks: list[tuple[float, str]]


@dataclass(frozen=True)
class Dot:
    """A value with its interval, if it has one: all x, and y, in units of the view box."""

    name: str
    kind: str
    y: float
    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class DotGroup:
    title: str
    y: float
    dots: list[Dot]


@dataclass(frozen=True)
class DotChart:
    """Shares with their intervals on one axis from 0 to 100 %. Ticks are (x, label)."""

    title: str
    description: str
    groups: list[DotGroup]
    ticks: list[tuple[float, str]]
    bottom: float


def draw_curve(title: str, unit: str, steps: list[int], values: list[float | None]) -> Curve:
    """Scale a series to the plot. Axes end at round numbers, or at the first and the last step."""
    finite = [value for value in values if is_number(value)] or [0.0]
    y_marks = round_marks(min(finite), max(finite))
    x_marks = [mark for mark in round_marks(steps[0], steps[-1], whole=True) if steps[0] <= mark <= steps[-1]]

    def x_of(step: float) -> float:
        return scaled(step, steps[0], steps[-1], LEFT, RIGHT)

    def y_of(value: float) -> float:
        return scaled(value, y_marks[0], y_marks[-1], BOTTOM, TOP)

    return Curve(
        title=title,
        description=f"Line chart, {number(steps[0])} to {number(steps[-1])} steps; the table below tells its extremes.",
        x_name="optimizer step",
        y_name=f"{title.lower()} ({unit})",
        path=line_path(
            [(x_of(step), y_of(value) if is_number(value) else None) for step, value in zip(steps, values, strict=True)]
        ),
        x_ticks=[(x_of(mark), f"{mark:g}") for mark in x_marks],
        y_ticks=[(y_of(mark), f"{mark:g}") for mark in y_marks],
    )


def round_marks(low: float, high: float, *, whole: bool = False) -> list[float]:
    """Three to seven multiples of 1, 2 or 5 times a power of ten that enclose `low` and `high`."""
    span = (high - low) or abs(high) or 1.0
    power = 10.0 ** math.floor(math.log10(span / 4))
    step = next((factor * power for factor in (1, 2, 5) if factor * power >= span / 4), 10 * power)
    if whole:
        step = max(1.0, step)
    first, last = math.floor(low / step), math.ceil(high / step)
    last = max(last, first + 1)  # a constant on a mark still needs a scale
    return [float(f"{index * step:.10g}") for index in range(first, last + 1)]


def scaled(value: float, low: float, high: float, start: float, end: float) -> float:
    """`value` between `low` and `high` as a position between `start` and `end`; the middle where both are one."""
    share = (value - low) / (high - low) if high > low else 0.5
    return round(start + share * (end - start), 1)


def line_path(points: list[tuple[float, float | None]]) -> str:
    """An SVG path through the points, interrupted where y is None. The "h0" makes a lone point a visible dot."""
    pieces = []
    for has_value, stretch in groupby(points, key=lambda point: point[1] is not None):
        if has_value:
            first, *others = (f"{x:g} {y:g}" for x, y in stretch)
            pieces.append(f"M{first}h0" + "".join(f"L{point}" for point in others))
    return "".join(pieces)


def draw_dots(title: str, description: str, groups: dict[str, list[tuple[str, str, Row]]]) -> DotChart:
    """Place shares of 1.

    Args:
        title: The chart's name.
        description: What it shows, for who cannot see it.
        groups: Group -> (name, kind of the dot, score with `value` and `ci95`) each, top to bottom.
    """
    placed, y = [], float(DOTS_TOP)
    for name, scores in groups.items():
        dots = [
            place_dot(dot, kind, score, y + GROUP_HEIGHT + ROW_HEIGHT * row - 4)
            for row, (dot, kind, score) in enumerate(scores)
        ]
        placed.append(DotGroup(name, y, dots))
        y += GROUP_HEIGHT + ROW_HEIGHT * len(scores) + 6
    ticks = [(share_x(mark / 100), f"{mark} %") for mark in (0, 25, 50, 75, 100)]
    return DotChart(title, description, placed, ticks, y - 10)


def place_dot(name: str, kind: str, score: Row, y: float) -> Dot:
    low, high = score["ci95"] or (None, None)
    return Dot(
        name=name,
        kind=kind,
        y=y,
        value=share_x(score["value"]),
        low=share_x(low) if is_number(low) else None,
        high=share_x(high) if is_number(high) else None,
    )


def share_x(share: float) -> float:
    return scaled(share, 0, 1, LEFT, RIGHT - 10)
