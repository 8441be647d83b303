"""Accept whoever arrives on listening sockets, and make connections of the router of them."""

from __future__ import annotations

import logging
import os
import socket
import struct
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from typing import Any

from core.indi import encode
from core.plumbing import Connection, PeerLimits, Router
from core.plumbing.wire import notice
from core.transports.accepting import Acceptor
from core.transports.addresses import forget_unix_socket, unix_name
from core.transports.channel import StreamChannel
from core.transports.ends import SocketEnd

_log = logging.getLogger("core.transport")


class Listener:
    """Accept peers on listening sockets, which it owns.

    When all places are taken, one more may come from this machine, and one more of this user by a Unix socket.
    """

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
        self._administrators: dict[str, Connection] = {}
        """Who was let in beyond the limit, by the way on which it came."""
        self._acceptor = Acceptor(self._sockets, self._take, who="a client", on_starved=self._forget_ended)

    def close(self) -> None:
        """Accept no more and close the connections."""
        self._acceptor.close()
        for listening in self._sockets:
            forget_unix_socket(listening)
            listening.close()
        for connection in tuple(self._connections):
            connection.close()

    def _take(self, listening: socket.socket, sock: socket.socket, address: Any) -> None:
        if listening.family == socket.AF_UNIX:
            peer = f"client on {unix_name(listening)}"
        else:
            peer = f"client {address[0]} port {address[1]}"
        way = ""
        if len(self._connections) >= self._maximum:
            self._forget_ended()
        if len(self._connections) >= self._maximum:
            way = _way_of_administrator(sock)
            if not way or ((before := self._administrators.get(way)) is not None and not before.closed):
                self._refuse(sock, peer)
                return
            _log.warning("%s is let in beyond %d clients, to see to it", peer, self._maximum)
        if listening.family != socket.AF_UNIX:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = connect(self._router, sock, peer, self._lost, only=self._only, limits=self._limits)
        self._connections.add(connection)
        if way:
            self._administrators[way] = connection

    def _refuse(self, sock: socket.socket, peer: str) -> None:
        _log.warning("%s is refused: %d clients are allowed", peer, self._maximum)
        why = encode(notice(f"refused: {self._maximum} clients are connected, and no more are allowed"))
        with suppress(OSError):
            sock.send(why, socket.MSG_DONTWAIT)
        sock.close()

    def _forget_ended(self) -> None:
        """Take their places from clients that send no more: most of them have gone altogether."""
        for connection in [one for one in self._connections if one.has_ended or one.closed]:
            connection.close()

    def _lost(self, connection: Connection) -> None:
        self._connections.discard(connection)
        self._acceptor.try_again()


def _way_of_administrator(sock: socket.socket) -> str:
    """Return on which way an administrator may have come, "" for somebody from elsewhere."""
    if sock.family == socket.AF_UNIX:
        credentials = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        return "Unix socket" if struct.unpack("3i", credentials)[1] in (0, os.getuid()) else ""
    try:
        address = str(sock.getpeername()[0])
    except OSError:  # it has gone already
        return ""
    return "localhost" if address == "::1" or address.startswith(("127.", "::ffff:127.")) else ""


def connect(
    router: Router,
    sock: socket.socket,
    peer: str,
    lost: Callable[[Connection], None],
    *,
    only: Collection[str] | None,
    limits: PeerLimits,
) -> Connection:
    """Make a client's connection of a socket; `lost` is called when it has gone."""
    end = SocketEnd(sock)
    connection: Connection

    def on_data(data: bytes) -> None:
        connection.feed(data)

    def on_end() -> None:
        connection.ended()

    def on_lost() -> None:
        connection.close()
        lost(connection)
        _log.log(router.comings, "%s has gone", peer)

    def on_refused(why: str) -> None:
        connection.refuse(why)

    channel = StreamChannel(end, end, on_data=on_data, on_end=on_end, on_lost=on_lost, on_refused=on_refused)
    connection = Connection(router, channel, peer, only=only, limits=limits)
    _log.log(router.comings, "%s has connected", peer)
    return connection
