"""The device: its properties, its tick, and several of them on one bus."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import pytest

from core import ConfigError, DeviceUnavailable, Loop, ValueRefused
from core.config import convert
from core.properties import Event
from core.sim.spi import SimulatedSpiBus
from core.testing import VirtualClock
from plugin_spi_sensor.bus import shared as shared_bus
from plugin_spi_sensor.chips.bme280 import BAUDRATE
from plugin_spi_sensor.devices.bme280 import Bme280Sensor
from plugin_spi_sensor.simulated.climate import room

Options = Bme280Sensor.Options
Running = Callable[..., AbstractAsyncContextManager[None]]


def bus_of(sensor: Bme280Sensor) -> SimulatedSpiBus:
    bus = shared_bus.open_buses()[sensor.options.bus].bus
    assert isinstance(bus, SimulatedSpiBus)
    return bus


def state(sensor: Bme280Sensor) -> str:
    return sensor.climate.state


def changes(sensor: Bme280Sensor) -> list[tuple[float, str, str | None]]:
    """Collect when the climate was told, its state, and what was said."""
    seen: list[tuple[float, str, str | None]] = []

    def listen(event: Event) -> None:
        if event.vector is sensor.climate:
            seen.append((Loop.current().now() / 1e9, sensor.climate.state, event.message))

    sensor.observe(listen)
    return seen


def test_it_measures_once_a_second(clock: VirtualClock, running: Running) -> None:
    sensor = Bme280Sensor("climate")
    seen = changes(sensor)

    async def run() -> None:
        async with running(sensor):
            await Loop.current().delay(60.5)
            now = room()(60_000_000_000)
            assert sensor.climate["temperature"] == pytest.approx(now.temperature, abs=0.02)
            assert sensor.climate["humidity"] == pytest.approx(now.humidity, abs=0.1)
            assert sensor.climate["pressure"] == pytest.approx(now.pressure, abs=0.05)

    clock.run(run())
    # The first one has a reset of 2 ms before the 9.3 ms of a measurement.
    assert [time for time, _, _ in seen] == pytest.approx([0.0113, *(second + 0.0093 for second in range(1, 61))])
    assert {(state, message) for _, state, message in seen} == {("Ok", None)}


def test_the_period_is_an_option_and_a_property(clock: VirtualClock, running: Running) -> None:
    sensor = Bme280Sensor("climate", Options(period=10.0))
    seen = changes(sensor)
    assert sensor.sampling["period"] == 10

    async def run() -> None:
        loop = Loop.current()
        async with running(sensor):
            await loop.delay(35)
            assert len(seen) == 4
            await sensor.take_new(sensor.sampling, {"period": 0.5})
            assert (sensor.sampling["period"], sensor.sampling.state) == (0.5, "Ok")
            seen.clear()
            await loop.delay(10)
            assert 19 <= len(seen) <= 21

    clock.run(run())


@pytest.mark.parametrize("period", [0.0009, 3601.0, -1.0])
def test_a_period_out_of_range_is_refused(clock: VirtualClock, period: float) -> None:
    sensor = Bme280Sensor("climate")
    sensor.closed_because = None

    async def run() -> None:
        with pytest.raises(ValueRefused, match=r"0\.001 to 3600 is allowed"):
            await sensor.take_new(sensor.sampling, {"period": period})

    clock.run(run())
    assert sensor.sampling["period"] == 1


def test_a_period_in_which_the_chip_cannot_finish_is_refused(clock: VirtualClock) -> None:
    sensor = Bme280Sensor("climate", Options(oversampling=16))
    sensor.closed_because = None

    async def run() -> None:
        with pytest.raises(ValueRefused, match=r"at least 0\.113 s are needed"):
            await sensor.take_new(sensor.sampling, {"period": 0.1})
        await sensor.take_new(sensor.sampling, {"period": 0.12})

    clock.run(run())
    with pytest.raises(ConfigError, match=r"period is 0\.1: at least 0\.113 s"):
        Bme280Sensor("climate", Options(oversampling=16, period=0.1))


def test_two_sensors_share_a_bus_and_are_never_selected_together(clock: VirtualClock, running: Running) -> None:
    one, two = Bme280Sensor("one"), Bme280Sensor("two", Options(chip_select=1, oversampling=4))
    ones, twos = changes(one), changes(two)

    async def run() -> None:
        async with running(one, two):
            bus = bus_of(one)
            assert bus is bus_of(two)
            await Loop.current().delay(30.5)
            assert bus.collisions == 0
            assert bus.transferred > 1000
            assert bus.frequency == BAUDRATE
            assert bus.chip_select(0).value
            assert bus.chip_select(1).value
            managed = shared_bus.open_buses()["simulated"].managed.statistics()
            # 3 transactions a measurement, and 6 before the first of each sensor.
            assert managed.acquired == 2 * (31 * 3 + 6)

    clock.run(run())
    assert len(ones) == len(twos) == 31
    # Each stands at a place of its own.
    assert abs(one.climate["temperature"] - two.climate["temperature"]) > 0.1
    assert {state for _, state, _ in (*ones, *twos)} == {"Ok"}


def test_a_bus_that_is_held_is_waited_for(clock: VirtualClock, running: Running) -> None:
    sensor = Bme280Sensor("climate")
    seen = changes(sensor)

    async def run() -> None:
        loop = Loop.current()
        async with running(sensor):
            await loop.delay(0.5)
            shared = shared_bus.open_buses()["simulated"]
            card = shared.managed.cs_handle(shared.bus.chip_select(5), baudrate=10_000_000)
            async with card:
                await loop.delay(1.5)
                assert len(seen) == 1
            await loop.delay(0.2)
            assert len(seen) == 2

    clock.run(run())


def test_a_user_whose_settings_are_wrong_keeps_nobody_off_the_bus(clock: VirtualClock, running: Running) -> None:
    sensor = Bme280Sensor("climate")

    async def run() -> None:
        async with running(sensor):
            shared = shared_bus.open_buses()["simulated"]
            with pytest.raises(ValueError, match="bits is 9"):
                async with shared.managed.cs_handle(shared.bus.chip_select(5), bits=9):
                    pytest.fail("the bus was given")
            assert shared.bus.chip_select(5).value
            await Loop.current().delay(0.5)
            assert state(sensor) == "Ok"

    clock.run(run())


def test_a_bus_that_somebody_else_has_locked_is_an_alert(clock: VirtualClock, running: Running) -> None:
    sensor = Bme280Sensor("climate")

    async def run() -> None:
        async with running(sensor):
            bus = bus_of(sensor)
            await Loop.current().delay(0.5)
            assert bus.try_lock()
            await Loop.current().delay(1)
            assert state(sensor) == "Alert"
            bus.unlock()
            await Loop.current().delay(1)
            assert state(sensor) == "Ok"

    clock.run(run())


def test_buses_of_other_names_are_others(clock: VirtualClock, running: Running) -> None:
    one, two = Bme280Sensor("one"), Bme280Sensor("two", Options(bus="simulated:lab"))

    async def run() -> None:
        async with running(one, two):
            assert bus_of(one) is not bus_of(two)
            await Loop.current().delay(1.5)

    clock.run(run())
    assert (one.climate.state, two.climate.state) == ("Ok", "Ok")


def test_a_chip_select_that_is_taken(clock: VirtualClock) -> None:
    async def run() -> None:
        one, two = Bme280Sensor("one"), Bme280Sensor("two")
        await one.open()
        with pytest.raises(DeviceUnavailable, match=r"chip select 0 .* held by 'one'; set chip_select = 1"):
            await two.open()
        await two.close()
        # The one that was refused has taken nothing away from the other.
        await one.sample()
        assert one.climate.state == "Ok"
        bus = bus_of(one)
        await one.close()
        with pytest.raises(ValueError, match="closed"):
            bus.try_lock()
        await two.open()
        await two.close()

    clock.run(run())


def test_a_wrong_chip_is_an_alert_and_the_right_one_ends_it(clock: VirtualClock, running: Running) -> None:
    sensor = Bme280Sensor("climate")
    seen = changes(sensor)

    async def run() -> None:
        loop = Loop.current()
        async with running(sensor):
            await loop.delay(2.5)
            before = dict(sensor.climate.values)
            assert sensor.simulated_chip is not None
            sensor.simulated_chip.chip_id = 0x58
            await loop.delay(2)
            assert state(sensor) == "Alert"
            assert sensor.climate.values == before
            sensor.simulated_chip.chip_id = 0x60
            # It was asked at 3 and 4 seconds, and is after two more.
            await loop.delay(2)
            assert state(sensor) == "Ok"
            assert sensor.climate.values != before

    clock.run(run())
    assert [state for _, state, _ in seen] == ["Ok", "Ok", "Ok", "Alert", "Ok"]
    reason = next(message for _, state, message in seen if state == "Alert")
    assert reason is not None
    assert re.search(r"SPI bus simulated, chip select 0: chip id is 0x58, that of a BME280 is 0x60", reason)


def test_a_sensor_that_is_wrong_from_the_beginning(clock: VirtualClock, running: Running) -> None:
    sensor = Bme280Sensor("climate")

    async def run() -> None:
        loop = Loop.current()
        async with running(sensor):
            chip = sensor.simulated_chip
            assert chip is not None
            bus_of(sensor).detach(0)
            await loop.delay(1.5)
            assert state(sensor) == "Alert"
            bus_of(sensor).attach(0, chip)
            await loop.delay(2)
            assert state(sensor) == "Ok"

    clock.run(run())


def test_it_can_be_opened_again(clock: VirtualClock, running: Running) -> None:
    sensor = Bme280Sensor("climate")

    async def run() -> None:
        for _ in range(3):
            async with running(sensor):
                await Loop.current().delay(0.5)
                assert state(sensor) == "Ok"
            assert shared_bus.open_buses() == {}

    clock.run(run())


@pytest.mark.parametrize("bus", ["simulated:", "Simulated", "", "spidev", "blinka:", "blinka:x", "/dev/null"])
def test_other_buses_are_a_configuration_error(bus: str) -> None:
    with pytest.raises(ConfigError, match=f'bus is {bus!r}; "simulated" .*"spidev<number>".*"blinka" .*is allowed'):
        Bme280Sensor("climate", Options(bus=bus))


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("period", 0.0005, "0.001"),
        ("period", 4000, "3600"),
        ("oversampling", 3, "1, 2, 4, 8 or 16"),
        ("chip_select", -1, ">= 0"),
        ("bus", 7, "simulated"),
        ("buss", "simulated", "did you mean bus"),
    ],
)
def test_wrong_options_are_one_sentence(key: str, value: object, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        convert(Options, {key: value}, "core.toml: [device.climate]")
    assert str(caught.value).startswith(f"core.toml: [device.climate]: {key}")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_clients_see() -> None:
    sensor = Bme280Sensor("climate")
    assert sensor.kind == "bme280"
    assert list(sensor.vectors) == [
        "climate", "sampling", "calibration", "limits", "alarms", "oversampling", "faults",
    ]  # fmt: skip
    assert (sensor.climate.perm, sensor.sampling.perm) == ("ro", "rw")
    assert {name: member.unit for name, member in sensor.climate.members.items()} == {
        "temperature": "°C",
        "humidity": "%",
        "pressure": "hPa",
    }


def test_sensors_of_one_period_do_not_all_want_the_bus_at_once(clock: VirtualClock, running: Running) -> None:
    sensors = [Bme280Sensor(f"s{place}", Bme280Sensor.Options(chip_select=place, period=0.02)) for place in range(4)]

    async def run() -> list[int]:
        async with running(*sensors):
            await Loop.current().delay(0.5)
            deadlines = [one.sample.scheduled.deadline for one in sensors if one.sample.scheduled is not None]
            return [deadline % 20_000_000 for deadline in deadlines]

    first, *others = clock.run(run())
    # Half a millisecond apart, in the order in which they have come to the bus.
    assert [deadline - first for deadline in others] == [500_000, 1_000_000, 1_500_000]
