"""The thermocouple converter: the published words, its faults, and that it is left time to convert."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from core import ConfigError, DeviceUnavailable, Loop
from core.testing import VirtualClock
from plugin_spi_sensor.chips.chip import ChipFault
from plugin_spi_sensor.chips.max31855 import Max31855, Thermocouple
from plugin_spi_sensor.devices.max31855 import Max31855Sensor
from plugin_spi_sensor.simulated.max31855 import POWER_UP, SimulatedMax31855, kiln, word

Running = Callable[..., AbstractAsyncContextManager[None]]

# Tables 4 and 5 of the data sheet: temperatures and their bits.
TIPS = [
    (1600.0, "0110 0100 0000 00"),
    (1000.0, "0011 1110 1000 00"),
    (100.75, "0000 0110 0100 11"),
    (25.0, "0000 0001 1001 00"),
    (0.0, "0000 0000 0000 00"),
    (-0.25, "1111 1111 1111 11"),
    (-1.0, "1111 1111 1111 00"),
    (-250.0, "1111 0000 0110 00"),
]
JUNCTIONS = [
    (127.0, "0111 1111 0000"),
    (100.5625, "0110 0100 1001"),
    (25.0, "0001 1001 0000"),
    (-0.0625, "1111 1111 1111"),
    (-1.0, "1111 1111 0000"),
    (-20.0, "1110 1100 0000"),
    (-55.0, "1100 1001 0000"),
]


def published(tip: str, junction: str) -> bytes:
    return int((tip + "00" + junction + "0000").replace(" ", ""), 2).to_bytes(4)


@pytest.mark.parametrize(("celsius", "bits"), TIPS)
def test_published_thermocouple_words(celsius: float, bits: str) -> None:
    sent = published(bits, JUNCTIONS[2][1])
    assert Thermocouple.from_bytes(sent) == Thermocouple(celsius, 25.0)
    assert word(Thermocouple(celsius, 25.0)) == sent


@pytest.mark.parametrize(("celsius", "bits"), JUNCTIONS)
def test_published_cold_junction_words(celsius: float, bits: str) -> None:
    sent = published(TIPS[3][1], bits)
    assert Thermocouple.from_bytes(sent) == Thermocouple(25.0, celsius)
    assert word(Thermocouple(25.0, celsius)) == sent


@pytest.mark.parametrize(
    ("bits", "reason", "name"),
    [
        (0x0001_0001, "thermocouple is open", "open"),
        (0x0001_0002, "touches ground", "short_to_ground"),
        (0x0001_0004, "touches the supply", "short_to_supply"),
        (0x0001_0003, "is open; check its leads; the thermocouple touches ground", "open"),
    ],
)
def test_faults_of_the_leads(bits: int, reason: str, name: str) -> None:
    with pytest.raises(ChipFault, match=reason) as caught:
        Thermocouple.from_bytes((bits | 0x0190_1900).to_bytes(4))
    assert name in caught.value.names


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        ("ffffffff", r"nothing answers \(all bits are 1\)"),
        ("00000000", r"nothing answers \(all bits are 0\)"),
        ("01921908", "cannot be of a MAX31855"),
        ("01911900", "a fault and does not say which"),
    ],
)
def test_what_no_chip_sends(sent: str, reason: str) -> None:
    with pytest.raises(DeviceUnavailable, match=reason):
        Thermocouple.from_bytes(bytes.fromhex(sent))


def test_each_reading_stops_a_conversion(clock: VirtualClock, socket: Callable[..., Any]) -> None:
    chip = SimulatedMax31855(clock.now, lambda now: Thermocouple(now / 1e9 * 100, 25.0))
    handle, record = socket(chip)
    driver = Max31855(handle, Loop.current)  # type: ignore[arg-type]

    async def run() -> list[float]:
        loop, seen = Loop.current(), []
        with pytest.raises(DeviceUnavailable, match="nothing answers"):
            await driver.measure()  # it has just got its power
        for seconds in (0.3, 0.05, 0.05, 0.05, 0.1):
            await loop.delay(seconds)
            seen.append((await driver.measure()).temperature)
        return seen

    # At 0.3 s there are four conversions, the last of 0.28 s; then none is finished until it is left alone.
    assert clock.run(run()) == [28, 28, 28, 28, 52]
    assert {one.sent for one in record.transactions} == {bytes(4)}


def test_the_device(clock: VirtualClock, running: Running) -> None:
    sensor = Max31855Sensor("kiln")

    async def run() -> None:
        loop = Loop.current()
        async with running(sensor):
            await loop.delay(10.5)
            assert sensor.temperature["thermocouple"] == pytest.approx(kiln()(10_000_000_000).temperature, abs=0.3)
            assert sensor.temperature["cold_junction"] == pytest.approx(24, abs=1)
            assert sensor.leads.values == {"open": "Ok", "short_to_ground": "Ok", "short_to_supply": "Ok"}
            await sensor.take_new(sensor.vectors["faults"], {"open_thermocouple": True})
            await loop.delay(1)
            assert sensor.temperature.state == "Alert"
            assert (sensor.leads.state, sensor.leads["open"], sensor.leads["short_to_ground"]) == (
                "Alert",
                "Alert",
                "Ok",
            )
            await sensor.take_new(sensor.vectors["faults"], {"open_thermocouple": False})
            await loop.delay(2)
            assert (sensor.temperature.state, sensor.leads.state, sensor.leads["open"]) == ("Ok", "Ok", "Ok")

    clock.run(run())
    assert POWER_UP == 200_000_000


def test_it_is_not_asked_faster_than_it_converts() -> None:
    with pytest.raises(ConfigError, match=r"period is 0.05: at least 0.1 s are needed"):
        Max31855Sensor("kiln", Max31855Sensor.Options(period=0.05))
