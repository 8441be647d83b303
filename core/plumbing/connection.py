"""One peer: what it sends is framed, proven and routed; what it wants is queued for it, within limits.

A little longer than other files: what a peer says, hears and waits for is one life, and its parts stand apart already.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Iterator
from typing import TYPE_CHECKING, Literal

from core.errors import NotUnderstood, ProtocolError
from core.indi import Frame, Message, MessageStream, Run, VectorMessage, encode
from core.indi.long_messages import LongMessage
from core.indi.message_stream import BlobClosing, BlobOpening, BlobPart, Definitions, Skipped
from core.indi.messages import DelProperty, PingReply, PingRequest
from core.plumbing.attachments import Attachments, count_attached
from core.plumbing.channel import Channel
from core.plumbing.holdings import Holdings
from core.plumbing.interest import Interest
from core.plumbing.outbox import MUCH, Outbox, PeerLimits
from core.plumbing.passage import Passage
from core.plumbing.patience import Patience
from core.plumbing.refusals import Refusals
from core.plumbing.routes import NOTHING
from core.plumbing.turns import LITTLE, SLICE
from core.plumbing.wire import notice

if TYPE_CHECKING:
    from core.plumbing.router import Router

_log = logging.getLogger("core.connection")

Role = Literal["client", "driver", "server"]
"""What the peer is to us: a client, a driver (a child process or a server behind us), or the server above us."""

ANSWERS_PENDING = 1 << 20
"""At how many bytes pending a peer's questions wait until it has read the answers."""
ANSWERS_SECONDS = 0.01
MARKUP_OF_A_MESSAGE, BYTES_OF_A_MESSAGE = 50, 8192
"""How many tags and attributes, and how many bytes, cost as much as a message of the usual kind: 20 us."""


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
        self.limits = limits or PeerLimits()
        make_stream: Callable[..., MessageStream] = MessageStream
        if router.traffic is not None:
            make_stream = router.traffic.stream(peer)
            channel = router.traffic.channel(peer, channel)
        self._stream = make_stream(
            maximum_size=self.limits.maximum_size, maximum_blob=self.limits.maximum_blob, shapes=router.shapes
        )
        self.channel = channel
        self.peer = peer
        self.role: Role = role
        self.remote = remote
        # A driver that is busy reads nothing for as long as it likes.
        self.outbox = Outbox(
            channel,
            self.limits,
            self.refuse,
            on_much=router.look_at_memory,
            on_loss=self._log_loss,
            deadline=role == "client",
            ordered=role == "driver",
        )
        # A server above us asks for everything by itself and decides who gets which BLOB.
        self.interest = Interest(blobs="Also" if role == "server" else "Never", everything=role == "server")
        self.closed = False
        self.has_ended = False
        """Whether the peer sends no more; it may have gone altogether, or listen still."""
        self._has_lost = False
        self._refused = False
        self._only = only
        self._backlog: Iterator[bytes | Frame] = iter(())
        self._passage: Passage | None = None
        self._held: set[object] = set()
        self._releases: dict[Patience, Callable[[], None]] = {}
        self.holdings = Holdings(self.limits.maximum_devices, self.limits.maximum_properties)
        self.pauses = 0
        """How often it was not read for a moment because somebody was behind with what it says."""
        self._spent = 0  # of a slice
        self._answered = 0  # bytes, since it last was seen to read them
        self._warned: set[str] = set()
        self.refusals = Refusals(peer)
        router.attach(self)

    @property
    def held(self) -> int:
        """Return how many bytes are held for the peer, and from it."""
        stored = self._passage.stored if self._passage is not None else 0
        return self.outbox.pending + self._stream.pending + stored + self.interest.named_bytes

    @property
    def unfinished(self) -> int:
        """Return how many bytes have come of a message that has no end yet; those of BLOBs do not count."""
        return self._stream.pending

    @property
    def is_held(self) -> bool:
        """Return whether the peer is not read for the time being."""
        return bool(self._held)

    @property
    def missing_end(self) -> bytes:
        """Return what would end the BLOB vector that the peer has begun."""
        return self._stream.missing_end

    def feed(self, data: bytes) -> None:
        """Take bytes of the peer; one that sends what is not INDI is told why and closed."""
        if not self._held and (run := self._stream.whole_run(data)) is not None:
            self._backlog = self.router.receive_run(self, run)
            if self._backlog is not NOTHING:
                self._go_on()
            return
        self._stream.append(data)
        turns, is_client = self.router.turns, self.role == "client"
        if self._stream.pending > LITTLE and (turns.is_full or (is_client and turns.busy)):
            self.hold(self)
            turns.join(self._go_on, driver=not is_client)
        else:
            self._go_on()

    def spend(self) -> None:
        """Count one more message that has been made of what the peer has sent."""
        self._spent += 1

    def hold(self, why: object) -> None:
        """Read no more from the peer until `release` for every reason for which it is held."""
        if not self._held:
            self.channel.pause()
        self._held.add(why)

    def release(self, why: object) -> None:
        """Read again, unless there is another reason not to."""
        self._held.discard(why)
        if self.closed:
            return
        if not self._held:
            self.channel.resume()
        elif why is not self and self._held == {self}:
            # What had come before still waits to be routed.
            self.router.turns.join(self._go_on, driver=self.role == "driver")

    def wait_for(self, patience: Patience) -> None:
        """Read no more until another peer has caught up or has shown that it does not."""
        if not self.closed and patience not in self._releases and not patience.exhausted:
            release = self._releases[patience] = lambda: self._waited_for(patience)
            self.hold(patience)
            self.pauses += 1
            patience.wait(release)

    def _waited_for(self, patience: Patience) -> None:
        if self._releases.pop(patience, None) is not None:
            self.release(patience)

    def _go_on(self) -> None:
        """Route what has come, for a slice of the turn, and nothing while too much waits to be sent."""
        self._spent = 0
        try:
            # A message before this one may have ended it, or shown that somebody is behind.
            while not (self.closed or (self._held and self._waits_for_others) or self._reads_no_answers):
                piece = next(self._backlog, None) or self._stream.next_piece()
                if piece is None:
                    self._has_routed_all()
                    return
                if isinstance(piece, Run):
                    self._backlog = self.router.receive_run(self, piece)
                elif isinstance(piece, Definitions):
                    self._spent += len(piece.each) - 1
                    self._backlog = self.router.receive_definitions(self, piece)
                elif isinstance(piece, bytes | Frame):
                    self._route_frame(piece)
                elif not isinstance(piece, Skipped):
                    self._pass_blob(piece)
                self._spent += 1
                if self._spent >= SLICE:
                    break
        except ProtocolError as error:
            self.refuse(str(error))
            return
        if self.closed:
            return
        self.hold(self)
        if self._reads_no_answers:
            asyncio.get_running_loop().call_later(ANSWERS_SECONDS, self._go_on)
        elif not self._waits_for_others:
            self.router.turns.join(self._go_on, driver=self.role == "driver")

    def _proven(self, raw: bytes) -> Frame:
        """Have a message proven; a long one counts as many, mostly by its tags and attributes, which take the time."""
        if len(raw) > LITTLE:
            messages = (raw.count(b"=") + raw.count(b"<")) // MARKUP_OF_A_MESSAGE + len(raw) // BYTES_OF_A_MESSAGE
            self._spent += messages
            self.router.turns.spend(messages)
        return Frame(raw)

    def _has_routed_all(self) -> None:
        if self._held:
            self.release(self)
        if self._stream.pending > MUCH:
            self.router.look_at_memory()

    @property
    def _waits_for_others(self) -> bool:
        return len(self._held) > (self in self._held)

    @property
    def _reads_no_answers(self) -> bool:
        # Not so for drivers: one that cannot write to us may not read before it could.
        if self._answered <= ANSWERS_PENDING or self.role != "client":
            return False
        if self.outbox.messages_pending <= ANSWERS_PENDING:
            self._answered = 0
            return False
        return True

    def _route_frame(self, element: bytes | Frame) -> None:
        try:
            frame = element if isinstance(element, Frame) else self._proven(element)
            if frame.is_blob and b"attached" in frame.raw:
                frame.attachments = self._take_attachments(frame)
            else:
                self._stream.learn(frame)
            self.router.receive(self, frame)
        except NotUnderstood as error:
            # What comes behind it can be read, so nothing else is lost.
            self.refusals.not_understood(str(error))
            self.say(str(error))

    def _pass_blob(self, piece: BlobOpening | BlobPart | BlobClosing) -> None:
        if isinstance(piece, BlobOpening):
            self._passage = Passage(self.router, self, piece)
        elif self._passage is not None and isinstance(piece, BlobPart):
            self._passage.add(piece)
            self.router.look_at_memory()
        elif self._passage is not None and isinstance(piece, BlobClosing):
            passage, self._passage = self._passage, None
            passage.close(piece)

    @property
    def sees_all(self) -> bool:
        """Return whether there is no device that the peer may not know of."""
        return self._only is None

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

    def pass_on(self, frame: Frame, origin: Connection) -> None:
        """Queue a message of another peer as it came; attached BLOBs become base64 for who cannot take them."""
        origin._spent += 1
        attachments = frame.attachments
        raw: bytes | LongMessage
        if not isinstance(attachments, Attachments):
            raw, attachments = frame.for_passing_on(), None
        elif self.channel.passes_descriptors and self.role == "client":
            raw = frame.raw + b"\n"
        else:
            raw, attachments = attachments.in_base64(frame), None
        if self._queue(raw, attachments, frame):
            origin.wait_for(self.outbox.patience)

    def _queue(self, raw: bytes | LongMessage, attachments: Attachments | None, frame: Frame) -> bool:
        if self.closed:
            return False
        if frame.verb == "set" and not frame.is_blob and isinstance(raw, bytes):
            return self.outbox.send_sets(raw, frame, frame.device or "")
        return self.outbox.send(
            raw,
            attachments,
            device=frame.device,
            barrier=frame.verb == "def" or frame.tag == "delProperty",
            blob=frame.is_blob,
            frame_key=frame.key if frame.is_blob and frame.is_stream else None,
        )

    def take_command(self, raw: bytes, device: str | None, origin: Connection) -> None:
        """Queue what a peer has sent for this driver: who sends more than it reads waits until it has read.

        Of one that reads nothing at all commands are kept away, and it is left to what it does.
        """
        outbox = self.outbox
        if self.closed:
            return
        if outbox.hearing.exhausted:
            origin.refusals.add(f"commands for {self.peer}", f"it has left {outbox.pending} bytes unread")
            origin.say(f"{device or self.peer} does not listen: {outbox.pending} bytes wait for it")
            return
        if outbox.send_commands(raw, device or "") and origin is not self:
            origin.wait_for(outbox.hearing)

    def show_command(self, raw: bytes, device: str, origin: Connection) -> None:
        """Queue what a peer has sent for a driver, as a courtesy: one that is far behind goes without."""
        outbox = self.outbox
        if self.closed or outbox.patience.exhausted:
            return
        if outbox.send_commands(raw, device):
            origin.wait_for(outbox.patience)

    def pass_definitions(self, definitions: Definitions, origin: Connection) -> None:
        """Queue definitions of another peer's device as they came."""
        origin._spent += 1
        if not self.closed and self.outbox.send(definitions.data, device=definitions.device, barrier=True):
            origin.wait_for(self.outbox.patience)

    def pass_parts(self, parts: list[bytes], frame: Frame, origin: Connection) -> None:
        """Queue a BLOB vector that was kept in pieces; `frame` is its beginning."""
        if self.closed:
            return
        if (
            self._queue(b"".join(parts), None, frame)
            if frame.is_stream
            else self.outbox.send_parts(parts, frame.device)
        ):
            origin.wait_for(self.outbox.patience)

    def refuse(self, why: str) -> None:
        """Say why and close."""
        if self._refused:
            return
        self._refused = True
        _log.warning("%s is disconnected: %s", self.peer, why)
        self.say(f"disconnected: {why}")
        self._end(self.channel.part)

    def warn_once(self, kind: str, what: str) -> None:
        """Log something about the peer, the first time that it is of this kind."""
        if kind not in self._warned:
            self._warned.add(kind)
            _log.warning("%s %s", self.peer, what)

    def _log_loss(self, collapsed: int, dropped: int) -> None:
        lost = [f"{collapsed} sets were replaced by newer ones"] if collapsed else []
        lost += [f"{dropped} frames of streams were dropped"] if dropped else []
        # Once it is worth a word; a client that is always behind has its place in the statistics.
        _log.log(
            logging.INFO if self._has_lost else logging.WARNING, "%s was behind: %s", self.peer, " and ".join(lost)
        )
        self._has_lost = True

    def send(self, message: Message) -> None:
        """Queue a message for the peer alone; one that does not take it is closed at the limit."""
        if self.closed:
            return
        self._spent += 1
        vector = message if isinstance(message, VectorMessage) else None
        raw = encode(message)
        self._answered += len(raw)
        self.outbox.send(
            raw,
            device=None if isinstance(message, PingRequest | PingReply) else message.device,
            barrier=isinstance(message, DelProperty) or (vector is not None and vector.verb == "def"),
            blob=vector is not None and vector.kind == "BLOB",
            fence=isinstance(message, PingReply),
        )

    def deliver(self, raw: bytes | LongMessage, device: str, *, barrier: bool = False, blob: bool = False) -> None:
        """Queue bytes that say something of a device."""
        if not self.closed:
            self.outbox.send(raw, device=device, barrier=barrier, blob=blob)

    def _take_attachments(self, frame: Frame) -> Attachments | None:
        count = count_attached(frame)
        descriptors = [self.channel.take_descriptor() for _ in range(count)]
        taken = Attachments([number for number in descriptors if number is not None], self.limits.maximum_blob)
        if None in descriptors:
            raise ProtocolError("a BLOB is said to be attached and is not")
        return taken if count else None

    def ended(self) -> None:
        """Take note that the peer sends no more: it is still served what it has asked for."""
        self.has_ended = True
        if self._stream.pending and not self.closed:
            _log.info("%s ended in the middle of a message", self.peer)
        self._abort("its driver has ended")
        if self.role == "client" and not self.interest.asks and not self.outbox.pending and not self._held:
            self.close()  # it wants to hear nothing

    def close(self) -> None:
        """End the connection; one that is being parted from ends at once."""
        self._end(self.channel.close)

    def _end(self, end: Callable[[], None]) -> None:
        if not self.closed:
            self.closed = True
            self._abort("its driver has ended")
            self.outbox.close()
            self.router.detach(self)
            # Routes lead to it for a while, and circles are found by Python only now and then.
            self._stream.forget()
            self._backlog = NOTHING
            self.interest = Interest()
            self.holdings = Holdings(self.limits.maximum_devices, self.limits.maximum_properties)
            self._held.clear()
            self._releases.clear()
        end()

    def _abort(self, why: str) -> None:
        passage, self._passage = self._passage, None
        if passage is not None:
            passage.end(why)
