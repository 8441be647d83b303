"""The precise timer: wake a little early and spin, so that a deadline is met within microseconds."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["Spin"]

_SHORTEST = 20_000
"""Nanoseconds: no machine wakes a process sooner than this all of the time."""


class Spin:
    """Decide for one task how much before its deadline to wake, from how late the wake-ups were that it saw.

    The lead follows the latency that 199 of 200 wake-ups stay below: it grows quickly when it was too short and
    shrinks slowly while it is too long. It never exceeds the task's share of CPU time.
    """

    __slots__ = ("_aimed", "_deadline", "_longest", "_now", "lead")

    def __init__(self, period: int, cpu_share: float, now: Callable[[], int]) -> None:
        self._now = now
        self._longest = int(period * cpu_share)
        self._deadline = self._aimed = 0
        self.lead = min(150_000, self._longest)
        """Nanoseconds between the wake-up aimed at and the deadline."""

    def aim(self, deadline: int) -> int:
        """Return when to wake for `deadline`."""
        self._deadline = deadline
        self._aimed = deadline - self.lead
        return self._aimed

    def wait(self, now: int) -> tuple[int, int]:
        """Learn from the moment of the wake-up and spin until the deadline; return the deadline and the time."""
        deadline, read = self._deadline, self._now
        latency = now - self._aimed
        if latency > self.lead:
            # A wake-up that came very late was no wake-up's fault: the loop was busy.
            self.lead = min(self.lead + min(latency - self.lead, self.lead >> 2) + 1_000, self._longest)
        else:
            self.lead = max(self.lead - max(self.lead >> 9, 1), min(_SHORTEST, self._longest))
        while now < deadline:
            now = read()
        return deadline, now
