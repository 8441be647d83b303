"""The compensation against published values, and against another implementation where there are none."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugin_spi_sensor.chips.bme280_compensation import Calibration
from plugin_spi_sensor.simulated.bme280 import calibration_registers

# The example in the data sheet of the BMP280 (BST-BMP280-DS001), section 3.12, whose formulas are the same.
PUBLISHED = Calibration(
    t1=27504, t2=26435, t3=-1000,
    p1=36477, p2=-10685, p3=3024, p4=2855, p5=140, p6=-7, p7=15500, p8=-14600, p9=6000,
    h1=75, h2=362, h3=0, h4=313, h5=50, h6=30,
)  # fmt: skip
RAW_TEMPERATURE, RAW_PRESSURE = 519888, 415148


def integer_humidity(calibration: Calibration, raw: int, fine: int) -> float:
    """Return the humidity in % by the fixed-point way of section 4.2.3, which shares no step with the other."""
    c = calibration
    warmth = fine - 76800
    scaled = ((raw << 14) - (c.h4 << 20) - c.h5 * warmth + 16384) >> 15
    curve = ((warmth * c.h6) >> 10) * (((warmth * c.h3) >> 11) + 32768) >> 10
    scaled *= ((curve + 2097152) * c.h2 + 8192) >> 14
    scaled -= ((((scaled >> 15) ** 2) >> 7) * c.h1) >> 4
    return (min(max(scaled, 0), 419430400) >> 12) / 1024


def integer_pressure(calibration: Calibration, raw: int, fine: int) -> float:
    """Return the pressure in Pa by the fixed-point way of section 4.2.3, with 64 bits."""
    c = calibration
    warmth = fine - 128000
    offset = warmth * warmth * c.p6 + (warmth * c.p5 << 17) + (c.p4 << 35)
    steps = (warmth * warmth * c.p3 >> 8) + (warmth * c.p2 << 12)
    steps = ((1 << 47) + steps) * c.p1 >> 33
    linear = (((1048576 - raw) << 31) - offset) * 3125 // steps
    bent = c.p9 * (linear >> 13) ** 2 >> 25
    tilted = c.p8 * linear >> 19
    return ((linear + bent + tilted >> 8) + (c.p7 << 4)) / 256


def test_temperature_of_the_published_example() -> None:
    assert PUBLISHED.temperature(RAW_TEMPERATURE) == pytest.approx(25.08, abs=0.005)
    assert PUBLISHED.fine_temperature(RAW_TEMPERATURE) == pytest.approx(128422.287, abs=0.0005)


def test_pressure_of_the_published_example() -> None:
    assert PUBLISHED.pressure(RAW_PRESSURE, PUBLISHED.fine_temperature(RAW_TEMPERATURE)) == pytest.approx(
        100653.27, abs=0.005
    )


@given(raw=st.integers(200_000, 700_000), fine=st.integers(-40 * 5120, 85 * 5120))
def test_pressure_is_that_of_the_fixed_point_way(raw: int, fine: int) -> None:
    assert PUBLISHED.pressure(raw, fine) == pytest.approx(integer_pressure(PUBLISHED, raw, fine), abs=0.5)


@pytest.mark.parametrize("fine", [-40 * 5120, 0, 25 * 5120, 85 * 5120])
@pytest.mark.parametrize("raw", [20_000, 25_000, 30_000, 35_000])
def test_humidity_of_a_chip_with_all_its_curves(raw: int, fine: int) -> None:
    words = {name: getattr(PUBLISHED, name) for name in Calibration.__slots__}
    calibration = Calibration(**{**words, "h3": 200, "h5": -90, "h6": 45})
    expected = integer_humidity(calibration, raw, fine)
    assert calibration.humidity(raw, fine) == pytest.approx(expected, abs=0.02)
    if raw == 30_000:
        assert 0 < expected < 100


@given(
    raw=st.integers(0, 0xFFFF),
    fine=st.integers(-40 * 5120, 85 * 5120),
    h1=st.integers(0, 255),
    h2=st.integers(250, 450),
    h3=st.integers(0, 255),
    h4=st.integers(200, 500),
    h5=st.integers(-300, 300),
    h6=st.integers(-50, 50),
)
def test_humidity_is_that_of_the_fixed_point_way(
    raw: int, fine: int, h1: int, h2: int, h3: int, h4: int, h5: int, h6: int
) -> None:
    words = {name: getattr(PUBLISHED, name) for name in Calibration.__slots__}
    calibration = Calibration(**{**words, "h1": h1, "h2": h2, "h3": h3, "h4": h4, "h5": h5, "h6": h6})
    assert calibration.humidity(raw, fine) == pytest.approx(integer_humidity(calibration, raw, fine), abs=0.02)


def test_humidity_ends_at_0_and_100() -> None:
    assert PUBLISHED.humidity(0, 128422) == 0
    assert PUBLISHED.humidity(0xFFFF, 128422) == 100


def test_registers_are_little_endian_and_the_two_halves_share_a_byte() -> None:
    low = struct.pack("<12H", *range(1, 13)) + b"\x00\x4b"
    calibration = Calibration.from_registers(low, bytes((0x6A, 0x01, 0x07, 0x13, 0x29, 0x03, 0x1E)))
    assert [calibration.t1, calibration.p1, calibration.p9, calibration.h1] == [1, 4, 12, 75]
    assert (calibration.h2, calibration.h3, calibration.h6) == (362, 7, 30)
    assert (calibration.h4, calibration.h5) == (0x139, 0x032)


def test_twelve_bit_words_keep_their_sign() -> None:
    calibration = Calibration.from_registers(bytes(range(26)), bytes((0, 0, 0, 0xFF, 0xEF, 0xFF, 0)))
    assert (calibration.h4, calibration.h5) == (-1, -2)


def test_registers_of_a_calibration_give_it_back() -> None:
    assert Calibration.from_registers(*calibration_registers(PUBLISHED)) == PUBLISHED


@pytest.mark.parametrize("byte", [0x00, 0xFF])
def test_registers_without_a_chip_are_refused(byte: int) -> None:
    with pytest.raises(ValueError, match=f"{byte:#04x}"):
        Calibration.from_registers(bytes([byte] * 26), bytes([byte] * 7))
