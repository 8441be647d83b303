"""A simulated SPI bus with the duck type of `busio.SPI`, and the lines that select the simulated chips on it."""

from __future__ import annotations

from typing import Protocol

from core.spi_bus import LockableSpiBus

__all__ = ["PULLED_UP", "SimulatedChipSelect", "SimulatedSpiBus", "SimulatedSpiChip"]

PULLED_UP = 0xFF
"""What is read while nothing drives MISO, which has a pull-up resistor."""


class SimulatedSpiChip(Protocol):
    """Be a chip as a bus sees it: subclass nothing, have these three methods."""

    def select(self) -> None:
        """Begin a transaction: the chip's select line has gone low."""
        ...

    def deselect(self) -> None:
        """End the transaction: the chip's select line has gone high."""
        ...

    def transfer(self, byte: int) -> int:
        """Take a byte from MOSI and return the one that the chip drives on MISO meanwhile; both are 0 to 255."""
        ...


class SimulatedChipSelect:
    """Be a chip-select line, active low, high at first; `value` is its level, as that of a `DigitalInOut`."""

    def __init__(self, number: int | str) -> None:
        self.number = number
        self.chip: SimulatedSpiChip | None = None
        """The chip that listens to the line, None where the socket is empty."""
        self._high = True

    def switch_to_output(self, value: bool = True) -> None:
        """Drive the line, at a level from the beginning."""
        self.value = value

    @property
    def value(self) -> bool:
        """Return the level; the chip is selected while it is False."""
        return self._high

    @value.setter
    def value(self, high: bool) -> None:
        if high == self._high:
            # The chip sees edges, and there is none.
            return
        self._high = high
        if self.chip is None:
            return
        if high:
            self.chip.deselect()
        else:
            self.chip.select()


class SimulatedSpiBus(LockableSpiBus):
    """Be a bus that chips are attached to, each to a chip select of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.transferred = 0
        """How many bytes have been clocked over the bus."""
        self.collisions = 0
        """How many of them while more than one chip was selected; on real hardware each may be garbage."""
        self._lines: dict[int | str, SimulatedChipSelect] = {}

    def attach(self, number: int | str, chip: SimulatedSpiChip) -> SimulatedChipSelect:
        """Put a chip on a chip select, by number from 0 or by name, and return the line.

        Raises ValueError where one is already.
        """
        line = self.chip_select(number)
        if line.chip is not None:
            raise ValueError(f"chip select {number} has a chip already: {line.chip!r}")
        line.chip = chip
        if not line.value:
            chip.select()
        return line

    def detach(self, number: int | str) -> None:
        """Take the chip off a chip select, as by pulling its plug; nothing happens where there is none."""
        line = self.chip_select(number)
        chip, line.chip = line.chip, None
        if chip is not None and not line.value:
            chip.deselect()

    def chip_select(self, number: int | str) -> SimulatedChipSelect:
        """Return the line of a chip select, by number from 0 or by name; raise ValueError for a number below."""
        if isinstance(number, int) and number < 0:
            raise ValueError(f"chip select {number} is below 0")
        return self._lines.setdefault(number, SimulatedChipSelect(number))

    def _transfer(self, sent: bytes) -> bytes:
        selected = [line.chip for line in self._lines.values() if line.chip is not None and not line.value]
        self.transferred += len(sent)
        if len(selected) == 1:
            return bytes(map(selected[0].transfer, sent))
        if not selected:
            return bytes((PULLED_UP,)) * len(sent)
        self.collisions += len(sent)
        answer = bytearray()
        for byte in sent:
            together = PULLED_UP
            for chip in selected:
                # Where two chips drive the line against each other, the one that pulls low tends to win.
                together &= chip.transfer(byte)
            answer.append(together)
        return bytes(answer)
