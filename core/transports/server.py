"""The server: many devices, many clients, on a TCP port."""

from __future__ import annotations

import asyncio
import logging
from typing import Annotated

from msgspec import Meta

from core.errors import PortInUse
from core.options import Options as BaseOptions
from core.plumbing import Router, Transport
from core.transports.addresses import listen_tcp, listen_unix
from core.transports.limits import (
    DEFAULTS,
    MaximumBlob,
    MaximumClients,
    PendingBlobs,
    PendingMessages,
    PendingStreams,
    WriteDeadline,
    client_limits,
)
from core.transports.listening import Listener

_log = logging.getLogger("core.transport")

INDI_PORT = 7624
Port = Annotated[int, Meta(ge=0, le=65535, description="TCP port; 0 lets the kernel choose one")]
Host = Annotated[str, Meta(description='name or address to listen on; "" stands for all of this machine')]
UnixSocket = Annotated[str, Meta(description='Unix socket to listen on as well: a path, or "@name"; "" for none')]


class Server(Transport):
    """Serve every device to INDI clients."""

    kind = "server"

    class Options(BaseOptions):
        """The options of `[transport.server]`."""

        host: Host = "localhost"
        port: Port = INDI_PORT
        socket: UnixSocket = ""
        maximum_clients: MaximumClients = 1000
        maximum_blob: MaximumBlob = DEFAULTS.maximum_blob
        pending_messages: PendingMessages = DEFAULTS.maximum_pending
        pending_blobs: PendingBlobs = DEFAULTS.blob_pending
        pending_streams: PendingStreams = DEFAULTS.stream_pending
        write_deadline: WriteDeadline = DEFAULTS.write_deadline

    options: Options
    if_free: str = ""
    """A Unix socket to listen on as well that nobody has asked for: where it belongs to another, that is only said."""
    _listener: Listener | None = None
    _port = 0

    @property
    def port(self) -> int:
        """Return the TCP port: the one that the kernel has chosen, once it listens."""
        return self._port or self.options.port

    def summary(self) -> str:
        """Return the address."""
        path = self.options.socket or self.if_free
        also = f" and {path}" if path else ""
        return f"INDI server on {self.options.host or '*'}:{self.port}{also}"

    def visible(self) -> tuple[str, ...] | None:
        """Return the devices that clients may see, None for all."""
        return None

    async def open(self, router: Router) -> None:
        """Listen; raise PortInUse with the holder's name."""
        options = self.options
        sockets = listen_tcp(options.host, options.port)
        self._port = int(sockets[0].getsockname()[1])
        if self.if_free:
            try:
                sockets.append(listen_unix(self.if_free))
            except PortInUse:
                path, self.if_free = self.if_free, ""
                _log.warning("the Unix socket %s belongs to another server; -u gives this one its own", path)
        if options.socket:
            try:
                sockets.append(listen_unix(options.socket))
            except PortInUse:
                for opened in sockets:
                    opened.close()
                raise
        self._listener = Listener(
            router, sockets, only=self.visible(), maximum_clients=options.maximum_clients, limits=client_limits(options)
        )

    async def run(self) -> None:
        """Serve until cancelled."""
        if self._listener is None:
            raise PortInUse("the server has not been opened")
        await asyncio.get_running_loop().create_future()

    async def close(self) -> None:
        """Accept no more and close the connections."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None
