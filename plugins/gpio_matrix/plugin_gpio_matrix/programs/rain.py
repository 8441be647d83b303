"""Rain."""

from __future__ import annotations

import random
from typing import Annotated

from msgspec import Meta

from core import programs as p
from plugin_gpio_matrix.layout import Matrix
from plugin_gpio_matrix.programs.settings import Interval


@p.program
async def raindrops(
    matrix: Matrix,
    *,
    interval: Interval = 0.12,
    drops: Annotated[int, Meta(ge=1, le=100)] = 3,
    seed: int | None = None,
) -> None:
    """Let `drops` drops fall, through columns and after pauses that chance chooses; `seed` makes it the same rain."""
    chance = random.Random(seed)  # noqa: S311 - rain is no secret
    pause = p.choose(*(p.sleep(steps * interval) for steps in range(5)), chance=chance)

    def falling(number: int) -> p.PreparedRun:
        # Columns of its own, because of two drops in one column the first to land would put out the other.
        own = matrix.columns[number::drops]
        return p.forever(p.sequence(pause, p.choose(*(p.walk(column, interval) for column in own), chance=chance)))

    await p.all(*(falling(number) for number in range(min(drops, len(matrix.columns)))))()
