"""Timing: at what rate a scheduled task runs, where on the grid, how exactly, and what happens when it raises."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Literal

from core.duration import Duration
from core.errors import TimingError

if TYPE_CHECKING:
    from core.loop.scheduled import ScheduledTask

__all__ = ["ErrorHandler", "Rate", "Timing", "delay_of", "timing_of"]

ErrorHandler = Callable[["ScheduledTask", BaseException], None]
"""What the owner of a scheduled task is told by: the task and what its tick raised."""

_SECOND, _MINUTE = Duration.of_seconds(1), Duration.of_minutes(1)
_POLICIES = ("raise", "stop", "retry")


@dataclass(frozen=True, slots=True)
class Timing:
    """Say how a scheduled task runs; frozen, so that one can be shared by many tasks.

    Raises TimingError at construction for a rate that no clock can keep and for any other wrong value.
    """

    rate: float | Duration
    """Frequency in Hz (a number above zero) or period (a Duration of 1 ns or more)."""
    _: KW_ONLY
    phase: Duration | float | Literal["spread"] = 0.0
    """Where in its period the grid lies: a Duration below the period, a fraction of it from 0 to below 1, or
    "spread", by which the tasks of one loop are laid evenly over their periods, whatever their number."""
    precise: bool = False
    """Spin for a moment before each deadline, so that it is met within microseconds; costs CPU (see `cpu_share`)."""
    cpu_share: float = 0.2
    """How much of the period a precise task may spin at most, above 0 and up to 0.9."""
    on_error: Literal["raise", "stop", "retry"] = "raise"
    """What follows a tick that raises. "raise": its owner's handler is told and the next tick comes as planned;
    where there is no handler, the error comes out of `run()`. "stop": the task stops. "retry": it pauses, longer
    after every failure in a row, and goes on. The last two log the error and tell the handler, if there is one."""
    retry_after: Duration = _SECOND
    """The pause after the first failure; each further one in a row doubles it."""
    retry_at_most: Duration = _MINUTE
    """The longest pause."""
    handler: ErrorHandler | None = None
    """The owner's error handler: called with the ScheduledTask and the exception."""
    name: str | None = None
    """The task's name in logs and statistics; by default the coroutine function's."""

    def __post_init__(self) -> None:
        period = self.period
        if isinstance(self.phase, str):
            if self.phase != "spread":
                raise TimingError(f'phase must be a Duration, a fraction or "spread", not {self.phase!r}')
        elif isinstance(self.phase, Duration):
            if not 0 <= self.phase.nanoseconds < period:
                raise TimingError(f"phase must be from 0 to below the period of {Duration(period)}, not {self.phase}")
        elif not _is_number(self.phase) or not 0 <= self.phase < 1:
            raise TimingError(f"phase as a fraction of the period must be from 0 to below 1, not {self.phase!r}")
        if self.on_error not in _POLICIES:
            raise TimingError(f"on_error must be one of {', '.join(_POLICIES)}, not {self.on_error!r}")
        if not _is_number(self.cpu_share) or not 0 < self.cpu_share <= 0.9:
            raise TimingError(f"cpu_share must be above 0 and up to 0.9, not {self.cpu_share!r}")
        for name in ("retry_after", "retry_at_most"):
            pause = getattr(self, name)
            if not (isinstance(pause, Duration) and pause.nanoseconds > 0):
                raise TimingError(f"{name} must be a Duration above zero, not {pause!r}")

    @property
    def period(self) -> int:
        """Return the period in nanoseconds."""
        return _period(self.rate)

    def offset(self, number: int) -> int:
        """Return in nanoseconds how far after its start the grid of the loop's task `number` begins."""
        if isinstance(self.phase, Duration):
            return self.phase.nanoseconds
        if isinstance(self.phase, str):
            # Multiples of the golden ratio: any first n of them lie evenly, without knowing n.
            return int(number * 0.6180339887498949 % 1.0 * self.period)
        return int(self.phase * self.period)


Rate = float | Duration | Timing
"""A frequency in Hz, a period as a Duration, or a Timing."""


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _period(rate: object) -> int:
    if isinstance(rate, Duration):
        if rate.nanoseconds <= 0:
            raise TimingError(f"a period must be above zero, not {rate}")
        return rate.nanoseconds
    if isinstance(rate, bool) or not isinstance(rate, int | float):
        raise TimingError(
            "a frequency must be a number in Hz, a Duration (the period) or a Timing, "
            f"not {rate!r} ({type(rate).__name__})"
        )
    period = Duration.of_frequency(rate).nanoseconds
    if period <= 0:
        raise TimingError(f"a frequency of {rate!r} Hz is beyond what nanoseconds can tell")
    return period


def timing_of(rate: object) -> Timing:
    """Return the Timing that a frequency, period or Timing means; raise TimingError for anything else."""
    if isinstance(rate, Timing):
        return rate
    if isinstance(rate, float | int | Duration):
        return _plain(rate)
    _period(rate)
    raise TimingError(f"no rate: {rate!r}")


@functools.lru_cache(maxsize=256, typed=True)
def _plain(rate: float | Duration) -> Timing:
    # A thousand tasks of one rate share one Timing, which saves most of the time and memory of making them.
    return Timing(rate)


def delay_of(seconds: object, what: str = "a delay") -> int:
    """Return the nanoseconds of a delay in seconds or as a Duration; raise TimingError if it is negative or no time."""
    if isinstance(seconds, Duration):
        nanoseconds = seconds.nanoseconds
    elif isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise TimingError(f"{what} must be seconds or a Duration, not {seconds!r} ({type(seconds).__name__})")
    elif isinstance(seconds, float) and not math.isfinite(seconds):
        raise TimingError(f"{what} must be finite, not {seconds!r}")
    else:
        nanoseconds = round(seconds * 1_000_000_000)
    if nanoseconds < 0:
        raise TimingError(f"{what} must not be negative, not {seconds!r}")
    return nanoseconds
