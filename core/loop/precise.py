"""The precise timer: wake a little early and spin, so that a deadline is met within microseconds."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["Spin"]

_FIRST = 250_000
"""Nanoseconds: the lead before anything is known."""

_MARGIN = 15_000
"""Nanoseconds beyond the latency that is covered."""

_WINDOW = 256
"""How many latencies are remembered; the lead covers all of them but the two greatest, which is 99.2 %."""

_LEFT_OUT = 2
_LOOK = 16
"""After how many of them the lead is found anew."""


class Spin:
    """Decide for one task how much before its deadline to wake, from how late the wake-ups were that it saw.

    The lead is the quantile of the latest latencies that leaves out the greatest two: what is later than these (the
    machine was away for milliseconds) comes too seldom to be waited for at every tick. It never exceeds the task's
    share of CPU time.
    """

    __slots__ = ("_aimed", "_latencies", "_longest", "_next", "_now", "deadline", "lead")

    def __init__(self, period: int, cpu_share: float, now: Callable[[], int]) -> None:
        self._now = now
        self._longest = int(period * cpu_share)
        self._aimed = 0
        self._latencies = [_FIRST] * _WINDOW
        self._next = 0
        self.deadline = 0
        """The deadline aimed at."""
        self.lead = min(_FIRST + _MARGIN, self._longest)
        """Nanoseconds between the wake-up aimed at and the deadline."""

    def aim(self, deadline: int) -> int:
        """Return when to wake for `deadline`."""
        if self._next % _LOOK == 0:
            self.lead = min(sorted(self._latencies)[-1 - _LEFT_OUT] + _MARGIN, self._longest)
        self.deadline = deadline
        self._aimed = deadline - self.lead
        return self._aimed

    def wait(self) -> int:
        """Learn from how late it is, spin until the deadline and return the time."""
        deadline, read = self.deadline, self._now
        now = read()
        number = self._next
        self._latencies[number] = now - self._aimed
        self._next = (number + 1) % _WINDOW
        while now < deadline:
            now = read()
        return now
