"""What a bus must be able to do: `busio.SPI` can, the kernel's and the simulated ones can, and they have selects."""

from __future__ import annotations

from typing import Protocol

from core.spi import ChipSelect

__all__ = ["ChipSelect", "Select", "SelectableBus", "SpiBus"]

Select = int | str
"""A chip select: a number is one of the controller's own, "<chip>:<line>" a line of a GPIO chip."""


class SpiBus(Protocol):
    """Be an SPI bus with the duck type of `busio.SPI`."""

    def try_lock(self) -> bool:
        """Take the lock and return True, or return False where somebody has it."""
        ...

    def unlock(self) -> None:
        """Give the lock back."""
        ...

    def configure(self, *, baudrate: int, polarity: int, phase: int, bits: int) -> None:
        """Set the clock: its rate in Hz, its polarity and phase; words have 8 bits."""
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


class SelectableBus(SpiBus, Protocol):
    """Be a bus that has chip selects of its own."""

    @property
    def controller(self) -> str | None:
        """Return what names the hardware under the bus, so that nobody opens it twice; None for a simulated one."""
        ...

    def chip_select(self, select: int) -> ChipSelect:
        """Return the line of one of the bus's own selects; raise DeviceUnavailable where there is none."""
        ...
