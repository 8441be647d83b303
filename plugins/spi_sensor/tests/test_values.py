"""What clients can set: sampling, oversampling, averaging, calibration, and limits with their alarms."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from core import ConfigError, Loop, ValueRefused
from core.properties import Event
from core.testing import VirtualClock
from plugin_spi_sensor.chips.bme280 import Measurement
from plugin_spi_sensor.devices.bme280 import Bme280Sensor
from plugin_spi_sensor.simulated.bme280 import SimulatedBme280

Options = Bme280Sensor.Options
Running = Callable[..., AbstractAsyncContextManager[None]]


class Staircase(Bme280Sensor):
    """A sensor in a room that is a degree warmer with every second, from 20 °C on."""

    def make_simulated(self, clock: Callable[[], int]) -> SimulatedBme280:
        return SimulatedBme280(clock, lambda now: Measurement(20.0 + now // 1_000_000_000, 50.0, 1000.0))


def messages(sensor: Bme280Sensor, name: str) -> list[str]:
    said: list[str] = []

    def listen(event: Event) -> None:
        if event.vector is not None and event.vector.name == name and event.message:
            said.append(event.message)

    sensor.observe(listen)
    return said


async def setting(sensor: Bme280Sensor, vector: str, **new: Any) -> None:
    await sensor.take_new(sensor.vectors[vector], new)


def test_averaging_is_the_mean_of_the_last_measurements(clock: VirtualClock, running: Running) -> None:
    sensor = Staircase("climate", Options(averaging=4))

    async def run() -> list[float]:
        loop, seen = Loop.current(), []
        async with running(sensor):
            for _ in range(6):
                await loop.delay(0.5)
                seen.append(sensor.climate["temperature"])
                await loop.delay(0.5)
            await setting(sensor, "sampling", averaging=1)
            await loop.delay(0.5)
            seen.append(sensor.climate["temperature"])
        return seen

    # 20; 20, 21; 20 to 22; 20 to 23; 21 to 24; 22 to 25; then 26 alone.
    assert clock.run(run()) == pytest.approx([20, 20.5, 21, 21.5, 22.5, 23.5, 26], abs=0.01)


def test_a_calibration_is_scale_then_offset(clock: VirtualClock, running: Running) -> None:
    sensor = Staircase("climate", Options(scale={"temperature": 2.0}, offset={"temperature": -5.0, "pressure": 1.5}))

    async def run() -> None:
        loop = Loop.current()
        async with running(sensor):
            await loop.delay(0.5)
            assert sensor.climate["temperature"] == pytest.approx(35, abs=0.01)
            assert sensor.climate["pressure"] == pytest.approx(1001.5, abs=0.05)
            await setting(sensor, "calibration", temperature_scale=1.0, temperature_offset=0.25)
            await loop.delay(1)
            assert sensor.climate["temperature"] == pytest.approx(21.25, abs=0.01)
            assert sensor.climate["pressure"] == pytest.approx(1001.5, abs=0.05)

    clock.run(run())
    assert (sensor.calibration["temperature_offset"], sensor.calibration.state) == (0.25, "Ok")


def test_alarms_are_lights_that_say_why(clock: VirtualClock, running: Running) -> None:
    sensor = Staircase("climate", Options(high={"temperature": 21.5}, low={"pressure": 900.0}))
    said = messages(sensor, "alarms")

    async def run() -> None:
        loop = Loop.current()
        async with running(sensor):
            await loop.delay(1.5)
            assert sensor.alarms.values == {"temperature": "Ok", "humidity": "Idle", "pressure": "Ok"}
            assert (sensor.alarms.state, said) == ("Ok", [])
            await loop.delay(1)
            assert sensor.alarms.values == {"temperature": "Alert", "humidity": "Idle", "pressure": "Ok"}
            assert (sensor.alarms.state, sensor.climate.state) == ("Alert", "Ok")
            await loop.delay(3)
            # At once, without another measurement.
            await setting(sensor, "limits", temperature_high=40.0)
            assert (sensor.alarms["temperature"], sensor.alarms.state) == ("Ok", "Ok")
            await setting(sensor, "limits", temperature_high=85.0, pressure_low=300.0)
            assert set(sensor.alarms.values.values()) == {"Idle"}
            assert sensor.alarms.state == "Idle"

    clock.run(run())
    assert said == [f"climate: temperature is {22:.0f} °C, above 21.5"] or said[0].startswith(
        "climate: temperature is 2"
    )
    assert len(said) == 1


def test_limits_the_wrong_way_round_are_refused(clock: VirtualClock, running: Running) -> None:
    sensor = Staircase("climate", Options(low={"humidity": 40.0}))

    async def run() -> None:
        async with running(sensor):
            with pytest.raises(ValueRefused, match="humidity_low is 40, above humidity_high, 30"):
                await setting(sensor, "limits", humidity_high=30.0)

    clock.run(run())
    assert sensor.limits["humidity_high"] == 100


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (Options(offset={"temprature": 1.0}), "offset has 'temprature'; temperature, humidity, pressure is allowed"),
        (Options(high={"humidity": 101.0}), "high.humidity is 101; 0 to 100 is allowed"),
        (Options(high={"humidity": 10.0}, low={"humidity": 20.0}), "low.humidity is above high.humidity"),
        (Options(chip_select="25"), "chip_select is '25'; a number is allowed, or a GPIO line"),
        (Options(bus="spidev0.1"), 'a bus has no dot: set bus = "spidev0" and chip_select = 1'),
        (Options(bus="blinka", chip_select=1), "Blinka opens select 0 alone"),
    ],
)
def test_wrong_options(options: Options, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Bme280Sensor("climate", options)
    assert words in str(caught.value)


def test_oversampling_and_filter_can_be_changed_while_it_runs(clock: VirtualClock, running: Running) -> None:
    sensor = Staircase("climate", Options(oversampling=2, filter=4))
    assert sensor.oversampling.values == {"temperature": 2, "pressure": 2, "humidity": 2, "filter": 4}

    async def run() -> list[float]:
        loop, seen = Loop.current(), []
        async with running(sensor):
            await loop.delay(0.5)
            seen.append(sensor.climate["temperature"])
            for _ in range(2):
                await loop.delay(1)
                seen.append(sensor.climate["temperature"])
            await setting(sensor, "oversampling", temperature=16, filter=0)
            await loop.delay(1)
            seen.append(sensor.climate["temperature"])
            with pytest.raises(ValueRefused, match=r"oversampling.humidity is 3; 1, 2, 4, 8, 16 is allowed"):
                await setting(sensor, "oversampling", humidity=3)
            await setting(sensor, "sampling", period=0.06)
            with pytest.raises(ValueRefused, match=r"would take 0.081 s, longer than the period of 0.06 s"):
                await setting(sensor, "oversampling", pressure=16)
        return seen

    # The filter goes a quarter of the way with each measurement; then it is off.
    assert clock.run(run()) == pytest.approx([20, 20.25, 20.6875, 23], abs=0.01)
    assert sensor.oversampling["temperature"] == 16


def test_a_mean_is_of_whole_measurements(clock: VirtualClock, running: Running) -> None:
    sensor = Staircase("climate")

    async def run() -> None:
        async with running(sensor):
            with pytest.raises(ValueRefused, match="a whole number is needed"):
                await setting(sensor, "sampling", averaging=1.5)

    clock.run(run())
    assert sensor.sampling["averaging"] == 1
