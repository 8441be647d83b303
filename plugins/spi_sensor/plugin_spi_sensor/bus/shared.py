"""Buses that instances share by name: each has a chip select of its own, and nobody has to know of the others."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from core import ConfigError, DeviceUnavailable, Duration, ManagedSpi
from core.loop import Timing
from core.resource import Handle
from core.sim.spi import SimulatedSpiBus
from plugin_spi_sensor.bus.blinka_bus import BlinkaBus
from plugin_spi_sensor.bus.gpio_select import GpioSelect
from plugin_spi_sensor.bus.kernel import KernelBus
from plugin_spi_sensor.bus.names import BusName, check_select, parse_bus
from plugin_spi_sensor.bus.protocol import ChipSelect, Select
from plugin_spi_sensor.bus.spidev_bus import SpidevBus

__all__ = ["Seat", "SharedBus", "open_buses", "take_seat"]

STAGGER = Duration.of_microseconds(500)
"""As long as some hundred bytes take."""

B = TypeVar("B", bound=SimulatedSpiBus | KernelBus[Any])


class SharedBus(Generic[B]):
    """Be a bus with those who use it; only one of them has it at a time, and then its chip is selected."""

    def __init__(self, name: str, bus: B) -> None:
        self.name = name
        self.bus = bus
        self.managed: ManagedSpi[B] = ManagedSpi(bus, name=f"SPI bus {name}")
        self.owners: dict[Select, str] = {}
        """Which instance has which chip select."""
        self.carriers: dict[str, int] = {}
        """The instances on GPIO lines, and the controller's own select that their transfers go through."""

    def check_free(self, select: Select, owner: str, idle: int) -> None:
        """Raise DeviceUnavailable if the chip select is taken, ConfigError if two would be selected at once."""
        if (other := self.owners.get(select)) is not None:
            cure = f"set chip_select = {self._free()}, which is free" if isinstance(select, int) else "set another line"
            raise DeviceUnavailable(f"chip select {select} of SPI bus {self.name} is held by {other!r}; {cure}")
        if not isinstance(self.bus, KernelBus):
            return
        if isinstance(select, str) and (other := self.owners.get(idle)) is not None:
            raise ConfigError(
                f"chip select {idle} of SPI bus {self.name}, which the kernel asserts with every transfer for the line "
                f"{select}, carries {other!r}; set idle_select to a select without a device"
            )
        for other, carrier in self.carriers.items():
            if carrier == select:
                raise ConfigError(
                    f"chip select {select} of SPI bus {self.name} is asserted by the kernel with every transfer to "
                    f"{other!r}, whose line is a GPIO's; set idle_select of {other!r} to a select without a device"
                )

    def _free(self) -> int:
        taken = {*self.owners, *self.carriers.values()}
        return next(number for number in range(len(taken) + 1) if number not in taken)


@dataclass
class Seat(Generic[B]):
    """Be one instance's place on a bus: a chip select and the handle by which it is used."""

    shared: SharedBus[B]
    select: Select
    line: ChipSelect = field(repr=False)
    handle: Handle[B] = field(repr=False)

    def handle_at(self, baudrate: int) -> Handle[B]:
        """Return one more handle of the chip, with another clock rate in Hz; clock mode 0."""
        return self.shared.managed.cs_handle(self.line, baudrate=baudrate)

    def timing(self, seconds: float) -> Timing:
        """Return how often something on this place of the bus runs that has a period in seconds.

        Those with equal periods do not all want the bus at one instant: each begins STAGGER after the one before it.
        """
        place = list(self.shared.owners).index(self.select)
        period = Duration.of_seconds(seconds)
        return Timing(period, phase=Duration(place * STAGGER.nanoseconds % period.nanoseconds))

    def leave(self) -> None:
        """Give the chip select back; the last one closes the bus. Leaving twice is no error."""
        shared = self.shared
        owner = shared.owners.pop(self.select, None)
        if owner is None:
            return
        shared.carriers.pop(owner, None)
        if isinstance(self.line, GpioSelect):
            self.line.close()
        _close_if_unused(shared)


_open: dict[str, SharedBus[Any]] = {}


def open_buses() -> dict[str, SharedBus[Any]]:
    """Return the buses that are open now, by name."""
    return dict(_open)


def take_seat(
    name: str,
    select: Select,
    owner: str,
    *,
    baudrate: int,
    polarity: int = 0,
    phase: int = 0,
    idle_select: int = 0,
    wait_limit: Duration | None = None,
) -> Seat[Any]:
    """Open the bus, or join those who have it open, and take a chip select of it for the instance `owner`.

    `baudrate` is in Hz; the transfers of a chip on a GPIO line go through `idle_select`, on which no device may hang.
    Who waits for the bus longer than `wait_limit` is told who has it, by ResourceTimeout.
    Raises ConfigError for what cannot be, DeviceUnavailable for what is taken or cannot be opened.
    """
    wanted = parse_bus(name)
    check_select(wanted, select)
    shared = _open.get(name) or _opened(name, wanted)
    try:
        shared.check_free(select, owner, idle_select)
        bus = shared.bus
        line: ChipSelect
        if isinstance(bus, SimulatedSpiBus) or isinstance(select, int):
            line = bus.chip_select(select)
        else:
            line = GpioSelect(bus, idle_select, select, f"core:{owner}")
            shared.carriers[owner] = idle_select
        shared.owners[select] = owner
        handle = shared.managed.cs_handle(line, baudrate=baudrate, polarity=polarity, phase=phase)
    except BaseException:
        _close_if_unused(shared)
        raise
    return Seat(shared, select, line, handle.waiting_at_most(wait_limit))


def _opened(name: str, wanted: BusName) -> SharedBus[Any]:
    bus: SimulatedSpiBus | KernelBus[Any]
    if wanted.kind == "simulated":
        bus = SimulatedSpiBus()
    elif wanted.kind == "spidev":
        bus = SpidevBus(int(wanted.port))
    else:
        bus = BlinkaBus(wanted.port)
    shared = SharedBus(name, bus)
    for other in _open.values():
        if isinstance(bus, KernelBus) and isinstance(other.bus, KernelBus) and bus.controller == other.bus.controller:
            bus.deinit()
            users = ", ".join(map(repr, other.owners.values()))
            raise ConfigError(
                f'bus {name} is {bus.controller}.*, which {users} has open as {other.name}; set bus = "{other.name}"'
            )
    _open[name] = shared
    return shared


def _close_if_unused(shared: SharedBus[Any]) -> None:
    if not shared.owners and _open.get(shared.name) is shared:
        del _open[shared.name]
        shared.bus.deinit()
