"""What a loop and its scheduled tasks tell about themselves, in bounded memory."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass

from core.duration import Duration

__all__ = ["SIZE", "LoopStatistics", "TaskStatistics", "bucket_of", "new_buckets", "quantile"]

# Lateness is counted in buckets of a quarter octave from 1 us to 1.1 s: 80 counters of four bytes tell a quantile
# to within a tenth. What is below or above falls into the first or the last.
_FIRST_BITS, _LAST_BITS = 11, 30
LOWEST, HIGHEST = 1 << (_FIRST_BITS - 1), (1 << _LAST_BITS) - 1
OFFSET = _FIRST_BITS << 2
SIZE = ((_LAST_BITS << 2) | 3) - OFFSET + 1


def bucket_of(nanoseconds: int) -> int:
    """Return the index of the bucket in which a lateness is counted."""
    nanoseconds = min(max(nanoseconds, LOWEST), HIGHEST)
    bits = nanoseconds.bit_length()
    return (bits << 2 | nanoseconds >> bits - 3 & 3) - OFFSET


def new_buckets() -> array[int]:
    """Return empty counters."""
    return array("I", bytes(4 * SIZE))


def quantile(buckets: Sequence[int], share: float) -> Duration:
    """Return the lateness that `share` (0 to 1) of the counted ticks did not exceed, to within a tenth."""
    total = sum(buckets)
    wanted = share * total
    seen = 0
    for index, count in enumerate(buckets):
        if count and seen + count >= wanted:
            bits, quarter = divmod(index + OFFSET, 4)
            width = 1 << bits - 3
            lowest = 0 if index == 0 else (4 | quarter) * width
            highest = (4 | quarter) * width + width
            return Duration(round(lowest + (highest - lowest) * (wanted - seen) / count))
        seen += count
    return Duration(0)


@dataclass(frozen=True, slots=True)
class TaskStatistics:
    """Tell how one scheduled task has fared since it was made."""

    name: str
    period: Duration
    state: str
    """"waiting" for its deadline, "running" (its tick waits for something), "failing" (its last tick has raised, and
    the next one is waited for), or "stopped"."""
    ticks: int
    """Ticks that were begun."""
    misses: int
    """Deadlines that passed while a tick still ran, or while the loop was kept from it."""
    errors: int
    """Ticks that raised."""
    lateness_p50: Duration
    """Begin of the tick minus its deadline: the median."""
    lateness_p99: Duration
    """The lateness that 99 of 100 ticks did not exceed."""
    lateness_max: Duration
    """The greatest lateness of all."""
    duration_mean: Duration
    """From a tick's begin to its end, waiting included: the mean."""
    duration_max: Duration
    """From a tick's begin to its end: the longest."""


@dataclass(frozen=True, slots=True)
class LoopStatistics:
    """Tell how a loop has fared since it was made."""

    tasks: tuple[TaskStatistics, ...]
    """One for every scheduled task that is not stopped, in the order of their making."""
    background: int
    """Tasks of add_task and run_later that have not ended."""
    ticks: int
    """Ticks of all tasks, of stopped ones too."""
    misses: int
    """Misses of all tasks, of stopped ones too."""
    errors: int
    """Errors of all tasks, of stopped ones too."""
    blocked: int
    """How often a turn of the loop lasted longer than the limit."""
    blocked_longest: Duration
    """The longest such turn."""
