"""The BME680 of Bosch Sensortec over SPI: climate, and the resistance of a gas sensor that is heated for it.

Sections are those of the data sheet BST-BME680-DS001, revision 1.6. A measurement is triggered, the bus is left to
others while the chip measures and heats, and then the result is fetched. Over SPI the registers are on two pages.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import Literal

from core import DeviceUnavailable
from plugin_spi_sensor.bus.protocol import SpiBus
from plugin_spi_sensor.chips.bme280 import Oversampling
from plugin_spi_sensor.chips.bme680_compensation import Calibration, gas_wait
from plugin_spi_sensor.chips.chip import SILENT, Chip, Delay, wrong_id

__all__ = [
    "BAUDRATE",
    "CHIP_ID",
    "LOW_PAGE",
    "READ",
    "RESET_WORD",
    "AirFilter",
    "AirQuality",
    "Bme680",
    "Register",
    "Settings",
    "Status",
]

CHIP_ID = 0x61
BAUDRATE = 1_000_000
"""Hz; the chip takes 10 MHz (section 6.3), wires on a breadboard do not."""
RESET_WORD = 0xB6
STARTUP_SECONDS = 0.002
"""How long the chip takes after a reset, at most (section 1.1)."""
FORCED_MODE = 0b01
RUN_GAS = 0x10
READ = 0x80
"""The bit of a control byte that says whether a register is read (section 6.3)."""
LOW_PAGE = 0x10
"""The bit of `status` for the registers below 0x80; those from there on have it 0 (section 5.3.1.4)."""
MARGIN = 1.1
"""By how much a measurement is given longer than section 3.3.4 has it, for the chip's own oscillator."""

AirFilter = Literal[0, 1, 3, 7, 15, 31, 63, 127]
"""The coefficient of the filter that smoothes temperature and pressure, 0 for none (section 3.3.4)."""


class Register(IntEnum):
    """Name the registers, by their addresses on I2C (section 5.2)."""

    HEATER_VALUE = 0x00
    MEAS_STATUS = 0x1D
    PRESSURE = 0x1F
    TEMPERATURE = 0x22
    HUMIDITY = 0x25
    GAS = 0x2A
    RES_HEAT = 0x5A
    GAS_WAIT = 0x64
    CTRL_GAS_0 = 0x70
    CTRL_GAS_1 = 0x71
    CTRL_HUM = 0x72
    STATUS = 0x73
    CTRL_MEAS = 0x74
    CONFIG = 0x75
    CALIBRATION_LOW = 0x8A
    ID = 0xD0
    RESET = 0xE0
    CALIBRATION_HIGH = 0xE1


class Status(IntFlag):
    """Name the bits of `meas_status_0` (section 5.3.5.1), and of the last gas register (section 5.3.4.5)."""

    NEW_DATA = 0x80
    GAS_MEASURING = 0x40
    MEASURING = 0x20
    GAS_VALID = 0x20
    HEATER_STABLE = 0x10


@dataclass(frozen=True, slots=True)
class Settings:
    """Say how the chip measures: oversampling, filter, and the heater in °C and ms (0 ms for no gas)."""

    temperature: Oversampling = 1
    pressure: Oversampling = 1
    humidity: Oversampling = 1
    filter: AirFilter = 0
    heater_celsius: float = 320.0
    heater_milliseconds: int = 150

    @property
    def conversion_seconds(self) -> float:
        """Return how long a measurement takes at most, in seconds (section 3.3.4): wake up, measure, heat."""
        samples = self.temperature + self.pressure + self.humidity
        seconds = (1.0 + 1.963 * samples + 0.477 * 4) / 1000
        if self.heater_milliseconds:
            seconds += (0.477 * 5 + self.heater_milliseconds) / 1000
        return seconds * MARGIN


@dataclass(frozen=True, slots=True)
class AirQuality:
    """Be what is measured: °C, relative humidity in %, hPa, and Ω of the gas sensor.

    The last is None where the gas was not measured, or its heater was not warm enough.
    """

    temperature: float
    humidity: float
    pressure: float
    gas: float | None


class Bme680(Chip):
    """Measure with the chip that `handle` selects; `delay` waits for a number of seconds while others run.

    `settings` may be replaced at any time; the next measurement is made with them.
    """

    def __init__(
        self, handle: AbstractAsyncContextManager[SpiBus], delay: Delay, settings: Settings | None = None
    ) -> None:
        super().__init__(handle, delay)
        self.settings = settings or Settings()
        self._calibration: Calibration | None = None
        self._ambient = 25.0
        self._filter = 0

    async def measure(self) -> AirQuality:
        """Trigger a measurement, leave the bus, wait, and fetch the result (section 3.1).

        The chip is reset and its calibration read before the first measurement, and again after a failure. Raises
        DeviceUnavailable, with cause and cure, if it does not do as it should.
        """
        calibration, self._calibration = self._calibration, None
        settings = self.settings
        await self._check_id()
        calibration = calibration or await self._prepare()
        await self._trigger(settings, calibration)
        await self._delay(settings.conversion_seconds)
        measured = self._result(await self._read(Register.MEAS_STATUS, 15), settings, calibration)
        self._ambient = measured.temperature
        self._calibration = calibration
        return measured

    async def _check_id(self) -> None:
        await self._turn_page(Register.ID)
        (found,) = await self._read(Register.ID, 1)
        if found != CHIP_ID:
            raise wrong_id(found, CHIP_ID, "a BME680")

    async def _prepare(self) -> Calibration:
        """Reset the chip and return its calibration."""
        await self._write((Register.RESET, RESET_WORD))
        self._filter = 0
        await self._delay(STARTUP_SECONDS)
        found = await self._registers()
        # There is no checksum, and one wrong bit would be in every value from now on.
        if found != await self._registers():
            raise DeviceUnavailable("its calibration reads differently each time; check its wiring, or lower baudrate")
        try:
            return Calibration.from_registers(*found)
        except ValueError as error:
            raise DeviceUnavailable(f"{error}; check its power and wiring") from error

    async def _registers(self) -> tuple[bytes, bytes, bytes]:
        await self._turn_page(Register.CALIBRATION_LOW)
        low = await self._read(Register.CALIBRATION_LOW, 23)
        high = await self._read(Register.CALIBRATION_HIGH, 14)
        await self._turn_page(Register.HEATER_VALUE)
        return low, high, await self._read(Register.HEATER_VALUE, 5)

    async def _trigger(self, settings: Settings, calibration: Calibration) -> None:
        await self._turn_page(Register.CTRL_MEAS)
        gas = bool(settings.heater_milliseconds)
        pairs = [
            (Register.RES_HEAT, calibration.heater_resistance(settings.heater_celsius, self._ambient)),
            (Register.GAS_WAIT, gas_wait(settings.heater_milliseconds)),
            (Register.CTRL_GAS_0, 0 if gas else 0x08),
            (Register.CTRL_GAS_1, RUN_GAS if gas else 0),
            (Register.CTRL_HUM, settings.humidity.bit_length()),
        ]
        # Only when it changes, so that the filter remembers.
        if settings.filter != self._filter:
            pairs.append((Register.CONFIG, settings.filter.bit_length() << 2))
        over = settings.temperature.bit_length() << 5 | settings.pressure.bit_length() << 2
        await self._write(*pairs, (Register.CTRL_MEAS, over | FORCED_MODE))
        self._filter = settings.filter

    def _result(self, burst: bytes, settings: Settings, calibration: Calibration) -> AirQuality:
        if set(burst) in ({byte} for byte in SILENT):
            raise DeviceUnavailable("has stopped to answer; check its power and wiring")
        if burst[0] & (Status.MEASURING | Status.GAS_MEASURING):
            milliseconds = settings.conversion_seconds * 1000
            raise DeviceUnavailable(f"still measures after {milliseconds:.1f} ms; take its power away for a second")
        if not burst[0] & Status.NEW_DATA:
            raise DeviceUnavailable("has lost its measurement, as by a reset; check its power")

        def word(register: Register, count: int) -> int:
            begin = register - Register.MEAS_STATUS
            return int.from_bytes(burst[begin : begin + count])

        fine = calibration.fine_temperature(word(Register.TEMPERATURE, 3) >> 4)
        try:
            pressure = calibration.pressure(word(Register.PRESSURE, 3) >> 4, fine)
        except ValueError as error:
            raise DeviceUnavailable(f"{error}; check its wiring") from error
        gas = word(Register.GAS, 2)
        stable = gas & Status.GAS_VALID and gas & Status.HEATER_STABLE
        return AirQuality(
            temperature=fine / 5120,
            humidity=calibration.humidity(word(Register.HUMIDITY, 2), fine),
            pressure=pressure / 100,
            gas=calibration.gas_resistance(gas >> 6, gas & 0x0F) if settings.heater_milliseconds and stable else None,
        )

    async def _turn_page(self, register: Register) -> None:
        # `status` is on both pages.
        await self._write((Register.STATUS, LOW_PAGE if register < READ else 0))

    async def _read(self, register: Register, count: int) -> bytes:
        return (await self.exchange(bytes((register | READ, *bytes(count)))))[1:]

    async def _write(self, *pairs: tuple[Register, int]) -> None:
        await self.send(bytes(byte for register, value in pairs for byte in (register & ~READ, value)))
