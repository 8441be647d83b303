"""One peer: what it sends is framed, proven and routed; what it wants is queued for it, within limits."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Literal, Protocol

from core.errors import ProtocolError
from core.indi import Framer, Message, decode, encode
from core.plumbing.interest import Interest
from core.plumbing.wire import notice

if TYPE_CHECKING:
    from core.plumbing.router import Router

_log = logging.getLogger("core.connection")

Role = Literal["client", "server"]
"""What the peer is to us: a client of our devices, or the server that we are a driver of."""

MAXIMUM_PENDING = 16 << 20


class Channel(Protocol):
    """What a transport gives for each of its peers."""

    @property
    def pending(self) -> int:
        """Return how many bytes have been sent and not yet taken by the kernel."""
        ...

    def send(self, data: bytes) -> None:
        """Queue bytes; never waits."""
        ...

    def pause(self) -> None:
        """Read no more until `resume`."""
        ...

    def resume(self) -> None:
        """Read again."""
        ...

    def close(self) -> None:
        """Send what is queued as far as the peer takes it at once, and end."""
        ...


class Connection:
    """Be one peer of the router.

    A transport makes one for each peer that arrives, calls `feed` with the bytes that it reads and `ended` when there
    are no more; it never calls anything after that.
    """

    def __init__(
        self,
        router: Router,
        channel: Channel,
        peer: str,
        *,
        role: Role = "client",
        maximum_pending: int = MAXIMUM_PENDING,
    ) -> None:
        self.router = router
        self.channel = channel
        self.peer = peer
        self.role: Role = role
        self.maximum_pending = maximum_pending
        # A server above us asks for everything by itself and decides who gets which BLOB.
        self.interest = Interest(blobs="Also" if role == "server" else "Never")
        self.closed = False
        self._framer = Framer()
        self._forged = 0
        router.attach(self)

    def feed(self, data: bytes) -> None:
        """Take bytes of the peer; one that sends what is not INDI is told why and closed."""
        try:
            for raw in self._framer.feed(data):
                if self.closed:  # a message before this one may have ended it
                    return
                self.router.from_peer(self, decode(raw), raw)
        except ProtocolError as error:
            self.refuse(str(error))

    def refuse(self, why: str) -> None:
        """Say why and close."""
        _log.warning("%s is disconnected: %s", self.peer, why)
        self.send(notice(f"disconnected: {why}"))
        self.close()

    def forged(self, what: str) -> None:
        """Log, the first time and then ever more rarely, that the peer sent what only a driver may send."""
        self._forged += 1
        if self._forged & (self._forged - 1) == 0:
            _log.warning("%s sent %s, which only a driver may; refused (%d times)", self.peer, what, self._forged)

    def send(self, message: Message) -> None:
        """Queue a message for the peer alone."""
        self.deliver(encode(message))

    def deliver(self, raw: bytes) -> None:
        """Queue bytes; a peer that does not take them is closed at the limit, so that it delays nobody."""
        if self.closed:
            return
        self.channel.send(raw)
        if self.channel.pending > self.maximum_pending:
            _log.warning(
                "%s is disconnected: it left %d bytes unread, %d are allowed",
                self.peer,
                self.channel.pending,
                self.maximum_pending,
            )
            self.close()

    def ended(self) -> None:
        """Take note that the peer sends no more: it is still served what it has asked for."""
        if self._framer.pending and not self.closed:
            _log.info("%s ended in the middle of a message", self.peer)

    def close(self) -> None:
        """End the connection, once."""
        if not self.closed:
            self.closed = True
            self.router.detach(self)
            self.channel.close()
