"""Who gets what: from each peer to the driver that it names, from each driver to the peers that want it.

Longer than other files, because every way of a message asks the same questions: whose the device is, who has asked, who
listens, who is shown it. What answers them stands apart.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from core.errors import PluginConflict
from core.indi import VERSION, Frame, Run, VectorMessage, decode, encode
from core.indi.long_messages import LongMessage
from core.indi.message_stream import Definitions
from core.indi.messages import DelProperty, EnableBlob, GetProperties, Notice, PingReply, PingRequest, encode_long
from core.indi.shapes import Shapes
from core.indi.skeletons import Skeleton
from core.indi.versions import is_newer
from core.plumbing.blob_wishes import BlobWishes
from core.plumbing.commands import Command
from core.plumbing.connection import Connection
from core.plumbing.courtesies import Courtesies
from core.plumbing.handling import Handling
from core.plumbing.listeners import Listeners
from core.plumbing.memory import Memory
from core.plumbing.ownership import Ownership
from core.plumbing.passage import Targets, whole
from core.plumbing.questions import Questions
from core.plumbing.routes import NOTHING, Driver, Route
from core.plumbing.turns import Turns

if TYPE_CHECKING:
    from core.plumbing.traffic import Traffic

_log = logging.getLogger("core.router")


class Router:
    """Connect drivers in this process, drivers behind connections, and clients.

    A device belongs to the driver that defined it first.
    """

    def __init__(self) -> None:
        self.drivers: dict[str, Driver] = {}
        self.peers: list[Connection] = []
        self._ownership = Ownership(self.drivers, self._changed)
        self.owners = self._ownership.owners
        self.reserved = self._ownership.reserved
        self._listeners = Listeners(self.drivers)
        self.on_message: Callable[[str | None, str], None] | None = None
        """Is called with what drivers say to people."""
        self.traffic: Traffic | None = None
        """Shows what the peers that come from now on say and hear; None if nobody looks."""
        self.comings = logging.DEBUG
        """As what is logged who comes and goes."""
        self.memory = Memory()
        self.turns = Turns()
        self.handling = Handling()
        """Of new values by the devices of this process."""
        self.courtesies = Courtesies()
        self.shapes = Shapes()
        """Of the messages of all peers: what one has sent in proper form others may send as well."""
        self.blob_wishes = BlobWishes(
            lambda server, device: device not in self.drivers and self.owners.get(device, server) is server
        )
        """What servers behind us are told of BLOBs."""
        self._questions = Questions(functools.partial(self._ask_drivers, remote=True))
        self.version = 0
        """Of what is wanted by whom; it rises when somebody comes, goes or asks for something."""
        self._audience: tuple[int, tuple[Connection, ...]] = (-1, ())

    def look_at_memory(self) -> None:
        """See to it that what is held for the peers stays within limits."""
        self.memory.look(self.peers)

    def _changed(self) -> None:
        """Forget which way messages go: somebody has come or gone, or has asked for something."""
        self.version += 1

    # Coming and going

    def add(self, driver: Driver) -> None:
        """Add a driver; raise PluginConflict if its device has one already."""
        self.refuse_taken(driver.device)
        self.drivers[driver.device] = driver
        self._changed()

    def refuse_taken(self, device: str) -> None:
        """Raise PluginConflict if the device has a driver already."""
        if device in self.drivers or device in self.owners:
            raise PluginConflict(f"device {device!r} has a driver already")

    def remove(self, driver: Driver) -> None:
        """Take a driver and its device away."""
        if self.drivers.get(driver.device) is driver:
            del self.drivers[driver.device]
            self._changed()
            self.blob_wishes.leave(driver)
            self.tell(DelProperty(driver.device), driver.device)

    def attach(self, peer: Connection) -> None:
        """Add a peer; a driver is asked for what it has, and for what others want to hear."""
        self.peers.append(peer)
        self._changed()
        if peer.role == "server":
            self._listeners.ask(peer)

    def detach(self, peer: Connection) -> None:
        """Take a peer away, and the devices of a driver with it."""
        self.peers.remove(peer)
        self._audience = -1, ()
        self._changed()
        self.blob_wishes.part(peer)
        self.blob_wishes.leave(peer)
        for driver in self.drivers.values():
            driver.forget(peer)
        for device in self._ownership.devices_of(peer):
            del self.owners[device]
            self._changed()
            self.tell(DelProperty(device), device)

    def hear_no_clients(self) -> None:
        """Read nothing more from clients, and drop what waits: it could only be refused, and would delay the end."""
        for peer in self.peers:
            if peer.role == "client":
                peer.hold(self)
        for driver in self.drivers.values():
            driver.drop_commands()

    # From drivers in this process

    def wanted(self, device: str, name: str | None = None) -> bool:
        """Return whether anybody wants to hear of a property, so that nobody makes bytes for nobody."""
        return any(peer.wants(device, name) for peer in self.peers) or any(
            driver.snooping.interest.wants(device, name) for driver in self.drivers.values()
        )

    def tell(
        self,
        message: VectorMessage | Notice | DelProperty,
        device: str,
        name: str | None = None,
        *,
        only: Connection | None = None,
    ) -> None:
        """Give a message of a driver of this process to everybody who wants it, or to one peer alone."""
        if only is not None:
            if not only.closed:
                only.send(message)
            return
        blob = isinstance(message, VectorMessage) and message.tag == "setBLOBVector"
        self._log(device, message.attributes.get("message") if isinstance(message, VectorMessage) else message)
        barrier = not isinstance(message, Notice) and getattr(message, "verb", "def") == "def"
        raw: bytes | LongMessage | None = None
        if self.courtesies.wait:
            self.courtesies.show()
        for peer in tuple(self.peers):
            if peer.wants_message(device, name, blob=blob):
                raw = raw or encode_long(message)
                peer.deliver(raw, device, barrier=barrier, blob=blob)
        self._listeners.tell(message, device, name, blob=blob)

    def route_of(self, device: str, name: str) -> Route:
        """Return where the sets of a device of this process go, for as long as the `version` is the same."""
        peers = tuple(peer for peer in self.peers if peer.wants_message(device, name, blob=False))
        return Route(self.version, peers, snooped=self._listeners.any(device, name, blob=False))

    def echo(self, command: Command) -> None:
        """Show new values that were accepted to the other clients, as indiserver does."""
        origin, device, written = command.origin, command.device, command.written
        witnesses = self._witnesses(origin, device, command.name)
        if not witnesses:
            return
        if written is None and not command.frame.is_blob:
            self.courtesies.add(witnesses, command.frame.for_passing_on(), device, origin)
            return
        for peer in witnesses:
            if written is not None:
                peer.deliver(written, device, blob=True)
            else:
                peer.pass_on(command.frame, origin)

    def _witnesses(self, origin: Connection, device: str, name: str | None) -> list[Connection]:
        """Return who is shown what a client has asked for."""
        others = (peer for peer in self._listening() if peer is not origin and peer.role == "client")
        return [peer for peer in others if peer.wants(device, name)]

    def snoop(self, driver: Driver, device: str, name: str | None, *, blobs: bool) -> None:
        """Let a driver of this process hear of another's device from now on, definitions of now included."""
        driver.snooping.interest.ask(device, name)
        self._changed()
        if blobs:
            driver.snooping.interest.blobs.set(device, name, "Also")
            self.blob_wishes.say(driver, device, name, "Also")
        question = GetProperties(device, name, "1.7")
        if (other := self.drivers.get(device)) is not None:
            for definition in other.definitions(name):
                driver.snooping.put(definition)
            return
        for peer in tuple(self.peers):
            if peer.role == "server" or self._may_have(peer, device):
                peer.send(question)

    # From peers

    def receive(self, origin: Connection, frame: Frame) -> None:
        """Route what a peer sent."""
        match frame.tag:
            case "pingRequest":
                message = decode(frame)
                if isinstance(message, PingRequest):
                    origin.send(PingReply(message.uid))
            case "pingReply":
                pass
            case "getProperties":
                self._question(origin, frame)
            case "enableBLOB":
                self._permission(origin, frame)
            case _ if frame.verb == "new":
                self._new(origin, frame)
            case _ if origin.role == "driver":
                self._news(origin, frame)
            case _:
                self._relayed(origin, frame)

    def receive_run(self, origin: Connection, run: Run) -> Iterator[bytes]:
        """Route a run of messages at once; return those that have to be routed one by one."""
        skeleton = run.skeleton
        route: Route | None = skeleton.route
        if route is None or route.version != self.version:
            route = skeleton.route = self._route(origin, skeleton)
        if route.driver is not None:
            route.driver.receive_run(run, origin)
            return NOTHING
        if route.peers is None:
            return skeleton.each(run.data)
        if skeleton.is_command:
            owner, *others = route.peers
            owner.take_command(run.data, skeleton.device, origin)
            self.courtesies.add(others, run.data, skeleton.device, origin)
            return NOTHING
        if self.courtesies.wait:
            self.courtesies.show()
        for outbox in route.outboxes:
            if outbox.send_sets(run.data, skeleton, skeleton.device):
                origin.wait_for(outbox.patience)
        if route.snooped:
            # Of values without a word to people only the last is of use.
            for raw in skeleton.each(run.data) if skeleton.has_message else (skeleton.last(run.data),):
                self._listeners.tell_frame(Frame(raw))
        if skeleton.has_message and self.on_message is not None:
            for said in dict.fromkeys(skeleton.said(run.data)):
                self._log(skeleton.device, said.decode())
        return NOTHING

    def receive_definitions(self, origin: Connection, definitions: Definitions) -> Iterator[Frame]:
        """Route definitions of one device at once; return those that have to be routed one by one."""
        device = definitions.device
        plain = origin.role == "driver" and not self._listeners.any(device, None, blob=False)
        if not plain or b"message" in definitions.data:
            return definitions.frames()
        if not self._ownership.holds(origin, device, defining=True):
            return iter(())
        if any(origin.holdings.define(device, name) for _, _, name in definitions.each):
            return definitions.frames()  # which are refused from there on
        for _, tag, name in definitions.each:
            if tag == "defBLOBVector":
                self.blob_wishes.defined(origin, device, name)
        for peer in self._listening():
            wanted = peer.interest.wants_all(device) if peer is not origin and peer.may_see(device) else False
            if wanted:
                peer.pass_definitions(definitions, origin)
            elif wanted is None:
                for frame in definitions.frames():
                    if peer.wants_message(device, frame.name, blob=False):
                        peer.pass_on(frame, origin)
        return iter(())

    def _route(self, origin: Connection, skeleton: Skeleton) -> Route:
        """Find out where messages like this go; one by one where they concern this process or may not go at all."""
        device, name = skeleton.device, skeleton.name
        owner = self.owners.get(device)
        peers: list[Connection] | None = None
        snooped = False
        if skeleton.is_command and device in self.drivers and origin.may_see(device):
            return Route(self.version, (), snooped=False, driver=self.drivers[device])
        if device not in self.drivers and owner is not None:
            if skeleton.is_command and owner is not origin:
                echo = [peer for peer in self.peers if peer.role == "client" and peer.wants(device, name)]
                peers = [owner, *(peer for peer in echo if peer is not origin)]
            elif not skeleton.is_command and owner is origin:
                peers = [peer for peer in self.peers if peer is not origin]
                peers = [peer for peer in peers if peer.wants_message(device, name, blob=False)]
                snooped = self._listeners.any(device, name, blob=False)
        return Route(self.version, tuple(peers) if peers is not None else None, snooped=snooped)

    # BLOBs that come in pieces

    def blob_targets(self, origin: Connection, frame: Frame) -> Targets:
        """Return who gets a BLOB vector of which the beginning has come."""
        device, name = frame.device, frame.name
        if device is None:
            return Targets([])
        if frame.verb == "new":
            if origin.role == "client" and origin.interest.name_device(device, name):
                self._changed()
            # Not cut through: it is looked at when all of it is there.
            driver = self.drivers.get(device)
            takes = device in self.owners if driver is None else _takes_blobs(driver, name)
            if not takes:
                origin.say(f"{device!r} takes no BLOB {name!r}")
            ours = driver is not None and origin.may_see(device)
            return Targets([], whole=takes and not ours, content=takes and ours)
        if origin.role != "driver":
            snooped = self._may_relay(origin, frame) and (
                self._snoopers(frame) or self._listeners.any(device, name, blob=True)
            )
            return Targets([], whole=bool(snooped))
        if not self._ownership.holds(origin, device, defining=False):
            return Targets([])
        self._log(device, frame.said)
        peers = [peer for peer in self.peers if peer is not origin and peer.wants_message(device, name, blob=True)]
        return Targets(peers, content=self._listeners.any(device, name, blob=True))

    def deliver_blob(self, origin: Connection, parts: list[bytes], peers: list[Connection], opening: Frame) -> None:
        """Give a BLOB vector that has come whole to those who could not get it piece by piece."""
        device, name = opening.device or "", opening.name
        if opening.verb == "new" and (owner := self.owners.get(device)) is not None and owner is not origin:
            peers = [owner, *self._witnesses(origin, device, name)]
        elif opening.verb == "new" or origin.role != "driver":
            self.receive(origin, whole(parts))
            return
        for peer in peers:
            peer.pass_parts(parts, opening, origin)

    def take_blob(self, origin: Connection, message: VectorMessage) -> None:
        """Give a BLOB vector that has come whole to the device of ours that it is for, or to those that snoop it."""
        if message.verb == "new":
            if (driver := self.drivers.get(message.device)) is not None:
                driver.receive_blob(message, origin)
            return
        self._listeners.tell(message, message.device, message.name, blob=True)

    def _question(self, origin: Connection, frame: Frame) -> None:
        # A server that takes all of our devices asks for "*".
        device, name = (None if frame.device == "*" else frame.device), frame.name
        if is_newer(version := str(frame.element.get("version", ""))):
            origin.warn_once("version", f"asks in INDI {version[:20]}, and is answered in {VERSION}")
        if origin.role != "server" and origin.interest.ask(device, name):
            self._changed()
        for driver in tuple(self.drivers.values()):
            if device in (None, driver.device) and origin.may_see(driver.device):
                for definition in driver.definitions(name):
                    origin.send(definition)
        self._ask_drivers(origin, device, name, remote=False)
        if any(peer.remote for peer in self.peers) and self._questions.is_new(origin, device, name):
            self._ask_drivers(origin, device, name, remote=True)

    def _ask_drivers(self, origin: Connection, device: str | None, name: str | None, *, remote: bool) -> None:
        # Anew, since drivers of libindi exit where a version is too high or missing.
        question = encode(GetProperties(device, name, VERSION))
        for peer in tuple(self.peers):
            if peer.remote == remote and peer is not origin and self._may_have(peer, device):
                origin.spend()
                peer.take_command(question, device, origin)

    def _permission(self, origin: Connection, frame: Frame) -> None:
        message = decode(frame)
        if not isinstance(message, EnableBlob) or origin.role == "server":
            return  # a server above us sees to this by itself
        if message.device is not None and origin.role == "client":
            origin.interest.name_device(message.device, message.name)
        origin.interest.blobs.set(message.device, message.name, message.mode)
        self._changed()
        if origin.sees_all:
            self.blob_wishes.say(origin, message.device, message.name, message.mode)

    def _may_have(self, peer: Connection, device: str | None) -> bool:
        """Return whether a question about the device is for this peer: it is its driver's, or nobody's yet."""
        return peer.role == "driver" and (device is None or self.owners.get(device, peer) is peer)

    def _new(self, origin: Connection, frame: Frame) -> None:
        device = frame.device
        if device is None:
            origin.say(f"{frame.tag} without device")
            return
        if origin.role == "client" and origin.interest.name_device(device, frame.name):
            self._changed()
        owner = self.owners.get(device)
        if (driver := self.drivers.get(device)) is not None and origin.may_see(device):
            driver.receive(frame, origin)
        elif owner is not None and owner is not origin:
            if frame.is_blob:
                owner.pass_on(frame, origin)
            else:
                owner.take_command(frame.for_passing_on(), device, origin)
            self.echo(Command(origin, frame))
        elif origin.role == "client":
            known = ", ".join(sorted(name for name in (*self.drivers, *self.owners) if origin.may_see(name)))
            origin.say(f"there is no device {device!r}; there is {known or 'none'}")

    def _listening(self) -> tuple[Connection, ...]:
        """Return the peers that have asked for anything at all; most drivers never do."""
        version, peers = self._audience
        if version != self.version:
            peers = tuple(peer for peer in self.peers if peer.interest.asks)
            self._audience = self.version, peers
        return peers

    def _news(self, origin: Connection, frame: Frame) -> None:
        """Pass on what a driver behind a connection says, of devices that are its own."""
        device, name = frame.device, frame.name
        if device is not None and not self._ownership.holds(origin, device, defining=frame.verb == "def"):
            return
        if device is not None and frame.verb == "def":
            if too_many := origin.holdings.define(device, name):
                if not origin.holdings.has(device):
                    del self.owners[device]
                origin.refusals.add(too_many)
                return
            if frame.tag == "defBLOBVector":
                self.blob_wishes.defined(origin, device, name)
        elif device is not None and frame.tag == "delProperty":
            origin.holdings.delete(device, name)
            if name is None:
                self.owners.pop(device, None)
                self._changed()
        self._log(device, frame.said)
        if self.courtesies.wait:
            self.courtesies.show()
        for peer in self._listening():
            if peer is not origin and peer.wants_message(device, name, blob=frame.tag == "setBLOBVector"):
                peer.pass_on(frame, origin)
        self._listeners.tell_frame(frame)

    def _relayed(self, origin: Connection, frame: Frame) -> None:
        """Give what only drivers say, and a client or the server above us has sent, to those who snoop it."""
        if self._may_relay(origin, frame):
            for peer in self._snoopers(frame):
                peer.pass_on(frame, origin)
            self._listeners.tell_frame(frame)

    def _may_relay(self, origin: Connection, frame: Frame) -> bool:
        device = frame.device
        may = device is not None and device not in self.drivers and device not in self.owners
        if not may and origin.role == "client":
            decode(frame)  # what nobody understands is no forgery
            origin.refusals.forged(f"{frame.tag} of {device!r}" if device is not None else frame.tag)
        return may

    def _snoopers(self, frame: Frame) -> list[Connection]:
        device, name, blob = frame.device, frame.name, frame.tag == "setBLOBVector"
        return [peer for peer in self.peers if peer.role == "driver" and peer.wants_message(device, name, blob=blob)]

    def _log(self, device: str | None, said: object) -> None:
        text = said.text if isinstance(said, Notice) else said.message if isinstance(said, DelProperty) else said
        if text and self.on_message is not None:
            self.on_message(device, str(text))


def _takes_blobs(driver: Driver, name: str | None) -> bool:
    """Return whether a BLOB need be kept until it is whole; otherwise it is refused at its beginning."""
    return any(one.kind == "BLOB" and one.attributes.get("perm") != "ro" for one in driver.definitions(name))
