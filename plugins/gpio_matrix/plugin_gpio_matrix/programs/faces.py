"""Faces, which fit any matrix from 3x3 on."""

from __future__ import annotations

from core import programs as p
from plugin_gpio_matrix.layout import Group, Matrix
from plugin_gpio_matrix.programs.settings import Interval, needs_size


@p.program(needs=needs_size(3, 3))
async def smiley(matrix: Matrix, *, interval: Interval = 1.0) -> None:
    """Show a face in a good mood, an even one and a bad one, and wink with both eyes before each change."""
    height, width = matrix.size
    eyes = matrix.at([((height - 2) // 2, width // 4), ((height - 2) // 2, width - 1 - width // 4)])
    lower, upper = height - 1, height - 2
    good = _mouth(matrix, corners=upper, middle=lower)
    even = matrix.row(lower)
    bad = _mouth(matrix, corners=lower, middle=upper)
    open_then_wink = p.sequence(p.timeout(p.on(eyes), 0.9 * interval), p.sleep(0.1 * interval))
    await p.all(p.forever(open_then_wink), p.cycle([good, even, bad, even], interval))()


def _mouth(matrix: Matrix, *, corners: int, middle: int) -> Group:
    """Return a mouth over the whole width, its corners in one row and what is between them in another."""
    width = matrix.size[1]
    return matrix.at([(corners if column in (0, width - 1) else middle, column) for column in range(width)])


@p.program(needs=needs_size(3, 3))
async def mickey(matrix: Matrix, *, interval: Interval = 0.4) -> None:
    """Show a mouse that pricks up its left ear and its right one in turn, and now and then both."""
    height, width = matrix.size
    ear = max(1, 2 * min(height, width) // 5)
    left, right = matrix[:ear, :ear].all, matrix[:ear, width - ear :].all
    face = Group([led for row in matrix.rows[ear:] for led in row if 1 <= led.column <= width - 2])
    await p.all(p.on(face), p.cycle([left, right, left, right, left + right, ()], interval))()
