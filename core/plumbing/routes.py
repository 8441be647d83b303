"""Where messages like each other go, and what a router knows of a driver in its process."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Protocol

from core.indi import Frame, Run, VectorMessage

if TYPE_CHECKING:
    from core.plumbing.connection import Connection
    from core.plumbing.snooping import SnoopQueue


NOTHING: Iterator[bytes] = iter(())
"""What is left to be routed one by one of a run that was routed as a whole."""


class Route:
    """Be where messages like each other go, as long as the router's `version` is this.

    `driver` is the one of this process for which they are; without it `peers` is None where each has to be looked at.
    `snooped` tells whether a device of this process listens.
    """

    __slots__ = ("driver", "outboxes", "peers", "snooped", "version")

    def __init__(
        self, version: int, peers: tuple[Connection, ...] | None, *, snooped: bool, driver: Driver | None = None
    ) -> None:
        self.version = version
        self.peers = peers
        self.outboxes = tuple(peer.outbox for peer in peers or ())
        self.snooped = snooped
        self.driver = driver


class Driver(Protocol):
    """What the router knows of a driver in this process."""

    @property
    def device(self) -> str:
        """Return the name of the device."""
        ...

    @property
    def snooping(self) -> SnoopQueue:
        """Return where news of other drivers go."""
        ...

    @property
    def busy(self) -> bool:
        """Return whether commands wait or run."""
        ...

    def definitions(self, name: str | None) -> Iterable[VectorMessage]:
        """Return the definitions of all properties or of one."""
        ...

    def receive(self, frame: Frame, origin: Connection) -> None:
        """Queue new values of a peer for the driver."""
        ...

    def receive_run(self, run: Run, origin: Connection) -> None:
        """Queue a run of new values for one vector."""
        ...

    def receive_blob(self, message: VectorMessage, origin: Connection) -> None:
        """Queue new BLOBs that have come in pieces."""
        ...

    def forget(self, origin: Connection) -> None:
        """Hold nothing back for a peer that has gone."""
        ...

    def drop_commands(self) -> None:
        """Forget the commands that wait."""
        ...
