"""The BME280 of Bosch Sensortec over SPI: its registers, and measuring in forced mode.

Sections are those of the data sheet BST-BME280-DS002, revision 1.6.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import Literal

from core import DeviceUnavailable
from plugin_spi_sensor.bus.protocol import SpiBus
from plugin_spi_sensor.chips.bme280_compensation import Calibration
from plugin_spi_sensor.chips.chip import SILENT, Chip, Delay, wrong_id

__all__ = ["BAUDRATE", "CHIP_ID", "Bme280", "Filter", "Measurement", "Oversampling", "Register", "Settings", "Status"]

Oversampling = Literal[1, 2, 4, 8, 16]
"""How many samples the chip takes the mean of (section 3.4)."""

Filter = Literal[0, 2, 4, 8, 16]
"""The coefficient of the filter that smoothes temperature and pressure, 0 for none (section 3.4.4)."""

CHIP_ID = 0x60
BAUDRATE = 1_000_000
"""Hz; the chip takes 10 MHz (section 6.4.3), wires on a breadboard do not."""
RESET_WORD = 0xB6
STARTUP_SECONDS = 0.002
"""How long the chip takes after a reset, at most (section 1.1)."""
STARTUP_LOOKS = 5
FORCED_MODE = 0b01
READ = 0x80
"""The bit of a control byte that says whether a register is read (section 6.3)."""
DATA_AT_RESET = bytes((0x80, 0, 0, 0x80, 0, 0, 0x80, 0))
"""What the data registers hold before the first measurement (section 5.3)."""


class Register(IntEnum):
    """Name the registers (section 5.3)."""

    CALIBRATION_LOW = 0x88
    ID = 0xD0
    RESET = 0xE0
    CALIBRATION_HIGH = 0xE1
    CTRL_HUM = 0xF2
    STATUS = 0xF3
    CTRL_MEAS = 0xF4
    CONFIG = 0xF5
    DATA = 0xF7


class Status(IntFlag):
    """Name the bits of the register `status` (section 5.4.4)."""

    IM_UPDATE = 0x01
    MEASURING = 0x08


@dataclass(frozen=True, slots=True)
class Settings:
    """Say how the chip measures: the oversampling of each quantity, and the filter (section 3.4)."""

    temperature: Oversampling = 1
    pressure: Oversampling = 1
    humidity: Oversampling = 1
    filter: Filter = 0

    @property
    def conversion_seconds(self) -> float:
        """Return how long a measurement takes at most, in seconds (section 9.1)."""
        samples = self.temperature + self.pressure + self.humidity
        return (1.25 + 2.3 * samples + 2 * 0.575) / 1000

    @property
    def ctrl_hum(self) -> int:
        """Return the value of the register `ctrl_hum` (section 5.4.3)."""
        return _code(self.humidity)

    @property
    def config(self) -> int:
        """Return the value of the register `config`: the filter, and four wires (section 5.4.6)."""
        return (_code(self.filter) - 1 << 2) if self.filter else 0

    @property
    def ctrl_meas(self) -> int:
        """Return the value of the register `ctrl_meas` that starts one measurement (section 5.4.5)."""
        return _code(self.temperature) << 5 | _code(self.pressure) << 2 | FORCED_MODE


@dataclass(frozen=True, slots=True)
class Measurement:
    """Be a measured climate: temperature in °C, relative humidity in %, pressure in hPa."""

    temperature: float
    humidity: float
    pressure: float


class Bme280(Chip):
    """Measure with the chip that `handle` selects; `delay` waits for a number of seconds while others run.

    `settings` may be replaced at any time; the next measurement is made with them.
    """

    def __init__(
        self, handle: AbstractAsyncContextManager[SpiBus], delay: Delay, settings: Settings | None = None
    ) -> None:
        super().__init__(handle, delay)
        self.settings = settings or Settings()
        self._calibration: Calibration | None = None
        self._config = -1

    async def measure(self) -> Measurement:
        """Start a measurement, leave the bus, wait, and fetch the result (section 3.3.3).

        The chip is reset and its calibration read before the first measurement, and again after a failure, since it
        may be another chip by then. Raises DeviceUnavailable, with cause and cure, if it does not do as it should.
        """
        calibration, self._calibration = self._calibration, None
        settings = self.settings
        await self._check_id()
        calibration = calibration or await self._prepare()
        await self._start(settings)
        await self._delay(settings.conversion_seconds)
        measurement = await self._fetch(calibration, settings)
        self._calibration = calibration
        return measurement

    async def _prepare(self) -> Calibration:
        """Reset the chip and return its calibration."""
        self._config = 0
        await self._write((Register.RESET, RESET_WORD))
        for _ in range(STARTUP_LOOKS):
            await self._delay(STARTUP_SECONDS)
            if not (await self._read(Register.STATUS, 1))[0] & Status.IM_UPDATE:
                break
        else:
            raise DeviceUnavailable("does not come back from its reset; take its power away for a second")
        low, high = await self._calibration_registers()
        # There is no checksum, and one wrong bit would be in every value from now on.
        if (low, high) != await self._calibration_registers():
            raise DeviceUnavailable("its calibration reads differently each time; check its wiring, or lower baudrate")
        try:
            return Calibration.from_registers(low, high)
        except ValueError as error:
            raise DeviceUnavailable(f"{error}; check its power and wiring") from error

    async def _calibration_registers(self) -> tuple[bytes, bytes]:
        return await self._read(Register.CALIBRATION_LOW, 26), await self._read(Register.CALIBRATION_HIGH, 7)

    async def _check_id(self) -> None:
        (found,) = await self._read(Register.ID, 1)
        if found == CHIP_ID:
            return
        raise wrong_id(found, CHIP_ID, "a BME280")

    async def _start(self, settings: Settings) -> None:
        # Set anew each time: `ctrl_hum` counts from the write to `ctrl_meas` on, which comes last (section 5.4.3).
        # `config` only when it changes, because writing it makes the filter forget (section 3.4.4).
        new = () if settings.config == self._config else ((Register.CONFIG, settings.config),)
        await self._write((Register.CTRL_HUM, settings.ctrl_hum), *new, (Register.CTRL_MEAS, settings.ctrl_meas))
        self._config = settings.config

    async def _fetch(self, calibration: Calibration, settings: Settings) -> Measurement:
        # Status, settings and data in one burst, in which the chip keeps the data together (section 4.1).
        burst = await self._read(Register.STATUS, 12)
        status, data = burst[0], burst[4:]
        if set(burst) in ({byte} for byte in SILENT):
            raise DeviceUnavailable("has stopped to answer; check its power and wiring")
        if status & Status.MEASURING:
            milliseconds = settings.conversion_seconds * 1000
            raise DeviceUnavailable(f"still measures after {milliseconds:.1f} ms; take its power away for a second")
        if data == DATA_AT_RESET or burst[Register.CONFIG - Register.STATUS] != settings.config:
            raise DeviceUnavailable("has lost its measurement, as by a reset; check its power")
        raw_pressure = int.from_bytes(data[0:3], "big") >> 4
        raw_temperature = int.from_bytes(data[3:6], "big") >> 4
        raw_humidity = int.from_bytes(data[6:8], "big")
        fine = calibration.fine_temperature(raw_temperature)
        try:
            pressure = calibration.pressure(raw_pressure, fine)
        except ValueError as error:
            raise DeviceUnavailable(f"{error}; check its wiring") from error
        return Measurement(
            temperature=calibration.temperature(raw_temperature),
            humidity=calibration.humidity(raw_humidity, fine),
            pressure=pressure / 100,
        )

    async def _read(self, register: Register, count: int) -> bytes:
        return (await self.exchange(bytes((register | READ, *bytes(count)))))[1:]

    async def _write(self, *pairs: tuple[Register, int]) -> None:
        await self.send(bytes(byte for register, value in pairs for byte in (register & ~READ, value)))


def _code(samples: int) -> int:
    """Return how the registers say it: 1 to 5 for 1, 2, 4, 8 and 16."""
    return samples.bit_length()
