"""A simulated SPI bus with the duck type of `busio.SPI`, and the lines that select the simulated chips on it."""

from __future__ import annotations

from typing import Protocol

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


class SimulatedSpiBus:
    """Be a bus that chips are attached to, each to a chip select of its own.

    As with `busio.SPI` on CircuitPython, whoever configures or transfers has the lock; RuntimeError is raised
    otherwise, and ValueError on a bus that is closed.
    """

    def __init__(self) -> None:
        self.baudrate = 100_000
        """Clock rate in Hz, as configured last."""
        self.polarity = 0
        """Level of the clock while it rests, as configured last."""
        self.phase = 0
        """Edge of the clock that data are sampled on, 0 for the first, as configured last."""
        self.transferred = 0
        """How many bytes have been clocked over the bus."""
        self.collisions = 0
        """How many of them while more than one chip was selected; on real hardware each may be garbage."""
        self._lines: dict[int | str, SimulatedChipSelect] = {}
        self._locked = False
        self._closed = False

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

    @property
    def frequency(self) -> int:
        """Return the clock rate in Hz, as configured last."""
        return self.baudrate

    def try_lock(self) -> bool:
        """Take the lock and return True, or return False where somebody has it."""
        self._check_open()
        if self._locked:
            return False
        self._locked = True
        return True

    def unlock(self) -> None:
        """Give the lock back; raise ValueError if nobody has it."""
        if not self._locked:
            raise ValueError("the bus is not locked")
        self._locked = False

    def configure(self, baudrate: int = 100_000, polarity: int = 0, phase: int = 0, bits: int = 8) -> None:
        """Set the clock: its rate in Hz, above 0, its polarity and phase, 0 or 1; words have 8 bits.

        Raises ValueError for anything else.
        """
        self._check_locked()
        if baudrate <= 0:
            raise ValueError(f"baudrate is {baudrate}; a number of Hz above 0 is needed")
        if polarity not in (0, 1) or phase not in (0, 1):
            raise ValueError(f"polarity is {polarity}, phase is {phase}; each is 0 or 1")
        if bits != 8:
            raise ValueError(f"bits is {bits}; 8 is allowed")
        self.baudrate, self.polarity, self.phase = baudrate, polarity, phase

    def write(self, buffer: bytes | bytearray | memoryview, start: int = 0, end: int | None = None) -> None:
        """Send `buffer[start:end]` and drop what the chip answers."""
        self._check_locked()
        for byte in memoryview(buffer)[start:end]:
            self._transfer(byte)

    def readinto(
        self, buffer: bytearray | memoryview, start: int = 0, end: int | None = None, write_value: int = 0
    ) -> None:
        """Fill `buffer[start:end]` from the chip, while `write_value` is sent for each byte."""
        self._check_locked()
        window = memoryview(buffer)[start:end]
        for index in range(len(window)):
            window[index] = self._transfer(write_value)

    def write_readinto(
        self,
        buffer_out: bytes | bytearray | memoryview,
        buffer_in: bytearray | memoryview,
        out_start: int = 0,
        out_end: int | None = None,
        in_start: int = 0,
        in_end: int | None = None,
    ) -> None:
        """Send one slice and fill another at the same time; raise ValueError if their lengths differ."""
        self._check_locked()
        sent = memoryview(buffer_out)[out_start:out_end]
        received = memoryview(buffer_in)[in_start:in_end]
        if len(sent) != len(received):
            raise ValueError(f"{len(sent)} bytes to send and {len(received)} to receive: they must be as many")
        for index, byte in enumerate(sent):
            received[index] = self._transfer(byte)

    def deinit(self) -> None:
        """Close the bus; closing it twice is no error."""
        self._closed = True
        self._locked = False

    def _transfer(self, byte: int) -> int:
        selected = [line.chip for line in self._lines.values() if not line.value and line.chip is not None]
        self.transferred += 1
        self.collisions += len(selected) > 1
        answer = PULLED_UP
        for chip in selected:
            # Where two chips drive the line against each other, the one that pulls low tends to win.
            answer &= chip.transfer(byte)
        return answer

    def _check_locked(self) -> None:
        self._check_open()
        if not self._locked:
            raise RuntimeError("the bus is used without its lock; call try_lock() first")

    def _check_open(self) -> None:
        if self._closed:
            raise ValueError("the bus is closed")
