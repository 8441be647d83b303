"""The blink programs."""

from __future__ import annotations

import random

from core import programs as p
from plugin_gpio_matrix.matrix import GpioMatrix


@p.program
async def heartbeat(matrix: GpioMatrix, *, interval: float = 0.1) -> None:
    """Flash all LEDs twice, then pause."""
    await p.forever(p.sequence(p.blink(matrix.all, interval, 2), p.sleep(8 * interval)))()


@p.program
async def blink_rows(matrix: GpioMatrix, *, interval: float = 0.5) -> None:
    """Blink each row at a speed of its own, the top one slowest."""
    await p.all(*(p.blink(row, interval / (1 + number)) for number, row in enumerate(matrix.rows)))()


@p.program
async def blink_cols(matrix: GpioMatrix, *, interval: float = 0.5) -> None:
    """Blink each column at a speed of its own, the left one slowest."""
    await p.all(*(p.blink(column, interval / (1 + number)) for number, column in enumerate(matrix.columns)))()


@p.program
async def spiral(matrix: GpioMatrix, *, interval: float = 0.08) -> None:
    """Wind one LED to the middle and back, for ever."""
    inward = [
        led for number in range((min(len(matrix.rows), len(matrix.columns)) + 1) // 2) for led in matrix.ring(number)
    ]
    await p.forever(p.sequence(p.walk(inward, interval), p.walk(inward[-2:0:-1], interval)))()


@p.program
async def raindrops(matrix: GpioMatrix, *, interval: float = 0.12, drops: int = 3) -> None:
    """Let drops fall through columns that chance chooses."""

    @p.program
    async def one_drop() -> None:
        column = random.choice(matrix.columns)  # noqa: S311 - rain is no secret
        await p.sequence(p.sleep(random.uniform(0, 4 * interval)), p.walk(column, interval))()  # noqa: S311

    await p.all(*(p.forever(one_drop()) for _ in range(drops)))()


@p.program
async def cross(matrix: GpioMatrix, *, interval: float = 0.3) -> None:
    """Light the middle row and the middle column in turn."""
    row, column = matrix.row(len(matrix.rows) // 2), matrix.column(len(matrix.columns) // 2)
    await p.forever(p.sequence(p.any(p.on(row), p.sleep(interval)), p.any(p.on(column), p.sleep(interval))))()


PROGRAMS = (heartbeat, blink_rows, blink_cols, spiral, raindrops, cross)
