"""Bound how long the handlers of new values, and of what devices snoop, keep everybody else from a turn of the loop."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

NANOSECONDS_A_TURN = 5_000_000
"""How long handlers of all devices may take together; the last of them that began may take longer."""
WORTH_COUNTING = NANOSECONDS_A_TURN // 10
"""From how long on it is seen to that the next turn begins to count anew."""


class Handling:
    """Count how long handlers take in this turn, and let those go on in the next ones for which no time is left."""

    def __init__(self) -> None:
        self._spent = 0
        self._waiting: deque[Callable[[], None]] = deque()
        self._asked = False

    @property
    def is_over(self) -> bool:
        """Return whether there is no time left in this turn."""
        return self._spent >= NANOSECONDS_A_TURN

    def spend(self, nanoseconds: int) -> None:
        """Take note of how long a handler has taken."""
        self._spent += nanoseconds
        if self._spent >= WORTH_COUNTING:
            self._ask()

    def join(self, go_on: Callable[[], None]) -> None:
        """Call `go_on` in a later turn, behind those who wait already."""
        self._waiting.append(go_on)
        self._ask()

    def _ask(self) -> None:
        if not self._asked:
            self._asked = True
            asyncio.get_running_loop().call_soon(self._begin)

    def _begin(self) -> None:
        self._asked = False
        self._spent = 0
        try:
            for _ in range(len(self._waiting)):
                self._waiting.popleft()()
                if self.is_over:
                    break
        finally:
            if self._waiting:
                self._ask()
