"""What terminal and SVG pictures of series have in common: panels, stretches between gaps, limits, even ticks."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from core.recorder.history import Point
from core.recorder.spans import SECOND, UNITS

GAP = 4
"""How many usual distances between two points make a gap, which no line crosses."""

_STEPS = (
    *(SECOND * count for count in (1, 2, 5, 10, 15, 30)),
    *(UNITS["m"] * count for count in (1, 2, 5, 10, 15, 30)),
    *(UNITS["h"] * count for count in (1, 2, 3, 6, 12)),
    *(UNITS["d"] * count for count in (1, 2, 5, 10, 30, 90, 365)),
)


@dataclass(frozen=True)
class Curve:
    """Be one line of a picture."""

    name: str
    unit: str
    points: Sequence[Point]


@dataclass(frozen=True)
class Panel:
    """Be curves that share their axes: those of one unit, or one alone that has none."""

    curves: tuple[Curve, ...]

    @property
    def title(self) -> str:
        """Return what it shows."""
        unit = self.curves[0].unit
        return ", ".join(curve.name for curve in self.curves) + (f" ({unit})" if unit else "")

    @property
    def limits(self) -> tuple[float, float]:
        """Return the range of its values with a margin, also where all are the same."""
        points = [point for curve in self.curves for point in curve.points]
        low = min(point.value if point.low is None else point.low for point in points)
        high = max(point.value if point.high is None else point.high for point in points)
        margin = (high - low) * 0.05 or abs(high) * 0.05 or 1.0
        return low - margin, high + margin


def panels(curves: Sequence[Curve]) -> list[Panel]:
    """Return the panels of a picture, in the order of the curves."""
    by_unit: dict[tuple[str, int], list[Curve]] = {}
    for number, curve in enumerate(curves):
        by_unit.setdefault((curve.unit, 0 if curve.unit else number), []).append(curve)
    return [Panel(tuple(found)) for found in by_unit.values()]


def stretches(points: Sequence[Point]) -> list[Sequence[Point]]:
    """Return the points between gaps."""
    if len(points) < 3:
        return [points] if points else []
    longest = GAP * statistics.median(later.time - point.time for point, later in pairwise(points))
    edges = [index for index in range(1, len(points)) if points[index].time - points[index - 1].time > longest]
    return [points[begin:end] for begin, end in pairwise([0, *edges, len(points)])]


def time_ticks(since: int, until: int, count: int) -> list[int]:
    """Return at most about `count` even moments between two others; local midnight is even."""
    step = next((step for step in _STEPS if (until - since) / step <= count), _STEPS[-1])
    offset = datetime.fromtimestamp(since / SECOND).astimezone().utcoffset()
    shift = int(offset.total_seconds()) * SECOND if offset is not None else 0
    first = -(-(since + shift) // step) * step - shift
    return list(range(first, until + 1, step))


def value_ticks(low: float, high: float, count: int) -> list[float]:
    """Return at most about `count` even values between two others."""
    raw = (high - low) / count
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= raw * 0.999)
    first, last = math.ceil(low / step), math.floor(high / step)
    return [number * step for number in range(first, last + 1)]


def time_text(at: int, span: int) -> str:
    """Return a moment in local time, as exactly as a picture of `span` nanoseconds needs it."""
    if span <= 10 * UNITS["m"]:
        form = "%H:%M:%S"
    else:
        form = "%H:%M" if span <= 36 * UNITS["h"] else "%m-%d" if span <= 200 * UNITS["d"] else "%Y-%m"
    return datetime.fromtimestamp(at / SECOND).astimezone().strftime(form)
