"""One peer: what it sends is framed, proven and routed; what it wants is queued for it, within limits."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from core.errors import NotUnderstood, ProtocolError
from core.indi import Frame, Framer, Message, VectorMessage, encode
from core.plumbing.attachments import Attachments, count_attached, without_attachments
from core.plumbing.interest import Interest
from core.plumbing.wire import notice

if TYPE_CHECKING:
    from core.plumbing.router import Router

_log = logging.getLogger("core.connection")

Role = Literal["client", "driver", "server"]
"""What the peer is to us: a client, a driver (a child process or a server behind us), or the server above us."""

FORGERIES_REMEMBERED = 100
MESSAGES_A_TURN = 200
"""After how many messages of one peer the others have their turn."""
ANSWERS_PENDING = 1 << 20
"""At how many bytes pending a peer's questions wait until it has read the answers."""
ANSWERS_SECONDS = 0.01


@dataclass(frozen=True)
class PeerLimits:
    """Say how far behind a peer may be, in bytes queued for it."""

    maximum_pending: int = 16 << 20
    """Beyond this it is disconnected, BLOBs not counted."""
    blob_pending: int = 256 << 20
    """Beyond this it is disconnected too, if more than one BLOB waits."""
    stream_pending: int = 4 << 20
    """From this on frames of streams (BLOBs of format ".stream") are dropped: the next one replaces them anyway."""


class Channel(Protocol):
    """What a transport gives for each of its peers."""

    @property
    def pending(self) -> int:
        """Return how many bytes have been sent and not yet taken by the kernel."""
        ...

    @property
    def passes_descriptors(self) -> bool:
        """Return whether descriptors can be sent with bytes."""
        ...

    def take_descriptor(self) -> int | None:
        """Return the next descriptor that has come with the bytes, None if there is none."""
        ...

    def send(self, data: bytes, attachments: Attachments | None = None) -> None:
        """Queue bytes, with descriptors where those can be sent; never waits."""
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
    are no more; it never calls anything after that. `only` names the devices that the peer may see, None stands for
    all. A `remote` driver is a server behind us, which keeps BLOBs to itself until it is told otherwise.
    """

    def __init__(
        self,
        router: Router,
        channel: Channel,
        peer: str,
        *,
        role: Role = "client",
        only: Collection[str] | None = None,
        remote: bool = False,
        limits: PeerLimits | None = None,
    ) -> None:
        self.router = router
        self.channel = channel
        self.peer = peer
        self.role: Role = role
        self.remote = remote
        self.limits = limits or PeerLimits()
        self._blob_bytes = 0
        self.dropped = 0
        """How many frames of streams were dropped, because the peer was behind."""
        # A server above us asks for everything by itself and decides who gets which BLOB.
        self.interest = Interest(blobs="Also" if role == "server" else "Never", everything=role == "server")
        self.closed = False
        self._only = only
        self._framer = Framer()
        self._held: set[object] = set()
        self._forged: dict[str, int] = {}
        router.attach(self)

    def feed(self, data: bytes) -> None:
        """Take bytes of the peer; one that sends what is not INDI is told why and closed."""
        self._framer.append(data)
        self._go_on()

    def hold(self, why: object) -> None:
        """Read no more from the peer until `release` for every reason for which it is held."""
        if not self._held:
            self.channel.pause()
        self._held.add(why)

    def release(self, why: object) -> None:
        """Read again, unless there is another reason not to."""
        self._held.discard(why)
        if not self._held and not self.closed:
            self.channel.resume()

    def _go_on(self) -> None:
        """Route what has come, a limited number of messages a turn, and none while too much waits to be sent."""
        try:
            for _ in range(MESSAGES_A_TURN):
                if self._reads_no_answers:
                    break
                # A message before this one may have ended it.
                if self.closed or (raw := self._framer.next_element()) is None:
                    self.release(self)
                    return
                self._route(raw)
        except ProtocolError as error:
            self.refuse(str(error))
            return
        self.hold(self)
        pause = ANSWERS_SECONDS if self._reads_no_answers else 0
        asyncio.get_running_loop().call_later(pause, self._go_on)

    @property
    def _reads_no_answers(self) -> bool:
        # Not so for drivers: one that cannot write to us may not read before it could.
        return self.role == "client" and self.channel.pending - self._blob_bytes > ANSWERS_PENDING

    def _route(self, raw: bytes) -> None:
        frame = Frame(raw)
        try:
            if frame.is_blob and b"attached" in raw:
                frame.attachments = self._take_attachments(frame)
            self.router.receive(self, frame)
        except NotUnderstood as error:
            # What comes behind it can be read, so nothing else is lost.
            self.forged(f"<{frame.tag[:40]}> that is not understood ({error})")
            self.say(str(error))

    def may_see(self, device: str) -> bool:
        """Return whether the peer may know of a device at all."""
        return self._only is None or device in self._only

    def wants(self, device: str | None, name: str | None = None) -> bool:
        """Return whether the peer has asked to hear of a property."""
        return self.interest.wants(device, name) and (device is None or self.may_see(device))

    def wants_message(self, device: str | None, name: str | None, *, blob: bool) -> bool:
        """Return whether a message about a property is for the peer; `blob` tells a setBLOBVector."""
        return self.wants(device, name) and self.interest.blobs.allows(device or "", name or "", blob=blob)

    def say(self, text: str) -> None:
        """Say something to the people at a client."""
        if self.role == "client":
            self.send(notice(text))

    def pass_on(self, frame: Frame) -> None:
        """Queue a message of another peer as it came; attached BLOBs become base64 for who cannot take them."""
        if frame.is_blob and self.channel.pending > self.limits.stream_pending and frame.is_stream:
            self.dropped += 1
            return
        attachments = frame.attachments
        if isinstance(attachments, Attachments) and self.channel.passes_descriptors and self.role == "client":
            self.deliver(frame.raw + b"\n", attachments, blob=True)
        else:
            self.deliver(without_attachments(frame).for_passing_on(), blob=frame.is_blob)

    def refuse(self, why: str) -> None:
        """Say why and close."""
        _log.warning("%s is disconnected: %s", self.peer, why)
        self.say(f"disconnected: {why}")
        self.close()

    def forged(self, what: str) -> None:
        """Log, the first time and then ever more rarely, that the peer sent what only another may send."""
        times = self._forged[what] = self._forged.get(what, 0) + 1
        if times & (times - 1) == 0:
            _log.warning("%s sent %s, which only its driver may; refused (%d times)", self.peer, what, times)
        if len(self._forged) > FORGERIES_REMEMBERED:
            self._forged.pop(next(iter(self._forged)))

    def send(self, message: Message) -> None:
        """Queue a message for the peer alone."""
        self.deliver(encode(message), blob=isinstance(message, VectorMessage) and message.kind == "BLOB")

    def deliver(self, raw: bytes, attachments: Attachments | None = None, *, blob: bool = False) -> None:
        """Queue bytes; a peer that does not take them is closed at the limit, so that it delays nobody."""
        if self.closed:
            return
        pending = self.channel.pending
        # BLOBs are counted apart: one of them alone may be larger than all messages may be together.
        self._blob_bytes = (self._blob_bytes if pending else 0) + (len(raw) if blob else 0)
        over = pending + len(raw) > self.limits.maximum_pending + self._blob_bytes
        if over or (blob and len(raw) < self._blob_bytes > self.limits.blob_pending):
            _log.warning("%s is disconnected: it has left %d bytes unread", self.peer, pending)
            self.close()
            return
        self.channel.send(raw, attachments)

    def _take_attachments(self, frame: Frame) -> Attachments | None:
        count = count_attached(frame)
        descriptors = [self.channel.take_descriptor() for _ in range(count)]
        taken = Attachments([number for number in descriptors if number is not None])
        if None in descriptors:
            raise ProtocolError("a BLOB is said to be attached and is not")
        return taken if count else None

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
