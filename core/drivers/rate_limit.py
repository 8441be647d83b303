"""RateLimit: so many at once, so many a second."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["RateLimit"]


class RateLimit:
    """Permit `at_once` of something without a pause, and on average `per_second`; `now` tells nanoseconds."""

    def __init__(self, now: Callable[[], int], *, at_once: int, per_second: float) -> None:
        self._now = now
        self._full = float(at_once)
        self._per_nanosecond = per_second / 1e9
        self._left = self._full
        self._since = now()

    def take(self) -> bool:
        """Take one; return False if there is none."""
        now = self._now()
        self._left = min(self._full, self._left + (now - self._since) * self._per_nanosecond)
        self._since = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
