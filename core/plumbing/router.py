"""Who gets what: from each peer to the driver that it names, from each driver to the peers that want it."""

from __future__ import annotations

import logging
from typing import Protocol

from core.errors import PluginConflict
from core.indi import EnableBlob, GetProperties, Message, PingReply, PingRequest, VectorMessage, encode
from core.indi.messages import DelProperty, Notice
from core.plumbing.connection import Connection
from core.plumbing.wire import notice

_log = logging.getLogger("core.router")


class Driver(Protocol):
    """What the router knows of a driver: its device, and that it takes messages."""

    @property
    def device(self) -> str:
        """Return the name of the device."""
        ...

    def receive(self, message: VectorMessage | GetProperties, raw: bytes, origin: Connection) -> None:
        """Queue a message of a peer for the driver."""
        ...

    def forget(self, origin: Connection) -> None:
        """Hold nothing back for a peer that has gone."""
        ...


class Router:
    """Connect drivers and peers; a device belongs to the driver that was added with it first."""

    def __init__(self) -> None:
        self.drivers: dict[str, Driver] = {}
        self.peers: list[Connection] = []

    def add(self, driver: Driver) -> None:
        """Add a driver; raise PluginConflict if its device has one already."""
        if driver.device in self.drivers:
            raise PluginConflict(f"device {driver.device!r} has a driver already")
        self.drivers[driver.device] = driver

    def remove(self, driver: Driver) -> None:
        """Take a driver and its device away."""
        if self.drivers.get(driver.device) is driver:
            del self.drivers[driver.device]
            self.from_driver(DelProperty(driver.device), driver.device)

    def attach(self, peer: Connection) -> None:
        """Add a peer."""
        self.peers.append(peer)

    def detach(self, peer: Connection) -> None:
        """Take a peer away."""
        self.peers.remove(peer)
        for driver in self.drivers.values():
            driver.forget(peer)

    def wanted(self, device: str | None, name: str | None = None) -> bool:
        """Return whether anybody wants to hear of a property, so that nobody makes bytes for nobody."""
        return any(peer.interest.wants(device, name) for peer in self.peers)

    def from_peer(self, origin: Connection, message: Message, raw: bytes) -> None:
        """Route what a peer sent: it may ask, set new values, permit BLOBs and ping, nothing else."""
        match message:
            case GetProperties(device, name):
                origin.interest.ask(device, name)
                for driver in list(self.drivers.values()):
                    if device is None or driver.device == device:
                        driver.receive(message, raw, origin)
            case EnableBlob(device, name, mode):
                if origin.role == "client":
                    if device is not None:
                        origin.interest.name_device(device, name)
                    origin.interest.blobs.set(device, name, mode)
            case VectorMessage(verb="new"):
                self._new(origin, message, raw)
            case PingRequest(uid):
                origin.send(PingReply(uid))
            case PingReply():
                pass
            case _:
                # What a server above us passes on of other drivers is snooped traffic, not an attack.
                if origin.role == "client":
                    origin.forged(message.tag if isinstance(message, VectorMessage) else type(message).__name__)

    def _new(self, origin: Connection, message: VectorMessage, raw: bytes) -> None:
        origin.interest.name_device(message.device, message.name)
        driver = self.drivers.get(message.device)
        if driver is not None:
            driver.receive(message, raw, origin)
        elif origin.role == "client":
            known = ", ".join(self.drivers) or "none"
            origin.send(notice(f"there is no device {message.device!r}; there is {known}"))

    def from_driver(
        self,
        message: VectorMessage | Notice | DelProperty,
        device: str,
        name: str | None = None,
        *,
        only: Connection | None = None,
    ) -> None:
        """Give a message of a driver to everybody who wants it, or to one peer alone."""
        if only is not None:
            if not only.closed:
                only.send(message)
            return
        blob = isinstance(message, VectorMessage) and message.tag == "setBLOBVector"
        raw: bytes | None = None
        for peer in tuple(self.peers):
            if peer.interest.wants_message(device, name, blob=blob):
                raw = raw or encode(message)
                peer.deliver(raw)

    def echo(self, message: VectorMessage, raw: bytes, origin: Connection) -> None:
        """Show an accepted new* to the other clients, as indiserver does."""
        for peer in tuple(self.peers):
            if peer is not origin and peer.role == "client" and peer.interest.wants(message.device, message.name):
                peer.deliver(raw + b"\n")
