"""The watchdog: names what blocks the loop, with its stack, while it blocks.

A thread looks at the loop's turns. It sleeps on a lock while the loop idles, and looks now and then while it works, so
that the loop pays one comparison a turn. Code that blocks without giving the interpreter lock away (a C call) cannot be
seen by another thread while it does; the loop itself sees it afterwards.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
import traceback
from collections.abc import Callable

__all__ = ["Watchdog"]

_log = logging.getLogger("core.loop")


class Watchdog:
    """Warn of turns of a loop that last longer than `limit` nanoseconds."""

    def __init__(self, limit: int, what: Callable[[], str]) -> None:
        self.blocked = 0
        """How many turns lasted longer than the limit."""
        self.longest = 0
        """The longest of them, in nanoseconds."""
        self.began: int | None = None
        """When the turn began that is running, in nanoseconds of the machine's clock; None while the loop waits."""
        self._limit = limit
        self._what = what
        self._warned: int | None = None
        self._watched = threading.get_ident()
        self._parked = False
        self._wake = threading.Semaphore(0)
        self._ended = False
        self._thread = threading.Thread(target=self._watch, name="core loop watchdog", daemon=True)
        self._thread.start()

    def turn_follows(self, now: int) -> None:
        """Take note that a turn begins, and that the one before has ended if one was running; called by the loop."""
        began, self.began = self.began, now
        if began is not None and now - began > self._limit:
            self._count(began, now)
        if self._parked:
            self._parked = False
            self._wake.release()

    def turn_ends(self, now: int) -> None:
        """Take note that the loop is about to wait; called by the loop."""
        began, self.began = self.began, None
        if began is not None and now - began > self._limit:
            self._count(began, now)

    def _count(self, began: int, now: int) -> None:
        took = now - began
        self.blocked += 1
        self.longest = max(self.longest, took)
        if self._warned != began:
            _log.warning("%s blocked the loop for %.0f ms, seen afterwards", self._what(), took / 1e6)

    def close(self) -> None:
        """End the thread."""
        self._ended = True
        # The thread may pass two waits before it looks.
        self._wake.release(2)
        self._thread.join()

    def _watch(self) -> None:
        step = self._limit / 2e9
        idle = 0
        while not self._ended:
            began = self.began
            if began is None:
                idle += 1
            else:
                idle = 0
                self._look(began)
            if idle > 2:
                # From here on the loop's next turn wakes us; it may have begun in this very moment.
                self._parked = True
                if self.began is None:
                    self._wake.acquire()
                self._parked = False
                idle = 0
            self._wake.acquire(timeout=step)

    def _look(self, began: int) -> None:
        took = time.monotonic_ns() - began
        if took <= self._limit or self._warned == began:
            return
        frame = sys._current_frames().get(self._watched)
        if frame is None or self.began != began:
            return
        self._warned = began
        stack = "".join(traceback.format_stack(frame))
        _log.warning("%s has blocked the loop for %.0f ms, and still does:\n%s", self._what(), took / 1e6, stack)
