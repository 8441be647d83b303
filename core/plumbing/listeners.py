"""The devices of this process that snoop on others, wherever those are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from core.indi import Frame, GetProperties, Message
from core.plumbing.attachments import decode_whole
from core.plumbing.routes import Driver

if TYPE_CHECKING:
    from core.plumbing.connection import Connection


class Listeners:
    """Tell those of the `drivers` of this process that snoop what others say."""

    def __init__(self, drivers: Mapping[str, Driver]) -> None:
        self._drivers = drivers

    def any(self, device: str, name: str | None, *, blob: bool) -> bool:
        """Return whether anybody listens to a property."""
        return any(_listens(driver, device, name, blob=blob) for driver in self._drivers.values())

    def tell(self, message: Message, device: str, name: str | None, *, blob: bool) -> None:
        """Tell what a device of this process says."""
        for driver in tuple(self._drivers.values()):
            if _listens(driver, device, name, blob=blob):
                driver.snooping.put(message)

    def tell_frame(self, frame: Frame) -> None:
        """Tell what came from elsewhere, which is read only if anybody listens."""
        device, name, blob = frame.device, frame.name, frame.tag == "setBLOBVector"
        if device is not None and self.any(device, name, blob=blob):
            self.tell(decode_whole(frame), device, name, blob=blob)

    def ask(self, server: Connection) -> None:
        """Ask the server above us for what they snoop and this process has not."""
        for driver in self._drivers.values():
            for device, names in driver.snooping.interest.named.items():
                if device not in self._drivers:
                    for name in names:
                        server.send(GetProperties(device, name or None, "1.7"))


def _listens(driver: Driver, device: str, name: str | None, *, blob: bool) -> bool:
    return driver.device != device and driver.snooping.interest.wants_message(device, name, blob=blob)
