"""Faults of the simulated chip: what the device says of each, how often it asks on, and that it comes back."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from itertools import pairwise

import pytest

from core import Loop
from core.properties import Event
from core.testing import VirtualClock
from plugin_spi_sensor.devices.bme280 import Bme280Sensor

Options = Bme280Sensor.Options
Running = Callable[..., AbstractAsyncContextManager[None]]


def alerts(sensor: Bme280Sensor) -> list[tuple[float, str]]:
    """Collect when the climate was Alert, and the reason."""
    seen: list[tuple[float, str]] = []

    def listen(event: Event) -> None:
        if event.vector is sensor.climate and event.message:
            seen.append((Loop.current().now() / 1e9, event.message))

    sensor.observe(listen)
    return seen


async def faults(sensor: Bme280Sensor, **which: bool) -> None:
    await sensor.take_new(sensor.vectors["faults"], which)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("no_answer", "chip id is 0xff, that of a BME280 is 0x60: nothing answers"),
        ("wrong_id", "chip id is 0x58, that of a BME280 is 0x60: it is another chip"),
        ("stuck_busy", "still measures after 9.3 ms; take its power away"),
    ],
)
def test_a_fault_is_an_alert_with_its_reason_and_ends_by_itself(
    clock: VirtualClock, running: Running, fault: str, reason: str
) -> None:
    sensor = Bme280Sensor("climate")
    seen = alerts(sensor)

    async def run() -> None:
        loop = Loop.current()
        async with running(sensor):
            await loop.delay(1.5)
            assert sensor.climate.state == "Ok"
            before = dict(sensor.climate.values)
            await faults(sensor, **{fault: True})
            await loop.delay(1)
            assert (sensor.climate.state, sensor.climate.values) == ("Alert", before)
            await loop.delay(10)
            await faults(sensor, **{fault: False})
            await loop.delay(8)
            assert sensor.climate.state == "Ok"
            assert sensor.climate.values != before

    clock.run(run())
    assert len(seen) == 1
    assert seen[0][1].startswith("climate.sample: BME280 on SPI bus simulated, chip select 0: ")
    assert reason in seen[0][1]


def test_a_chip_that_is_gone_is_asked_ever_more_rarely(clock: VirtualClock, running: Running) -> None:
    sensor = Bme280Sensor("climate")

    async def run() -> list[float]:
        loop, asked = Loop.current(), []
        measure = sensor.read

        async def counted() -> object:
            asked.append(loop.now() / 1e9)
            return await measure()

        sensor.read = counted  # type: ignore[method-assign,assignment]
        async with running(sensor):
            await loop.delay(0.5)
            await faults(sensor, no_answer=True)
            await loop.delay(240)
            # A client that sets the period wants to know at once.
            await sensor.take_new(sensor.sampling, {"period": 1.0})
            await loop.delay(1.5)
            await faults(sensor, no_answer=False)
            await loop.delay(4)
            assert sensor.climate.state == "Ok"
        return asked

    asked = clock.run(run())
    gaps = [round(later - earlier, 3) for earlier, later in pairwise(asked)]
    assert gaps[:8] == [1, 1, 2, 4, 8, 16, 32, 60]
    assert max(gaps) == 60
    # And back at its period, from the first success on.
    assert gaps[-1] == 1


def test_flipped_bits_never_become_values(clock: VirtualClock, running: Running) -> None:
    sensor = Bme280Sensor("climate", Options(period=0.1))
    seen = alerts(sensor)
    values: list[float] = []

    def listen(event: Event) -> None:
        if event.vector is sensor.climate and event.members:
            values.append(sensor.climate["pressure"])

    async def run() -> None:
        loop = Loop.current()
        async with running(sensor):
            await faults(sensor, bit_flips=True)
            sensor.observe(listen)
            await loop.delay(1000)
            await faults(sensor, bit_flips=False)
            await loop.delay(65)
            assert sensor.climate.state == "Ok"

    clock.run(run())
    assert seen
    assert values
    # What is far beyond the chip's range is refused; what is within cannot be told without a checksum.
    assert all(250 < value < 1150 for value in values)
