"""Series of numbers on a terminal, in braille."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from core.cli.charts import Curve, Panel, panels, stretches, time_text
from core.recorder.spans import SECOND

HEIGHT = 9
AXIS = 16
"""How many columns the values on the left, and what stands right of the picture, take."""


def terminal_chart(curves: Sequence[Curve], since: int, until: int, width: int) -> str:
    """Return the curves as text that is at most `width` wide."""
    return "\n\n".join(_drawn(panel, since, until, width) for panel in panels(curves))


def _drawn(panel: Panel, since: int, until: int, width: int) -> str:
    import plotille

    span = until - since
    figure: Any = plotille.Figure()
    figure.color_mode, figure.with_colors = "names", False
    # Ten columns a tick, and no part of one.
    figure.width, figure.height = max((width - AXIS) // 10 * 10 - 1, 19), HEIGHT
    figure.set_x_limits(since / SECOND, until / SECOND)
    figure.set_y_limits(*panel.limits)
    figure.x_label = figure.y_label = ""
    figure.x_ticks_fkt = lambda at, _next: time_text(int(at * SECOND), span)
    figure.y_ticks_fkt = lambda value, _next: f"{value:10.6g}"
    for curve in panel.curves:
        for points in stretches(curve.points):
            figure.plot([point.time / SECOND for point in points], [point.value for point in points])
    lines = [line.rstrip("⠀ ") for line in str(figure.show()).splitlines()]
    # Its first line names an axis that has its name in the title, its last but one ends in an empty name.
    return "\n".join([panel.title, *(line.removesuffix("> ()").rstrip()[:width] for line in lines[1:])])
