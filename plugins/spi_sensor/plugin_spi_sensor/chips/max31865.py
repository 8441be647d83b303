"""The MAX31865 of Maxim: a platinum resistance thermometer, whose bias is switched off between two conversions.

Tables are those of the data sheet 19-6478, revision 3. The bias takes its time to settle, then the chip looks for
faults, then it converts; the bus is free meanwhile.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import Literal

from core import DeviceUnavailable
from plugin_spi_sensor.bus.protocol import SpiBus
from plugin_spi_sensor.chips import rtd
from plugin_spi_sensor.chips.chip import SILENT, Chip, ChipFault, Delay

__all__ = ["BAUDRATE", "FAULTS", "PHASE", "Config", "Fault", "Max31865", "Register", "Resistance", "Wiring"]

BAUDRATE = 1_000_000
"""Hz; the chip takes 5 MHz ("AC Electrical Characteristics")."""
PHASE = 1
"""Data are taken on the second edge of the clock, whatever its polarity ("Serial Interface")."""
WRITE = 0x80
BIAS_SECONDS = 0.01
"""For 10.5 time constants of the input filter and 1 ms more ("1-Shot"), with the usual 0.1 µF and 4 kΩ."""
DETECTION_SECONDS = 0.001
"""For the automatic detection of faults, which takes 0.6 ms at most (table 3)."""
FULL_SCALE = 1 << 15

Wires = Literal[2, 3, 4]
Mains = Literal[50, 60]


class Register(IntEnum):
    """Name the registers, by the addresses that they are read from (table 1)."""

    CONFIG = 0x00
    RTD = 0x01
    HIGH_THRESHOLD = 0x03
    LOW_THRESHOLD = 0x05
    FAULT = 0x07


class Config(IntFlag):
    """Name the bits of the configuration register (table 2)."""

    BIAS = 0x80
    AUTOMATIC = 0x40
    ONE_SHOT = 0x20
    THREE_WIRES = 0x10
    DETECT = 0x04
    CLEAR_FAULTS = 0x02
    FILTER_50_HZ = 0x01


class Fault(IntFlag):
    """Name the bits of the fault status register (table 7)."""

    VOLTAGE = 0x04
    RTDIN_LOW = 0x08
    REFIN_LOW = 0x10
    REFIN_HIGH = 0x20
    BELOW_LOW = 0x40
    ABOVE_HIGH = 0x80


FAULTS = {
    Fault.VOLTAGE: "an input is above its supply or below ground",
    Fault.RTDIN_LOW: "RTDIN- is too low, as where a lead is open or touches ground",
    Fault.REFIN_LOW: "REFIN- is too low, as where FORCE- is open",
    Fault.REFIN_HIGH: "REFIN- is too high, as where the reference resistor or a lead is open",
    Fault.BELOW_LOW: "the resistance is too small, as where the leads are shorted",
    Fault.ABOVE_HIGH: "the resistance is too large, as where the thermometer is open",
}


@dataclass(frozen=True, slots=True)
class Wiring:
    """Say what is connected: ohms of the thermometer at 0 °C and of the reference, wires, and the mains' hertz."""

    nominal: float = 100.0
    reference: float = 430.0
    wires: Wires = 2
    mains: Mains = 50

    @property
    def config(self) -> Config:
        """Return the bits of the configuration register that stay as they are."""
        wires = Config.THREE_WIRES if self.wires == 3 else Config(0)
        return wires | (Config.FILTER_50_HZ if self.mains == 50 else Config(0))

    @property
    def conversion_seconds(self) -> float:
        """Return how long one conversion takes at most, in seconds ("AC Electrical Characteristics", t_CONV)."""
        return 0.066 if self.mains == 50 else 0.055

    @property
    def measurement_seconds(self) -> float:
        """Return how long a whole measurement takes at most, in seconds."""
        return BIAS_SECONDS + DETECTION_SECONDS + self.conversion_seconds


@dataclass(frozen=True, slots=True)
class Resistance:
    """Be what is measured: the resistance in Ω, and the temperature in °C that it means."""

    ohms: float
    temperature: float


class Max31865(Chip):
    """Measure with the chip that `handle` selects; `delay` waits for a number of seconds while others run."""

    def __init__(self, handle: AbstractAsyncContextManager[SpiBus], delay: Delay, wiring: Wiring | None = None) -> None:
        super().__init__(handle, delay)
        self._wiring = wiring or Wiring()

    async def measure(self) -> Resistance:
        """Convert once; raise ChipFault for what the chip finds wrong, DeviceUnavailable for what is wrong with it."""
        wiring = self._wiring
        ready = wiring.config | Config.BIAS
        try:
            await self._configure(ready | Config.CLEAR_FAULTS)
            await self._delay(BIAS_SECONDS)
            await self._configure(ready | Config.DETECT)
            await self._delay(DETECTION_SECONDS)
            await self._configure(ready | Config.ONE_SHOT)
            await self._delay(wiring.conversion_seconds)
            registers = (await self.exchange(bytes((Register.CONFIG, *bytes(8)))))[1:]
        finally:
            # Without its bias the thermometer does not warm itself.
            await self._configure(wiring.config)
        return self._result(registers)

    def _result(self, registers: bytes) -> Resistance:
        wiring, config = self._wiring, registers[Register.CONFIG]
        if set(registers) in ({byte} for byte in SILENT):
            raise DeviceUnavailable(
                f"nothing answers (all registers are {registers[0]:#04x}); check its power, its wiring and the option "
                "chip_select"
            )
        if config & Config.ONE_SHOT:
            milliseconds = wiring.conversion_seconds * 1000
            raise DeviceUnavailable(f"still converts after {milliseconds:.0f} ms; take its power away for a second")
        if config != wiring.config | Config.BIAS:
            raise DeviceUnavailable(
                f"its configuration reads {config:#04x}, and {int(wiring.config | Config.BIAS):#04x} was written; "
                "check its power and wiring, or lower baudrate"
            )
        faults = Fault(registers[Register.FAULT] & 0xFC)
        word = int.from_bytes(registers[Register.RTD : Register.RTD + 2])
        if word & 1 or faults:
            causes = [FAULTS[fault] for fault in faults]
            raise ChipFault("; ".join(causes) or "it reports a fault and does not say which", faults.name or "")
        ohms = (word >> 1) * wiring.reference / FULL_SCALE
        try:
            return Resistance(ohms, rtd.temperature(ohms, wiring.nominal))
        except ValueError as error:
            raise DeviceUnavailable(f"{error}; check the options nominal and reference") from error

    async def _configure(self, config: Config) -> None:
        await self.send(bytes((Register.CONFIG | WRITE, config)))
