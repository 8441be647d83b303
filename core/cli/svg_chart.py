"""Series of numbers as an SVG document that needs nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle
from xml.etree import ElementTree as ET

from core.cli.charts import Curve, Panel, panels, stretches, time_text, time_ticks, value_ticks
from core.recorder.history import Point

WIDTH, HEIGHT = 900, 280
LEFT, RIGHT, TOP, BOTTOM = 80, 20, 40, 30
COLOURS = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#17becf", "#8c564b", "#e377c2")


def svg_chart(curves: Sequence[Curve], since: int, until: int, title: str) -> str:
    """Return the curves as a document, a panel for each unit; a band shows minima and maxima behind the means."""
    drawn = panels(curves)
    height = HEIGHT * len(drawn) + 30
    size = {"width": str(WIDTH), "height": str(height), "viewBox": f"0 0 {WIDTH} {height}"}
    root = ET.Element("svg", {"xmlns": "http://www.w3.org/2000/svg", **size, "font-family": "sans-serif"})
    ET.SubElement(root, "rect", {"width": "100%", "height": "100%", "fill": "white"})
    _text(root, WIDTH / 2, 20, title, "middle", size=15)
    for number, panel in enumerate(drawn):
        group = ET.SubElement(root, "g", {"transform": f"translate(0 {30 + number * HEIGHT})"})
        _Drawing(group, panel, since, until).draw()
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


class _Drawing:
    """Draw one panel into a group."""

    def __init__(self, group: ET.Element, panel: Panel, since: int, until: int) -> None:
        self._group = group
        self._panel = panel
        self._since, self._until = since, until
        self._low, self._high = panel.limits

    def draw(self) -> None:
        """Draw axes and curves."""
        span = self._until - self._since
        for at in time_ticks(self._since, self._until, 8):
            self._line(self._x(at), TOP, self._x(at), HEIGHT - BOTTOM)
            _text(self._group, self._x(at), HEIGHT - BOTTOM + 16, time_text(at, span), "middle")
        for value in value_ticks(self._low, self._high, 6):
            self._line(LEFT, self._y(value), WIDTH - RIGHT, self._y(value))
            _text(self._group, LEFT - 6, self._y(value) + 4, f"{value:.6g}", "end")
        left = float(LEFT)
        for curve, colour in zip(self._panel.curves, cycle(COLOURS), strict=False):
            name = curve.name + (f" ({curve.unit})" if curve.unit else "")
            _text(self._group, left, TOP - 10, name, "start", colour=colour)
            left += 8 * len(name) + 20
            for points in stretches(curve.points):
                self._curve(points, colour)

    def _curve(self, points: Sequence[Point], colour: str) -> None:
        above = [(point.time, point.value if point.high is None else point.high) for point in points]
        below = [(point.time, point.value if point.low is None else point.low) for point in points]
        if above != below:
            band = self._path([*above, *reversed(below)])
            ET.SubElement(self._group, "polygon", {"points": band, "fill": colour, "opacity": "0.2"})
        if len(points) == 1:
            place = {"cx": f"{self._x(points[0].time):.1f}", "cy": f"{self._y(points[0].value):.1f}", "r": "2"}
            ET.SubElement(self._group, "circle", {**place, "fill": colour})
        else:
            line = self._path([(point.time, point.value) for point in points])
            look = {"fill": "none", "stroke": colour, "stroke-width": "1.5"}
            ET.SubElement(self._group, "polyline", {"points": line, **look})

    def _path(self, points: Sequence[tuple[int, float]]) -> str:
        return " ".join(f"{self._x(at):.1f},{self._y(value):.1f}" for at, value in points)

    def _x(self, at: int) -> float:
        return LEFT + (at - self._since) / (self._until - self._since) * (WIDTH - LEFT - RIGHT)

    def _y(self, value: float) -> float:
        return HEIGHT - BOTTOM - (value - self._low) / (self._high - self._low) * (HEIGHT - TOP - BOTTOM)

    def _line(self, left: float, top: float, right: float, bottom: float) -> None:
        ends = {"x1": f"{left:.1f}", "y1": f"{top:.1f}", "x2": f"{right:.1f}", "y2": f"{bottom:.1f}"}
        ET.SubElement(self._group, "line", {**ends, "stroke": "#ddd"})


def _text(parent: ET.Element, x: float, y: float, text: str, anchor: str, colour: str = "#333", size: int = 12) -> None:
    place = {"x": f"{x:.1f}", "y": f"{y:.1f}", "text-anchor": anchor, "font-size": str(size), "fill": colour}
    # What XML cannot have, a device's name has not either, unless somebody tries.
    ET.SubElement(parent, "text", place).text = "".join(char if char.isprintable() else "?" for char in text)
