"""Keep what waits for all peers together within the machine's memory.

Most of what waits is shared: one buffer for all who get the same message. So what counts is not a sum over the peers
but what the process has; beyond the limit the peer for which most is held has to go.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from core.plumbing.allocator import give_back

LOOK_EVERY = 0.1
GIVE_BACK_AFTER = 0.5
"""How many seconds after much was held what is free is given back to the machine."""
WORTH_A_LOOK = 1 << 20
"""A peer for which less is held never has to go."""

MAXIMUM_UNFINISHED = 256 << 20
"""How many bytes may be held of messages of which the end has not come, BLOBs apart, for all peers together."""

_STATM = Path("/proc/self/statm")


class Holder(Protocol):
    """Be a peer for which memory is held."""

    @property
    def held(self) -> int:
        """Return how many bytes are held for it."""
        ...

    @property
    def unfinished(self) -> int:
        """Return how many of them are of messages without an end, those of BLOBs not counted."""
        ...

    def refuse(self, why: str) -> None:
        """Let it go."""
        ...


def default_limit() -> int:
    """Return half of the machine's memory, in bytes."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2


class Memory:
    """Watch the memory of the process while much is held for peers."""

    def __init__(self, limit: int | None = None, maximum_unfinished: int = MAXIMUM_UNFINISHED) -> None:
        self.limit = limit or default_limit()
        self.maximum_unfinished = maximum_unfinished
        self._next_look = 0.0
        self._later: asyncio.TimerHandle | None = None
        self._giving_back: asyncio.TimerHandle | None = None

    def look(self, holders: Sequence[Holder]) -> None:
        """Let the peer go for which most is held, if the process has grown beyond the limit."""
        now = time.monotonic()
        if now < self._next_look:
            # What comes until then may be the last that comes at all.
            if self._later is None:
                self._later = asyncio.get_running_loop().call_later(LOOK_EVERY, self._look_later, holders)
            return
        self._next_look = now + LOOK_EVERY
        if self._giving_back is None:
            self._wait_until_little_is_held()
        self._bound_unfinished(holders)
        used = resident()
        if used <= self.limit or not holders:
            return
        largest = max(holders, key=lambda holder: holder.held)
        if largest.held > WORTH_A_LOOK:
            largest.refuse(f"memory is short ({used >> 20} MiB used), and {largest.held} bytes are held for it")

    def _look_later(self, holders: Sequence[Holder]) -> None:
        self._later = None
        self._next_look = 0.0
        self.look(holders)

    def _bound_unfinished(self, holders: Sequence[Holder]) -> None:
        unfinished = sum(holder.unfinished for holder in holders)
        if unfinished <= self.maximum_unfinished:
            return
        for worst in sorted(holders, key=lambda holder: holder.unfinished, reverse=True):
            length = worst.unfinished
            worst.refuse(f"{unfinished} bytes of unfinished messages are held, {length} of them for it")
            unfinished -= length
            if unfinished <= self.maximum_unfinished:
                return

    def _wait_until_little_is_held(self) -> None:
        self._giving_back = asyncio.get_running_loop().call_later(GIVE_BACK_AFTER, self._give_back)

    def _give_back(self) -> None:
        if time.monotonic() < self._next_look + GIVE_BACK_AFTER / 2:
            self._wait_until_little_is_held()
            return
        self._giving_back = None
        give_back()


def resident() -> int:
    """Return how many bytes of memory the process has; 0 where the system does not tell."""
    try:
        return int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
