"""The clock that a loop lives by: the seam between real and virtual time."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

__all__ = ["Clock", "MonotonicClock"]


class Clock(Protocol):
    """Tell the time in nanoseconds, and say what a loop does that has nothing to run."""

    virtual: bool
    """True if time moves only in `skip_to`; the loop's settings for the real machine are then left alone."""

    now: Callable[[], int]
    """Return monotonic nanoseconds."""

    def skip_to(self, deadline: int) -> bool:
        """Move time to `deadline` and return True, or return False where the loop has to wait for it really."""

    def held(self) -> AbstractContextManager[None]:
        """Keep time still inside the returned context, where that is possible."""

    def stuck(self, reason: Callable[[], str]) -> None:
        """Take note that nothing can ever happen; raise LoopError with `reason()` where waiting would be for ever."""


class MonotonicClock:
    """Tell the machine's monotonic time: no step of the wall clock and no suspended hour reaches it (on Linux)."""

    virtual = False
    now = staticmethod(time.monotonic_ns)

    def skip_to(self, deadline: int) -> bool:
        """Return False: real time passes by itself."""
        return False

    def held(self) -> AbstractContextManager[None]:
        """Return a context without effect: nobody holds real time."""
        return nullcontext()

    def stuck(self, reason: Callable[[], str]) -> None:
        """Do nothing: a signal or another thread may always come."""
