"""Programs that sweep whole lines and rings over the matrix."""

from __future__ import annotations

from core import programs as p
from plugin_gpio_matrix.layout import Matrix
from plugin_gpio_matrix.programs.settings import Interval


@p.program
async def squares(matrix: Matrix, *, interval: Interval = 0.2) -> None:
    """Light the rings one by one from the edge to the middle and back."""
    rings = matrix.rings
    await p.cycle([*rings, *rings[-2:0:-1]], interval)()


@p.program
async def kaa(matrix: Matrix, *, interval: Interval = 0.15) -> None:
    """Hypnotise: let rings, each two LEDs thick, swell from the middle to the edge."""
    swelling = matrix.rings[::-1]
    steps = [inner + outer for inner, outer in zip((swelling[0][:0], *swelling), (*swelling, ()), strict=True)]
    await p.cycle(steps, interval)()


@p.program
async def all_directions(matrix: Matrix, *, interval: Interval = 0.1) -> None:
    """Sweep a line down, up, right and left, and along both diagonals."""
    lines = (matrix.rows, matrix.columns, matrix.diagonals, matrix.antidiagonals)
    there_and_back = [p.sequence(p.walk(line, interval), p.walk(line[::-1], interval)) for line in lines]
    await p.forever(p.sequence(*there_and_back))()
