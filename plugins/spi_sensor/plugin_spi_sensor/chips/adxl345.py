"""The ADXL345 of Analog Devices: acceleration at up to 800 Hz, fetched from its FIFO in bursts.

Tables and figures are those of the data sheet, revision E. The chip samples by itself; what has gathered in its FIFO is
fetched now and then, one transaction a sample, which leaves it the 5 µs that it needs between two of them.
"""

from __future__ import annotations

import struct
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import IntEnum
from typing import Literal

from core import DeviceUnavailable
from plugin_spi_sensor.bus.protocol import SpiBus
from plugin_spi_sensor.chips.chip import SILENT, Chip, Delay, wrong_id

__all__ = ["BAUDRATE", "CHIP_ID", "FIFO_SIZE", "RATES", "Acceleration", "Adxl345", "Burst", "Range", "Register"]

BAUDRATE = 2_000_000
"""Hz; the chip takes 5 MHz, and at least 2 MHz are advised from 800 Hz on ("SPI")."""
CHIP_ID = 0xE5
READ, MULTIPLE = 0x80, 0x40
"""The bits of an address that say that registers are read, and that more than one follows (figure 37)."""
FIFO_SIZE = 32
MOST_ENTRIES = 33
"""The FIFO's, and one more in the output registers ("Register 0x39")."""
STREAM = 0b10 << 6
"""The FIFO's mode that keeps the newest ("Register 0x38")."""
MEASURE = 0x08
FULL_RESOLUTION = 0x08
OVERRUN, DATA_READY = 0x01, 0x80
STEPS_PER_G = 256
"""In full resolution, whatever the range is (table 1)."""

Range = Literal[2, 4, 8, 16]
"""g, in both directions."""
Rate = Literal[25, 50, 100, 200, 400, 800]
RATES: dict[int, int] = {25: 0x08, 50: 0x09, 100: 0x0A, 200: 0x0B, 400: 0x0C, 800: 0x0D}
"""The codes of samples a second (table 7)."""


class Register(IntEnum):
    """Name the registers (table 19)."""

    DEVID = 0x00
    BW_RATE = 0x2C
    POWER_CTL = 0x2D
    INT_SOURCE = 0x30
    DATA_FORMAT = 0x31
    DATAX0 = 0x32
    FIFO_CTL = 0x38
    FIFO_STATUS = 0x39


@dataclass(frozen=True, slots=True)
class Acceleration:
    """Be one sample, in g."""

    x: float
    y: float
    z: float


@dataclass(frozen=True, slots=True)
class Burst:
    """Be what had gathered, oldest first, and whether older samples were lost."""

    samples: tuple[Acceleration, ...]
    overrun: bool


class Adxl345(Chip):
    """Fetch samples from the chip that `handle` selects; `span` is in g, `rate` in samples a second."""

    def __init__(
        self, handle: AbstractAsyncContextManager[SpiBus], delay: Delay, *, rate: int = 100, span: Range = 16
    ) -> None:
        super().__init__(handle, delay)
        self._rate = RATES[rate]
        self._format = FULL_RESOLUTION | span.bit_length() - 2
        self._set_up = False

    async def fetch(self) -> Burst:
        """Return what has gathered since the last time; nothing at the first, when the chip is set up.

        Raises DeviceUnavailable, with cause and cure, if the chip does not do as it should; it is set up anew then.
        """
        if not self._set_up:
            await self._begin()
            self._set_up = True
            return Burst((), overrun=False)
        try:
            overrun = await self._check_settings()
            entries = (await self._read(Register.FIFO_STATUS, 1))[0] & 0x3F
            if entries > MOST_ENTRIES:
                raise DeviceUnavailable(f"its FIFO claims {entries} entries and has {FIFO_SIZE}; check its wiring")
            return Burst(tuple([await self._sample() for _ in range(entries)]), overrun)
        except BaseException:
            self._set_up = False
            raise

    async def _begin(self) -> None:
        (found,) = await self._read(Register.DEVID, 1)
        if found != CHIP_ID:
            raise wrong_id(found, CHIP_ID, "an ADXL345")
        # Standby while it is set up, as advised ("Register 0x2D"); by way of bypass the FIFO becomes empty.
        await self._write(Register.POWER_CTL, 0)
        await self._write(Register.FIFO_CTL, 0)
        await self._write(Register.DATA_FORMAT, self._format)
        await self._write(Register.BW_RATE, self._rate)
        await self._write(Register.FIFO_CTL, STREAM)
        await self._write(Register.POWER_CTL, MEASURE)

    async def _check_settings(self) -> bool:
        """Return whether samples were lost; raise DeviceUnavailable for settings that are not ours."""
        burst = await self._read(Register.BW_RATE, 6)
        if set(burst) in ({byte} for byte in SILENT):
            raise wrong_id(burst[0], CHIP_ID, "an ADXL345")
        found = (burst[0], burst[Register.POWER_CTL - Register.BW_RATE], burst[Register.DATA_FORMAT - Register.BW_RATE])
        if found != (self._rate, MEASURE, self._format):
            raise DeviceUnavailable("has lost its settings, as by a reset; check its power")
        return bool(burst[Register.INT_SOURCE - Register.BW_RATE] & OVERRUN)

    async def _sample(self) -> Acceleration:
        x, y, z = struct.unpack("<hhh", await self._read(Register.DATAX0, 6))
        return Acceleration(x / STEPS_PER_G, y / STEPS_PER_G, z / STEPS_PER_G)

    async def _read(self, register: Register, count: int) -> bytes:
        address = register | READ | (MULTIPLE if count > 1 else 0)
        return (await self.exchange(bytes((address, *bytes(count)))))[1:]

    async def _write(self, register: Register, value: int) -> None:
        await self.send(bytes((register, value)))
