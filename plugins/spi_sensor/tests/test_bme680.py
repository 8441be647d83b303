"""The BME680: its compensation against the fixed-point way, the bytes of a measurement, its heater and its faults."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import DeviceUnavailable, Loop, ValueRefused
from core.testing import VirtualClock
from plugin_spi_sensor.chips.bme680 import AirQuality, Bme680, Settings
from plugin_spi_sensor.chips.bme680_compensation import Calibration, gas_wait
from plugin_spi_sensor.devices.bme680 import Bme680Sensor
from plugin_spi_sensor.simulated.bme680 import TYPICAL_CALIBRATION, SimulatedBme680, calibration_registers

Running = Callable[..., AbstractAsyncContextManager[None]]
C = TYPICAL_CALIBRATION
AIR = AirQuality(temperature=23.5, humidity=47.0, pressure=1004.5, gas=52_000.0)

# The integer way of section 3.4.1: for each range a factor of the raw value, and the resistance at its middle.
LOOKUP_1 = [2147483647] * 5 + [2126008810, 2147483647, 2130303777] + [2147483647] * 2
LOOKUP_1 += [2143188679, 2136746228, 2147483647, 2126008810] + [2147483647] * 2
LOOKUP_2 = [4096000000, 2048000000, 1024000000, 512000000, 255744255, 127110228, 64000000, 32258064]
LOOKUP_2 += [16016016, 8000000, 4000000, 2000000, 1000000, 500000, 250000, 125000]


def integer_temperature(raw: int) -> int:
    """Return the temperature in 1/5120 °C by the integer way of section 3.3.1, which shares no step with the other."""
    distance = (raw >> 3) - (C.t1 << 1)
    square = (((distance >> 1) * (distance >> 1)) >> 12) * (C.t3 << 4) >> 14
    return (distance * C.t2 >> 11) + square


def integer_pressure(raw: int, fine: int) -> int:
    """Return the pressure in Pa by the integer way of section 3.3.2."""
    warmth = (fine >> 1) - 64000
    offset = ((((warmth >> 2) * (warmth >> 2)) >> 11) * C.p6) >> 2
    offset = ((offset + ((warmth * C.p5) << 1)) >> 2) + (C.p4 << 16)
    steps = (((((warmth >> 2) * (warmth >> 2)) >> 13) * (C.p3 << 5)) >> 3) + ((C.p2 * warmth) >> 1)
    steps = ((32768 + (steps >> 18)) * C.p1) >> 15
    pressure = (1048576 - raw - (offset >> 12)) * 3125
    pressure = (pressure // steps) << 1
    first = (C.p9 * (((pressure >> 3) * (pressure >> 3)) >> 13)) >> 12
    second = ((pressure >> 2) * C.p8) >> 13
    third = ((pressure >> 8) * (pressure >> 8) * (pressure >> 8) * C.p10) >> 17
    return pressure + ((first + second + third + (C.p7 << 7)) >> 4)


def integer_humidity(raw: int, fine: int) -> float:
    """Return the humidity in % by the integer way of section 3.3.3."""
    scaled = (fine * 5 + 128) >> 8
    first = raw - (C.h1 << 4) - (scaled * C.h3 // 100 >> 1)
    curve = scaled * C.h4 // 100 + ((scaled * (scaled * C.h5 // 100) >> 6) // 100) + (1 << 14)
    linear = first * (C.h2 * curve >> 10)
    bend = ((C.h6 << 7) + scaled * C.h7 // 100) >> 4
    square = ((linear >> 14) * (linear >> 14)) >> 10
    return min(max((((linear + (bend * square >> 1)) >> 10) * 1000 >> 12) / 1000, 0), 100)


def integer_gas(raw: int, gas_range: int) -> int:
    """Return the gas resistance in Ω by the integer way of section 3.4.1."""
    first = (1340 + 5 * C.range_error) * LOOKUP_1[gas_range] >> 16
    second = (raw << 15) - (1 << 24) + first
    return ((LOOKUP_2[gas_range] * first >> 9) + (second >> 1)) // second


@given(st.integers(350_000, 650_000))
def test_temperature_is_that_of_the_integer_way(raw: int) -> None:
    assert C.fine_temperature(raw) == pytest.approx(integer_temperature(raw), abs=20)


@given(raw=st.integers(250_000, 600_000), fine=st.integers(0, 60 * 5120))
def test_pressure_is_that_of_the_integer_way(raw: int, fine: int) -> None:
    assert C.pressure(raw, fine) == pytest.approx(integer_pressure(raw, fine), abs=12)


@given(raw=st.integers(14_000, 30_000), fine=st.integers(0, 60 * 5120))
def test_humidity_is_that_of_the_integer_way(raw: int, fine: int) -> None:
    assert C.humidity(raw, fine) == pytest.approx(integer_humidity(raw, fine), abs=0.1)


@given(raw=st.integers(0, 1023), gas_range=st.integers(0, 15))
def test_gas_is_that_of_the_integer_way(raw: int, gas_range: int) -> None:
    assert C.gas_resistance(raw, gas_range) == pytest.approx(integer_gas(raw, gas_range), rel=2e-3, abs=1)


@pytest.mark.parametrize(("celsius", "ambient"), [(200, 25), (320, 25), (400, 10)])
def test_the_heater_is_that_of_the_integer_way(celsius: int, ambient: int) -> None:
    # Section 3.3.5.
    first = (ambient * C.g3 // 1000) << 8
    second = (C.g1 + 784) * (((((C.g2 + 154009) * celsius * 5) // 100) + 3276800) // 10)
    third = (first + second // 2) // (C.heater_range + 4)
    code = (((third // (131 * C.heater_value + 65536)) - 250) * 34 + 50) // 100
    assert C.heater_resistance(celsius, ambient) == pytest.approx(code, abs=2)


@pytest.mark.parametrize(
    ("milliseconds", "register"), [(0, 0), (1, 1), (63, 63), (64, 0x50), (100, 0x59), (252, 0x7F), (4032, 0xFF)]
)
def test_gas_wait(milliseconds: int, register: int) -> None:
    # Section 5.3.3.3: 0x59 are 25 times 4 ms.
    assert gas_wait(milliseconds) == register
    assert (register & 0x3F) * 4 ** (register >> 6) >= milliseconds


def test_registers_of_a_calibration_give_it_back() -> None:
    assert Calibration.from_registers(*calibration_registers(C)) == C


class Desk:
    """Be a driver and a chip in air that the test sets."""

    def __init__(self, clock: VirtualClock, socket: Callable[..., Any], settings: Settings | None = None) -> None:
        self.chip = SimulatedBme680(clock.now, lambda _: AIR)
        handle, self.record = socket(self.chip)
        self.driver = Bme680(handle, lambda seconds: Loop.current().delay(seconds), settings)


@pytest.mark.parametrize("settings", [Settings(), Settings(2, 16, 4, 7, 400, 100), Settings(16, 16, 16, 0, 250, 1000)])
def test_it_measures(clock: VirtualClock, socket: Callable[..., Any], settings: Settings) -> None:
    desk = Desk(clock, socket, settings)
    measured = clock.run(desk.driver.measure())
    assert measured.temperature == pytest.approx(AIR.temperature, abs=0.01)
    assert measured.humidity == pytest.approx(AIR.humidity, abs=0.05)
    assert measured.pressure == pytest.approx(AIR.pressure, abs=0.05)
    assert measured.gas == pytest.approx(AIR.gas, rel=0.01)


def test_the_bytes_are_those_of_the_data_sheet(clock: VirtualClock, socket: Callable[..., Any]) -> None:
    desk = Desk(clock, socket, Settings(2, 16, 1, 3, 320, 150))

    async def run() -> int:
        await desk.driver.measure()
        first = len(desk.record.transactions)
        await desk.driver.measure()
        return first

    first = clock.run(run())
    sent = [one.sent.hex(" ") for one in desk.record.transactions]
    heat, wait = C.heater_resistance(320, 25), 0x40 | 38
    again = C.heater_resistance(320, AIR.temperature)
    registers = ["73 00", "8a" + " 00" * 23, "e1" + " 00" * 14, "73 10", "80" + " 00" * 5]
    assert sent[:first] == [
        "73 00",  # the page from 0x80 on
        "d0 00",
        "60 b6",  # reset
        *registers,
        *registers,
        "73 10",
        # res_heat, gas_wait, heater on, run_gas, osrs_h, filter, and last what begins it
        f"5a {heat:02x} 64 {wait:02x} 70 00 71 10 72 01 75 08 74 55",
        "9d" + " 00" * 15,
    ]
    assert sent[first:] == [
        "73 00",
        "d0 00",
        "73 10",
        f"5a {again:02x} 64 {wait:02x} 70 00 71 10 72 01 74 55",
        "9d" + " 00" * 15,
    ]


def test_the_bus_is_free_while_the_chip_heats(clock: VirtualClock, socket: Callable[..., Any]) -> None:
    desk = Desk(clock, socket)

    async def run() -> list[float]:
        loop, times = Loop.current(), []
        await desk.driver.measure()

        async def use() -> None:
            while True:
                async with desk.driver._handle:
                    times.append(loop.now() / 1e6)
                await loop.delay(0.01)

        user = loop.add_task(use())
        began = loop.now() / 1e6
        await desk.driver.measure()
        user.cancel()
        return [time - began for time in times]

    # It came every 10 ms, and never waited for the 176 ms of the measurement.
    assert clock.run(run()) == pytest.approx([10 * number for number in range(18)])


def test_a_heater_that_is_not_warm_gives_no_gas(clock: VirtualClock, running: Running) -> None:
    sensor = Bme680Sensor("kitchen", Bme680Sensor.Options(heating=20))
    said: list[str] = []
    sensor.observe(lambda event: said.append(event.message) if event.message else None)

    async def run() -> None:
        loop = Loop.current()
        async with running(sensor):
            await loop.delay(0.5)
            assert (sensor.climate.state, sensor.climate["gas"], sensor.gas.state) == ("Ok", 0, "Alert")
            assert sensor.climate["pressure"] == pytest.approx(1012, abs=1)
            await sensor.take_new(sensor.heater, {"duration": 150})
            await loop.delay(1)
            assert sensor.climate["gas"] == pytest.approx(180_000, rel=0.02)
            assert sensor.gas["heater"] == "Ok"
            with pytest.raises(ValueRefused, match=r"would take 1\.\d+ s, longer than the period of 1 s"):
                await sensor.take_new(sensor.heater, {"duration": 1000})
            await sensor.take_new(sensor.heater, {"duration": 0})
            await loop.delay(1)
            assert (sensor.gas.state, sensor.climate.state) == ("Idle", "Ok")

    clock.run(run())
    assert said == ["kitchen: the heater was not at 320 °C after 20 ms; set heater.duration longer"]


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("wrong_id", "chip id is 0x58, that of a BME680 is 0x61: it is another chip"),
        ("stuck_busy", "still measures after 177.3 ms"),
        ("no_answer", "chip id is 0xff, that of a BME680 is 0x61: nothing answers"),
    ],
)
def test_faults_and_the_way_back(clock: VirtualClock, running: Running, fault: str, reason: str) -> None:
    sensor = Bme680Sensor("kitchen")
    said: list[str] = []
    sensor.observe(lambda event: said.append(event.message) if event.message else None)

    async def run() -> None:
        loop = Loop.current()
        async with running(sensor):
            await loop.delay(0.5)
            await sensor.take_new(sensor.vectors["faults"], {fault: True})
            await loop.delay(3)
            assert sensor.vectors["climate"].state == "Alert"
            await sensor.take_new(sensor.vectors["faults"], {fault: False})
            await loop.delay(5)
            assert sensor.climate.state == "Ok"

    clock.run(run())
    assert [message for message in said if reason in message]


def test_a_reset_during_a_measurement(clock: VirtualClock, socket: Callable[..., Any]) -> None:
    desk = Desk(clock, socket)

    async def run() -> None:
        loop = Loop.current()
        await desk.driver.measure()

        async def reset() -> None:
            async with desk.driver._handle as bus:
                bus.write(b"\x73\x00\x60\xb6")
                bus.write(b"\x73\x10")

        loop.run_later(0.05, reset())
        with pytest.raises(DeviceUnavailable, match=r"has lost its measurement|nothing answers|stopped to answer"):
            await desk.driver.measure()
        assert (await desk.driver.measure()).gas == pytest.approx(AIR.gas, rel=0.01)

    clock.run(run())
