"""To whom each device belongs: to the driver that defined it first, and to nobody else until that gives it up."""

from __future__ import annotations

from collections.abc import Callable, Container
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from core.plumbing.connection import Connection


class Ownership:
    """Keep the owners of devices; `ours` are those of this process, `changed` is called when a device gets an owner."""

    def __init__(self, ours: Container[str], changed: Callable[[], None]) -> None:
        self.owners: dict[str, Connection] = {}
        """Which connection's driver each device belongs to that is not of this process."""
        self.reserved: dict[str, Connection | None] = {}
        """Names that only one connection may claim, or none for now: of instances that run elsewhere."""
        self._ours = ours
        self._changed = changed

    def holds(self, origin: Connection, device: str, *, defining: bool) -> bool:
        """Return whether a driver may speak of a device, which becomes its own where it defines what nobody has."""
        if device in self._ours:
            origin.refusals.forged(f"something of {device!r}, which is a device of this process")
            return False
        if self.reserved.get(device, origin) is not origin:
            origin.refusals.forged(f"something of {device!r}, which is an instance of this run")
            return False
        owner = self.owners.get(device)
        if owner is None and defining:
            owner = self.owners[device] = origin
            self._changed()
        if owner is not None and owner is not origin:
            origin.refusals.forged(f"something of {device!r}, which belongs to {owner.peer}")
        return owner is None or owner is origin

    def devices_of(self, origin: Connection) -> list[str]:
        """Return what belongs to a driver."""
        return [device for device, owner in self.owners.items() if owner is origin]
