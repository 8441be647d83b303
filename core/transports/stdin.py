"""stdin: one device speaks INDI on stdin and stdout, as a driver that indiserver starts.

indiserver gives one socket as both, or a pair of pipes; a file serves for trying. Whatever else prints, a library's
warning say, would corrupt the stream, so descriptor 1 becomes stderr's for everybody else.
"""

from __future__ import annotations

import asyncio
import os
import socket
import stat
from typing import Annotated

from msgspec import Meta

from core.loop import Loop
from core.options import Options as BaseOptions
from core.plumbing import Connection, Router, Transport
from core.transports.channel import StreamChannel
from core.transports.ends import ReadEnd, Sink, SocketEnd, Source, WriteEnd

Descriptor = Annotated[int, Meta(ge=0, description="file descriptor of the stream")]

DRAIN_SECONDS = 0.5
"""How long what is queued for a server that has closed its end is still offered to it."""


class Stdin(Transport):
    """Serve one device to the process that started us; end when that is gone."""

    kind = "stdin"

    class Options(BaseOptions):
        """The options of `[transport.<name>]` with `type = "stdin"`."""

        device: Annotated[str, Meta(description="name of the instance that speaks; the first one if left out")] = ""
        input: Descriptor = 0
        output: Descriptor = 1

    options: Options
    _channel: StreamChannel | None = None
    _connection: Connection | None = None

    def summary(self) -> str:
        """Say which device speaks."""
        return f"INDI driver {self.options.device} on stdin and stdout"

    async def open(self, router: Router) -> None:
        """Take stdin and stdout over."""
        given = self.options.input, self.options.output
        source, sink = take_streams(*(reserve_streams() if given == (0, 1) else given))
        self._gone = asyncio.get_running_loop().create_future()
        self._channel = StreamChannel(
            source,
            sink,
            on_data=lambda data: self._feed(data),
            on_end=self._end,
            on_lost=self._end,
            on_refused=lambda why: self._refuse(why),
        )
        device = self.options.device or next(iter(router.drivers), "")
        self._connection = Connection(router, self._channel, "the server above", role="server", only=(device,))

    async def run(self) -> None:
        """Serve until the server above has gone."""
        await self._gone
        try:
            async with asyncio.timeout(DRAIN_SECONDS):
                await self._finish()
        except TimeoutError:
            pass  # nobody takes it any more

    async def close(self) -> None:
        """Close both streams."""
        if self._connection is not None:
            self._connection.close()

    async def _finish(self) -> None:
        """Wait until the last commands have been answered: the server may be a file."""
        if self._channel is None or self._connection is None:
            return
        while any(driver.busy for driver in self._connection.router.drivers.values()):
            await Loop.current().delay(0.005)
        await self._channel.drain()

    def _feed(self, data: bytes) -> None:
        if self._connection is not None:
            self._connection.feed(data)

    def _refuse(self, why: str) -> None:
        if self._connection is not None:
            self._connection.refuse(why)

    def _end(self) -> None:
        if not self._gone.done():
            self._gone.set_result(None)


def reserve_streams() -> tuple[int, int]:
    """Return descriptors of our own for stdin and stdout; everybody else reads nothing and prints on stderr."""
    own = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    os.dup2(2, 1)
    return own


def take_streams(source: int, sink: int) -> tuple[Source, Sink]:
    """Return the ends of two streams whose descriptors are ours alone."""
    return (
        SocketEnd(socket.socket(fileno=source)) if _is_socket(source) else ReadEnd(source),
        SocketEnd(socket.socket(fileno=sink)) if _is_socket(sink) else WriteEnd(sink),
    )


def _is_socket(descriptor: int) -> bool:
    return stat.S_ISSOCK(os.fstat(descriptor).st_mode)
