"""The simulated chip, byte by byte, against what the data sheet says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugin_spi_sensor.chips.bme280 import Measurement
from plugin_spi_sensor.simulated.bme280 import TYPICAL_CALIBRATION, SimulatedBme280, calibration_registers, raw_values

MILLISECOND = 1_000_000
AT_RESET = bytes.fromhex("8000008000008000")


class Bench:
    """Be a chip with wires to it, and a clock that the test moves."""

    def __init__(self) -> None:
        self.now = 0
        self.climate = Measurement(temperature=21.0, humidity=45.0, pressure=1013.0)
        self.chip = SimulatedBme280(lambda: self.now, lambda _: self.climate)
        self.wait(2)

    def wait(self, milliseconds: float) -> None:
        self.now += round(milliseconds * MILLISECOND)

    def transaction(self, *sent: int) -> bytes:
        self.chip.select()
        answer = bytes(self.chip.transfer(byte) for byte in sent)
        self.chip.deselect()
        return answer

    def read(self, register: int, count: int = 1) -> bytes:
        return self.transaction(register | 0x80, *bytes(count))[1:]

    def write(self, register: int, value: int) -> None:
        self.transaction(register & 0x7F, value)

    def measuring(self) -> bool:
        return bool(self.read(0xF3)[0] & 0x08)

    def temperature(self) -> float:
        return TYPICAL_CALIBRATION.temperature(int.from_bytes(self.read(0xFA, 3), "big") >> 4)


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_after_power_on(bench: Bench) -> None:
    assert bench.read(0xD0) == b"\x60"
    assert bench.read(0xF2, 4) == bytes(4)
    assert bench.read(0xF7, 8) == AT_RESET


def test_calibration_is_there_and_reads_on_by_itself(bench: Bench) -> None:
    low, high = calibration_registers(TYPICAL_CALIBRATION)
    assert bench.read(0x88, 26) == low
    assert bench.read(0xE1, 7) == high
    assert low[:6] == bytes.fromhex("706b 4367 18fc")


def test_nothing_is_driven_while_the_chip_is_written_to(bench: Bench) -> None:
    assert bench.transaction(0x74, 0x25, 0x72, 0x01) == b"\xff\xff\xff\xff"
    assert bench.transaction(0xF2, 0)[0] == 0xFF


def test_several_registers_in_one_transaction(bench: Bench) -> None:
    bench.transaction(0x72, 0x02, 0x75, 0x10)
    assert bench.read(0xF2) == b"\x02"
    assert bench.read(0xF5) == b"\x10"


def test_a_transaction_that_ends_forgets_its_control_byte(bench: Bench) -> None:
    bench.transaction(0x72)
    assert bench.transaction(0xF2, 0x00) == b"\xff\x00"


@pytest.mark.parametrize("register", [0xD0, 0x88, 0xF3, 0xF7, 0xE1])
def test_what_can_only_be_read_stays(bench: Bench, register: int) -> None:
    before = bench.read(register)
    bench.write(register, before[0] ^ 0xFF)
    assert bench.read(register) == before


def test_a_forced_measurement_takes_its_time_and_ends_in_sleep(bench: Bench) -> None:
    bench.write(0xF2, 0b001)
    assert not bench.measuring()
    bench.write(0xF4, 0b001_001_01)
    # 1 ms, 2 for the temperature, 2.5 for the pressure, 2.5 for the humidity (section 9.1).
    bench.wait(7.999)
    assert bench.measuring()
    assert bench.read(0xF7, 8) == AT_RESET
    bench.wait(0.001)
    assert not bench.measuring()
    assert bench.read(0xF4) == bytes([0b001_001_00])
    assert bench.read(0xF7, 8) != AT_RESET
    assert bench.chip.measurements == 1


@pytest.mark.parametrize(
    ("humidity", "control", "milliseconds"),
    [(0b101, 0b101_101_01, 1 + 32 + 32.5 + 32.5), (0, 0b001_011_10, 1 + 2 + 8.5), (0b010, 0b000_000_01, 1 + 4.5)],
)
def test_time_of_a_measurement(bench: Bench, humidity: int, control: int, milliseconds: float) -> None:
    bench.write(0xF2, humidity)
    bench.write(0xF4, control)
    bench.wait(milliseconds - 0.001)
    assert bench.measuring()
    bench.wait(0.001)
    assert not bench.measuring()


def test_ctrl_hum_waits_for_ctrl_meas(bench: Bench) -> None:
    bench.write(0xF4, 0b001_001_01)
    bench.write(0xF2, 0b001)
    bench.wait(20)
    assert bench.read(0xFD, 2) == b"\x80\x00"
    bench.write(0xF4, 0b001_001_01)
    bench.wait(20)
    assert bench.read(0xFD, 2) != b"\x80\x00"


def test_what_is_skipped_holds_its_mark(bench: Bench) -> None:
    bench.write(0xF4, 0b001_000_01)
    bench.wait(20)
    assert bench.read(0xF7, 3) == b"\x80\x00\x00"
    assert bench.read(0xFA, 3) != b"\x80\x00\x00"


def test_reset(bench: Bench) -> None:
    bench.transaction(0x72, 0x01, 0x75, 0x10, 0x74, 0b001_001_01)
    bench.wait(20)
    bench.write(0xE0, 0xB5)
    assert bench.read(0xF5) == b"\x10"
    bench.write(0xE0, 0xB6)
    assert bench.read(0xE0) == b"\x00"
    assert bench.read(0xF5) == b"\x00"
    assert bench.read(0xF7, 8) == AT_RESET
    assert bench.read(0xF3)[0] & 0x01
    assert bench.read(0x88, 4) == bytes(4)
    bench.wait(2)
    assert bench.read(0xF3) == b"\x00"
    assert bench.read(0x88, 2) == (27504).to_bytes(2, "little")


def test_a_burst_does_not_mix_two_measurements(bench: Bench) -> None:
    bench.transaction(0x74, 0b001_001_01)
    bench.wait(5.499)
    bench.chip.select()
    bench.chip.transfer(0xF7)
    first = [bench.chip.transfer(0) for _ in range(3)]
    bench.wait(1)
    rest = [bench.chip.transfer(0) for _ in range(5)]
    bench.chip.deselect()
    assert bytes(first + rest) == AT_RESET
    assert bench.read(0xFA, 3) != b"\x80\x00\x00"


def test_a_change_of_mode_waits_for_the_measurement(bench: Bench) -> None:
    bench.write(0xF4, 0b001_001_01)
    bench.write(0xF4, 0b010_001_01)
    bench.write(0xF4, 0b011_001_01)
    bench.write(0xF2, 0b001)
    assert bench.read(0xF4) == bytes([0b001_001_01])
    bench.wait(5.5)
    assert bench.read(0xF4) == bytes([0b010_001_01])
    assert bench.measuring()
    bench.wait(7.5)
    assert not bench.measuring()
    assert bench.read(0xF2) == b"\x00"
    assert bench.chip.measurements == 2


def test_normal_mode_measures_again_and_again(bench: Bench) -> None:
    bench.write(0xF5, 0b001_000_00)
    bench.write(0xF4, 0b001_001_11)
    bench.wait(5.5)
    assert not bench.measuring()
    bench.climate = Measurement(30.0, 45.0, 1013.0)
    assert bench.temperature() == pytest.approx(21, abs=0.01)
    bench.wait(62.5)
    assert bench.measuring()
    bench.wait(5.5)
    assert bench.temperature() == pytest.approx(30, abs=0.01)
    bench.wait(24 * 3600 * 1000)
    bench.read(0xD0)
    assert bench.chip.measurements == pytest.approx(24 * 3600 / 0.068, rel=1e-5)
    bench.write(0xF4, 0)
    measurements = bench.chip.measurements
    bench.wait(1000)
    bench.read(0xD0)
    assert bench.chip.measurements <= measurements + 1


def test_the_filter_follows_slowly(bench: Bench) -> None:
    bench.write(0xF5, 0b010_00)
    temperatures = []
    for degrees in (20.0, 28.0, 28.0):
        bench.climate = Measurement(degrees, 45.0, 1013.0)
        bench.write(0xF4, 0b001_001_01)
        bench.wait(10)
        temperatures.append(bench.temperature())
    assert temperatures == pytest.approx([20, 22, 23.5], abs=0.01)


@pytest.mark.parametrize(("code", "zeros"), [(1, 4), (2, 3), (3, 2), (4, 1), (5, 0)])
def test_oversampling_adds_bits(bench: Bench, code: int, zeros: int) -> None:
    seen = 0
    for step in range(64):
        bench.climate = Measurement(21 + step / 777, 45.0, 1013 + step / 77)
        bench.write(0xF4, code << 5 | code << 2 | 0b01)
        bench.wait(100)
        for register in (0xF7, 0xFA):
            seen |= int.from_bytes(bench.read(register, 3), "big") >> 4
    assert seen & (1 << zeros) - 1 == 0
    assert seen >> zeros & 1


@given(temperature=st.floats(-40, 85), humidity=st.floats(0, 100), pressure=st.floats(300, 1100))
def test_raw_values_compensate_to_the_climate(temperature: float, humidity: float, pressure: float) -> None:
    raw_temperature, raw_pressure, raw_humidity = raw_values(TYPICAL_CALIBRATION, temperature, humidity, pressure)
    calibration, fine = TYPICAL_CALIBRATION, temperature * 5120
    assert calibration.temperature(round(raw_temperature)) == pytest.approx(temperature, abs=0.001)
    assert calibration.pressure(round(raw_pressure), fine) == pytest.approx(pressure * 100, abs=0.2)
    assert calibration.humidity(round(raw_humidity), fine) == pytest.approx(humidity, abs=0.01)
