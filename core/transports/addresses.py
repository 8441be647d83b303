"""Addresses to listen on: TCP in both families, and Unix sockets, abstract ones too."""

from __future__ import annotations

import errno
import socket
import stat
from pathlib import Path
from typing import Any

from core.errors import PortInUse
from core.transports.port_holder import port_holder

BACKLOG = 512


def listen_unix(name: str) -> socket.socket:
    """Return a listening Unix socket; "@name" is an abstract one. Raise PortInUse if somebody listens there."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    address = "\0" + name[1:] if name.startswith("@") else name
    try:
        try:
            sock.bind(address)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or name.startswith("@") or not _is_left_over(name):
                raise
            Path(name).unlink()
            sock.bind(address)
        sock.listen(BACKLOG)
        sock.setblocking(False)
    except OSError as error:
        sock.close()
        if error.errno == errno.EADDRINUSE:
            raise PortInUse(f"the Unix socket {name} is in use; stop what listens there, or choose another") from error
        raise PortInUse(f"cannot listen on the Unix socket {name}: {error.strerror or error}") from error
    return sock


def unix_name(sock: socket.socket) -> str:
    """Return the name of a Unix socket as people write it."""
    address = sock.getsockname()
    return "@" + address[1:].decode(errors="replace") if isinstance(address, bytes) else str(address)


def forget_unix_socket(sock: socket.socket) -> None:
    """Remove the file of a listening Unix socket that is about to be closed."""
    if sock.family == socket.AF_UNIX and not (name := unix_name(sock)).startswith("@"):
        Path(name).unlink(missing_ok=True)


def _is_left_over(name: str) -> bool:
    """Return whether the file is a socket that nobody listens on any more."""
    try:
        if not stat.S_ISSOCK(Path(name).stat().st_mode):
            return False
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.connect(name)
    except ConnectionRefusedError:
        return True
    except OSError:
        return False
    return False


def listen_tcp(host: str, port: int) -> list[socket.socket]:
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
            sock.listen(BACKLOG)
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
    except (socket.gaierror, ValueError) as error:
        # A ValueError comes of what can be no name at all, as "a..b".
        why = error.strerror if isinstance(error, OSError) else "it is not the name of a host"
        raise PortInUse(f"cannot listen on {host!r}: {why}; check `host` of the transport") from error
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
