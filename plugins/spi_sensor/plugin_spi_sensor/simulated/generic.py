"""A chip as core.toml describes it, for a simulated bus: registers that count up by themselves, and slow waves in them.

Each quantity goes up and down through a tenth of its range around the middle, as far as its polynomial can be undone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import ClassVar

from core.sim.spi import PULLED_UP
from plugin_spi_sensor.chips.generic import Description, Field

__all__ = ["SimulatedGeneric"]


class SimulatedGeneric:
    """Be a chip with the registers of a description; `clock` tells nanoseconds, `ranges` what each field means."""

    possible_faults: ClassVar = ("wrong_id", "stuck_busy")

    def __init__(
        self, clock: Callable[[], int], description: Description, ranges: Mapping[str, tuple[float, float]]
    ) -> None:
        self.faults: set[str] = set()
        self.written: dict[int, int] = {}
        """What has been written to registers."""
        self._clock = clock
        self._description = description
        self._ranges = ranges
        self._started: int | None = None
        self._memory = bytearray(256)
        self._addressed = any(field.register is not None for field in description.fields.values())
        self._first: int | None = None
        self._place = 0

    def select(self) -> None:
        """Begin a transaction."""
        self._first, self._place = None, 0
        self._fill()

    def deselect(self) -> None:
        """End the transaction."""

    def transfer(self, byte: int) -> int:
        """Take an address and then bytes, or return what is read; without registers return the frame."""
        place, self._place = self._place, self._place + 1
        if not self._addressed:
            return self._memory[place % 256]
        if self._first is None:
            self._first = byte
            return PULLED_UP
        description = self._description
        reads = self._first & (description.read_bit | description.write_bit) == description.read_bit
        address = self._first & ~(description.read_bit | description.write_bit) & 0xFF
        if reads:
            return self._memory[address + place - 1 & 0xFF]
        self.written[address] = self._memory[address] = byte
        if (address, byte) in [(at & ~description.write_bit, value) for at, value in description.start]:
            self._started = self._clock()
        return PULLED_UP

    def _fill(self) -> None:
        """Put into the registers what is measured now."""
        description = self._description
        for name, field in description.fields.items():
            data = _encoded(field, self._value(name))
            begin = field.skip if field.register is None else _bare(field.register, description)
            self._memory[begin : begin + field.count] = data
        if description.identity is not None:
            register, value = description.identity
            self._memory[_bare(register, description)] = value ^ 0xFF if "wrong_id" in self.faults else value
        if description.ready is not None:
            register, mask, value = description.ready
            waited = self._started is None or self._clock() - self._started >= description.wait * 0.8e9
            done = waited and "stuck_busy" not in self.faults
            self._memory[_bare(register, description)] = value if done else mask & ~value

    def _value(self, name: str) -> float:
        low, high = self._ranges[name]
        place = list(self._ranges).index(name)
        return (low + high) / 2 + (high - low) / 20 * math.sin(math.tau * self._clock() / 60e9 + place)


def _bare(register: int, description: Description) -> int:
    return register & ~(description.read_bit | description.write_bit) & 0xFF


def _encoded(field: Field, value: float) -> bytes:
    """Return the bytes that mean a value, or nearly: of the straight part of the polynomial."""
    offset, scale = (*field.polynomial, 0.0, 0.0)[:2]
    bits = field.bits or 8 * field.count - field.shift
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if field.signed else (0, (1 << bits) - 1)
    number = min(max(round((value - offset) / scale) if scale else 0, low), high) & (1 << bits) - 1
    return (number << field.shift).to_bytes(field.count, "little" if field.little_endian else "big")
