"""Listen on TCP, and turn whoever arrives into connections of the router."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from typing import Any

from core.errors import PortInUse
from core.plumbing import Connection, Router
from core.transports.channel import StreamChannel
from core.transports.ends import SocketEnd
from core.transports.port_holder import port_holder

_log = logging.getLogger("core.transport")


class Listener:
    """Accept peers on every address that a host name stands for."""

    def __init__(self, router: Router, host: str, port: int, *, maximum_clients: int) -> None:
        self._router = router
        self._maximum = maximum_clients
        self._sockets = _listen(host, port)
        self._connections: set[Connection] = set()
        self._loop = asyncio.get_running_loop()
        for listening in self._sockets:
            self._loop.add_reader(listening.fileno(), self._accept, listening)

    @property
    def port(self) -> int:
        """Return the port that is listened on."""
        return int(self._sockets[0].getsockname()[1])

    def close(self) -> None:
        """Accept no more and close the connections."""
        for listening in self._sockets:
            self._loop.remove_reader(listening.fileno())
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
        peer = f"client {address[0]} port {address[1]}"
        if len(self._connections) >= self._maximum:
            _log.warning("%s is refused: %d clients are allowed", peer, self._maximum)
            sock.close()
            return
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connect(self._router, sock, peer, self._connections)

    def _accept_again(self, listening: socket.socket) -> None:
        if listening.fileno() >= 0:
            self._loop.add_reader(listening.fileno(), self._accept, listening)


def connect(router: Router, sock: socket.socket, peer: str, known: set[Connection]) -> Connection:
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
    connection = Connection(router, channel, peer)
    known.add(connection)
    _log.debug("%s has connected", peer)
    return connection


def _listen(host: str, port: int) -> list[socket.socket]:
    """Return listening sockets for a host name, IPv4 and IPv6; raise PortInUse with the holder's name."""
    sockets: list[socket.socket] = []
    failure: OSError | None = None
    for family, address in _addresses(host, port):
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            # With port 0 the kernel chooses for the first address; the others take the same.
            wanted = (address[0], sockets[0].getsockname()[1] if sockets and not port else port, *address[2:])
            sock.bind(wanted)
            sock.listen(512)
            sock.setblocking(False)
        except OSError as error:
            sock.close()
            # A host without IPv6 still has "localhost" as ::1.
            if error.errno == errno.EADDRNOTAVAIL or (family == socket.AF_INET6 and error.errno == errno.EAFNOSUPPORT):
                failure = error
                continue
            for opened in sockets:
                opened.close()
            raise PortInUse(_why(host, port, error)) from error
        sockets.append(sock)
    if not sockets:
        raise PortInUse(_why(host, port, failure or OSError("no address"))) from failure
    return sockets


def _addresses(host: str, port: int) -> list[tuple[socket.AddressFamily, tuple[Any, ...]]]:
    if host == "localhost":
        # Both, whatever the machine's hosts file says: clients try the one or the other first.
        return [(socket.AF_INET, ("127.0.0.1", port)), (socket.AF_INET6, ("::1", port))]
    try:
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except socket.gaierror as error:
        raise PortInUse(f"cannot listen on {host!r}: {error.strerror}; check `host` of the transport") from error
    return list(dict.fromkeys((family, address) for family, _, _, _, address in found))


def _why(host: str, port: int, error: OSError) -> str:
    where = f"port {port} on {host or 'all addresses'}"
    if error.errno == errno.EADDRINUSE:
        holder = port_holder(port)
        by = f" by {holder}" if holder else ""
        return f"{where} is in use{by}; stop it, or choose another port with --port or in core.toml"
    if error.errno == errno.EACCES:
        return f"{where} needs privileges; choose a port above 1023 with --port or in core.toml"
    return f"cannot listen on {where}: {error.strerror or error}"
