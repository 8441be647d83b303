"""What one client wants to hear: devices, properties, and BLOBs."""

from __future__ import annotations

from typing import Literal

BlobMode = Literal["Never", "Also", "Only"]


class Interest:
    """Keep what a client has asked for, as indiserver understands it.

    Nothing before the first getProperties. A first getProperties, or an enableBLOB, that names a device narrows the
    connection to the devices that are named; a later bare getProperties does not widen it.
    """

    def __init__(self, *, everything: bool = False, blobs: BlobMode = "Never") -> None:
        self.everything = everything
        self.named: dict[str, set[str]] = {}  # device -> properties; "" stands for all of them
        self.blobs = BlobPermission(blobs)

    def ask(self, device: str | None, name: str | None) -> None:
        """Take note of a getProperties."""
        if device is not None:
            self.name_device(device, name)
        elif not self.named:
            self.everything = True

    def name_device(self, device: str, name: str | None) -> None:
        """Take note of a device, or one property of it, that a message of the client names."""
        self.named.setdefault(device, set()).add(name or "")

    def wants(self, device: str | None, name: str | None = None) -> bool:
        """Return whether something of this device and property is to be sent; None stands for a message to all."""
        if self.everything:
            return True
        if device is None:
            return bool(self.named)
        names = self.named.get(device)
        return names is not None and (not name or "" in names or name in names)

    def wants_message(self, device: str | None, name: str | None, *, blob: bool) -> bool:
        """Return whether a message is to be sent, a setBLOBVector (`blob`) or another one."""
        return self.wants(device, name) and self.blobs.allows(device or "", name or "", blob=blob)


class BlobPermission:
    """Keep what enableBLOB has said for the connection, for devices and for properties; the narrowest word counts."""

    def __init__(self, default: BlobMode = "Never") -> None:
        self._modes: dict[tuple[str, str], BlobMode] = {("", ""): default}

    def set(self, device: str | None, name: str | None, mode: BlobMode) -> None:
        """Take note of an enableBLOB."""
        key = (device or "", name or "")
        if not key[1]:  # a word about the whole device, or connection, replaces what was said of its parts
            for known in [k for k in self._modes if k != ("", "") and (not key[0] or k[0] == key[0])]:
                del self._modes[known]
        self._modes[key] = mode

    def mode(self, device: str, name: str) -> BlobMode:
        """Return what counts for a property."""
        modes = self._modes
        return modes.get((device, name)) or modes.get((device, "")) or modes[("", "")]

    def allows(self, device: str, name: str, *, blob: bool) -> bool:
        """Return whether a setBLOBVector (`blob`), or another message, of a property may be sent."""
        if blob:
            return self.mode(device, name) != "Never"
        return self.mode(device, name) != "Only"
