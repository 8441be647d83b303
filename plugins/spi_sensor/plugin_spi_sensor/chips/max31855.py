"""The MAX31855 of Maxim: a thermocouple with its cold junction, and what may be wrong with its leads.

Tables are those of the data sheet 19-5793, revision 5. The chip converts by itself while it is not selected, and each
reading makes it begin anew: it must be left alone for CONVERSION_SECONDS before.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntFlag

from core import DeviceUnavailable
from plugin_spi_sensor.chips.chip import SILENT, Chip, ChipFault

__all__ = ["BAUDRATE", "CONVERSION_SECONDS", "LEADS", "Fault", "Max31855", "Thermocouple"]

BAUDRATE = 1_000_000
"""Hz; the chip takes 5 MHz ("Serial Interface Timing Characteristics")."""
CONVERSION_SECONDS = 0.1
"""How long a conversion takes at most ("Thermal Characteristics", t_CONV)."""
RESERVED = 0x0002_0008
"""The bits that are always 0 (table 2)."""
FAULTY = 0x0001_0000
"""The bit that says that one of the others is set (table 2)."""


class Fault(IntFlag):
    """Name what may be wrong with the leads (table 2)."""

    OPEN = 1
    SHORT_TO_GROUND = 2
    SHORT_TO_SUPPLY = 4


LEADS = {
    Fault.OPEN: "the thermocouple is open; check its leads",
    Fault.SHORT_TO_GROUND: "the thermocouple touches ground; insulate it",
    Fault.SHORT_TO_SUPPLY: "the thermocouple touches the supply; insulate it",
}


@dataclass(frozen=True, slots=True)
class Thermocouple:
    """Be what is measured, in °C: at the tip, and at the chip, where the cold junction is."""

    temperature: float
    cold_junction: float

    @classmethod
    def from_bytes(cls, word: bytes) -> Thermocouple:
        """Return what the four bytes say (tables 4 and 5); raise ChipFault or DeviceUnavailable for a fault."""
        bits = int.from_bytes(word)
        if set(word) in ({byte} for byte in SILENT):
            raise DeviceUnavailable(
                f"nothing answers (all bits are {word[0] & 1}); check its power, its wiring and the option chip_select"
            )
        if bits & RESERVED:
            raise DeviceUnavailable(f"{word.hex(' ')} cannot be of a MAX31855; check its wiring, or lower baudrate")
        faults = Fault(bits & 0b111)
        if faults or bits & FAULTY:
            causes = [LEADS[fault] for fault in faults]
            raise ChipFault("; ".join(causes) or "it reports a fault and does not say which", faults.name or "")
        tip, junction = struct.unpack(">hh", word)
        return cls(temperature=(tip >> 2) / 4, cold_junction=(junction >> 4) / 16)


class Max31855(Chip):
    """Read the chip that `handle` selects."""

    async def measure(self) -> Thermocouple:
        """Return the newest conversion; raise ChipFault for a fault of the leads, DeviceUnavailable for others."""
        return Thermocouple.from_bytes(await self.exchange(bytes(4)))
