"""A queue between what a server says and who listens: bounded, the oldest go first, and what went is counted."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class Mailbox(Generic[T]):
    """Hold what somebody will take later, at most `limit` bytes and `count` items.

    Where more is put in, the oldest are dropped and counted in `dropped`; the newest always stays.
    """

    def __init__(self, limit: int, count: int) -> None:
        self.dropped = 0
        self._limit = limit
        self._count = count
        self._weight = 0
        self._items: deque[tuple[T | Exception, int]] = deque()
        self._news = asyncio.Event()
        self._ended = False
        self._reason: Exception | None = None

    def put(self, item: T | Exception, weight: int) -> None:
        """Put something in that occupies `weight` bytes; an exception will be raised where it is taken."""
        self._items.append((item, weight))
        self._weight += weight
        while len(self._items) > 1 and (self._weight > self._limit or len(self._items) > self._count):
            self._weight -= self._items.popleft()[1]
            self.dropped += 1
        self._news.set()

    def end(self, reason: Exception | None = None) -> None:
        """Put nothing more in: what is there can still be taken, then `take` raises the reason or ends iteration."""
        self._ended = True
        self._reason = reason
        self._news.set()

    async def take(self) -> T:
        """Wait for the oldest and take it; raise StopAsyncIteration, or the reason, behind the last one."""
        while not self._items:
            if self._ended:
                raise self._reason or StopAsyncIteration
            self._news.clear()
            await self._news.wait()
        item, weight = self._items.popleft()
        self._weight -= weight
        if isinstance(item, Exception):
            raise item
        return item
