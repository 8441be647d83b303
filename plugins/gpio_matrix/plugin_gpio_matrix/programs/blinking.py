"""Programs that blink: all, rows, columns, a cross; and one that breathes."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from core import programs as p
from plugin_gpio_matrix.layout import Matrix
from plugin_gpio_matrix.programs.settings import Interval


@p.program
async def heartbeat(matrix: Matrix, *, interval: Interval = 0.1) -> None:
    """Flash all LEDs twice, then pause."""
    await p.forever(p.sequence(p.blink(matrix.all, interval, 2), p.sleep(8 * interval)))()


@p.program
async def blink_rows(matrix: Matrix, *, interval: Interval = 0.5) -> None:
    """Blink each row at a speed of its own, the top one slowest."""
    await p.all(*(p.blink(row, interval / (1 + number)) for number, row in enumerate(matrix.rows)))()


@p.program
async def blink_cols(matrix: Matrix, *, interval: Interval = 0.5) -> None:
    """Blink each column at a speed of its own, the left one slowest."""
    await p.all(*(p.blink(column, interval / (1 + number)) for number, column in enumerate(matrix.columns)))()


@p.program
async def cross(matrix: Matrix, *, interval: Interval = 0.3) -> None:
    """Light the middle row and the middle column in turn."""
    height, width = matrix.size
    await p.cycle([matrix.row(height // 2), matrix.column(width // 2)], interval)()


@p.program
async def matrix_on_off(matrix: Matrix, *, interval: Interval = 0.5) -> None:
    """Switch the whole matrix on and off."""
    await p.blink(matrix.all, interval)()


@p.program
async def breathe(matrix: Matrix, *, seconds: Annotated[float, Meta(ge=0.1, le=60)] = 4.0) -> None:
    """Brighten all LEDs softly and darken them again, `seconds` a breath; dimming takes some 7 % of a processor."""
    await p.breathe(matrix.all, seconds)()
