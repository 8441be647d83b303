"""Fault injection: calls that fail as hardware does, and a link to a server that breaks as networks do."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import inspect
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any

__all__ = ["FaultyLink", "Injection", "failing"]


@dataclass
class Injection:
    """Be what `failing` does: how many calls were made, and how many of them failed."""

    calls: int = 0
    failed: int = 0


@contextlib.contextmanager
def failing(
    owner: Any, method: str, error: BaseException, *, after: int = 0, times: int | None = None
) -> Iterator[Injection]:
    """Have a method of an object, or of all objects of a class, raise `error` inside of the context.

    The first `after` calls go through; then `times` calls fail, all where it is None, and the rest go through again.
    """
    original = inspect.getattr_static(owner, method)
    own = method in vars(owner)
    call = getattr(owner, method)
    injection = Injection()

    def fails() -> bool:
        injection.calls += 1
        if injection.calls <= after or (times is not None and injection.failed >= times):
            return False
        injection.failed += 1
        return True

    if inspect.iscoroutinefunction(call):

        @functools.wraps(call)
        async def replaced(*arguments: Any, **named: Any) -> Any:
            if fails():
                raise error
            return await call(*arguments, **named)

    else:

        @functools.wraps(call)
        def replaced(*arguments: Any, **named: Any) -> Any:
            if fails():
                raise error
            return call(*arguments, **named)

    setattr(owner, method, replaced)
    try:
        yield injection
    finally:
        if own:
            setattr(owner, method, original)
        else:
            delattr(owner, method)


class FaultyLink:
    """Be a TCP proxy before a server: `async with FaultyLink(port) as link`, and connect to `link.port`.

    What passes can be cut, held, and torn into pieces; by default all passes as it comes.
    """

    def __init__(self, port: int, host: str = "localhost") -> None:
        self.port = 0
        """The port of localhost to connect to; the kernel chooses it on entering."""
        self.piece = 1 << 16
        """How many bytes are passed on at most at once; 1 tears everything apart."""
        self.connections = 0
        """How many have been made so far."""
        self._address = (host, port)
        self._passing = asyncio.Event()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._writers: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> FaultyLink:
        """Listen."""
        self._passing.set()
        self._server = await asyncio.start_server(self._accept, "localhost", 0)
        self.port = int(self._server.sockets[0].getsockname()[1])
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Listen no more and cut what there is."""
        self._server.close()
        self.cut()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def cut(self) -> None:
        """Reset every connection, as when a cable is pulled and the peer notices."""
        for writer in tuple(self._writers):
            _reset(writer)

    def hold(self) -> None:
        """Pass nothing on until `release`; nobody is told, as on a link that is dead."""
        self._passing.clear()

    def release(self) -> None:
        """Pass on what has come, and go on."""
        self._passing.set()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None:
            return
        self._tasks.add(task)
        self._writers.add(writer)
        self.connections += 1
        ends = [writer]
        try:
            beyond, back = await asyncio.open_connection(*self._address)
            ends.append(back)
            self._writers.add(back)
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pass(reader, back))
                both.create_task(self._pass(beyond, writer))
        except* OSError:
            pass  # one side has gone, and with it the other
        finally:
            for end in ends:
                _reset(end)
                self._writers.discard(end)
            self._tasks.discard(task)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(self.piece):
            await self._passing.wait()
            writer.write(data)
            await writer.drain()
        writer.transport.abort()


def _reset(writer: asyncio.StreamWriter) -> None:
    """End a connection so that its peer gets an error, and not the end of what was said."""
    sock = writer.get_extra_info("socket")
    if sock is not None and sock.fileno() >= 0:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
