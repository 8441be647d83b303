"""One WebSocket as the channel of a connection: what is sent is queued, and a task sends it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from core import Connection
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

CLOSING_SECONDS = 0.5
"""How long a peer has to take what is still to be said when it is ended."""


class Peer:
    """Be the channel of one peer: `serve` runs as long as it is there."""

    passes_descriptors = False

    def __init__(self, socket: ServerConnection) -> None:
        self._socket = socket
        self._queue: deque[bytes] = deque()
        self._queued = 0
        self._news = asyncio.Event()
        self._reading = asyncio.Event()
        self._reading.set()
        self._closing = False
        self._progressed: Callable[[], None] = lambda: None
        self._blocked: Callable[[], None] = lambda: None

    async def serve(self, connection: Connection) -> None:
        """Pass on what comes and goes, until either side ends it."""
        try:
            async with asyncio.TaskGroup() as group:
                reading = group.create_task(self._read(connection))
                group.create_task(self._write(reading))
        finally:
            connection.ended()
            connection.close()

    async def _read(self, connection: Connection) -> None:
        try:
            while True:
                await self._reading.wait()
                data = await self._socket.recv()
                connection.feed(data.encode() if isinstance(data, str) else data)
        except ConnectionClosed:
            self.close()

    async def _write(self, reading: asyncio.Task[None]) -> None:
        try:
            while self._queue or not self._closing:
                self._news.clear()
                if not self._queue:
                    await self._news.wait()
                    continue
                # Whatever waits goes as one message: INDI has no need of their bounds.
                data = b"".join(self._queue)
                self._queue.clear()
                async with asyncio.timeout(CLOSING_SECONDS if self._closing else None):
                    await self._socket.send(data)
                self._queued -= len(data)
                self._progressed()
        except (ConnectionClosed, TimeoutError):
            pass  # it has gone, or takes no more
        finally:
            reading.cancel()

    # What the connection calls

    @property
    def pending(self) -> int:
        """Return how many bytes the peer has not been sent yet."""
        return self._queued

    def take_descriptor(self) -> int | None:
        """Return None: no descriptors come this way."""
        return None

    def send(self, data: bytes, attachments: object = None) -> None:
        """Queue bytes."""
        if self._closing:
            return
        was_idle = not self._queued
        self._queue.append(bytes(data))
        self._queued += len(data)
        self._news.set()
        if not was_idle:
            self._blocked()

    def watch(self, progressed: Callable[[], None], blocked: Callable[[], None]) -> None:
        """Call these functions when the peer has taken something, and when it takes no more for now."""
        self._progressed, self._blocked = progressed, blocked

    def pause(self) -> None:
        """Read no more until `resume`; what the peer goes on sending waits in the network, and then at the peer."""
        self._reading.clear()

    def resume(self) -> None:
        """Read again."""
        self._reading.set()

    def part(self) -> None:
        """End, as `close` does: the closing handshake lets the peer read everything."""
        self.close()

    def close(self) -> None:
        """Send what is queued, and end."""
        self._closing = True
        self._news.set()
