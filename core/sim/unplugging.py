"""Simulated hardware that can be unplugged and plugged in again: for tests of what a device makes of that."""

from __future__ import annotations

from typing import Protocol

from core.sim.spi import SimulatedSpiBus, SimulatedSpiChip

__all__ = ["PluggedSpiChip", "Simulation"]


class Simulation(Protocol):
    """Be the simulated hardware under a device."""

    def vanish(self) -> None:
        """Go, as when its plug is pulled: whoever uses it meets what real hardware would answer then."""
        ...

    def reappear(self) -> None:
        """Be there again, as after power on."""
        ...


class PluggedSpiChip:
    """Be a chip on a chip select of a simulated bus; without it the bus reads what the pull-up resistor gives."""

    def __init__(self, bus: SimulatedSpiBus, number: int | str, chip: SimulatedSpiChip) -> None:
        self._bus = bus
        self._number = number
        self._chip = chip

    def vanish(self) -> None:
        """Pull the chip out of its socket."""
        self._bus.detach(self._number)

    def reappear(self) -> None:
        """Put it back; nothing happens where it is in its socket."""
        if self._bus.chip_select(self._number).chip is None:
            self._bus.attach(self._number, self._chip)
