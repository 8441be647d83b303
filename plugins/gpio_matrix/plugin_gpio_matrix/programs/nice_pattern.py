"""A pattern that can be stopped to be looked at."""

from __future__ import annotations

import asyncio

from core import programs as p
from plugin_gpio_matrix.layout import Group, Matrix
from plugin_gpio_matrix.programs.settings import Interval, needs_buttons

SUSPEND, RESUME = "left", "right"


def _diamonds(matrix: Matrix) -> list[Group]:
    """Return the LEDs by their distance from the middle along rows and columns, the nearest first."""
    height, width = matrix.size
    by_distance: dict[int, list[tuple[int, int]]] = {}
    for led in matrix.all:
        distance = abs(2 * led.row - height + 1) // 2 + abs(2 * led.column - width + 1) // 2
        by_distance.setdefault(distance, []).append((led.row, led.column))
    return [matrix.at(by_distance[distance]) for distance in sorted(by_distance)]


@p.program(needs=needs_buttons(SUSPEND, RESUME))
async def the_nice_pattern(matrix: Matrix, *, interval: Interval = 0.2) -> None:
    """Let every other diamond swell from the middle; the left button holds the picture, the right one lets it go on."""
    diamonds = _diamonds(matrix)
    nothing = Group([])
    even, odd = sum(diamonds[::2], nothing), sum(diamonds[1::2], nothing)
    pictures = [sum(diamonds[: count + 1][::-2], nothing) for count in range(len(diamonds))]
    flowing = asyncio.Event()
    flowing.set()

    def held(picture: Group) -> p.PreparedRun:
        return p.any(p.on(picture), p.sequence(p.sleep(interval), flowing.wait))

    endings = [
        matrix.buttons[SUSPEND].on_press(lambda _edge: flowing.clear()),
        matrix.buttons[RESUME].on_press(lambda _edge: flowing.set()),
    ]
    try:
        await p.forever(p.sequence(*map(held, [*pictures, odd, even])))()
    finally:
        for end in endings:
            end()
