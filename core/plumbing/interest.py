"""What one client wants to hear: devices, properties, and BLOBs."""

from __future__ import annotations

from typing import Literal

from core.errors import ProtocolError

BlobMode = Literal["Never", "Also", "Only"]

MAXIMUM_NAMES = 20_000
"""How many devices and properties one peer may name."""
TOO_MANY = f"more than {MAXIMUM_NAMES} devices and properties were named"
MAXIMUM_NAMED = 1 << 20
"""How many bytes these names may have together."""
LONGEST_NAMES = 1024
"""How many characters the names of a device and a property may have together; libindi keeps 63 of each."""


class Interest:
    """Keep what a client has asked for, as indiserver understands it.

    Nothing before the first getProperties. A first getProperties, or an enableBLOB, that names a device narrows the
    connection to the devices that are named; a later bare getProperties does not widen it.
    """

    def __init__(self, *, everything: bool = False, blobs: BlobMode = "Never") -> None:
        self.everything = everything
        self.named: dict[str, set[str]] = {}  # device -> properties; "" stands for all of them
        self.blobs = BlobPermission(blobs)
        self.named_bytes = 0
        """How many bytes the names have that are kept."""
        self._count = 0

    @property
    def asks(self) -> bool:
        """Return whether anything has been asked for."""
        return self.everything or bool(self.named)

    def ask(self, device: str | None, name: str | None) -> bool:
        """Take note of a getProperties; return whether that changes anything."""
        if device is not None:
            return self.name_device(device, name)
        _check_length(name or "")
        changes = not self.named and not self.everything
        self.everything = self.everything or changes
        return changes

    def name_device(self, device: str, name: str | None) -> bool:
        """Take note of a device, or a property of it, that the peer names; return whether that is new.

        Raises ProtocolError for too many.
        """
        _check_length(device + (name or ""))
        names = self.named.get(device)
        if names is None:
            names = self.named[device] = set()
            self.named_bytes += len(device.encode())
        name = name or ""
        if name in names:
            return False
        names.add(name)
        self.named_bytes += len(name.encode())
        self._count += 1
        if self._count > MAXIMUM_NAMES:
            raise ProtocolError(TOO_MANY)
        if self.named_bytes > MAXIMUM_NAMED:
            raise ProtocolError(f"more than {MAXIMUM_NAMED} bytes of names were named")
        return True

    def wants(self, device: str | None, name: str | None = None) -> bool:
        """Return whether something of this device and property is to be sent; None stands for a message to all."""
        if self.everything:
            return True
        if device is None:
            return bool(self.named)
        names = self.named.get(device)
        return names is not None and (not name or "" in names or name in names)

    def wants_all(self, device: str) -> bool | None:
        """Return whether all properties of a device are wanted, BLOBs apart; None if some may be and others not."""
        names = self.named.get(device)
        if self.blobs.distinguishes(device):
            return None
        if self.everything or (names is not None and "" in names):
            return True
        return None if names else False

    def wants_message(self, device: str | None, name: str | None, *, blob: bool) -> bool:
        """Return whether a message is to be sent, a setBLOBVector (`blob`) or another one."""
        return self.wants(device, name) and self.blobs.allows(device or "", name or "", blob=blob)


class BlobPermission:
    """Keep what enableBLOB has said for the connection, for devices and for properties; the narrowest word counts."""

    def __init__(self, default: BlobMode = "Never") -> None:
        self._default = default
        self._devices: dict[str, dict[str, BlobMode]] = {}  # device -> property -> mode; "" stands for all of them
        self._count = 0

    def set(self, device: str | None, name: str | None, mode: BlobMode) -> None:
        """Take note of an enableBLOB; a word about a whole replaces what was said of its parts.

        Raises ProtocolError for too many.
        """
        if not device:
            self._default = mode
            self._devices.clear()
            self._count = 0
            return
        _check_length(device + (name or ""))
        modes = self._devices.setdefault(device, {})
        before = len(modes)
        if not name:
            modes.clear()
        modes[name or ""] = mode
        self._count += len(modes) - before
        if self._count > MAXIMUM_NAMES:
            raise ProtocolError(TOO_MANY)

    def mode(self, device: str, name: str) -> BlobMode:
        """Return what counts for a property."""
        modes = self._devices.get(device)
        if modes is None:
            return self._default
        return modes.get(name) or modes.get("") or self._default

    def distinguishes(self, device: str) -> bool:
        """Return whether something else than BLOBs of a device may be kept away."""
        return self._default == "Only" or "Only" in self._devices.get(device, {}).values()

    def allows(self, device: str, name: str, *, blob: bool) -> bool:
        """Return whether a setBLOBVector (`blob`), or another message, of a property may be sent."""
        if blob:
            return self.mode(device, name) != "Never"
        return self.mode(device, name) != "Only"


def _check_length(names: str) -> None:
    if len(names) > LONGEST_NAMES:
        raise ProtocolError(f"names longer than {LONGEST_NAMES} characters")
