"""Accept whoever arrives on listening sockets, and make connections of the router of them."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections.abc import Collection, Sequence

from core.plumbing import Connection, PeerLimits, Router
from core.transports.addresses import forget_unix_socket, unix_name
from core.transports.channel import StreamChannel
from core.transports.ends import SocketEnd

_log = logging.getLogger("core.transport")


class Listener:
    """Accept peers on listening sockets, which it owns."""

    def __init__(
        self,
        router: Router,
        sockets: Sequence[socket.socket],
        *,
        only: Collection[str] | None = None,
        maximum_clients: int,
        limits: PeerLimits,
    ) -> None:
        self._router = router
        self._only = only
        self._maximum = maximum_clients
        self._limits = limits
        self._sockets = list(sockets)
        self._connections: set[Connection] = set()
        self._loop = asyncio.get_running_loop()
        for listening in self._sockets:
            self._loop.add_reader(listening.fileno(), self._accept, listening)

    def close(self) -> None:
        """Accept no more and close the connections."""
        for listening in self._sockets:
            self._loop.remove_reader(listening.fileno())
            forget_unix_socket(listening)
            listening.close()
        for connection in tuple(self._connections):
            connection.close()

    def _accept(self, listening: socket.socket) -> None:
        try:
            sock, address = listening.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return
        except OSError as error:
            _log.error("a client cannot be accepted: %s", error)
            if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS):
                # The kernel keeps it waiting; asking again at once would only spin.
                self._loop.remove_reader(listening.fileno())
                self._loop.call_later(1, self._accept_again, listening)
            return
        if listening.family == socket.AF_UNIX:
            peer = f"client on {unix_name(listening)}"
        else:
            peer = f"client {address[0]} port {address[1]}"
        if len(self._connections) >= self._maximum:
            _log.warning("%s is refused: %d clients are allowed", peer, self._maximum)
            sock.close()
            return
        if listening.family != socket.AF_UNIX:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connect(self._router, sock, peer, self._connections, only=self._only, limits=self._limits)

    def _accept_again(self, listening: socket.socket) -> None:
        if listening.fileno() >= 0:
            self._loop.add_reader(listening.fileno(), self._accept, listening)


def connect(
    router: Router,
    sock: socket.socket,
    peer: str,
    known: set[Connection],
    *,
    only: Collection[str] | None,
    limits: PeerLimits,
) -> Connection:
    """Make a client's connection of a socket and keep it in `known` while it lives."""
    end = SocketEnd(sock)
    connection: Connection

    def on_data(data: bytes) -> None:
        connection.feed(data)

    def on_end() -> None:
        connection.ended()

    def on_lost() -> None:
        known.discard(connection)
        connection.close()

    channel = StreamChannel(end, end, on_data=on_data, on_end=on_end, on_lost=on_lost)
    connection = Connection(router, channel, peer, only=only, limits=limits)
    known.add(connection)
    _log.debug("%s has connected", peer)
    return connection
