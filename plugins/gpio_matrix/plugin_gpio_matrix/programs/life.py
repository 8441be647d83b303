"""The game of life, on a matrix whose edges meet."""

from __future__ import annotations

import random

from core import programs as p
from plugin_gpio_matrix.layout import Matrix
from plugin_gpio_matrix.programs.settings import Interval, needs_size

SHARE = 0.4
"""How many of the cells live at first, where chance chooses."""

Cells = frozenset[tuple[int, int]]


def following(alive: Cells, matrix: Matrix) -> Cells:
    """Return the next generation: three neighbours give birth, two or three keep alive.

    What lies beyond an edge is the opposite edge; where the matrix has no LED nothing lives.
    """
    height, width = matrix.size
    neighbours: dict[tuple[int, int], int] = {}
    for row, column in alive:
        for down in (-1, 0, 1):
            for right in (-1, 0, 1):
                if down or right:
                    place = ((row + down) % height, (column + right) % width)
                    neighbours[place] = neighbours.get(place, 0) + 1
    lives = {place for place, count in neighbours.items() if count == 3 or (count == 2 and place in alive)}
    return frozenset(place for place in lives if matrix.find(*place) is not None)


@p.program(needs=needs_size(3, 3))
async def game_of_life(matrix: Matrix, *, interval: Interval = 0.4, start: str = "", seed: int | None = None) -> None:
    """Let cells live, be born and die; when a generation comes again, begin anew.

    `start` is the first generation, as ".X./..X/XXX" from the top left; without it chance chooses, the same for the
    same `seed`.
    """
    chance = random.Random(seed)  # noqa: S311 - no secret

    async def one_life() -> None:
        drawn = matrix.drawn(start.split("/"))
        leds = drawn or [led for led in matrix.all if chance.random() < SHARE]
        alive: Cells = frozenset((led.row, led.column) for led in leds)
        seen: set[Cells] = set()
        while alive not in seen:
            seen.add(alive)
            await p.timeout(p.on(matrix.at(alive)), interval)()
            alive = following(alive, matrix)

    await p.forever(one_life)()
