"""A BME680 at register level, for a simulated bus: pages, a measurement's time, and a heater that takes its own.

Sections are those of the data sheet BST-BME680-DS001, revision 1.6. Left out are the 3-wire interface and noise.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from typing import ClassVar

from core.sim.spi import PULLED_UP
from plugin_spi_sensor.chips.bme680 import (
    CHIP_ID,
    LOW_PAGE,
    READ,
    RESET_WORD,
    RUN_GAS,
    AirQuality,
    Register,
    Status,
)
from plugin_spi_sensor.chips.bme680_compensation import Calibration

__all__ = ["TYPICAL_CALIBRATION", "Air", "SimulatedBme680", "calibration_registers", "kitchen"]

Air = Callable[[int], AirQuality]
"""What the air is at a time in nanoseconds."""

TYPICAL_CALIBRATION = Calibration(
    t1=26041, t2=26469, t3=3,
    p1=36673, p2=-10350, p3=88, p4=7340, p5=-111, p6=30, p7=51, p8=-1203, p9=-2866, p10=30,
    h1=821, h2=1013, h3=0, h4=45, h5=20, h6=120, h7=-100,
    g1=-30, g2=-5969, g3=18, heater_range=1, heater_value=44, range_error=0,
)  # fmt: skip
"""As they are found on such chips."""

OTHER_ID = 0x58
STARTUP = 2_000_000
"""ns, section 1.1."""
HEATER_TAU = 0.025
"""Seconds in which the heater has gone most of its way; after 20 to 30 ms and more it is warm (section 3.3.5)."""
WARM_ENOUGH = 0.98


def kitchen(place: int = 0) -> Air:
    """Return the air of a kitchen, in which somebody fries something every half hour."""

    def air(nanoseconds: int) -> AirQuality:
        seconds = nanoseconds / 1e9 + 25.0 * place
        frying = max(math.sin(math.tau * seconds / 1800), 0.0)
        return AirQuality(
            temperature=21 + 3 * frying,
            humidity=42 + 20 * frying,
            pressure=1012 + 2 * math.sin(math.tau * seconds / 3600),
            gas=180_000 * math.exp(-2.5 * frying),
        )

    return air


class SimulatedBme680:
    """Be a chip in some air; `clock` tells nanoseconds."""

    possible_faults: ClassVar = ("wrong_id", "stuck_busy", "cold_heater")

    def __init__(
        self, clock: Callable[[], int], air: Air | None = None, calibration: Calibration = TYPICAL_CALIBRATION
    ) -> None:
        self.faults: set[str] = set()
        self.measurements = 0
        """How many measurements have been finished."""
        self._clock = clock
        self._air = air or kitchen()
        self._calibration = calibration
        self._address: int | None = None
        self._reading = False
        self._now = clock()
        self._ends: int | None = None
        self._power_on()

    def select(self) -> None:
        """Begin a transaction. What can be read stays as it is until its end."""
        self._address = None
        self._now = self._clock()
        if self._ends is not None and self._now >= self._ends and "stuck_busy" not in self.faults:
            self._finish(self._ends)
            self._ends = None

    def deselect(self) -> None:
        """End the transaction."""
        self._address = None

    def transfer(self, byte: int) -> int:
        """Take a control byte, or a byte of data after it; return the next register where it reads (section 6.3)."""
        if self._address is None:
            self._reading = bool(byte & READ)
            self._address = byte & ~READ & 0xFF
        elif self._reading:
            answer = self._read(self._address | self._page)
            self._address = self._address + 1 & 0x7F
            return answer
        else:
            self._write(self._address | self._page, byte)
            self._address = None
        return PULLED_UP

    @property
    def _page(self) -> int:
        """Return the bit that stands before the seven of an address: that of the page from 0x80 on, or 0."""
        return 0 if self._registers[Register.STATUS] & LOW_PAGE else 0x80

    def _power_on(self) -> None:
        self._registers = bytearray(256)
        low, high, heater = calibration_registers(self._calibration)
        self._registers[Register.CALIBRATION_LOW : Register.CALIBRATION_LOW + len(low)] = low
        self._registers[Register.CALIBRATION_HIGH : Register.CALIBRATION_HIGH + len(high)] = high
        self._registers[Register.HEATER_VALUE : Register.HEATER_VALUE + len(heater)] = heater
        self._ready = self._now + STARTUP
        self._ends = None
        self._filtered: tuple[float, float] | None = None

    def _read(self, address: int) -> int:
        if address == Register.ID:
            return OTHER_ID if "wrong_id" in self.faults else CHIP_ID
        if self._now < self._ready:
            return 0  # the calibration is not there yet
        if address & 0x7F == Register.STATUS:
            return self._registers[Register.STATUS]
        if address == Register.MEAS_STATUS and self._ends is not None:
            gas = self._registers[Register.CTRL_GAS_1] & RUN_GAS
            return Status.MEASURING | (Status.GAS_MEASURING if gas else 0)
        return self._registers[address]

    def _write(self, address: int, value: int) -> None:
        if address & 0x7F == Register.STATUS:
            self._registers[Register.STATUS] = value & LOW_PAGE
        elif address == Register.RESET and value == RESET_WORD:
            self._power_on()
        elif address == Register.CTRL_MEAS:
            # Changes during a measurement are for after it; a driver that waits makes none.
            if self._ends is None:
                self._registers[address] = value
                if value & 0b11 == 0b01:
                    self._begin()
        elif Register.RES_HEAT <= address <= Register.CONFIG:
            self._registers[address] = value
            if address == Register.CONFIG:
                self._filtered = None

    def _begin(self) -> None:
        """Begin a measurement in forced mode, which takes its time (section 3.3.4)."""
        self._registers[Register.MEAS_STATUS] &= ~Status.NEW_DATA
        milliseconds = 1.0 + 1.963 * sum(self._samples()) + 0.477 * 4
        if self._registers[Register.CTRL_GAS_1] & RUN_GAS:
            milliseconds += 0.477 * 5 + self._heated_for
        self._ends = self._now + round(milliseconds * 1e6)

    @property
    def _heated_for(self) -> int:
        """Return how many milliseconds the heater is on (section 5.3.3.3)."""
        wait = self._registers[Register.GAS_WAIT]
        return (wait & 0x3F) * (1, 4, 16, 64)[wait >> 6]

    def _samples(self) -> tuple[int, int, int]:
        """Return the oversampling of temperature, pressure and humidity, 0 where it is skipped (section 5.3.2)."""
        over = self._registers[Register.CTRL_MEAS]
        codes = (over >> 5, over >> 2 & 0b111, self._registers[Register.CTRL_HUM] & 0b111)
        return tuple((0, 1, 2, 4, 8, 16, 16, 16)[code] for code in codes)  # type: ignore[return-value]  # three of them

    def _finish(self, now: int) -> None:
        """Put what the air is into the registers."""
        self.measurements += 1
        self._registers[Register.CTRL_MEAS] &= ~0b11
        air, calibration = self._air(now), self._calibration
        fine = air.temperature * 5120
        samples = self._samples()
        raw_temperature = _solved(lambda raw: calibration.fine_temperature(round(raw)), fine, 1 << 20)
        raw_pressure = _solved(lambda raw: calibration.pressure(raw, fine), air.pressure * 100, 1 << 20)
        raw_humidity = _solved(lambda raw: calibration.humidity(raw, fine), air.humidity, 1 << 16)
        strength = 1 << (self._registers[Register.CONFIG] >> 2 & 0b111)
        if self._filtered is not None and strength > 1:
            before = self._filtered
            raw_temperature = (before[0] * (strength - 1) + raw_temperature) / strength
            raw_pressure = (before[1] * (strength - 1) + raw_pressure) / strength
        self._filtered = (raw_temperature, raw_pressure)
        data = bytearray(self._registers[Register.MEAS_STATUS : Register.GAS + 2])
        data[0] = Status.NEW_DATA
        for register, raw, count, shift, wanted in (
            (Register.TEMPERATURE, raw_temperature, 3, 4, samples[0]),
            (Register.PRESSURE, raw_pressure, 3, 4, samples[1]),
            (Register.HUMIDITY, raw_humidity, 2, 0, samples[2]),
        ):
            begin = register - Register.MEAS_STATUS
            top = 1 << 8 * count - 1
            data[begin : begin + count] = (round(raw) << shift if wanted else top).to_bytes(count)
        data[-2:] = self._gas(air).to_bytes(2)
        self._registers[Register.MEAS_STATUS : Register.GAS + 2] = data

    def _gas(self, air: AirQuality) -> int:
        """Return the two gas registers: the raw value in the range that fits, and whether the heater was warm."""
        if not self._registers[Register.CTRL_GAS_1] & RUN_GAS or air.gas is None:
            return 0
        share = 1 - math.exp(-self._heated_for / 1000 / HEATER_TAU)
        warm = share >= WARM_ENOUGH and "cold_heater" not in self.faults
        wanted = air.gas
        calibration = self._calibration
        gas_range = next(
            (at for at in range(15, -1, -1) if calibration.gas_resistance(0, at) >= wanted), 0
        )  # the resistance is the largest at raw 0
        raw = _solved(lambda raw: calibration.gas_resistance(raw, gas_range), wanted, 1 << 10)
        return round(raw) << 6 | Status.GAS_VALID | (Status.HEATER_STABLE if warm else 0) | gas_range


def calibration_registers(calibration: Calibration) -> tuple[bytes, bytes, bytes]:
    """Return what the registers 0x8A to 0xA0, 0xE1 to 0xEE and 0x00 to 0x04 hold (tables 11 to 14)."""
    c = calibration
    low = struct.pack("<hbxHhbxhhbbxxhhB", c.t2, c.t3, c.p1, c.p2, c.p3, c.p4, c.p5, c.p7, c.p6, c.p8, c.p9, c.p10)
    shared = c.h1 & 0x0F | (c.h2 & 0x0F) << 4
    high = struct.pack(
        "<BBBbbbBbHhbb", c.h2 >> 4, shared, c.h1 >> 4, c.h3, c.h4, c.h5, c.h6, c.h7, c.t1, c.g2, c.g1, c.g3
    )
    heater = struct.pack("<bxBxB", c.heater_value, c.heater_range << 4, (c.range_error & 0x0F) << 4)
    return low, high, heater


def _solved(function: Callable[[float], float], wanted: float, top: int) -> float:
    """Return the raw value, 0 to below `top`, of which a formula makes what is wanted, found by halving."""
    low, high = 0.0, float(top - 1)
    rising = function(high) > function(low)
    for _ in range(40):
        middle = (low + high) / 2
        if (function(middle) < wanted) == rising:
            low = middle
        else:
            high = middle
    return (low + high) / 2
