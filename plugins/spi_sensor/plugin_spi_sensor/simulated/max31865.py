"""A MAX31865 at register level, for a simulated bus. Tables are those of the data sheet 19-6478, revision 3."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import ClassVar

from core.sim.spi import PULLED_UP
from plugin_spi_sensor.chips import rtd
from plugin_spi_sensor.chips.max31865 import FULL_SCALE, WRITE, Config, Fault, Register

__all__ = ["Bath", "SimulatedMax31865", "bath"]

Bath = Callable[[int], float]
"""The temperature in °C at a time in nanoseconds."""

AT_RESET = bytes((0, 0, 0, 0xFF, 0xFF, 0, 0, 0))
"""Table 1."""
DETECTION = 550_000
"""ns that the automatic detection of faults takes."""
OPEN_DELAY = 10_000_000
"""ns after which the bias has settled; a conversion before reads too little."""


def bath(place: int = 0) -> Bath:
    """Return a bath that goes from -30 to 110 °C and back within twenty minutes."""

    def temperature(nanoseconds: int) -> float:
        return 40 - 70 * math.cos(math.tau * (nanoseconds / 1e9 + 60.0 * place) / 1200)

    return temperature


class SimulatedMax31865:
    """Be a chip whose thermometer is in a bath; `clock` tells nanoseconds, `nominal` and `reference` are ohms."""

    possible_faults: ClassVar = ("open_rtd", "shorted_rtd", "stuck_busy")

    def __init__(
        self,
        clock: Callable[[], int],
        temperature: Bath | None = None,
        *,
        nominal: float = 100.0,
        reference: float = 430.0,
    ) -> None:
        self.faults: set[str] = set()
        self._clock = clock
        self._temperature = temperature or bath()
        self._nominal = nominal
        self._reference = reference
        self._registers = bytearray(AT_RESET)
        self._address: int | None = None
        self._writing = False
        self._bias_since: int | None = None
        self._converts_until: int | None = None
        self._detects_until: int | None = None

    def select(self) -> None:
        """Begin a transaction."""
        self._address = None
        self._settle()

    def deselect(self) -> None:
        """End the transaction."""
        self._address = None

    def transfer(self, byte: int) -> int:
        """Take an address, then bytes to write, or return the registers from there on ("Serial Interface")."""
        if self._address is None:
            self._writing = bool(byte & WRITE)
            self._address = byte & ~WRITE & 0xFF
            return PULLED_UP
        # The address goes on by itself, and begins again behind the last.
        address, self._address = self._address, (self._address + 1) % 0x80
        if self._writing:
            self._write(address, byte)
            return PULLED_UP
        return self._registers[address] if address < len(self._registers) else PULLED_UP

    def _write(self, address: int, value: int) -> None:
        if address == Register.CONFIG:
            self._configure(Config(value))
        elif Register.HIGH_THRESHOLD <= address < Register.FAULT:
            self._registers[address] = value

    def _configure(self, config: Config) -> None:
        now = self._clock()
        if config & Config.CLEAR_FAULTS and not config & (Config.ONE_SHOT | 0x0C):
            self._registers[Register.FAULT] = 0
            self._registers[Register.RTD + 1] &= 0xFE
        if not config & Config.BIAS:
            self._bias_since = None
        elif self._bias_since is None:
            self._bias_since = now
        # The bits that start something are 1 until it is over; the others stay (table 2).
        if config & 0x0C == Config.DETECT and config & Config.BIAS:
            self._detects_until = now + DETECTION
        if config & Config.ONE_SHOT and not config & Config.AUTOMATIC:
            milliseconds = 62.5 if config & Config.FILTER_50_HZ else 52.0
            self._converts_until = now + round(milliseconds * 1e6)
        self._registers[Register.CONFIG] = config & ~Config.CLEAR_FAULTS

    def _settle(self) -> None:
        """Do what has happened since the chip was looked at last."""
        now = self._clock()
        if self._detects_until is not None and now >= self._detects_until:
            self._detects_until = None
            self._registers[Register.CONFIG] &= ~0x0C
            if "open_rtd" in self.faults:
                self._report(Fault.REFIN_HIGH)
        if self._converts_until is not None and now >= self._converts_until and "stuck_busy" not in self.faults:
            self._convert(self._converts_until)
            self._converts_until = None
            self._registers[Register.CONFIG] &= ~Config.ONE_SHOT

    def _convert(self, now: int) -> None:
        ohms = rtd.resistance(self._temperature(now), self._nominal)
        settled = self._bias_since is not None and now - self._bias_since >= OPEN_DELAY
        code = round(ohms / self._reference * FULL_SCALE * (1.0 if settled else 0.5))
        if "open_rtd" in self.faults:
            code = FULL_SCALE - 1
        if "shorted_rtd" in self.faults:
            code = 0
        code = min(max(code, 0), FULL_SCALE - 1)
        self._registers[Register.RTD : Register.RTD + 2] = (code << 1).to_bytes(2)
        high, low = (
            int.from_bytes(self._registers[register : register + 2]) >> 1
            for register in (Register.HIGH_THRESHOLD, Register.LOW_THRESHOLD)
        )
        if code >= high:
            self._report(Fault.ABOVE_HIGH)
        if code <= low:
            self._report(Fault.BELOW_LOW)
        if self._registers[Register.FAULT]:
            self._registers[Register.RTD + 1] |= 1

    def _report(self, fault: Fault) -> None:
        self._registers[Register.FAULT] |= fault
