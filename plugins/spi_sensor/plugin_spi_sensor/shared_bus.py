"""Buses that instances share by name: each has a chip select of its own, and nobody has to know of the others."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Generic, TypeVar

from core import ConfigError, DeviceUnavailable, ManagedResource
from core.resource import Handle
from core.sim.spi import SimulatedSpiBus
from plugin_spi_sensor.spi_bus import ChipSelect, SpiBus

__all__ = ["SIMULATED", "Seat", "SharedBus", "check_bus_name", "open_buses", "take_seat"]

SIMULATED = "simulated"

B = TypeVar("B", bound=SpiBus)


class SharedBus(Generic[B]):
    """Be a bus with those who use it; only one of them has it at a time, and then its chip is selected."""

    def __init__(self, name: str, bus: B) -> None:
        self.name = name
        self.bus = bus
        self.managed: ManagedResource[B] = ManagedResource(bus, self._select, self._deselect, name=f"SPI bus {name}")
        self.owners: dict[int, str] = {}
        """Which instance has which chip select."""

    def _select(self, line: ChipSelect, baudrate: int) -> None:
        if not self.bus.try_lock():
            raise DeviceUnavailable(f"SPI bus {self.name} is locked by something outside of this plugin; end that")
        try:
            # The clock must rest at its level before the chip looks at it.
            self.bus.configure(baudrate=baudrate, polarity=0, phase=0)
            line.value = False
        except BaseException:
            # Nobody calls _deselect after a failure, and the bus must not stay locked for ever.
            self.bus.unlock()
            raise

    def _deselect(self, line: ChipSelect, baudrate: int) -> None:
        try:
            line.value = True
        finally:
            self.bus.unlock()


@dataclass
class Seat(Generic[B]):
    """Be one instance's place on a bus: a chip select and the handle by which it is used."""

    shared: SharedBus[B]
    number: int
    handle: Handle[B] = field(repr=False)

    def leave(self) -> None:
        """Give the chip select back; the last one closes the bus. Leaving twice is no error."""
        shared = self.shared
        if shared.owners.pop(self.number, None) is not None and not shared.owners:
            del _simulated[shared.name]
            shared.bus.deinit()


_simulated: dict[str, SharedBus[SimulatedSpiBus]] = {}


def open_buses() -> dict[str, SharedBus[SimulatedSpiBus]]:
    """Return the buses that are open now, by name."""
    return dict(_simulated)


def check_bus_name(name: str) -> None:
    """Raise ConfigError, with what is allowed, if no such bus can be had."""
    kind, colon, other = name.partition(":")
    if kind != SIMULATED or (colon and not other):
        raise ConfigError(
            f'bus is {name!r}; "{SIMULATED}" is allowed, or "{SIMULATED}:<name>" for one more simulated bus'
        )


def take_seat(name: str, number: int, owner: str, *, baudrate: int) -> Seat[SimulatedSpiBus]:
    """Open the bus, or join those who have it open, and take chip select `number` of it for the instance `owner`.

    `baudrate` is in Hz. Raises DeviceUnavailable if another instance has that chip select, ConfigError for no bus.
    """
    check_bus_name(name)
    shared = _simulated.get(name) or SharedBus(name, SimulatedSpiBus())
    if (other := shared.owners.get(number)) is not None:
        free = next(free for free in range(len(shared.owners) + 1) if free not in shared.owners)
        raise DeviceUnavailable(
            f"chip select {number} of SPI bus {name} is held by {other!r}; set chip_select = {free}, which is free"
        )
    shared.owners[number] = owner
    _simulated[name] = shared
    line = shared.bus.chip_select(number)
    return Seat(shared, number, shared.managed.handle(line=line, baudrate=baudrate))
