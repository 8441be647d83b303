"""Drivers of another INDI server: all of them, or one device; connected again when it comes back."""

from __future__ import annotations

import asyncio
import logging
import socket
from typing import Annotated

from msgspec import Meta

from core.drivers.peer import connect_driver
from core.errors import CoreError
from core.loop import Loop
from core.options import Options as BaseOptions
from core.plumbing import Connection, Router, Transport
from core.transports.limits import DEFAULTS, MaximumBlob, PendingBlobs, PendingMessages, driver_limits
from core.transports.server import INDI_PORT, Port

_log = logging.getLogger("core.drivers")

FIRST_RETRY = 1.0
LAST_RETRY = 5.0
CONNECT_SECONDS = 10.0


class Remote(Transport):
    """Bring the devices of another INDI server here; one that is absent harms nobody."""

    kind = "remote"
    brings_devices = True

    class Options(BaseOptions):
        """The options of `[transport.<name>]` with `type = "remote"`."""

        host: Annotated[str, Meta(min_length=1, description="where the other server is")]
        port: Port = INDI_PORT
        device: Annotated[str, Meta(description='the one device that is wanted; "*" stands for all')] = "*"
        maximum_blob: MaximumBlob = DEFAULTS.maximum_blob
        pending_messages: PendingMessages = DEFAULTS.maximum_pending
        pending_blobs: PendingBlobs = DEFAULTS.blob_pending

    options: Options
    _router: Router | None = None
    _connection: Connection | None = None

    def summary(self) -> str:
        """Say what comes from where."""
        return f"{self.options.device}@{self.options.host}:{self.options.port}"

    async def open(self, router: Router) -> None:
        """Connect in `run`: a server that is absent must not keep the others waiting."""
        self._router = router

    async def run(self) -> None:
        """Connect, and connect again with growing delay whenever the connection ends."""
        if self._router is None:
            raise CoreError(f"{self.summary()} has not been opened")
        delay = FIRST_RETRY
        said = False
        while True:
            try:
                sock = await self._connect()
            except (OSError, TimeoutError) as error:
                if not said:
                    why = str(error) or "time-out"
                    _log.warning("%s cannot be reached: %s; it is tried again", self.summary(), why)
                    said = True
            else:
                _log.info("%s is connected", self.summary())
                delay, said = FIRST_RETRY, False
                await self._serve(self._router, sock)
                _log.warning("%s has gone; it is tried again", self.summary())
            await Loop.current().delay(delay)
            delay = min(2 * delay, LAST_RETRY)

    async def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()

    async def _connect(self) -> socket.socket:
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(CONNECT_SECONDS):
            try:
                addresses = await loop.getaddrinfo(self.options.host, self.options.port, type=socket.SOCK_STREAM)
            except UnicodeError:  # of the encoding of names, for an empty part or one of more than 63 characters
                raise OSError(f"{self.options.host!r} is not the name of a host") from None
            failure: OSError | None = None
            for family, kind, protocol, _, address in addresses:
                sock = socket.socket(family, kind | socket.SOCK_NONBLOCK, protocol)
                try:
                    await loop.sock_connect(sock, address)
                except OSError as error:
                    failure = error
                    sock.close()
                except BaseException:  # cancelled: the socket is ours still
                    sock.close()
                    raise
                else:
                    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    return sock
        raise failure or OSError("no address")

    async def _serve(self, router: Router, sock: socket.socket) -> None:
        ended = asyncio.get_running_loop().create_future()

        def on_lost() -> None:
            if not ended.done():
                ended.set_result(None)

        device = self.options.device
        self._connection = connect_driver(
            router,
            sock,
            self.summary(),
            device=device,
            remote=True,
            on_lost=on_lost,
            limits=driver_limits(self.options),
        )
        try:
            await ended
        finally:
            self._connection.close()
            self._connection = None
