"""The resistance thermometer: published values of IEC 60751, the bytes of a measurement, and the chip's faults."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import DeviceUnavailable, Loop
from core.testing import VirtualClock
from plugin_spi_sensor.chips import rtd
from plugin_spi_sensor.chips.chip import ChipFault
from plugin_spi_sensor.chips.max31865 import Max31865, Wiring
from plugin_spi_sensor.devices.max31865 import Max31865Sensor
from plugin_spi_sensor.simulated.max31865 import SimulatedMax31865, bath

Running = Callable[..., AbstractAsyncContextManager[None]]

# IEC 60751, table 1: the resistance of a Pt100 in Ω.
PUBLISHED = [(-200, 18.52), (-100, 60.26), (-50, 80.31), (0, 100.00), (50, 119.40), (100, 138.51), (200, 175.86)]
PUBLISHED += [(300, 212.05), (500, 280.98), (850, 390.48)]


@pytest.mark.parametrize(("celsius", "ohms"), PUBLISHED)
def test_published_resistances(celsius: float, ohms: float) -> None:
    assert rtd.resistance(celsius) == pytest.approx(ohms, abs=0.005)
    # A hundredth of an ohm is a fortieth of a degree.
    assert rtd.temperature(ohms) == pytest.approx(celsius, abs=0.02)
    assert rtd.temperature(ohms * 10, nominal=1000) == pytest.approx(celsius, abs=0.02)


@given(st.floats(-200, 850))
def test_one_is_the_other_undone(celsius: float) -> None:
    assert rtd.temperature(rtd.resistance(celsius)) == pytest.approx(celsius, abs=1e-4)


def test_a_resistance_that_cannot_be() -> None:
    with pytest.raises(ValueError, match="more than a thermometer of 100 Ω can have"):
        rtd.temperature(1000)


class Desk:
    """Be a driver and a chip in a bath whose temperature the test sets."""

    def __init__(self, clock: VirtualClock, socket: Callable[..., Any], wiring: Wiring | None = None) -> None:
        self.celsius = 25.0
        self.chip = SimulatedMax31865(clock.now, lambda _: self.celsius)
        handle, self.record = socket(self.chip)
        self.wiring = wiring or Wiring()
        self._handle = handle

    async def measure(self) -> float:
        driver = Max31865(self._handle, Loop.current().delay, self.wiring)
        return (await driver.measure()).temperature


@pytest.mark.parametrize("celsius", [-190.0, -40.0, 0.0, 36.6, 600.0])
def test_it_measures(clock: VirtualClock, socket: Callable[..., Any], celsius: float) -> None:
    desk = Desk(clock, socket)
    desk.celsius = celsius
    # One step of 15 bits is 13 mΩ.
    assert clock.run(desk.measure()) == pytest.approx(celsius, abs=0.03)


def test_the_bytes_are_those_of_the_data_sheet(clock: VirtualClock, socket: Callable[..., Any]) -> None:
    desk = Desk(clock, socket, Wiring(wires=3, mains=50))

    async def run() -> int:
        began = Loop.current().now()
        await desk.measure()
        return Loop.current().now() - began

    assert clock.run(run()) == 77_000_000
    assert [one.sent.hex(" ") for one in desk.record.transactions] == [
        "80 93",  # bias, three wires, faults cleared, 50 Hz (table 2)
        "80 95",  # automatic detection of faults (table 3)
        "80 b1",  # one conversion
        "00" + " 00" * 8,
        "80 11",  # without bias
    ]


@pytest.mark.parametrize(
    ("fault", "reason", "name"),
    [
        (
            "open_rtd",
            "REFIN- is too high.*; the resistance is too large, as where the thermometer is open",
            "above_high",
        ),
        ("shorted_rtd", "the resistance is too small, as where the leads are shorted", "below_low"),
    ],
)
def test_faults_of_the_thermometer(
    clock: VirtualClock, socket: Callable[..., Any], fault: str, reason: str, name: str
) -> None:
    desk = Desk(clock, socket)

    async def run() -> None:
        desk.chip.faults = {fault}
        with pytest.raises(ChipFault, match=reason) as caught:
            await desk.measure()
        assert name in caught.value.names
        desk.chip.faults = set()
        # What was reported is cleared with the next measurement.
        assert await desk.measure() == pytest.approx(25, abs=0.03)

    clock.run(run())


def test_a_chip_that_stays_busy(clock: VirtualClock, socket: Callable[..., Any]) -> None:
    desk = Desk(clock, socket)
    desk.chip.faults = {"stuck_busy"}

    async def run() -> None:
        with pytest.raises(DeviceUnavailable, match="still converts after 66 ms"):
            await desk.measure()

    clock.run(run())


def test_a_wrong_reference_resistor_is_said(clock: VirtualClock, socket: Callable[..., Any]) -> None:
    # A Pt1000 board taken for a Pt100 one.
    desk = Desk(clock, socket, Wiring(nominal=10.0, reference=430.0))

    async def run() -> None:
        with pytest.raises(DeviceUnavailable, match="check the options nominal and reference"):
            await desk.measure()

    clock.run(run())


def test_the_device(clock: VirtualClock, running: Running) -> None:
    sensor = Max31865Sensor("bath", Max31865Sensor.Options(nominal=1000, reference=4300, wires=4, mains=60))

    async def run() -> None:
        loop = Loop.current()
        async with running(sensor):
            await loop.delay(10.5)
            assert sensor.temperature["temperature"] == pytest.approx(bath()(10_066_000_000), abs=0.05)
            assert set(sensor.thermometer.values.values()) == {"Ok"}
            await sensor.take_new(sensor.vectors["faults"], {"open_rtd": True})
            await loop.delay(1)
            assert (sensor.temperature.state, sensor.thermometer["above_high"]) == ("Alert", "Alert")
            await sensor.take_new(sensor.vectors["faults"], {"open_rtd": False})
            await loop.delay(3)
            assert (sensor.temperature.state, sensor.thermometer.state) == ("Ok", "Ok")

    clock.run(run())
