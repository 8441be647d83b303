"""Dimming by software: LEDs switched on and off a hundred times a second, on for a part of each hundredth.

The edges are met by the precise timer, because an eye sees 0.1 ms more or less where an LED shines for 0.3 ms. That
costs processor time as long as it runs: it wakes for every step.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from core.duration import Duration
from core.errors import ProgramError
from core.loop import Loop, ScheduledTask, Timing
from core.programs.checks import checked_count, checked_pause
from core.programs.outputs import Output, Outputs, darken, outputs_of
from core.programs.pace import go_on_from, scaled
from core.programs.program import PreparedRun

__all__ = ["breathe", "fade"]

PERIOD = 10_000_000
"""Nanoseconds between two flashes: at 100 Hz the eye sees none of them."""

SHORTEST = 50_000
"""Nanoseconds: a flash that is shorter is left out, and so is a gap."""

GAMMA = 2.2
"""Eyes see brightness about as this root of the light: a level of 0.5 is 22 % of the light."""

Level = Callable[[float], float]


def fade(outputs: Outputs, seconds: float | Duration, start: float = 0.0, end: float = 1.0) -> PreparedRun:
    """Return a program that takes `outputs` from brightness `start` to `end` (0 to 1) within `seconds`, then darkens.

    Processor time is spent as long as it runs, for each group that is dimmed once, however many outputs it has: 7 % of
    a processor for one group of 25 simulated LEDs, 18 to 24 % for five (benchmarks/matrix.py on 2026-11-21, Python
    3.11, a virtual x86-64 machine with two processors that did other work too; at rest it was 0.1 %).
    """
    targets = outputs_of("fade", outputs)
    length = checked_pause("fade", seconds)
    for level in (start, end):
        _check_level(level)
    return PreparedRun("fade", lambda: _dim(targets, length, lambda part: start + (end - start) * part))


def breathe(outputs: Outputs, seconds: float | Duration = 4.0, ntimes: int | None = None) -> PreparedRun:
    """Return a program that brightens `outputs` and darkens them again, `seconds` each breath, `ntimes` or for ever.

    It costs what `fade` costs: 6 to 7 % of a processor for each group where that was measured.
    """
    targets = outputs_of("breathe", outputs)
    length = checked_pause("breathe", seconds)
    if ntimes is not None:
        checked_count("breathe", ntimes)

    async def run() -> None:
        turn = 0
        while ntimes is None or turn < ntimes:
            turn += 1
            await _dim(targets, length, lambda part: 1.0 - abs(2.0 * part - 1.0))

    return PreparedRun("breathe", run)


def _check_level(level: object) -> None:
    if isinstance(level, bool) or not isinstance(level, int | float) or not 0 <= level <= 1:
        raise ProgramError(f"fade() takes a brightness from 0 to 1, not {level!r}")


async def _dim(targets: tuple[Output, ...], length: Duration, level_at: Level) -> None:
    """Flash `targets` for `length`, with the level that `level_at` tells for the share of it that has passed."""
    dimmer = _Dimmer(targets, max(scaled(length.nanoseconds), PERIOD), level_at)
    try:
        await dimmer.done
    finally:
        dimmer.task.cancel()
        darken(targets)
    go_on_from(dimmer.task.deadline)


class _Dimmer:
    """Switch at each edge; the next is as far away as the present flash or gap is long."""

    def __init__(self, targets: tuple[Output, ...], length: int, level_at: Level) -> None:
        self._targets = targets
        self._length = length
        self._level_at = level_at
        self._began: int | None = None
        self._gap = 0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        timing = Timing(Duration(PERIOD), precise=True, on_error="stop", handler=self._failed, name="dimmer")
        self.task: ScheduledTask = Loop.current().schedule(timing, self._edge)

    async def _edge(self) -> None:
        """Begin a flash or a gap."""
        if self._gap:
            self._switch(False)
            length, self._gap = self._gap, 0
        else:
            length = self._begin_flash()
        if length:
            self.task.change_rate(Duration(length))
        elif not self.done.done():
            self.done.set_result(None)

    def _begin_flash(self) -> int:
        """Return how long it shines, 0 where the time is over."""
        if self._began is None:
            self._began = self.task.deadline
        passed = self.task.deadline - self._began
        if passed >= self._length:
            return 0
        # The level of the middle of this flash, so that neither end of a fade is favoured.
        bright: int = round(PERIOD * self._level_at(min((passed + PERIOD / 2) / self._length, 1.0)) ** GAMMA)
        if bright < SHORTEST:
            self._switch(False)
            return PERIOD
        self._switch(True)
        if bright > PERIOD - SHORTEST:
            return PERIOD
        self._gap = PERIOD - bright
        return bright

    def _switch(self, value: bool) -> None:
        for target in self._targets:
            target.set(value)

    def _failed(self, _task: ScheduledTask, error: BaseException) -> None:
        if not self.done.done():
            self.done.set_exception(error)
