"""The time that programs keep: how fast they run, and where on the grid of their own waits they stand.

A wait ends a little late on any machine, and very late on one that was busy. Programs count their next wait from when
the last one was due, not from when it ended, so that what begins together stays together: LEDs whose periods meet
change in one frame, after an hour too. Only a program that waited for something else in between counts anew.
"""

from __future__ import annotations

import contextvars
from collections.abc import Iterable

from core.duration import Duration
from core.errors import ProgramError
from core.loop import Loop
from core.loop.agenda import Agenda
from core.programs.program import Startable

__all__ = [
    "FASTEST",
    "SLOWEST",
    "Pace",
    "begin_together",
    "count_anew",
    "go_on_from",
    "go_on_from_last",
    "keep",
    "part_of_several",
    "pause",
    "scaled",
]

SLOWEST, FASTEST = 0.1, 10.0
"""The limits of a speed."""

BUSY_AT_MOST = 5_000_000
"""Nanoseconds for which a program may wait for something else between two waits here; after more it counts anew."""


class Pace:
    """Be the speed of programs, 1.0 as written; it can be changed at any time and holds from the next wait on."""

    def __init__(self, speed: float = 1.0) -> None:
        self.speed = speed
        self.begun = _NEVER
        """When the latest of the programs that keep this pace was begun."""

    @property
    def speed(self) -> float:
        """Return how many times faster than written the programs run."""
        return self._speed

    @speed.setter
    def speed(self, speed: float) -> None:
        self._speed = _checked(speed)


def _checked(speed: object) -> float:
    if isinstance(speed, bool) or not isinstance(speed, int | float) or not SLOWEST <= speed <= FASTEST:
        raise ProgramError(f"a speed is a number from {SLOWEST:g} to {FASTEST:g}, not {speed!r}")
    return float(speed)


_NEVER = -(10**18)
_pace: contextvars.ContextVar[Pace | None] = contextvars.ContextVar("_pace", default=None)
_nowhere = (_NEVER, _NEVER)
_mark: contextvars.ContextVar[tuple[int, int]] = contextvars.ContextVar("_mark", default=_nowhere)
"""Where a program stands on its grid: when its latest wait was due, and when the turn began in which it went on."""


def keep(pace: Pace) -> None:
    """Let the programs that this task runs, and those they begin, keep this pace.

    Those that are begun within 5 ms of each other, such as all of core.toml, count from one moment.
    """
    _pace.set(pace)
    now = Loop.current().now()
    if not 0 <= now - pace.begun <= BUSY_AT_MOST:
        pace.begun = now
    go_on_from(pace.begun)


def scaled(nanoseconds: int) -> int:
    """Return how long a time lasts at the present speed."""
    pace = _pace.get()
    return nanoseconds if pace is None or pace.speed == 1.0 else round(nanoseconds / pace.speed)


def begin_together() -> None:
    """Let what this task begins now count from one moment, and not each from when it comes to its first wait."""
    agenda = Loop.current().agenda
    go_on_from(_since(agenda, agenda.now()))


async def part_of_several(part: Startable) -> None:
    """Run a program that others have been begun with: how long they took to begin does not count, nor at the end."""
    go_on_from(_mark.get()[0])
    await part()
    begin_together()


def go_on_from(due: int) -> None:
    """Count the next wait from `due`, in nanoseconds of the loop, at which something has ended just now."""
    _mark.set((due, Loop.current().agenda.start()))


def go_on_from_last(contexts: Iterable[contextvars.Context]) -> None:
    """Count the next wait from when the last of several ended that `part_of_several` ran in these contexts."""
    go_on_from(max(context[_mark][0] for context in contexts))


def count_anew() -> None:
    """Count the next wait from when it begins."""
    _mark.set(_nowhere)


async def pause(length: Duration) -> None:
    """Wait for a time at the present speed, counted from when the last wait was due.

    If that moment has passed long ago, because the machine was busy, it waits for the next on the same grid.
    """
    loop = Loop.current()
    agenda = loop.agenda
    now, step = agenda.now(), scaled(length.nanoseconds)
    deadline = _since(agenda, now) + step
    if deadline < now - BUSY_AT_MOST and step:
        deadline += -(-(now - deadline) // step) * step
    if deadline <= now:
        await loop.delay(0)
    else:
        await loop.sleep_until(deadline)
    _mark.set((deadline, agenda.start()))


def _since(agenda: Agenda, now: int) -> int:
    """Return from when the next wait counts."""
    due, went_on = _mark.get()
    turn = agenda.start()
    # Who goes on in the turn in which its wait ended did not wait for anything else, however long that turn took.
    if turn == went_on or 0 <= now - went_on <= BUSY_AT_MOST:
        return due
    # All that comes to its first wait in one turn counts from one moment, unless it comes to it late.
    return turn if now - turn <= BUSY_AT_MOST else now
