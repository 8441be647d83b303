"""An MCP3008 or MCP3208 bit by bit, for a simulated bus. Sections are those of the data sheets DS21295D, DS21298E."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from core.sim.spi import PULLED_UP

__all__ = ["SimulatedMcp3xxx", "Voltages", "waves"]

Voltages = Callable[[int], Sequence[float]]
"""The eight voltages at the inputs at a time in nanoseconds."""


def waves(reference: float, place: int = 0) -> Voltages:
    """Return slow waves between 0 V and the reference, each channel's a little behind the one before."""

    def voltages(nanoseconds: int) -> Sequence[float]:
        seconds = nanoseconds / 1e9 + 3.0 * place
        return [reference * (0.5 + 0.45 * math.sin(math.tau * seconds / 60 - channel / 2)) for channel in range(8)]

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
        self._choice = 0
        self._result = 0

    def select(self) -> None:
        """Begin a conversion: the next bit that is 1 is the start bit (section 5)."""
        self._clocks = self._choice = 0

    def deselect(self) -> None:
        """End the conversion; the chip draws almost no current until the next."""

    def transfer(self, byte: int) -> int:
        """Take eight bits, the highest first, and return those that the chip drives meanwhile."""
        answer = 0
        for place in reversed(range(8)):
            answer = answer << 1 | self._shift(byte >> place & 1)
        return answer

    def _shift(self, sent: int) -> int:
        """Take one bit and return the one that is driven at the same clock (figure 5-1)."""
        if self._clocks == 0 and not sent:
            return PULLED_UP & 1  # leading zeros
        self._clocks += 1
        if 2 <= self._clocks <= 5:
            self._choice = self._choice << 1 | sent
        if self._clocks == 5:
            self._convert()
        if self._clocks <= 6:
            return PULLED_UP & 1  # nothing is driven until the sample is taken
        if self._clocks == 7:
            return 0  # the null bit
        place = self._bits - 1 - (self._clocks - 8)
        if place >= 0:
            return self._result >> place & 1
        # The result again, the lowest bit first and not sent twice; zeros after it (figure 5-2).
        return self._result >> -place & 1 if -place < self._bits else 0

    def _convert(self) -> None:
        levels = self._voltages(self._clock())
        single, channel = self._choice >> 3, self._choice & 0b111
        volts = levels[channel] - (0.0 if single else levels[channel ^ 1])
        top = (1 << self._bits) - 1
        self._result = min(max(math.floor(volts / self._reference * (top + 1)), 0), top)
