"""Faults on the wires to a simulated chip: a plug that is pulled, and bits that arrive wrong."""

from __future__ import annotations

import random

from core.sim.spi import PULLED_UP, SimulatedSpiChip

__all__ = ["FaultyWires"]


class FaultyWires:
    """Be a chip behind wires that can fail; attach it to a bus in the place of `chip`.

    What is sent arrives as it was; what the chip answers is spoiled. `seed` makes the flipped bits the same each time.
    """

    def __init__(self, chip: SimulatedSpiChip, seed: int = 0) -> None:
        self.chip = chip
        self.no_answer = False
        """The plug is pulled: the chip hears nothing, and the pull-up resistor answers 0xff."""
        self.flips = 0.0
        """The probability with which one bit of a byte from the chip is wrong, 0 to 1."""
        self._random = random.Random(seed)  # noqa: S311  # nothing secret: the same faults at every run
        self._heard = False

    def select(self) -> None:
        """Begin a transaction, if the plug is in."""
        self._heard = not self.no_answer
        if self._heard:
            self.chip.select()

    def deselect(self) -> None:
        """End the transaction, if it has begun."""
        if self._heard:
            self._heard = False
            self.chip.deselect()

    def transfer(self, byte: int) -> int:
        """Pass a byte on and return the answer, or what has become of it."""
        if self.no_answer or not self._heard:
            return PULLED_UP
        answer = self.chip.transfer(byte)
        if self.flips and self._random.random() < self.flips:
            answer ^= 1 << self._random.randrange(8)
        return answer
