"""The connection as a client wants it: opened, greeted with what is wanted, read, and opened again when it is lost."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import dataclass, field

from core.client.blobs import BlobFeed, BlobReceiver
from core.client.errors import ClientError
from core.client.events import Audience, ClientEvent
from core.client.link import Address, Link
from core.client.mirror import Mirror
from core.client.scanner import Item
from core.errors import ProtocolError
from core.indi import (
    VERSION,
    DelProperty,
    EnableBlob,
    GetProperties,
    Message,
    Notice,
    PingReply,
    PingRequest,
    VectorMessage,
    decode,
)
from core.indi.messages import BlobMode

_log = logging.getLogger("core.client")

Place = tuple[str | None, str | None]
"""A property, a device (no second name), or everything (no name)."""

QUESTIONS = 16
"""How many devices are asked for a sign of life, one after another, where pings are not answered."""


@dataclass(frozen=True, slots=True)
class Endurance:
    """Be how a client holds on to its server; all times are in seconds."""

    reconnect: bool = True
    first_delay: float = 0.5
    longest_delay: float = 30.0
    ping_interval: float | None = 10.0
    connect_timeout: float = 10.0


@dataclass(slots=True)
class Wishes:
    """Be what a client wants to hear; the server is told anew at each connection."""

    watched: list[Place] = field(default_factory=list)
    blob_modes: dict[Place, BlobMode] = field(default_factory=dict)
    feeds: list[BlobFeed] = field(default_factory=list)

    def covers(self, device: str, name: str) -> bool:
        """Return whether a property is watched."""
        return any(place in self.watched for place in ((None, None), (device, None), (device, name)))

    def blob_mode(self, place: Place) -> BlobMode:
        """Return what is to be said of the BLOBs of a place: the narrowest word counts, and a feed's is Also."""
        for wider in dict.fromkeys((place, (place[0], None), (None, None))):
            mode = self.blob_modes.get(wider)
            if mode in (None, "Never") and any((feed.device, feed.name) == wider for feed in self.feeds):
                return "Also"
            if mode is not None:
                return mode
        return "Never"

    def blob_words(self) -> list[EnableBlob]:
        """Return all that is to be said of BLOBs, of the wider places first, since that undoes what came before."""
        places = {*self.blob_modes, *((feed.device, feed.name) for feed in self.feeds)}
        ordered = sorted(places, key=lambda place: (place[0] or "", place[1] or ""))
        return [EnableBlob(*place, self.blob_mode(place)) for place in ordered]


class Session:
    """Hold a connection and bring what arrives to the mirror, the audience and the BLOB feeds.

    `link` is None while there is no connection. When it has ended for good, `ended` is True and `reason` says why,
    None where it was closed on purpose.
    """

    def __init__(
        self, address: Address, mirror: Mirror, audience: Audience, wishes: Wishes, endurance: Endurance, blobs: int
    ) -> None:
        self.address = address
        self.wishes = wishes
        self.link: Link | None = None
        self.ended = False
        self.reason: ClientError | None = None
        self.last_definition = 0.0
        """When the server last defined something, or was connected to, in the loop's time."""
        self._mirror = mirror
        self._audience = audience
        self._endurance = endurance
        self._maximum_blob = blobs
        self._delay = endurance.first_delay
        self._fences: dict[str, asyncio.Future[bool]] = {}
        self._odd = 0
        self._task: asyncio.Task[None] | None = None

    @property
    def heard_anything(self) -> bool:
        """Return whether there is a connection on which the server has said something."""
        return self.link is not None and self.link.heard_anything

    async def open(self) -> None:
        """Connect; raise ClientError if that fails."""
        link = await self._connect()
        self._begin(link)
        self._task = asyncio.create_task(self._keep(link), name=f"client of {self.address}")

    async def close(self) -> None:
        """End the connection and await the task that holds it; what went wrong in that comes out here."""
        if self._task is None:
            return
        task, self._task = self._task, None
        task.cancel()
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:
            task.cancel()  # then it does not wait for what is unsent
            await asyncio.wait([task])
            raise
        finally:
            self._finish(None)
        if not task.cancelled() and (error := task.exception()) is not None:
            raise error

    async def send(self, *messages: Message) -> None:
        """Send messages together; raise ClientError while there is no connection."""
        if self.link is None:
            raise self.reason or ClientError(f"not connected to {self.address}")
        await self.link.send(*messages)

    async def tell_blob_mode(self, place: Place) -> None:
        """Tell the server what is wanted of the BLOBs of a place now; at the next connection where there is none."""
        # All others again: indiserver takes a word about one device as one about the connection.
        words = [EnableBlob(*place, self.wishes.blob_mode(place)), *self.wishes.blob_words()]
        with contextlib.suppress(ClientError):
            await self.send(*words)

    def fence(self) -> tuple[PingRequest, asyncio.Future[bool]] | None:
        """Return a ping, and a future that is done when the server has answered it: True, or False if it is lost.

        What the server says before was said before it read what follows the ping. None where it answers no pings.
        """
        if self.link is None or not self.link.pings_answered:
            return None
        ping = self.link.ping()
        passed = self._fences[ping.uid] = asyncio.get_running_loop().create_future()
        passed.add_done_callback(lambda _: self._fences.pop(ping.uid, None))
        return ping, passed

    async def _connect(self) -> Link:
        endurance = self._endurance
        reader, writer = await self.address.open(endurance.connect_timeout)
        link = Link(self.address, reader, writer, endurance.ping_interval)
        wishes = self.wishes
        messages: list[Message] = [GetProperties(*place, VERSION) for place in wishes.watched]
        # Behind the questions: an enableBLOB that comes first narrows the connection to its device.
        messages += wishes.blob_words()
        if endurance.ping_interval is not None:
            messages.append(link.ping())
        try:
            await link.send(*messages)
        except BaseException:  # whatever it is, cancellation included, the link is nobody's then
            await link.close()
            raise
        return link

    def _begin(self, link: Link) -> None:
        self.link = link
        self.last_definition = asyncio.get_running_loop().time()
        self._audience.tell(ClientEvent("connected"))

    async def _keep(self, link: Link) -> None:
        """Hold the connection, and the ones after it."""
        reason: ClientError | None = None
        try:
            while True:
                reason = await self._hold(link)
                _log.info("%s", reason)
                self._mirror.mark_stale()
                self._audience.tell(ClientEvent("disconnected", message=str(reason)))
                if not self._endurance.reconnect:
                    break
                link = await self._connect_again()
                self._begin(link)
        except Exception as error:  # a defect of ours: those who wait must hear of it, and `close` raises it
            reason = ClientError(f"the client of {self.address} failed: {error!r}")
            raise
        finally:
            self._finish(reason)

    async def _hold(self, link: Link) -> ClientError:
        """Take what arrives until the connection ends; return why it has."""
        receiver = BlobReceiver(self.wishes.feeds, self._maximum_blob, link.take_descriptor)

        async def take(item: Item) -> None:
            if isinstance(item, (bytes, VectorMessage)):
                self._take(link, item)
            else:
                await receiver.take(item)

        try:
            await link.run(take)
        except ClientError as error:
            return error
        finally:
            self.link = None
            receiver.close()
            for passed in list(self._fences.values()):
                if not passed.done():
                    passed.set_result(False)
            await link.close()

    async def _connect_again(self) -> Link:
        while True:
            await asyncio.sleep(self._delay)
            self._delay = min(self._delay * 2, self._endurance.longest_delay)
            try:
                return await self._connect()
            except ClientError as error:
                _log.debug("%s", error)

    def _take(self, link: Link, item: bytes | VectorMessage) -> None:
        try:
            message = decode(item) if isinstance(item, bytes) else item
        except ProtocolError as error:
            # Cut out whole, so that it harms nothing that follows; a driver of many may be a bad one.
            self._odd += 1
            if self._odd & (self._odd - 1) == 0:
                _log.warning("%s sent what cannot be used (%d times): %s", self.address, self._odd, error)
            return
        match message:
            case PingRequest(uid):
                link.reply(PingReply(uid))
            case PingReply(uid):
                link.pings_answered = True
                passed = self._fences.get(uid)
                if passed is not None and not passed.done():
                    passed.set_result(True)
            case VectorMessage() | DelProperty() | Notice():
                for event in self._mirror.apply(message):
                    if event.kind == "defined":
                        self._heard_of(link, event)
                    self._audience.tell(event)
            case _:
                pass  # a server asks nothing of a client

    def _heard_of(self, link: Link, event: ClientEvent) -> None:
        self.last_definition = asyncio.get_running_loop().time()
        self._delay = self._endurance.first_delay  # it is a server indeed
        if len(link.questions) < QUESTIONS and all(event.device != question.device for question in link.questions):
            link.questions.append(GetProperties(event.device, event.name, VERSION))

    def _finish(self, reason: ClientError | None) -> None:
        if self.ended:
            return
        self.ended, self.reason = True, reason
        self._mirror.mark_stale()
        for feed in self.wishes.feeds:
            feed.end(reason)
        self._audience.tell(ClientEvent("closed", message=str(reason) if reason is not None else None))
