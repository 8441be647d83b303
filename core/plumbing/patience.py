"""How long others wait for one peer that is behind: until it has caught up, or has shown that it does not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Patience:
    """Let others wait for a peer as long as it reads `enough` bytes in `seconds`.

    What it has read beyond that counts for the next three times: some read a MiB now and then.
    `taken` tells how many bytes it has read so far. Once it has failed the patience is exhausted, and nobody waits any
    more, until `caught_up` is called.
    """

    def __init__(self, taken: Callable[[], int], seconds: float, enough: int) -> None:
        self.exhausted = False
        self.is_tried = False
        """Whether anybody waits, or it is exhausted."""
        self._taken = taken
        self._seconds = seconds
        self._enough = enough
        self._taken_before = 0
        self._saved = 0
        self._waiting: set[Callable[[], None]] = set()
        self._timer: asyncio.TimerHandle | None = None

    def wait(self, release: Callable[[], None]) -> None:
        """Call `release` as soon as the peer has caught up, or has shown that it does not."""
        self._waiting.add(release)
        self.is_tried = True
        if self._timer is None:
            self._saved = 0
            self._go_on()

    def caught_up(self) -> None:
        """Let those go on who wait; the next ones may wait again."""
        self.exhausted = False
        self.close()

    def close(self) -> None:
        """Let everybody go on."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.is_tried = self.exhausted
        waiting, self._waiting = self._waiting, set()
        for release in waiting:
            release()

    def _go_on(self) -> None:
        self._taken_before = self._taken()
        self._timer = asyncio.get_running_loop().call_later(self._seconds, self._look)

    def _look(self) -> None:
        self._timer = None
        read = self._saved + self._taken() - self._taken_before
        if read >= self._enough:
            self._saved = min(read - self._enough, 3 * self._enough)
            self._go_on()
        else:
            self.exhausted = True
            self.close()
