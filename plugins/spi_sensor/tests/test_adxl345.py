"""The accelerometer: its registers, its FIFO at 800 Hz without a sample lost or told twice, and overruns."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from core import ConfigError, DeviceUnavailable, Loop
from core.properties import Event
from core.testing import VirtualClock
from plugin_spi_sensor.chips.adxl345 import Acceleration, Adxl345
from plugin_spi_sensor.devices.adxl345 import Adxl345Sensor
from plugin_spi_sensor.simulated.adxl345 import SimulatedAdxl345

Running = Callable[..., AbstractAsyncContextManager[None]]
Options = Adxl345Sensor.Options


def counting(now: int) -> Acceleration:
    """Return which sample at 800 Hz it is, in steps of 1/256 g."""
    number = round(now / 1_250_000)
    return Acceleration((number % 4096 - 2048) / 256, (number // 4096) / 256, 1.0)


def transaction(chip: SimulatedAdxl345, *sent: int) -> bytes:
    chip.select()
    answer = bytes(chip.transfer(byte) for byte in sent)
    chip.deselect()
    return answer[1:]


def test_registers() -> None:
    now = 0
    chip = SimulatedAdxl345(lambda: now)
    assert transaction(chip, 0x80, 0) == b"\xe5"
    assert transaction(chip, 0xAC, 0) == b"\x0a"
    assert transaction(chip, 0xB9, 0) == b"\x00"
    # It sleeps until it is told to measure.
    now = 10**9
    assert transaction(chip, 0xB9, 0) == b"\x00"
    transaction(chip, 0x6C, 0x0D, 0x08)  # BW_RATE and POWER_CTL in one go, with the bit for several
    assert transaction(chip, 0xEC, 0, 0) == b"\x0d\x08"
    # Without the bit the address stays.
    assert transaction(chip, 0x80, 0, 0) == b"\xe5\xe5"
    # What can only be read stays.
    transaction(chip, 0x00, 0x12)
    assert transaction(chip, 0x80, 0) == b"\xe5"


@pytest.mark.parametrize(
    ("form", "x"),
    # 1.5 g: with ten bits 256, 128, 64 and 32 steps a g, in full resolution always 256 (table 1).
    [(0, 384), (1, 192), (2, 96), (3, 48), (8, 384), (11, 384)],
)
def test_data_format(form: int, x: int) -> None:
    now = 0
    chip = SimulatedAdxl345(lambda: now, lambda _: Acceleration(1.5, -1.0, 0.0))
    transaction(chip, 0x31, form)
    transaction(chip, 0x2D, 0x08)
    now = 20_000_000
    data = transaction(chip, 0xF2, *bytes(6))
    assert int.from_bytes(data[:2], "little", signed=True) == x
    assert int.from_bytes(data[2:4], "little", signed=True) == -x * 2 // 3


def test_the_bytes_are_those_of_the_data_sheet(clock: VirtualClock, socket: Callable[..., Any]) -> None:
    handle, record = socket(SimulatedAdxl345(clock.now))

    async def run() -> int:
        loop = Loop.current()
        driver = Adxl345(handle, loop.delay, rate=800, span=4)
        assert (await driver.fetch()).samples == ()
        await loop.delay(0.004)
        return len((await driver.fetch()).samples)

    assert clock.run(run()) == 3
    assert [one.sent.hex(" ") for one in record.transactions] == [
        "80 00",  # DEVID
        "2d 00",  # standby
        "38 00",  # bypass: the FIFO becomes empty
        "31 09",  # full resolution, 4 g
        "2c 0d",  # 800 Hz
        "38 80",  # stream
        "2d 08",  # measure
        "ec 00 00 00 00 00 00",  # settings and INT_SOURCE
        "b9 00",  # FIFO_STATUS
        *["f2 00 00 00 00 00 00"] * 3,
    ]


def test_no_sample_at_800_hz_is_lost_or_told_twice(clock: VirtualClock, running: Running) -> None:
    class Counting(Adxl345Sensor):
        def make_simulated(self, clock: Callable[[], int]) -> SimulatedAdxl345:
            return SimulatedAdxl345(clock, counting)

    sensor = Counting("table", Options(rate=800, period=0.02))
    seen: list[int] = []

    def listen(event: Event) -> None:
        if event.vector is sensor.acceleration and event.members:
            seen.append(round(sensor.acceleration["x"] * 256) + 2048 + 4096 * round(sensor.acceleration["y"] * 256))

    async def run() -> None:
        async with running(sensor):
            sensor.observe(listen)
            await Loop.current().delay(10)

    clock.run(run())
    # From the first on every one, but for those that have not been fetched at the end.
    assert seen == list(range(seen[0], seen[0] + len(seen)))
    assert 8000 - 20 <= len(seen) <= 8000
    assert (sensor.fifo["overruns"], sensor.acceleration.state) == (0, "Ok")


def test_what_is_lost_is_counted(clock: VirtualClock, running: Running) -> None:
    sensor = Adxl345Sensor("table", Options(rate=800, period=0.03))

    async def run() -> None:
        loop = Loop.current()
        async with running(sensor):
            await loop.delay(1.0)
            assert sensor.fifo["overruns"] == 0
            shared = sensor._seat.shared if sensor._seat else None
            assert shared is not None
            # Somebody keeps the bus for longer than the FIFO lasts.
            async with shared.managed.cs_handle(shared.bus.chip_select(7)):
                await loop.delay(0.2)
            await loop.delay(1.0)
            assert sensor.fifo["overruns"] == 1
            assert sensor.acceleration.state == "Ok"

    clock.run(run())


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("wrong_id", ""),
        ("reset", "has lost its settings, as by a reset; check its power"),
        ("no_answer", "chip id is 0xff, that of an ADXL345 is 0xe5: nothing answers"),
    ],
)
def test_faults_and_the_way_back(clock: VirtualClock, running: Running, fault: str, reason: str) -> None:
    sensor = Adxl345Sensor("table")
    said: list[str] = []
    sensor.observe(lambda event: said.append(event.message) if event.message else None)

    async def run() -> None:
        loop = Loop.current()
        async with running(sensor):
            await loop.delay(0.5)
            await sensor.take_new(sensor.vectors["faults"], {fault: True})
            await loop.delay(1)
            assert sensor.acceleration.state == ("Alert" if reason else "Ok")
            await sensor.take_new(sensor.vectors["faults"], {fault: False})
            await loop.delay(3)
            assert sensor.acceleration.state == "Ok"

    clock.run(run())
    assert reason == "" or any(reason in message for message in said)


def test_another_chip_is_seen_at_set_up(clock: VirtualClock, socket: Callable[..., Any]) -> None:
    chip = SimulatedAdxl345(clock.now)
    chip.faults = {"wrong_id"}
    handle, _ = socket(chip)

    async def run() -> None:
        with pytest.raises(DeviceUnavailable, match="chip id is 0xe6, that of an ADXL345 is 0xe5: it is another chip"):
            await Adxl345(handle, Loop.current().delay).fetch()

    clock.run(run())


def test_a_period_in_which_the_fifo_would_overflow_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"period is 0.05: at most 0.04 s are allowed, in which 800 samples a second"):
        Adxl345Sensor("table", Options(rate=800, period=0.05))
