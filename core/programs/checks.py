"""What combinators check of their arguments when they are put together."""

from __future__ import annotations

from core.duration import Duration
from core.errors import ProgramError, TimingError

__all__ = ["checked_count", "checked_pause"]


def checked_pause(what: str, seconds: object, *, zero: bool = False) -> Duration:
    """Return a time as a Duration; raise ProgramError, which names the combinator `what`, for anything else."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float | Duration):
        raise ProgramError(f"{what}() takes seconds or a Duration, not {seconds!r}")
    try:
        pause = seconds if isinstance(seconds, Duration) else Duration.of_seconds(seconds)
    except TimingError as error:
        raise ProgramError(f"{what}(): {error}") from error
    if pause.nanoseconds < 0 or (pause.nanoseconds == 0 and not zero):
        raise ProgramError(f"{what}() takes {'no negative time' if zero else 'a time above zero'}, not {seconds!r}")
    return pause


def checked_count(what: str, ntimes: object) -> None:
    """Raise ProgramError unless `ntimes` is a whole number of 0 or more."""
    if isinstance(ntimes, bool) or not isinstance(ntimes, int) or ntimes < 0:
        raise ProgramError(f"{what}() takes a whole number of times, 0 or more, not {ntimes!r}")
