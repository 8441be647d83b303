"""Programs that wind: along the spiral from the edge to the middle, and round the rings."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from core import programs as p
from plugin_gpio_matrix.layout import Group, Matrix
from plugin_gpio_matrix.programs.settings import Interval, needs_buttons

LEFT = "left"


def _inward(matrix: Matrix) -> Group:
    """Return all LEDs along the spiral from the top left corner to the middle."""
    return Group([led for ring in matrix.rings for led in ring])


@p.program
async def spiral(matrix: Matrix, *, interval: Interval = 0.08) -> None:
    """Wind one LED to the middle and back, for ever."""
    inward = _inward(matrix)
    await p.cycle([*inward, *inward[-2:0:-1]], interval)()


@p.program
async def mad_spiral(matrix: Matrix, *, interval: Interval = 0.08) -> None:
    """Turn one LED round each ring, every ring against its neighbours."""
    rings = [ring.reversed if number % 2 else ring for number, ring in enumerate(matrix.rings)]
    await p.all(*(p.cycle(ring, interval) for ring in rings))()


@p.program(needs=needs_buttons(LEFT))
async def mad_spiral_until_left_button(matrix: Matrix, *, interval: Interval = 0.08) -> None:
    """Do as mad_spiral until the left button is pressed, then flash all LEDs twice and end."""
    until_pressed = p.any(mad_spiral(matrix, interval=interval), p.when(matrix.buttons[LEFT]))
    await p.sequence(until_pressed, p.blink(matrix.all, 0.1, 2))()


@p.program
async def kaa_spiral(
    matrix: Matrix, *, interval: Interval = 0.08, length: Annotated[int, Meta(ge=1, le=1000)] = 5
) -> None:
    """Let a snake of `length` LEDs creep to the middle, vanish there, and creep out again."""
    inward = _inward(matrix)
    steps = [inward[max(0, head - length) : head] for head in range(1, len(inward) + length)]
    await p.cycle([*steps, *steps[::-1]], interval)()
