"""The agenda: one heap of everything that is due at a time."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from typing import Protocol

from core.loop.clock import Clock

__all__ = ["Agenda", "Entry", "Item", "Sleeper"]

_heapreplace, _heappush, _heappop = heapq.heapreplace, heapq.heappush, heapq.heappop

TURN = 1_000_000
"""Nanoseconds of due items that are run before sockets and other callbacks have their turn."""

SPACING = 1_000_000
"""Nanoseconds between wake-ups that a busy agenda is content with."""

BURST = 20 * SPACING
"""How many wake-ups may come closer than that before the agenda counts as busy, times the spacing."""


class Item(Protocol):
    """Be what an agenda holds."""

    entry: Entry | None
    """The heap's tuple in which the item stands; any other tuple of it is void."""

    def due(self, deadline: int, now: int) -> int:
        """Do what is due; return the deadline to stand at next, or 0 for none."""


Entry = tuple[int, int, Item]
"""A deadline in nanoseconds, a number that no other entry of that deadline has, and the item."""


class Sleeper:
    """Be one who waits for a moment."""

    __slots__ = ("entry", "future")

    def __init__(self, future: asyncio.Future[None]) -> None:
        self.entry: Entry | None = None
        self.future = future

    def due(self, deadline: int, now: int) -> int:
        """Wake up."""
        if not self.future.done():
            self.future.set_result(None)
        return 0


class Agenda:
    """Hold items by deadline and run those that are due. Entering and taking is O(log n), forgetting is O(1)."""

    def __init__(self, clock: Clock) -> None:
        self.now = clock.now
        self.current: Item | None = None
        """The item that is being run."""
        self.earlier: Callable[[], None] | None = None
        """Called when the first deadline came nearer; for loops that do not look before they wait."""
        self._heap: list[Entry] = []
        self._void = 0
        self._numbers = 0
        self._paid = 0
        self._slack = 0
        self._slacks = [0] * 128

    def first(self) -> int | None:
        """Return the nearest deadline in nanoseconds, None if there is none."""
        heap = self._heap
        while heap:
            entry = heap[0]
            if entry[2].entry is entry:
                return entry[0]
            _heappop(heap)
            self._void -= 1
        return None

    def wake_at(self, now: int) -> int | None:
        """Return when to wake up: at the nearest deadline, or a little later where that saves wake-ups.

        To wake up costs twenty times as much as a tick. So from a thousand wake-ups a second on, a wake-up waits for
        deadlines that follow closely: by what the most exact task allows (none if one is precise), at most 1 ms.
        """
        first = self.first()
        if first is None or first <= now:
            return first
        self._paid = max(self._paid, now) + SPACING
        if self._paid - now <= BURST:
            return first
        return max(first, min(first + self._slack, now + SPACING))

    def count_slack(self, slack: int, sign: int) -> None:
        """Take note of a task (1), or of its end (-1), that allows its wake-ups to be put off by `slack`."""
        self._slacks[slack.bit_length()] += sign
        # Of equal length in bits the smallest: a power of two.
        bits = next((bits for bits, count in enumerate(self._slacks) if count), 0)
        self._slack = 1 << bits - 1 if bits else 0

    def enter(self, deadline: int, item: Item) -> None:
        """Have `item` run at `deadline`; it stands at one deadline at a time."""
        if item.entry is not None:
            self.forget(item)
        self._numbers += 1
        item.entry = entry = (deadline, self._numbers, item)
        _heappush(self._heap, entry)
        if self.earlier is not None and self._heap[0] is entry:
            self.earlier()

    def forget(self, item: Item) -> None:
        """Take an item off the agenda."""
        if item.entry is not None:
            item.entry = None
            self._void += 1
            if self._void > 64 and self._void * 2 > len(self._heap):
                self._heap[:] = [entry for entry in self._heap if entry[2].entry is entry]
                heapq.heapify(self._heap)
                self._void = 0

    def clear(self) -> None:
        """Forget everything."""
        for entry in self._heap:
            entry[2].entry = None
        self._heap.clear()
        self._void = 0

    def run_due(self) -> None:
        """Run what is due in the order of deadlines, for about a millisecond; what is left comes in the next turn."""
        heap = self._heap
        read = self.now
        now = read()
        end = now + TURN
        try:
            while heap:
                entry = heap[0]
                deadline, number, item = entry
                if item.entry is not entry:
                    _heappop(heap)
                    self._void -= 1
                    continue
                if deadline > now:
                    return
                self.current = item
                following = item.due(deadline, now)
                # Whoever moved or took away the item meanwhile has made this entry void already.
                if item.entry is entry:
                    if following:
                        item.entry = replacement = (following, number, item)
                        if heap[0] is entry:
                            _heapreplace(heap, replacement)
                        else:
                            _heappush(heap, replacement)
                            self._void += 1
                    else:
                        item.entry = None
                        if heap[0] is entry:
                            _heappop(heap)
                        else:
                            self._void += 1
                now = read()
                if now >= end:
                    return
        finally:
            self.current = None
