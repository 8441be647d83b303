"""Texts that run over the matrix."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Annotated

from msgspec import Meta

from core import programs as p
from core.loop import Loop
from plugin_gpio_matrix.font import HEIGHT, drawn_text
from plugin_gpio_matrix.layout import Matrix
from plugin_gpio_matrix.programs.settings import Interval, needs_size

MINUTES_A_DAY = 24 * 60

TimeOfDay = Annotated[str, Meta(pattern=r"^(([01][0-9]|2[0-3]):[0-5][0-9])?$")]
"""Hours and minutes, or nothing."""


def _run_through(matrix: Matrix, text: str, interval: float) -> p.PreparedRun:
    """Return a program that lets a text run through once, from the right edge till it has left on the left."""
    height, width = matrix.size
    picture = drawn_text(text)
    top = (height - HEIGHT) // 2
    return p.walk((matrix.drawn(picture, top, left) for left in range(width - 1, -len(picture[0]) - 1, -1)), interval)


@p.program(needs=needs_size(HEIGHT, 1))
async def scroll_text(matrix: Matrix, *, text: str = "HELLO", interval: Interval = 0.12) -> None:
    """Let `text` run through from right to left, again and again; it needs five rows."""
    await p.forever(_run_through(matrix, text, interval))()


@p.program(needs=needs_size(HEIGHT, 1))
async def clock(matrix: Matrix, *, interval: Interval = 0.12, start: TimeOfDay = "") -> None:
    """Let the time of day run through, as 12:34; with `start` the clock begins at that time; it needs five rows."""
    now = _clock(start)

    async def once() -> None:
        await _run_through(matrix, now(), interval)()

    await p.forever(once)()


def _clock(start: str) -> Callable[[], str]:
    """Return what tells the time, this machine's or one that begins at `start`."""
    if not start:
        return lambda: dt.datetime.now().astimezone().strftime("%H:%M")
    hours, minutes = map(int, start.split(":"))
    loop = Loop.current()
    began = loop.now()

    def told() -> str:
        passed = (loop.now() - began) // 60_000_000_000
        total = (60 * hours + minutes + passed) % MINUTES_A_DAY
        return f"{total // 60:02}:{total % 60:02}"

    return told
