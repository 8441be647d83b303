"""A driver behind a socket as a peer of the router: a child process, or a server on another machine."""

from __future__ import annotations

import socket
from collections.abc import Callable

from core.drivers.stdio import Stdio
from core.indi import VERSION, GetProperties
from core.plumbing import Connection, PeerLimits, Router
from core.transports.channel import StreamChannel
from core.transports.ends import SocketEnd, StdinEnd


def connect_driver(
    router: Router,
    ends: socket.socket | Stdio,
    peer: str,
    *,
    device: str | None = None,
    remote: bool = False,
    on_heard: Callable[[], None] | None = None,
    on_lost: Callable[[], None] = lambda: None,
    limits: PeerLimits | None = None,
) -> Connection:
    """Make a driver's connection and ask for its properties, or for those of one device.

    The connection owns its `ends`; `on_heard` is called whenever anything comes, `on_lost` once when it has ended.
    """
    source = SocketEnd(ends.stdout if isinstance(ends, Stdio) else ends)
    sink = StdinEnd(ends.stdin) if isinstance(ends, Stdio) else source
    connection: Connection

    def on_data(data: bytes) -> None:
        if on_heard is not None:
            on_heard()
        connection.feed(data)

    def lost() -> None:
        connection.close()
        on_lost()

    def ended() -> None:
        # A driver that closes its end says no more; what it was to be told is of no use.
        connection.ended()
        connection.close()

    def refused(why: str) -> None:
        connection.refuse(why)

    channel = StreamChannel(source, sink, on_data=on_data, on_end=ended, on_lost=lost, on_refused=refused)
    connection = Connection(router, channel, peer, role="driver", remote=remote, limits=limits)
    connection.send(GetProperties(device, None, VERSION))
    if remote:
        # Behind the question: an enableBLOB that names a device would narrow the connection if it came first.
        router.blob_wishes.introduce(connection, None if device == "*" else device)
    return connection
