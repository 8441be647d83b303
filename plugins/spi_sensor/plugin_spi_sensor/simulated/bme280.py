"""A BME280 at register level, for a simulated bus: what the data sheet says, its time for a measurement included.

Sections are those of the data sheet BST-BME280-DS002, revision 1.6. Left out are the 3-wire interface and noise.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from typing import ClassVar

from core.sim.spi import PULLED_UP
from plugin_spi_sensor.chips.bme280 import CHIP_ID, DATA_AT_RESET, READ, RESET_WORD, Register, Status
from plugin_spi_sensor.chips.bme280_compensation import Calibration
from plugin_spi_sensor.simulated.climate import Climate, room

__all__ = ["TYPICAL_CALIBRATION", "SimulatedBme280", "calibration_registers", "raw_values"]

TYPICAL_CALIBRATION = Calibration(
    t1=27504, t2=26435, t3=-1000,
    p1=36477, p2=-10685, p3=3024, p4=2855, p5=140, p6=-7, p7=15500, p8=-14600, p9=6000,
    h1=75, h2=362, h3=0, h4=313, h5=50, h6=30,
)  # fmt: skip
"""Temperature and pressure are the example of the BMP280's data sheet, humidity is as it is found on such chips."""

OTHER_ID = 0x58
"""That of a BMP280, which looks the same and knows no humidity."""
SLEEP, NORMAL = 0b00, 0b11
STARTUP = 2_000_000
"""ns, section 1.1."""
STANDBY = (500_000, 62_500_000, 125_000_000, 250_000_000, 500_000_000, 1_000_000_000, 10_000_000, 20_000_000)
"""ns between two measurements in normal mode, by t_sb (section 5.4.6)."""
SKIPPED_20_BITS, SKIPPED_16_BITS = 0x80000, 0x8000
REMEMBERED = 200
"""Measurements after which the strongest filter has forgotten what was before, to the last bit."""


class SimulatedBme280:
    """Be a chip that measures `climate`; `clock` tells the time in nanoseconds (a loop's `now` is one)."""

    possible_faults: ClassVar = ("wrong_id", "stuck_busy")

    def __init__(
        self,
        clock: Callable[[], int],
        climate: Climate | None = None,
        calibration: Calibration = TYPICAL_CALIBRATION,
    ) -> None:
        self.chip_id = CHIP_ID
        """What the register `id` answers; set another to simulate a wrong chip."""
        self.faults: set[str] = set()
        """What is wrong with the chip now: any of `possible_faults`."""
        self.measurements = 0
        """How many measurements have been finished."""
        self._clock = clock
        self._climate = climate or room()
        self._calibration = calibration
        self._address: int | None = None
        self._reading = False
        self._now = clock()
        self._power_on()

    def select(self) -> None:
        """Begin a transaction. What can be read stays as it is until its end (section 4.1)."""
        self._address = None
        self._now = self._clock()
        self._settle(self._now)

    def deselect(self) -> None:
        """End the transaction."""
        self._address = None

    def transfer(self, byte: int) -> int:
        """Take a control byte, or a byte of data after it; return the next register where it reads (section 6.3)."""
        if self._address is None:
            self._reading = bool(byte & READ)
            self._address = byte | READ
        elif self._reading:
            answer = self._read(self._address)
            self._address = self._address + 1 & 0xFF | READ
            return answer
        else:
            self._write(self._address, byte)
            self._address = None
        return PULLED_UP

    def _power_on(self) -> None:
        self._registers = bytearray(256)
        self._registers[Register.DATA : Register.DATA + 8] = DATA_AT_RESET
        self._ready: int | None = self._now + STARTUP
        self._begins = self._ends = 0
        self._active = False
        self._next_control: int | None = None
        self._humidity_code = 0
        self._filtered: tuple[float, float] | None = None

    def _read(self, address: int) -> int:
        if address == Register.ID:
            return OTHER_ID if "wrong_id" in self.faults else self.chip_id
        if address == Register.STATUS:
            busy = self._measuring or "stuck_busy" in self.faults
            return Status.MEASURING * busy | Status.IM_UPDATE * (self._ready is not None)
        return self._registers[address]

    def _write(self, address: int, value: int) -> None:
        if address == Register.RESET and value == RESET_WORD:
            self._power_on()
        elif address == Register.CTRL_HUM and self._next_control is None:
            self._registers[address] = value & 0x07
        elif address == Register.CTRL_MEAS and self._measuring:
            # Takes effect after the measurement; further ones are ignored until then (section 3.3.1).
            self._next_control = value if self._next_control is None else self._next_control
        elif address == Register.CTRL_MEAS:
            self._control(value, self._now)
        elif address == Register.CONFIG and self._mode != NORMAL:
            self._registers[address] = value & 0xFD
            # Writing it resets the filter (section 3.4.4).
            self._filtered = None

    @property
    def _measuring(self) -> bool:
        return self._active and self._begins <= self._now < self._ends

    @property
    def _mode(self) -> int:
        return self._registers[Register.CTRL_MEAS] & 0b11

    def _control(self, value: int, now: int) -> None:
        """Do what is written to `ctrl_meas`; `ctrl_hum` becomes effective with it (section 5.4.3)."""
        self._registers[Register.CTRL_MEAS] = value
        self._humidity_code = self._registers[Register.CTRL_HUM]
        self._active = self._mode != SLEEP
        if self._active:
            self._begin(now)

    def _begin(self, now: int) -> None:
        temperature, pressure, humidity = self._samples()
        milliseconds = 1 + 2 * temperature + (2 * pressure + 0.5 if pressure else 0)
        milliseconds += 2 * humidity + 0.5 if humidity else 0
        self._begins, self._ends = now, now + round(milliseconds * 1e6)

    def _samples(self) -> tuple[int, int, int]:
        """Return the oversampling of temperature, pressure and humidity, 0 where it is skipped (section 5.4.5)."""
        control = self._registers[Register.CTRL_MEAS]
        codes = (control >> 5, control >> 2 & 0b111, self._humidity_code)
        return tuple((0, 1, 2, 4, 8, 16, 16, 16)[code] for code in codes)  # type: ignore[return-value]  # three of them

    def _settle(self, now: int) -> None:
        """Do what has happened since the chip was looked at last."""
        if self._ready is not None and now >= self._ready:
            self._ready = None
            low, high = calibration_registers(self._calibration)
            self._registers[Register.CALIBRATION_LOW : Register.CALIBRATION_LOW + len(low)] = low
            self._registers[Register.CALIBRATION_HIGH : Register.CALIBRATION_HIGH + len(high)] = high
        if self._active and self._mode == NORMAL and self._next_control is None:
            cycle = self._ends - self._begins + self._standby
            if (unseen := (now - self._ends) // cycle - REMEMBERED) > 0:
                self._begins += unseen * cycle
                self._ends += unseen * cycle
                self.measurements += unseen
        while self._active and self._ends <= now:
            self._finish()

    def _finish(self) -> None:
        self._measure(self._ends)
        self.measurements += 1
        if self._next_control is not None:
            value, self._next_control = self._next_control, None
            self._control(value, self._ends)
        elif self._mode == NORMAL:
            self._begin(self._ends + self._standby)
        else:
            self._registers[Register.CTRL_MEAS] &= ~0b11
            self._active = False

    @property
    def _standby(self) -> int:
        return STANDBY[self._registers[Register.CONFIG] >> 5]

    def _measure(self, now: int) -> None:
        """Put what the climate is into the data registers, as finely as the chip would (section 3.4)."""
        samples = self._samples()
        climate = self._climate(now)
        strength = (1, 2, 4, 8, 16, 16, 16, 16)[self._registers[Register.CONFIG] >> 2 & 0b111]
        temperature, pressure, humidity = raw_values(
            self._calibration, climate.temperature, climate.humidity, climate.pressure
        )
        if strength > 1:
            old = self._filtered or (temperature, pressure)
            temperature = (old[0] * (strength - 1) + temperature) / strength
            pressure = (old[1] * (strength - 1) + pressure) / strength
            self._filtered = (temperature, pressure)
            coarseness = [0, 0]
        else:
            self._filtered = None
            coarseness = [5 - samples[index].bit_length() for index in (0, 1)]
        words = [
            _word(temperature, 20) >> coarseness[0] << coarseness[0] if samples[0] else SKIPPED_20_BITS,
            _word(pressure, 20) >> coarseness[1] << coarseness[1] if samples[1] else SKIPPED_20_BITS,
            _word(humidity, 16) if samples[2] else SKIPPED_16_BITS,
        ]
        data = (words[1] << 4).to_bytes(3, "big") + (words[0] << 4).to_bytes(3, "big") + words[2].to_bytes(2, "big")
        self._registers[Register.DATA : Register.DATA + len(data)] = data


def raw_values(
    calibration: Calibration, temperature: float, humidity: float, pressure: float
) -> tuple[float, float, float]:
    """Return the raw temperature, pressure and humidity of a climate in °C, % and hPa: the compensation undone."""
    # Each is the solution of a quadratic equation, in the form that has no difference of nearly equal numbers.
    fine = temperature * 5120
    square = calibration.t3 / 64
    distance = 2 * fine / (calibration.t2 + math.sqrt(calibration.t2**2 + 4 * square * fine))
    raw_temperature = (distance + calibration.t1 / 1024) * 16384

    offset, steps = calibration.pressure_terms(fine)
    wanted = pressure * 100 - calibration.p7 / 16
    square, straight = calibration.p9 / 34359738368, 1 + calibration.p8 / 524288
    linear = 2 * wanted / (straight + math.sqrt(straight**2 + 4 * square * wanted))
    raw_pressure = (1 << 20) - offset - linear * steps / 6250

    offset, per_step = calibration.humidity_terms(fine)
    linear = 2 * humidity / (1 + math.sqrt(1 - 4 * calibration.h1 / 524288 * humidity))
    return raw_temperature, raw_pressure, linear / per_step + offset


def calibration_registers(calibration: Calibration) -> tuple[bytes, bytes]:
    """Return what the registers 0x88 to 0xA1 and 0xE1 to 0xE7 hold for a calibration (table 16)."""
    c = calibration
    low = struct.pack("<HhhHhhhhhhhhxB", c.t1, c.t2, c.t3, c.p1, c.p2, c.p3, c.p4, c.p5, c.p6, c.p7, c.p8, c.p9, c.h1)
    shared = c.h4 & 0x0F | (c.h5 & 0x0F) << 4
    high = struct.pack("<hBbBbb", c.h2, c.h3, c.h4 >> 4, shared, c.h5 >> 4, c.h6)
    return low, high


def _word(value: float, bits: int) -> int:
    """Return what a converter of so many bits gives, which stops at its ends."""
    return min(max(round(value), 0), (1 << bits) - 1)
