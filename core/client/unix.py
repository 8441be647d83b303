"""Unix sockets: servers attach BLOBs there as shared memory, by descriptors that come beside the bytes.

asyncio's streams drop descriptors. So its transport only writes, and what arrives is read here.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections import deque
from typing import Protocol, cast

READ_SIZE = 1 << 18
MAXIMUM_AT_ONCE = 16
"""How many descriptors libindi sends with one message at most."""
MAXIMUM_WAITING = 4 * MAXIMUM_AT_ONCE

_FLAGS = socket.MSG_DONTWAIT | getattr(socket, "MSG_CMSG_CLOEXEC", 0)


class Reader(Protocol):
    """Be what bytes come from."""

    async def read(self, n: int) -> bytes:
        """Wait for bytes and return them, b"" at the end."""
        ...


class UnixReader:
    """Read a Unix socket, which it owns, and keep the descriptors that come in their order."""

    def __init__(self, sock: socket.socket, early: bytes = b"") -> None:
        self._socket = sock
        self._early = early
        self._descriptors: deque[int] = deque()

    async def read(self, n: int) -> bytes:
        """Wait for bytes and return them, b"" at the end; raise OSError for descriptors that belong to nothing."""
        if early := self._early[:n]:
            self._early = self._early[n:]
            return early
        while True:
            try:
                data, descriptors, _, _ = socket.recv_fds(self._socket, n, MAXIMUM_AT_ONCE, _FLAGS)
            except (BlockingIOError, InterruptedError):
                await self._readable()
                continue
            self._descriptors.extend(descriptors)
            if len(self._descriptors) > MAXIMUM_WAITING:
                raise OSError("more descriptors have come than belong to BLOBs")
            return data

    def take(self) -> int | None:
        """Return the next descriptor, which is the caller's now; None if there is none."""
        return self._descriptors.popleft() if self._descriptors else None

    def close(self) -> None:
        """Close the socket, and the descriptors that nobody has taken."""
        self._socket.close()
        while self._descriptors:
            os.close(self._descriptors.popleft())

    async def _readable(self) -> None:
        loop = asyncio.get_running_loop()
        readable = loop.create_future()
        loop.add_reader(self._socket.fileno(), _set, readable)
        try:
            await readable
        finally:
            loop.remove_reader(self._socket.fileno())


def _set(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


class _WritingProtocol(asyncio.StreamReaderProtocol):
    """Be the protocol of a transport that reads nothing; `early` is what uvloop's reads before it can be told."""

    early = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        pause_reading(transport)

    def data_received(self, data: bytes) -> None:
        self.early += data


def pause_reading(transport: asyncio.BaseTransport) -> None:
    """Let a transport read nothing; uvloop's is no instance of asyncio's."""
    cast(asyncio.ReadTransport, transport).pause_reading()


async def open_unix(
    path: str | None = None, sock: socket.socket | None = None
) -> tuple[UnixReader, asyncio.StreamWriter]:
    """Connect to a Unix socket ("@name" for an abstract one), or take one that is connected."""
    loop = asyncio.get_running_loop()
    unused = asyncio.StreamReader(loop=loop)

    def make() -> _WritingProtocol:
        return _WritingProtocol(unused, loop=loop)

    if sock is not None:
        transport, protocol = await loop.create_unix_connection(make, sock=sock)
    else:
        address = "\0" + path[1:] if path is not None and path.startswith("@") else path
        transport, protocol = await loop.create_unix_connection(make, address)
    # uvloop's begins to read behind connection_made. So does asyncio's of 3.11.2, and takes it for paused all the same.
    cast(asyncio.ReadTransport, transport).resume_reading()
    pause_reading(transport)
    writer = asyncio.StreamWriter(transport, protocol, unused, loop)
    own = socket.socket(fileno=os.dup(writer.get_extra_info("socket").fileno()))
    return UnixReader(own, protocol.early), writer
