"""What stands between a driver of indipydriver and the router: what a socket is to others, without one.

A driver has one place for whoever carries its messages, `_commsobj`, which its own server IPyServer fills too: `run_tx`
takes an element that it says, `run_rx` gives it elements by `_readdata`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol
from xml.etree import ElementTree

from core import Connection

ASK = b'<getProperties version="1.7"/>'


class Driver(Protocol):
    """Be what is used here of an IPyDriver."""

    async def _readdata(self, root: ElementTree.Element) -> None: ...


class Link:
    """Be the channel of a connection on one side, and the `_commsobj` of a driver on the other."""

    passes_descriptors = False

    def __init__(self, driver: Driver) -> None:
        self.connection: Connection | None = None
        self._driver = driver
        self._inbox: deque[bytes] = deque([ASK])
        self._pending = 0
        self._news = asyncio.Event()
        self._news.set()
        self._speaking = asyncio.Event()
        self._speaking.set()
        self._progressed: Callable[[], None] = lambda: None

    # What the driver calls

    async def run_tx(self, element: ElementTree.Element) -> None:
        """Pass on what the driver says; while the router is behind, the driver waits here."""
        await self._speaking.wait()
        if self.connection is not None:
            self.connection.feed(ElementTree.tostring(element))

    async def run_rx(self) -> None:
        """Give the driver what it is told, until cancelled."""
        # A stream has no root, and a parser wants one.
        parser: Any = ElementTree.XMLPullParser(("start", "end"))
        parser.feed(b"<stream>")
        open_elements: list[ElementTree.Element] = []
        while True:
            await self._news.wait()
            while self._inbox:
                data = self._inbox.popleft()
                parser.feed(data)
                self._pending = max(0, self._pending - len(data))
            self._news.clear()
            self._progressed()
            for event, element in parser.read_events():
                if event == "start":
                    open_elements.append(element)
                    continue
                open_elements.pop()
                if len(open_elements) == 1:
                    open_elements[0].remove(element)
                    await self._driver._readdata(element)

    def shutdown(self) -> None:
        """Take note that the driver has been told to end."""

    # What the connection calls

    @property
    def pending(self) -> int:
        """Return how many bytes the driver has not looked at yet."""
        return self._pending

    def take_descriptor(self) -> int | None:
        """Return None: no descriptors come this way."""
        return None

    def send(self, data: bytes, attachments: object = None) -> None:
        """Queue bytes for the driver."""
        self._inbox.append(bytes(data))
        self._pending += len(data)
        self._news.set()

    def watch(self, progressed: Callable[[], None], blocked: Callable[[], None]) -> None:
        """Call `progressed` when the driver has looked at what came."""
        self._progressed = progressed

    def pause(self) -> None:
        """Have the driver wait with its next word."""
        self._speaking.clear()

    def resume(self) -> None:
        """Let the driver speak again."""
        self._speaking.set()

    def part(self) -> None:
        """Hear the driver no more, as `close` does."""
        self.close()

    def close(self) -> None:
        """Hear the driver no more."""
        self.connection = None
        self._speaking.set()
