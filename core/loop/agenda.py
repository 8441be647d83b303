"""The agenda: one heap of everything that is due at a time."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from typing import Protocol

from core.loop.clock import Clock

__all__ = ["Agenda", "Entry", "Item", "Sleeper"]

_heapreplace, _heappush, _heappop = heapq.heapreplace, heapq.heappush, heapq.heappop

# Enough for a hundred thousand entries a second for 89 years: a number that came twice would lose an item.
_NUMBER_BITS = 48
_NUMBER = (1 << _NUMBER_BITS) - 1

TURN = 1_000_000
"""Nanoseconds of due items that are run before sockets and other callbacks have their turn."""

SPACING = 1_000_000
"""Nanoseconds between wake-ups that a busy agenda is content with."""

LONGEST = 2_000_000
"""Nanoseconds by which a busy agenda puts off a wake-up at most, where all of its tasks allow as much."""

BURST = 20 * SPACING
"""How many wake-ups may come closer than that before the agenda counts as busy, times the spacing."""


class Item(Protocol):
    """Be what an agenda holds."""

    entry: Entry | None
    """The heap's key under which the item stands; any other key of it is void."""

    def due(self, deadline: int, now: int) -> int:
        """Do what is due; return the deadline to stand at next, or 0 for none."""


Entry = int
"""A deadline in nanoseconds, shifted to the left, and below it the item's number: the heap compares one whole number,
which takes half the time of comparing tuples."""


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
        self.time = 0
        """What the clock said when the latest item ended; set by items, to save reading it twice."""
        self.turn: int | None = None
        """When the first task of this turn of the loop was scheduled: all tasks of one turn begin at one time."""
        self.turn_taken: Callable[[], None] | None = None
        """Called when `turn` has been set; for loops that do not tell by themselves when a turn is over."""
        self.current: Item | None = None
        """The item that is being run."""
        self.earlier: Callable[[], None] | None = None
        """Called when the first deadline came nearer; for loops that do not look before they wait."""
        self._heap: list[Entry] = []
        self._items: dict[int, Item] = {}
        self._void = 0
        self._numbers = 0
        self._paid = 0
        self._slack = 0
        self._slacks = [0] * 512

    def __len__(self) -> int:
        """Return how many entries the heap has, void ones included."""
        return len(self._heap)

    def first(self) -> int | None:
        """Return the nearest deadline in nanoseconds, None if there is none."""
        heap = self._heap
        while heap:
            entry = heap[0]
            if self._stands(entry):
                return entry >> _NUMBER_BITS
            _heappop(heap)
            self._void -= 1
        return None

    def _stands(self, entry: Entry) -> bool:
        item = self._items.get(entry & _NUMBER)
        return item is not None and item.entry == entry

    def wake_at(self, now: int) -> int | None:
        """Return when to wake up: at the nearest deadline, or a little later where that saves wake-ups.

        To wake up costs fifty times as much as a tick. So from a thousand wake-ups a second on (five hundred where all
        tasks allow 2 ms) a wake-up waits for deadlines that follow closely: by what the most exact task allows, which
        is nothing for a precise one, and at most 2 ms.
        """
        first = self.first()
        if first is None or first <= now:
            return first
        slack = min(self._slack, LONGEST)
        self._paid = max(self._paid, now) + max(slack, SPACING)
        if self._paid - now <= BURST:
            return first
        return max(first, min(first + slack, now + LONGEST))

    def count_slack(self, slack: int, sign: int) -> None:
        """Take note of a task (1), or of its end (-1), that allows its wake-ups to be put off by `slack`."""
        # Counted by quarters of an octave, of which the smallest value counts; below eight it saves nothing.
        bits = slack.bit_length()
        index = bits << 2 | slack >> bits - 3 & 3 if bits > 3 else 0
        self._slacks[index] += sign
        if self._slacks[index] == (sign > 0):
            # The first or the last of its kind.
            bits, quarter = divmod(next((index for index, count in enumerate(self._slacks) if count), 0), 4)
            self._slack = (4 | quarter) << bits - 3 if bits else 0

    def start(self) -> int:
        """Return the time at which what is scheduled now begins."""
        if self.turn is None:
            self.turn = self.now()
            if self.turn_taken is not None:
                self.turn_taken()
        return self.turn

    def enter(self, deadline: int, item: Item) -> None:
        """Have `item` run at `deadline`; it stands at one deadline at a time."""
        if item.entry is not None:
            self.forget(item)
        self._numbers += 1
        item.entry = entry = deadline << _NUMBER_BITS | self._numbers
        self._items[self._numbers] = item
        _heappush(self._heap, entry)
        if self.earlier is not None and self._heap[0] == entry:
            self.earlier()

    def forget(self, item: Item) -> None:
        """Take an item off the agenda."""
        if item.entry is not None:
            del self._items[item.entry & _NUMBER]
            item.entry = None
            self._void += 1
            if self._void > 64 and self._void * 2 > len(self._heap):
                self._heap[:] = filter(self._stands, self._heap)
                heapq.heapify(self._heap)
                self._void = 0

    def describe_current(self) -> str:
        """Return the name of what is being run."""
        return str(getattr(self.current, "name", "a callback or task"))

    def clear(self) -> None:
        """Forget everything."""
        for item in self._items.values():
            item.entry = None
        self._items.clear()
        self._heap.clear()
        self._void = 0

    def run_due(self) -> None:
        """Run what is due in the order of deadlines, for about a millisecond; what is left comes in the next turn."""
        heap, items = self._heap, self._items
        self.time = now = self.now()
        end = now + TURN
        # The first key that is not due; it moves along with the time.
        limit = now + 1 << _NUMBER_BITS
        try:
            while heap and (entry := heap[0]) < limit:
                number = entry & _NUMBER
                item = items.get(number)
                if item is None or item.entry != entry:
                    _heappop(heap)
                    self._void -= 1
                    continue
                self.current = item
                following = item.due(entry >> _NUMBER_BITS, now)
                # Whoever moved or took away the item meanwhile has made this entry void already.
                if item.entry == entry:
                    if following:
                        item.entry = replacement = following << _NUMBER_BITS | number
                        if heap[0] == entry:
                            _heapreplace(heap, replacement)
                        else:
                            _heappush(heap, replacement)
                            self._void += 1
                    else:
                        item.entry = None
                        del items[number]
                        if heap[0] == entry:
                            _heappop(heap)
                        else:
                            self._void += 1
                now = self.time
                if now >= end:
                    return
                limit = now + 1 << _NUMBER_BITS
        finally:
            self.current = None
