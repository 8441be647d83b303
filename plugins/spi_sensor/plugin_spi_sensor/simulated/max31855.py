"""A MAX31855, for a simulated bus: 32 bits, and conversions that only go on while it is not selected."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import ClassVar

from core.sim.spi import PULLED_UP
from plugin_spi_sensor.chips.max31855 import FAULTY, Fault, Thermocouple

__all__ = ["POWER_UP", "Kiln", "SimulatedMax31855", "kiln", "word"]

Kiln = Callable[[int], Thermocouple]
"""What the thermocouple has at a time in nanoseconds."""

CONVERSION = 70_000_000
"""ns, as it typically takes; at most it is 100 ms ("Thermal Characteristics")."""
POWER_UP = 200_000_000
"""ns ("Thermal Characteristics", t_CONV_PU)."""


def kiln(place: int = 0) -> Kiln:
    """Return a kiln that goes from 20 to 1000 °C and back within half an hour, beside a board at 24 °C."""

    def measure(nanoseconds: int) -> Thermocouple:
        seconds = nanoseconds / 1e9 + 60.0 * place
        return Thermocouple(510 - 490 * math.cos(math.tau * seconds / 1800), 24 + math.sin(math.tau * seconds / 300))

    return measure


def word(measured: Thermocouple, faults: Fault = Fault(0)) -> bytes:  # noqa: B008 - an enumeration never changes
    """Return the four bytes that say it (tables 2, 4 and 5)."""
    tip = min(max(round(measured.temperature * 4), -(1 << 13)), (1 << 13) - 1) & 0x3FFF
    junction = min(max(round(measured.cold_junction * 16), -(1 << 11)), (1 << 11) - 1) & 0xFFF
    return (tip << 18 | junction << 4 | faults | (FAULTY if faults else 0)).to_bytes(4)


class SimulatedMax31855:
    """Be a chip whose thermocouple is where `measured` says; `clock` tells nanoseconds.

    It has got its power `age` nanoseconds ago.
    """

    possible_faults: ClassVar = ("open_thermocouple", "short_to_ground", "short_to_supply")

    def __init__(self, clock: Callable[[], int], measured: Kiln | None = None, *, age: int = 0) -> None:
        self.faults: set[str] = set()
        self._clock = clock
        self._measured = measured or kiln()
        self._begun = clock() - age + POWER_UP - CONVERSION
        self._word = bytes(4)
        self._sent = 0

    def select(self) -> None:
        """Latch the newest conversion, and stop the one that goes on."""
        self._sent = 0
        now = self._clock()
        finished = (now - self._begun) // CONVERSION
        if finished > 0:
            names = zip(Fault, self.possible_faults, strict=True)
            faults = Fault(sum(bit for bit, name in names if name in self.faults))
            measured = self._measured(self._begun + finished * CONVERSION)
            if Fault.OPEN in faults:
                measured = Thermocouple(2047.75, measured.cold_junction)
            self._word = word(measured, faults)

    def deselect(self) -> None:
        """Begin a conversion anew."""
        self._begun = self._clock()

    def transfer(self, byte: int) -> int:
        """Return the next of the four bytes, whatever is sent."""
        self._sent += 1
        return self._word[self._sent - 1] if self._sent <= len(self._word) else PULLED_UP
