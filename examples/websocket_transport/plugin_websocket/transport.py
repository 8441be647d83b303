"""WebSocketServer: whoever opens a WebSocket becomes a connection of the router."""

from __future__ import annotations

import asyncio
import errno
import logging
import re
from typing import Annotated

import core
from core import Connection, CoreError, Router, Transport
from msgspec import Meta
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.typing import Origin, Subprotocol

from plugin_websocket.channel import Peer

PROTOCOL = Subprotocol("indi")
LARGEST_MESSAGE = 16 << 20
HANDSHAKE_SECONDS = 10.0

# Who connects and who goes in the middle of a first sentence is nothing that people need to be told.
_log = logging.getLogger("core.websocket")
_log.setLevel(logging.WARNING)
_log.addFilter(lambda record: record.msg != "opening handshake failed")

HERE = re.compile(r"https?://(localhost|127\.0\.0\.1|\[::1\])(:[0-9]+)?")
"""Pages of this machine."""


class WebSocketServer(Transport):
    """Serve every device to INDI clients that speak through WebSockets, as programs in browsers do."""

    kind = "websocket"

    class Options(core.Options):
        """The options of `[transport.websocket]`."""

        host: Annotated[str, Meta(description="name or address to listen on")] = "localhost"
        port: Annotated[int, Meta(ge=0, le=65535, description="port to listen on; 0 lets the kernel choose")] = 7681
        origins: Annotated[
            list[str],
            Meta(description='sites whose pages may connect, as in ["https://board"]; empty for this machine alone'),
        ] = []  # noqa: RUF012 - msgspec copies it

    options: Options

    def __init__(self, name: str, options: Options | None = None) -> None:
        super().__init__(name, options)
        self._server: Server | None = None
        self._router: Router | None = None

    @property
    def port(self) -> int:
        """Return the port: the one that the kernel has chosen, once it listens."""
        sockets = tuple(self._server.sockets) if self._server is not None else ()
        return int(sockets[0].getsockname()[1]) if sockets else self.options.port

    def summary(self) -> str:
        """Return where clients find it."""
        return f"INDI over WebSockets on ws://{self.options.host}:{self.port}"

    async def open(self, router: Router) -> None:
        """Listen; raise CoreError with cause and cure."""
        self._router = router
        host, port = self.options.host, self.options.port
        try:
            self._server = await serve(
                self._serve,
                host,
                port,
                origins=self._allowed(),
                subprotocols=[PROTOCOL],
                select_subprotocol=_offered,
                compression=None,  # values are short, and a board has better things to do
                max_size=LARGEST_MESSAGE,
                open_timeout=HANDSHAKE_SECONDS,
                logger=_log,
            )
        except OSError as error:
            cure = "choose another port" if error.errno == errno.EADDRINUSE else "choose another host"
            raise CoreError(f"{self.name} cannot listen on {host}:{port}: {error.strerror}; {cure}") from error

    async def run(self) -> None:
        """Serve until cancelled."""
        await asyncio.get_running_loop().create_future()

    async def close(self) -> None:
        """Accept no more and end every connection."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
            await server.wait_closed()

    async def _serve(self, socket: ServerConnection) -> None:
        if self._router is None:
            return
        peer = Peer(socket)
        await peer.serve(Connection(self._router, peer, f"WebSocket client {socket.remote_address}"))

    def _allowed(self) -> list[Origin | re.Pattern[str] | None]:
        """Return the origins: a page from anywhere could connect to localhost, and shall not switch anything."""
        # None is a client that is no browser, and says nothing.
        allowed: list[Origin | re.Pattern[str] | None] = [None]
        allowed += [Origin(one) for one in self.options.origins] if self.options.origins else [HERE]
        return allowed


def _offered(socket: ServerConnection, offered: object) -> Subprotocol | None:
    """Return our protocol where the client names it; one that names none is welcome, too."""
    return PROTOCOL if isinstance(offered, (list, tuple)) and PROTOCOL in offered else None
