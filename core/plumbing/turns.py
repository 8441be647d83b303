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
FULL = SLICES * SLICE
"""After how many messages of all peers, or what takes as long, in one turn of the loop nobody begins with more."""
BREATH = 0.001
"""How many seconds others have after a turn that was full: to be read, routed and sent."""
LITTLE = 4096
"""Up to how many bytes nobody has to wait for those who have said much."""


class Turns:
    """Let peers go on one after another, and everybody else in between."""

    def __init__(self) -> None:
        self._drivers: deque[Callable[[], None]] = deque()
        self._others: deque[Callable[[], None]] = deque()
        self._asked = False
        self._spent = 0

    @property
    def busy(self) -> bool:
        """Return whether anybody waits for its turn."""
        return bool(self._drivers or self._others)

    @property
    def is_full(self) -> bool:
        """Return whether so much has been done in this turn of the loop that the rest had better wait."""
        return self._spent >= FULL

    def spend(self, messages: int) -> None:
        """Count what takes as long as so many messages."""
        self._spent += messages
        if self.is_full:
            self._ask()

    def join(self, go_on: Callable[[], None], *, driver: bool = False) -> None:
        """Call `go_on`, which takes a slice at most, when those have been served who wait already.

        Drivers do not wait for clients, of which there may be a thousand: what they say is for everybody.
        """
        (self._drivers if driver else self._others).append(go_on)
        self._ask()

    def _ask(self) -> None:
        if not self._asked:
            self._asked = True
            loop = asyncio.get_running_loop()
            if self.is_full:
                loop.call_later(BREATH, self._serve)
            else:
                loop.call_soon(self._serve)

    def _serve(self) -> None:
        self._spent = 0
        for waiting in self._drivers, self._others:
            for _ in range(min(SLICES, len(waiting))):
                # It counts as waiting while it goes on, so that to join again asks for no second turn of the loop.
                waiting[0]()
                waiting.popleft()
                if self.is_full:
                    break
        self._asked = False
        if self.busy or self.is_full:
            self._ask()
