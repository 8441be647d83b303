"""One connection to a server: bytes in and out, and whether there is still somebody at the other end."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import itertools
import re
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import NoReturn

from core.client.errors import ClientError
from core.client.scanner import Item, StreamScanner
from core.client.unix import READ_SIZE, Reader, UnixReader, open_unix
from core.errors import ProtocolError
from core.indi import GetProperties, Message, PingRequest, encode

REPLY_BYTES = 1 << 20
"""How many bytes may be unsent when an answer to the server is added; beyond that it gets none."""

CLOSING = 1.0
"""For how many seconds a server is given what is unsent when the connection is closed."""

PINGS_UNANSWERED = 2
"""How many probes a server leaves unanswered that has answered pings before it counts as dead."""

QUESTIONS_UNANSWERED = 6
"""The same for a server that knows no pings: a driver may be at work for long without reading."""

ITEMS_A_TURN = 64
"""How many messages are taken before everybody else on the loop has a turn."""


@dataclass(frozen=True, slots=True)
class Address:
    """Be where a server is: host and port, the path of a Unix socket ("@name" for an abstract one), or a connection.

    A connection (`sock`) is there already and is used once.
    """

    host: str
    port: int
    path: str | None = None
    sock: socket.socket | None = None

    def __str__(self) -> str:
        """Return it as people write it."""
        if self.sock is not None:
            return "the connection that was given"
        return self.path if self.path is not None else f"{self.host}:{self.port}"

    async def open(self, seconds: float) -> tuple[Reader, asyncio.StreamWriter]:
        """Connect within `seconds`; raise ClientError with the cause and the cure."""
        try:
            async with asyncio.timeout(seconds):
                if self.path is not None or (self.sock is not None and self.sock.family == socket.AF_UNIX):
                    return await open_unix(self.path, self.sock)
                if self.sock is not None:
                    return await asyncio.open_connection(sock=self.sock, limit=READ_SIZE)
                return await asyncio.open_connection(self.host, self.port, limit=READ_SIZE)
        except TimeoutError:
            raise ClientError(f"{self} does not answer: no connection within {seconds:g} s") from None
        except UnicodeError:  # of the encoding of names, for an empty part or one of more than 63 characters
            raise ClientError(f"{self.host!r} is not the name of a host") from None
        except socket.gaierror as error:
            raise ClientError(f"{self.host!r} is no host that can be found: {error.strerror}") from None
        except OSError as error:
            if _errnos(error) - {errno.ECONNREFUSED, errno.ENOENT}:
                raise ClientError(f"cannot connect to {self}: {error.strerror or error}") from None
            start = "corectl run" if self.path is not None else f"corectl run --port {self.port}"
            raise ClientError(f"no INDI server listens on {self}; start one there: {start}") from None


def _errnos(error: OSError) -> set[int]:
    """Return the numbers of an error; asyncio makes one text of several where a host has several addresses."""
    if error.errno is not None:
        return {error.errno}
    return {int(number) for number in re.findall(r"\[Errno (\d+)\]", str(error))} or {0}


class Link:
    """Be one connection. A probe goes out whenever nothing has arrived for `ping_interval` seconds.

    `pings_answered` is True as soon as the server has answered a ping, by which it is known to know them.
    """

    def __init__(
        self,
        address: Address,
        reader: Reader,
        writer: asyncio.StreamWriter,
        ping_interval: float | None,
    ) -> None:
        self.address = address
        self.pings_answered = False
        self.heard_anything = False
        self.unconfirmed = False
        """Whether something was sent of which the server shall not answer that it has read it."""
        self.questions: list[GetProperties] = []
        """What may be asked to hear anything of a server that answers no pings, each time the next."""
        self._reader = reader
        self._writer = writer
        self._interval = ping_interval
        self._unanswered = 0
        self._uids = itertools.count(1)
        self._turn = asyncio.Lock()
        sock = writer.get_extra_info("socket")
        if sock is not None and sock.family != socket.AF_UNIX:
            # Commands are small and waited for.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    async def run(self, take: Callable[[Item], Awaitable[None]]) -> NoReturn:
        """Give `take` what the server sends until the end; raise ClientError with the reason of the end, always."""
        scanner = StreamScanner()
        while True:
            data = await self._read()
            self.heard_anything = True
            self._unanswered = 0
            try:
                for number, item in enumerate(scanner.feed(data), 1):
                    await take(item)
                    if number % ITEMS_A_TURN == 0:
                        await asyncio.sleep(0)
            except ProtocolError as error:
                raise ClientError(f"{self.address} sends what is not INDI: {error}") from None

    def take_descriptor(self) -> int | None:
        """Return the next descriptor that has come with the bytes, now the caller's; None if there is none."""
        return self._reader.take() if isinstance(self._reader, UnixReader) else None

    async def send(self, *messages: Message) -> None:
        """Send messages together, after what others send; waits while the server takes nothing.

        A caller that is cancelled has sent all of them or none. Raises ClientError if the connection has ended.
        """
        data = b"".join(map(encode, messages))
        async with self._turn:
            # First, so that at most one such message is held beyond what the kernel and the transport hold.
            try:
                await self._writer.drain()
            except OSError as error:
                raise ClientError(f"the connection to {self.address} was lost: {error.strerror or error}") from None
            self._write(data)

    def reply(self, message: Message) -> None:
        """Send a small answer at once, unless the server takes nothing."""
        if self._writer.transport.get_write_buffer_size() < REPLY_BYTES:
            self._write(encode(message))

    def ping(self) -> PingRequest:
        """Return a ping that is like no other of this connection."""
        return PingRequest(f"core-{next(self._uids)}")

    async def close(self) -> None:
        """End the connection, in order where the server still takes what is unsent."""
        try:
            async with asyncio.timeout(CLOSING):
                if self.unconfirmed and not self._writer.is_closing():
                    # What we leave unread resets the connection, and the server loses what it has not read yet.
                    self._writer.write_eof()
                    while await self._reader.read(READ_SIZE):
                        pass
                self._writer.close()
                await self._writer.wait_closed()
        except (OSError, TimeoutError):
            pass
        finally:
            self._writer.transport.abort()
            if isinstance(self._reader, UnixReader):
                self._reader.close()

    def _write(self, data: bytes) -> None:
        if self._writer.is_closing():
            raise ClientError(f"the connection to {self.address} was lost")
        self._writer.write(data)

    async def _read(self) -> bytes:
        while True:
            try:
                async with asyncio.timeout(self._interval) as limit:
                    data = await self._reader.read(READ_SIZE)
            except OSError as error:  # TimeoutError is one, the kernel's as well as ours
                if limit.expired():
                    self._probe()
                    continue
                raise ClientError(f"the connection to {self.address} was lost: {error.strerror or error}") from None
            if not data:
                raise ClientError(f"{self.address} has closed the connection")
            return data

    def _probe(self) -> None:
        """Ask for any sign of life; raise ClientError when too many have been asked for."""
        allowed = PINGS_UNANSWERED if self.pings_answered else QUESTIONS_UNANSWERED
        if self._unanswered >= allowed:
            silence = (self._interval or 0.0) * (allowed + 1)
            raise ClientError(f"{self.address} is dead: it has said nothing for {silence:g} s and answers nothing")
        if self.pings_answered:
            self._unanswered += 1
            self.reply(self.ping())
        elif self.questions:
            # A driver that is asked for what it has defined repeats it; nobody answers for what does not exist.
            question = self.questions.pop(0)
            self.questions.append(question)
            self._unanswered += 1
            with contextlib.suppress(ClientError):
                self.reply(question)
        else:
            self.reply(self.ping())
