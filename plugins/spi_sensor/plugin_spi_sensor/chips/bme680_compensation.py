"""How a BME680's raw numbers become degrees, per cent, pascals and ohms: its calibration and the formulas that use it.

Sections are those of Bosch's data sheet BST-BME680-DS001, revision 1.6. The formulas are those in floating point; the
temperature goes from one to the next unrounded.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

__all__ = ["Calibration", "gas_wait"]

_FINE_PER_DEGREE = 5120.0
_RAW_TOP = 1 << 20
_LONGEST_WAIT = 0xFC0
"""ms; the register can say 4032 (section 5.3.3.3)."""

# How far each range of the gas sensor is off, in per cent (section 3.4.1, table 16).
_RANGE_OFFSETS = (0, 0, 0, 0, 0, -1, 0, -0.8, 0, 0, -0.2, -0.5, 0, -1, 0, 0)
_RANGE_SLOPES = (0, 0, 0, 0, 0.1, 0.7, 0, -0.8, -0.1, 0, 0, 0, 0, 0, 0, 0)


def gas_wait(milliseconds: int) -> int:
    """Return how the register `gas_wait` says a time: six bits, and by which power of four they are multiplied."""
    milliseconds = min(milliseconds, _LONGEST_WAIT)
    factor = 0
    while milliseconds > 0x3F:
        milliseconds = -(-milliseconds // 4)
        factor += 1
    return factor << 6 | milliseconds


@dataclass(frozen=True, slots=True)
class Calibration:
    """Be the numbers that the factory measured for one chip; the names are those of the data sheet, without `par_`."""

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
    p10: int
    h1: int
    h2: int
    h3: int
    h4: int
    h5: int
    h6: int
    h7: int
    g1: int
    g2: int
    g3: int
    heater_range: int
    heater_value: int
    range_error: int

    @classmethod
    def from_registers(cls, low: bytes, high: bytes, heater: bytes) -> Calibration:
        """Return the calibration in the registers 0x8A to 0xA0, 0xE1 to 0xEE and 0x00 to 0x04 (tables 11 to 14).

        Raises ValueError where the registers hold none: all of `low` is the same, as on a bus without a chip.
        """
        if len(set(low)) == 1:
            raise ValueError(f"all calibration registers are {low[0]:#04x}")
        t2, t3, p1, p2, p3, p4, p5, p7, p6, p8, p9, p10 = struct.unpack("<hbxHhbxhhbbxxhhB", low)
        # h1 and h2 have 12 bits each and share the byte in the middle.
        h2_upper, shared, h1_upper, h3, h4, h5, h6, h7, t1, g2, g1, g3 = struct.unpack("<BBBbbbBbHhbb", high)
        return cls(
            t1=t1, t2=t2, t3=t3,
            p1=p1, p2=p2, p3=p3, p4=p4, p5=p5, p6=p6, p7=p7, p8=p8, p9=p9, p10=p10,
            h1=h1_upper << 4 | shared & 0x0F, h2=h2_upper << 4 | shared >> 4, h3=h3, h4=h4, h5=h5, h6=h6, h7=h7,
            g1=g1, g2=g2, g3=g3,
            heater_range=heater[2] >> 4 & 0b11,
            heater_value=int.from_bytes(heater[0:1], signed=True),
            range_error=int.from_bytes(heater[4:5], signed=True) >> 4,
        )  # fmt: skip

    def fine_temperature(self, raw: int) -> float:
        """Return the temperature of a raw value (20 bits) in 1/5120 °C, as the other formulas want it (3.3.1)."""
        distance = raw / 16384 - self.t1 / 1024
        return distance * self.t2 + (distance / 8) ** 2 * self.t3 * 16

    def temperature(self, raw: int) -> float:
        """Return the temperature of a raw value (20 bits) in °C."""
        return self.fine_temperature(raw) / _FINE_PER_DEGREE

    def pressure(self, raw: float, fine: float) -> float:
        """Return the pressure of a raw value (20 bits) in Pa, at a temperature in 1/5120 °C (section 3.3.2).

        Raises ValueError for a calibration by which the sensor has no sensitivity.
        """
        warmth = fine / 2 - 64000
        offset = (warmth * warmth * self.p6 / 131072 + warmth * self.p5 * 2) / 4 + self.p4 * 65536.0
        bend = (self.p3 * warmth * warmth / 16384 + self.p2 * warmth) / 524288
        steps = (1 + bend / 32768) * self.p1
        if steps == 0:
            raise ValueError("the calibration cannot be that of a BME680: its pressure sensor has no sensitivity")
        linear = (_RAW_TOP - raw - offset / 4096) * 6250 / steps
        square = self.p9 * linear * linear / 2147483648
        cube = (linear / 256) ** 3 * self.p10 / 131072
        return linear + (square + linear * self.p8 / 32768 + cube + self.p7 * 128) / 16

    def humidity(self, raw: float, fine: float) -> float:
        """Return the relative humidity of a raw value (16 bits) in %, 0 to 100, at 1/5120 °C (section 3.3.3)."""
        celsius = fine / _FINE_PER_DEGREE
        distance = raw - (self.h1 * 16.0 + self.h3 / 2 * celsius)
        slope = self.h2 / 262144 * (1 + self.h4 / 16384 * celsius + self.h5 / 1048576 * celsius * celsius)
        linear = distance * slope
        return min(max(linear + (self.h6 / 16384 + self.h7 / 2097152 * celsius) * linear * linear, 0.0), 100.0)

    def gas_resistance(self, raw: float, gas_range: int) -> float:
        """Return the resistance of the gas sensor in Ω, of a raw value (10 bits) in one of 16 ranges (3.4.1)."""
        full = (1340 + 5 * self.range_error) * (1 + _RANGE_OFFSETS[gas_range] / 100)
        slope = 1 + _RANGE_SLOPES[gas_range] / 100
        return 1 / (slope * 0.000000125 * (1 << gas_range) * ((raw - 512) / full + 1))

    def heater_resistance(self, celsius: float, ambient: float) -> int:
        """Return what the register `res_heat` says of a heater of so many °C, in an ambient of so many (3.3.5)."""
        base = self.g1 / 16 + 49
        slope = self.g2 / 32768 * 0.0005 + 0.00235
        warm = base * (1 + slope * min(celsius, 400.0)) + self.g3 / 1024 * ambient
        code = 3.4 * (warm * 4 / (4 + self.heater_range) / (1 + self.heater_value * 0.002) - 25)
        return min(max(int(code), 0), 0xFF)
