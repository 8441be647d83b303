"""What every bus with the duck type of `busio.SPI` has in common: a lock, a clock, slices, and who may do what when."""

from __future__ import annotations

import abc

__all__ = ["ClockSettings", "LockableSpiBus"]

ClockSettings = tuple[int, int, int]
"""Rate in Hz, polarity, phase."""

Buffer = bytes | bytearray | memoryview


class LockableSpiBus(abc.ABC):
    """Be a bus but for its transfers.

    As with `busio.SPI` on CircuitPython, whoever configures or transfers has the lock; RuntimeError is raised
    otherwise, and ValueError on a bus that is closed.
    """

    def __init__(self) -> None:
        self.settings: ClockSettings = (100_000, 0, 0)
        """How the next transfers go, as configured last."""
        self._locked = False
        self._closed = False

    @abc.abstractmethod
    def _transfer(self, sent: bytes) -> bytes:
        """Send bytes, one at least, and return as many; the lock is held."""

    @property
    def frequency(self) -> int:
        """Return the clock rate in Hz, as configured last."""
        return self.settings[0]

    @property
    def polarity(self) -> int:
        """Return the level of the clock while it rests, as configured last."""
        return self.settings[1]

    @property
    def phase(self) -> int:
        """Return the edge of the clock that data are sampled on, 0 for the first, as configured last."""
        return self.settings[2]

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
        """Set the clock for the transfers to come: its rate in Hz, polarity and phase 0 or 1; words have 8 bits.

        Raises ValueError for anything else.
        """
        self._check_locked()
        if baudrate <= 0:
            raise ValueError(f"baudrate is {baudrate}; a number of Hz above 0 is needed")
        if polarity not in (0, 1) or phase not in (0, 1):
            raise ValueError(f"polarity is {polarity}, phase is {phase}; each is 0 or 1")
        if bits != 8:
            raise ValueError(f"bits is {bits}; 8 is allowed")
        self.settings = (baudrate, polarity, phase)

    def write(self, buffer: Buffer, start: int = 0, end: int | None = None) -> None:
        """Send `buffer[start:end]` and drop what the chip answers."""
        self._exchange_all(bytes(memoryview(buffer)[start:end]))

    def readinto(
        self, buffer: bytearray | memoryview, start: int = 0, end: int | None = None, write_value: int = 0
    ) -> None:
        """Fill `buffer[start:end]` from the chip, while `write_value` is sent for each byte."""
        window = memoryview(buffer)[start:end]
        window[:] = self._exchange_all(bytes((write_value,)) * len(window))

    def write_readinto(
        self,
        buffer_out: Buffer,
        buffer_in: bytearray | memoryview,
        out_start: int = 0,
        out_end: int | None = None,
        in_start: int = 0,
        in_end: int | None = None,
    ) -> None:
        """Send one slice and fill another at the same time; raise ValueError if their lengths differ."""
        sent = memoryview(buffer_out)[out_start:out_end]
        received = memoryview(buffer_in)[in_start:in_end]
        if len(sent) != len(received):
            raise ValueError(f"{len(sent)} bytes to send and {len(received)} to receive: they must be as many")
        received[:] = self._exchange_all(bytes(sent))

    def deinit(self) -> None:
        """Close the bus; closing it twice is no error."""
        self._closed = True
        self._locked = False

    def _exchange_all(self, sent: bytes) -> bytes:
        self._check_locked()
        return self._transfer(sent) if sent else b""

    def _check_locked(self) -> None:
        self._check_open()
        if not self._locked:
            raise RuntimeError("the bus is used without its lock; call try_lock() first")

    def _check_open(self) -> None:
        if self._closed:
            raise ValueError("the bus is closed")
