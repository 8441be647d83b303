"""When observers and clients are told what changes faster than they can look at it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

__all__ = ["Publisher"]

PER_SECOND = 20
"""How often it is told in any second at most."""


class Publisher:
    """Call `publish` soon after a change, at once where that is not too often, and always for the last change.

    `publish` returns whether there was anything to tell; what blinks may be again as it was told last.
    `period` is the shortest time in seconds between two that follow from changes.
    """

    def __init__(self, publish: Callable[[], bool], period: float = 1 / PER_SECOND) -> None:
        self._publish = publish
        self._period = period
        self._times: deque[float] = deque(maxlen=PER_SECOND)
        self._timer: asyncio.TimerHandle | None = None

    def soon(self) -> None:
        """Take note of a change."""
        if self._timer is None:
            self._at((self._times[-1] if self._times else -1.0) + self._period)

    def now(self) -> None:
        """Tell at once what holds, unless that was told too often in the last second; then soon."""
        self.stop()
        self._at(0.0)

    def stop(self) -> None:
        """Forget what was to be told."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _at(self, time: float) -> None:
        loop = asyncio.get_running_loop()
        if len(self._times) == PER_SECOND:
            time = max(time, self._times[0] + 1.0)
        if time <= loop.time():
            self._tell(loop.time())
        else:
            self._timer = loop.call_at(time, self._due, time)

    def _due(self, time: float) -> None:
        self._timer = None
        self._tell(time)

    def _tell(self, time: float) -> None:
        if self._publish():
            self._times.append(time)
