"""An ADXL345 at register level with its FIFO, for a simulated bus. Tables are those of the data sheet, revision E."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from typing import ClassVar

from core.sim.spi import PULLED_UP
from plugin_spi_sensor.chips.adxl345 import (
    CHIP_ID,
    DATA_READY,
    FIFO_SIZE,
    FULL_RESOLUTION,
    MEASURE,
    MULTIPLE,
    OVERRUN,
    READ,
    STEPS_PER_G,
    STREAM,
    Acceleration,
    Register,
)

__all__ = ["Motion", "SimulatedAdxl345", "shaking"]

Motion = Callable[[int], Acceleration]
"""The acceleration at a time in nanoseconds."""

FASTEST = 3200.0
"""Hz, with the code 0x0f; each code less is half of it (table 7)."""
OTHER_ID = 0xE6
WATERMARK = 0x02


def shaking(place: int = 0) -> Motion:
    """Return a table that lies still but for a motor that shakes it with 0.2 g at 24 Hz."""

    def motion(nanoseconds: int) -> Acceleration:
        turn = math.tau * (24 * nanoseconds / 1e9 + place / 10)
        return Acceleration(0.2 * math.sin(turn), 0.2 * math.cos(turn), 1.0 + 0.02 * math.sin(3 * turn))

    return motion


class SimulatedAdxl345:
    """Be a chip that moves as `motion` says; `clock` tells nanoseconds."""

    possible_faults: ClassVar = ("wrong_id", "reset")

    def __init__(self, clock: Callable[[], int], motion: Motion | None = None) -> None:
        self.faults: set[str] = set()
        self._clock = clock
        self._motion = motion or shaking()
        self._registers = bytearray(0x40)
        self._registers[Register.BW_RATE] = 0x0A
        self._fifo: deque[Acceleration] = deque()
        self._overrun = False
        self._address: int | None = None
        self._command = 0
        self._popped = False
        self._shown = Acceleration(0, 0, 0)
        self._next: float | None = None

    def select(self) -> None:
        """Begin a transaction."""
        self._address = None
        self._popped = False
        self._settle()

    def deselect(self) -> None:
        """End the transaction; what was read of a sample makes room for the next ("FIFO")."""
        self._address = None
        if self._popped and self._fifo:
            self._shown = self._fifo.popleft()

    def transfer(self, byte: int) -> int:
        """Take an address, then bytes to write, or return what is read (figures 36 to 38)."""
        if self._address is None:
            self._command = byte
            self._address = byte & 0x3F
            return PULLED_UP
        address = self._address
        if self._command & MULTIPLE:
            self._address = address + 1 & 0x3F
        if self._command & READ:
            return self._read(address)
        self._write(address, byte)
        return PULLED_UP

    def _read(self, address: int) -> int:
        if address == Register.DEVID:
            return OTHER_ID if "wrong_id" in self.faults else CHIP_ID
        if address == Register.INT_SOURCE:
            watermark = len(self._fifo) >= (self._registers[Register.FIFO_CTL] & 0x1F)
            return DATA_READY * bool(self._fifo) | WATERMARK * watermark | OVERRUN * self._overrun
        if address == Register.FIFO_STATUS:
            return len(self._fifo)
        if Register.DATAX0 <= address < Register.FIFO_CTL:
            self._popped = True
            self._overrun = False
            return self._data()[address - Register.DATAX0]
        return self._registers[address]

    def _write(self, address: int, value: int) -> None:
        if address < 0x1D or address in (0x2B, Register.INT_SOURCE, *range(0x32, 0x38), Register.FIFO_STATUS):
            return  # these can only be read (table 19)
        measured = self._measures
        self._registers[address] = value
        if address == Register.FIFO_CTL and not value >> 6:
            self._fifo.clear()
        if self._measures != measured or (address == Register.BW_RATE and self._measures):
            self._next = self._clock() + self._period if self._measures else None

    @property
    def _measures(self) -> bool:
        return bool(self._registers[Register.POWER_CTL] & MEASURE)

    @property
    def _period(self) -> float:
        """Return the nanoseconds between two samples."""
        return 1e9 / FASTEST * (1 << 0x0F - (self._registers[Register.BW_RATE] & 0x0F))

    def _settle(self) -> None:
        """Sample as often as time has passed for."""
        if "reset" in self.faults:
            # A dip of its power: all registers are as after power on.
            self._registers[Register.BW_RATE :] = bytes(0x40 - Register.BW_RATE)
            self._registers[Register.BW_RATE] = 0x0A
            self._fifo.clear()
            self._next = None
        if self._next is None:
            return
        now, period = self._clock(), self._period
        size = FIFO_SIZE if self._registers[Register.FIFO_CTL] & 0xC0 == STREAM else 1
        # What would be pushed out again need not be sampled.
        if (unseen := math.floor((now - self._next) / period) - 2 * size) > 0:
            self._next += unseen * period
            self._overrun = True
        while self._next <= now:
            if len(self._fifo) >= size:
                self._fifo.popleft()
                self._overrun = True
            self._fifo.append(self._motion(round(self._next)))
            self._next += period

    def _data(self) -> bytes:
        # What was read last stays in the output registers until there is a newer sample.
        oldest = self._fifo[0] if self._fifo else self._shown
        form = self._registers[Register.DATA_FORMAT]
        span = 2 << (form & 0b11)
        # Ten bits for the range, or as many more as keep the steps as small as in the smallest (table 1).
        steps = STEPS_PER_G if form & FULL_RESOLUTION else 512 // span
        top = span * steps
        values = (min(max(round(one * steps), -top), top - 1) for one in (oldest.x, oldest.y, oldest.z))
        return b"".join(value.to_bytes(2, "little", signed=True) for value in values)
