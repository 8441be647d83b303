"""A device that sees what the other devices of its run tell: a recorder, a logger, an alarm."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path

from core.device import Device
from core.properties import Listener

__all__ = ["ObservingDevice"]


class ObservingDevice(Device):
    """Be a device that observes all others: subclass it and return a listener for each from `watch`.

    Unlike the functions of `core_register_observers` it has options, a life from open to close, and properties that
    tell how it fares. For devices of other drivers, see `snoop`.
    """

    run: str = "core"
    """The name of the run, of `[core]` in core.toml; set before the device is opened."""

    folder: Path = Path()
    """Where core.toml is, in which relative paths begin; set before the device is opened."""

    @abstractmethod
    def watch(self, device: Device) -> Listener | None:
        """Return what is to be called with every event of `device`, None to hear nothing of it.

        It is asked before a device is opened, of one that `corectl reload` adds too; a device that watches from then on
        may be asked of one that is open already. The listener is called at once, on the loop, and never waits.
        """

    def unwatch(self, device: Device) -> None:
        """Hear that `device` has left the run, and that its listener is called no more; override it if that matters."""
