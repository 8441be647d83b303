"""A film as an SVG that moves by itself, without scripts, in whatever shows SVG; others show its brightest moment."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from core.cli.record.colours import BOARD, DARK, LIT, as_hex
from core.cli.record.film import FULL, Film

PITCH, RADIUS, MARGIN = 20, 7, 8


def svg(film: Film) -> bytes:
    """Return the file."""
    rows, columns = film.size
    width, height = columns * PITCH + 2 * MARGIN, rows * PITCH + 2 * MARGIN
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">',
        f"<title>{escape(film.title)}</title>",
        f'<rect width="{width}" height="{height}" rx="{MARGIN}" fill="{as_hex(BOARD)}"/>',
        f'<g fill="{as_hex(DARK)}">',
    ]
    courses: dict[tuple[int, ...], list[str]] = {}
    still = film.brightest()
    shown: dict[tuple[int, ...], int] = {}
    for row, line in enumerate(still):
        for column, level in enumerate(line):
            if level is None:
                continue
            circle = f'<circle cx="{_middle(column)}" cy="{_middle(row)}" r="{RADIUS}"/>'
            lines.append(circle)
            course = tuple(picture[row][column] or 0 for _, picture in film.pictures)
            courses.setdefault(course, []).append(circle)
            shown[course] = level
    lines.append("</g>")
    lines.append(f'<g fill="{as_hex(LIT)}">')
    starts = [start for start, _ in film.pictures]
    for course, circles in courses.items():
        if any(course):
            lines.append(f'<g opacity="{_opacity(shown[course])}">')
            lines += circles
            lines.append(_animation(course, starts, film.seconds) + "</g>")
    lines += ["</g>", "</svg>", ""]
    return "\n".join(lines).encode()


def _animation(course: Sequence[int], starts: Sequence[float], seconds: float) -> str:
    """Return how LEDs that do the same change their brightness; nothing where they do not."""
    changes = [
        (start, level)
        for number, (start, level) in enumerate(zip(starts, course, strict=True))
        if number == 0 or level != course[number - 1]
    ]
    if len(changes) == 1:
        return ""
    values = ";".join(_opacity(level) for _, level in changes)
    times = ";".join(f"{start / seconds:.5f}".rstrip("0").rstrip(".") for start, _ in changes)
    return (
        f'<animate attributeName="opacity" calcMode="discrete" dur="{seconds:g}s" repeatCount="indefinite" '
        f'values="{values}" keyTimes="{times}"/>'
    )


def _opacity(level: int) -> str:
    return f"{(level / FULL) ** 0.6:.2f}".rstrip("0").rstrip(".")


def _middle(number: int) -> int:
    return MARGIN + number * PITCH + PITCH // 2
