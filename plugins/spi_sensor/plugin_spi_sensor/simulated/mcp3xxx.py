"""An MCP3008 or MCP3208 to the bit, for a simulated bus. Sections are those of the data sheets DS21295D, DS21298E."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Protocol

from core.sim.spi import PULLED_UP

__all__ = ["SimulatedMcp3xxx", "Voltages", "waves"]

BEFORE = 6
"""The clocks from the start bit on in which nothing is driven: the bits that choose, and the sample (figure 5-1)."""
TAIL = 64
"""How many bits are made of what is driven then; all later ones are 0."""
MIRRORED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
"""Each byte with its lowest bit first."""


class Levels(Protocol):
    """Be the voltages at the eight inputs at one time."""

    def __getitem__(self, channel: int, /) -> float:
        """Return the voltage of a channel, 0 to 7."""
        ...


Voltages = Callable[[int], Levels]
"""The eight voltages at the inputs at a time in nanoseconds."""


class Wave:
    """Be the voltages of slow waves at one time; only those that are asked for are calculated."""

    def __init__(self, reference: float, angle: float) -> None:
        self._reference = reference
        self._angle = angle

    def __getitem__(self, channel: int, /) -> float:
        return self._reference * (0.5 + 0.45 * math.sin(self._angle - channel / 2))


def waves(reference: float, place: int = 0) -> Voltages:
    """Return slow waves between 0 V and the reference, each channel's a little behind the one before."""

    def voltages(nanoseconds: int) -> Wave:
        return Wave(reference, math.tau * (nanoseconds / 1e9 + 3.0 * place) / 60)

    return voltages


class SimulatedMcp3xxx:
    """Be a chip with `bits` bits; `clock` tells nanoseconds, `voltages` what is at its inputs."""

    possible_faults: tuple[str, ...] = ()

    def __init__(
        self, clock: Callable[[], int], *, bits: int, reference: float, voltages: Voltages | None = None
    ) -> None:
        self.faults: set[str] = set()
        self._clock = clock
        self._bits = bits
        self._reference = reference
        self._voltages = voltages or waves(reference)
        self._selected = False
        self._clocks = 0
        self._control = 0
        self._tail = 0

    def select(self) -> None:
        """Begin a conversion: the next bit that is 1 is the start bit (section 5)."""
        self._clocks = self._control = 0

    def deselect(self) -> None:
        """End the conversion; the chip draws almost no current until the next."""

    def transfer(self, byte: int) -> int:
        """Take eight bits, the highest first, and return those that the chip drives meanwhile."""
        clocks = self._clocks
        if clocks >= BEFORE:
            self._clocks += 8
            shift = TAIL - (clocks - BEFORE) - 8
            return self._tail >> shift & 0xFF if shift >= 0 else 0
        # Leading zeros are no clocks of the chip.
        bits = 8 if clocks else byte.bit_length()
        taken = min(bits, BEFORE - clocks)
        self._control = self._control << taken | byte >> bits - taken & (1 << taken) - 1
        if clocks + taken >= BEFORE - 1 > clocks:
            self._convert(self._control >> clocks + taken - (BEFORE - 1) & 0b1111)
        self._clocks = clocks + bits
        driven = bits - taken
        return PULLED_UP << driven & 0xFF | self._tail >> TAIL - driven

    def _convert(self, choice: int) -> None:
        """Sample, and lay out what is driven from then on (figures 5-1 and 5-2)."""
        levels = self._voltages(self._clock())
        single, channel = choice >> 3, choice & 0b111
        volts = levels[channel] - (0.0 if single else levels[channel ^ 1])
        bits = self._bits
        top = (1 << bits) - 1
        result = min(max(math.floor(volts / self._reference * (top + 1)), 0), top)
        # The null bit, the result, and the result again with the lowest bit first, which is not sent twice.
        again = (MIRRORED[result & 0xFF] << 8 | MIRRORED[result >> 8]) >> 16 - bits & top >> 1
        self._tail = (result << bits - 1 | again) << TAIL - 2 * bits
