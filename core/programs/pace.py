"""The time that programs keep: how fast they run, and where on the grid of their own waits they stand.

A wait ends a little late on any machine. Programs count their next wait from when the last one was due, not from when
it ended, so that what begins together stays together: LEDs whose periods meet change in one frame, after an hour too.
"""

from __future__ import annotations

import contextvars

from core.duration import Duration
from core.errors import ProgramError
from core.loop import Loop

__all__ = ["FASTEST", "NEVER", "SLOWEST", "Pace", "due", "keep", "pause", "scaled"]

SLOWEST, FASTEST = 0.1, 10.0
"""The limits of a speed."""

LATE_AT_MOST = 5_000_000
"""Nanoseconds: what is later than this was busy with something else, and its next wait counts from now."""


class Pace:
    """Be the speed of programs, 1.0 as written; it can be changed at any time and holds from the next wait on."""

    def __init__(self, speed: float = 1.0) -> None:
        self.speed = speed

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


_pace: contextvars.ContextVar[Pace | None] = contextvars.ContextVar("_pace", default=None)
NEVER = -(10**18)
due: contextvars.ContextVar[int] = contextvars.ContextVar("due", default=NEVER)
"""When the latest wait of this task was due, in nanoseconds of the loop; NEVER where the next counts from now."""


def keep(pace: Pace) -> None:
    """Let the programs that this task runs, and those they begin, keep this pace."""
    _pace.set(pace)


def scaled(nanoseconds: int) -> int:
    """Return how long a time lasts at the present speed."""
    pace = _pace.get()
    return nanoseconds if pace is None or pace.speed == 1.0 else round(nanoseconds / pace.speed)


async def pause(length: Duration) -> None:
    """Wait for a time at the present speed, counted from when the last wait was due."""
    loop = Loop.current()
    now, last = loop.now(), due.get()
    if not 0 <= now - last <= LATE_AT_MOST:
        last = now
    deadline = last + scaled(length.nanoseconds)
    if deadline <= now:
        await loop.delay(0)
    else:
        await loop.sleep_until(deadline)
    due.set(deadline)
