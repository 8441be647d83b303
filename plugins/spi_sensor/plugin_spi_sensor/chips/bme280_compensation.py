"""How a BME280's raw numbers become degrees, per cent and pascals: its calibration and the formulas that use it.

Sections are those of Bosch's data sheet BST-BME280-DS002, revision 1.6. The formulas are those in double precision
(section 8.1, appendix A). The temperature that goes from one to the next is not cut to a whole number, as it is there:
only so the published example (of the BMP280, whose formulas are the same) comes out as published.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

__all__ = ["Calibration"]

_FINE_PER_DEGREE = 5120.0
_RAW_TOP = 1 << 20


@dataclass(frozen=True, slots=True)
class Calibration:
    """Be the numbers that the factory measured for one chip; the names are those of table 16, without `dig_`."""

    t1: int
    t2: int
    t3: int
    p1: int
    p2: int
    p3: int
    p4: int
    p5: int
    p6: int
    p7: int
    p8: int
    p9: int
    h1: int
    h2: int
    h3: int
    h4: int
    h5: int
    h6: int

    @classmethod
    def from_registers(cls, low: bytes, high: bytes) -> Calibration:
        """Return the calibration that the registers 0x88 to 0xA1 and 0xE1 to 0xE7 hold (table 16).

        Raises ValueError where the registers hold none: all of `low` is the same, as on a bus without a chip.
        """
        if len(set(low)) == 1:
            raise ValueError(f"all calibration registers are {low[0]:#04x}")
        # h4 and h5 have 12 bits each and share the byte in the middle; their upper bytes carry the sign.
        h2, h3, h4_upper, shared, h5_upper, h6 = struct.unpack("<hBbBbb", high)
        h4 = h4_upper << 4 | shared & 0x0F
        h5 = h5_upper << 4 | shared >> 4
        words: tuple[int, ...] = (*struct.unpack("<HhhHhhhhhhhhxB", low), h2, h3, h4, h5, h6)
        return cls(*words)

    def fine_temperature(self, raw: int) -> float:
        """Return the temperature of a raw value (20 bits) in 1/5120 °C, as the other formulas want it."""
        distance = raw / 16384 - self.t1 / 1024
        return distance * self.t2 + (distance / 8) ** 2 * self.t3

    def temperature(self, raw: int) -> float:
        """Return the temperature of a raw value (20 bits) in °C."""
        return self.fine_temperature(raw) / _FINE_PER_DEGREE

    def pressure_terms(self, fine: float) -> tuple[float, float]:
        """Return what is taken off a raw pressure, and how many raw steps make 6250 Pa, at a temperature in 1/5120 °C.

        Raises ValueError for a calibration by which there are no such steps.
        """
        warmth = fine / 2 - 64000
        offset = (warmth * warmth * self.p6 / 32768 + warmth * self.p5 * 2) / 4 + self.p4 * 65536.0
        bend = (self.p3 * warmth * warmth / 524288 + self.p2 * warmth) / 524288
        steps = (1 + bend / 32768) * self.p1
        if steps == 0:
            raise ValueError("the calibration cannot be that of a BME280: its pressure sensor has no sensitivity")
        return offset / 4096, steps

    def pressure(self, raw: int, fine: float) -> float:
        """Return the pressure of a raw value (20 bits) in Pa, at a temperature in 1/5120 °C."""
        offset, steps = self.pressure_terms(fine)
        linear = (_RAW_TOP - raw - offset) * 6250 / steps
        return linear + (self.p9 * linear * linear / 2147483648 + linear * self.p8 / 32768 + self.p7) / 16

    def humidity_terms(self, fine: float) -> tuple[float, float]:
        """Return what is taken off a raw humidity, and the % per raw step, at a temperature in 1/5120 °C."""
        warmth = fine - 76800.0
        offset = self.h4 * 64.0 + self.h5 / 16384 * warmth
        slope = 1 + self.h6 / 67108864 * warmth * (1 + self.h3 / 67108864 * warmth)
        return offset, self.h2 / 65536 * slope

    def humidity(self, raw: int, fine: float) -> float:
        """Return the relative humidity of a raw value (16 bits) in %, 0 to 100, at a temperature in 1/5120 °C."""
        offset, per_step = self.humidity_terms(fine)
        linear = (raw - offset) * per_step
        return min(max(linear * (1 - self.h1 * linear / 524288), 0.0), 100.0)
