"""What a driver behind a connection has defined, a bounded number of devices and properties."""

from __future__ import annotations


class Holdings:
    """Count the devices and properties of one driver."""

    def __init__(self, maximum_devices: int, maximum_properties: int) -> None:
        self._maximum_devices = maximum_devices
        self._maximum_properties = maximum_properties
        self._properties: dict[str, set[str]] = {}
        self._count = 0

    def has(self, device: str) -> bool:
        """Return whether anything of a device has been defined."""
        return device in self._properties

    def define(self, device: str, name: str | None) -> str:
        """Take note of a definition; return why it is one too many, "" if it is not."""
        names = self._properties.get(device)
        if names is None:
            if len(self._properties) >= self._maximum_devices:
                return f"more than {self._maximum_devices} devices of one driver"
            names = self._properties[device] = set()
        if (name or "") not in names:
            if self._count >= self._maximum_properties:
                return f"more than {self._maximum_properties} properties of one driver"
            names.add(name or "")
            self._count += 1
        return ""

    def delete(self, device: str, name: str | None) -> None:
        """Take note of a property that is no more; without a name of the whole device."""
        names = self._properties.get(device)
        if names is None:
            return
        gone = {name} & names if name is not None else set(names)
        names -= gone
        self._count -= len(gone)
        if not names:
            del self._properties[device]
