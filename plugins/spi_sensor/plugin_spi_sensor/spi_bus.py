"""What a bus and a chip-select line must be able to do: those of Blinka are, and so are the simulated ones."""

from __future__ import annotations

from typing import Protocol

__all__ = ["ChipSelect", "SpiBus"]


class SpiBus(Protocol):
    """Be an SPI bus with the duck type of `busio.SPI`."""

    def try_lock(self) -> bool:
        """Take the lock and return True, or return False where somebody has it."""
        ...

    def unlock(self) -> None:
        """Give the lock back."""
        ...

    def configure(self, baudrate: int = ..., polarity: int = ..., phase: int = ...) -> None:
        """Set the clock: its rate in Hz, its polarity and phase."""
        ...

    def write(self, buffer: bytes, /) -> None:
        """Send bytes and drop the answer."""
        ...

    def readinto(self, buffer: bytearray, /) -> None:
        """Fill a buffer while zeros are sent."""
        ...

    def write_readinto(self, buffer_out: bytes, buffer_in: bytearray, /) -> None:
        """Send bytes and fill a buffer of the same length at the same time."""
        ...

    def deinit(self) -> None:
        """Close the bus."""
        ...


class ChipSelect(Protocol):
    """Be a line that selects a chip while `value` is False, as a `digitalio.DigitalInOut` is."""

    value: bool
