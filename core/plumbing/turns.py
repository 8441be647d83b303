"""Share the loop's time among peers that have said more than a turn has room for.

Work is counted, not time: what happens does not depend on how busy the machine is.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

SLICE = 200
"""How many messages of one peer are routed, each answer and each copy for another counted, before others go on."""
SLICES = 3
"""How many slices there are before the loop does anything else."""
LITTLE = 4096
"""Up to how many bytes nobody has to wait for those who have said much."""


class Turns:
    """Let peers go on one after another, and everybody else in between."""

    def __init__(self) -> None:
        self._waiting: deque[Callable[[], None]] = deque()

    @property
    def busy(self) -> bool:
        """Return whether anybody waits for its turn."""
        return bool(self._waiting)

    def join(self, go_on: Callable[[], None]) -> None:
        """Call `go_on`, which takes a slice at most, when those have been served who wait already."""
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._serve)
        self._waiting.append(go_on)

    def _serve(self) -> None:
        for _ in range(min(SLICES, len(self._waiting))):
            # It counts as waiting while it goes on, so that to join again asks for no second turn of the loop.
            self._waiting[0]()
            self._waiting.popleft()
        if self._waiting:
            asyncio.get_running_loop().call_soon(self._serve)
