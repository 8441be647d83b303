"""A chip that core.toml describes: what its numbers mean, and that known chips read the same when described."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from core import ConfigError, DeviceUnavailable, Loop
from core.config import convert
from core.testing import VirtualClock
from plugin_spi_sensor.chips.adxl345 import Acceleration
from plugin_spi_sensor.chips.generic import Description, Field, Generic
from plugin_spi_sensor.chips.max31855 import Thermocouple
from plugin_spi_sensor.devices.generic import GenericSensor
from plugin_spi_sensor.simulated.adxl345 import SimulatedAdxl345
from plugin_spi_sensor.simulated.max31855 import POWER_UP, SimulatedMax31855

Running = Callable[..., AbstractAsyncContextManager[None]]

TABLE = """
chip = "ADXL345"
mode = 3
read_bit = 0xc0
identity = [0x00, 0xe5]
setup = [[0x31, 0x0b], [0x2c, 0x0a], [0x2d, 0x08]]
wait = 0.01
[quantities.x]
register = 0x32
little_endian = true
signed = true
polynomial = [0.0, 0.00390625]
unit = "g"
min = -16
max = 16
format = "%.4f"
[quantities.z]
register = 0x36
little_endian = true
signed = true
polynomial = [0.0, 0.00390625]
"""


def options(text: str = TABLE, **more: Any) -> GenericSensor.Options:
    made: GenericSensor.Options = convert(GenericSensor.Options, {**tomllib.loads(text), **more}, "[device.x]")
    return made


@pytest.mark.parametrize(
    ("field", "data", "value"),
    [
        (Field(1, 2), "01 02", 0x102),
        (Field(1, 2, little_endian=True), "01 02", 0x201),
        (Field(1, 2, signed=True), "ff fe", -2),
        (Field(1, 3, shift=4), "12 34 56", 0x12345),
        (Field(1, 2, shift=4, bits=11, signed=True), "7f f0", -1),
        (Field(1, 2, shift=2, signed=True, polynomial=(0.0, 0.25)), "06 4c", 100.75),
        (Field(1, 1, polynomial=(1.0, 2.0, 3.0)), "05", 86.0),
        (Field(1, 1, polynomial=(7.0,)), "05", 7.0),
    ],
)
def test_what_bytes_mean(field: Field, data: str, value: float) -> None:
    assert field.value(bytes.fromhex(data)) == value


Y = """
[quantities.y]
register = 0x34
little_endian = true
signed = true
polynomial = [0.0, 0.00390625]
"""


@pytest.mark.parametrize(
    ("text", "measured"),
    [(TABLE + Y, {"x": 0.5, "y": 0.25, "z": -1.0}), ("bursts = [[0x32, 6]]\n" + TABLE, {"x": 0.5, "z": -1.0})],
    ids=["neighbours", "named"],
)
def test_a_described_adxl345_reads_a_sample_in_one_transaction(
    clock: VirtualClock, socket: Callable[..., Any], text: str, measured: dict[str, float]
) -> None:
    sensor = GenericSensor("table", options(text))
    assert (sensor.polarity, sensor.phase) == (1, 1)
    # It moves, so that parts of two samples would not fit together.
    handle, record = socket(
        SimulatedAdxl345(clock.now, lambda now: Acceleration(0.5, 0.25, -1.0) if now < 25e6 else Acceleration(9, 9, 9))
    )

    async def run() -> dict[str, float]:
        driver = Generic(handle, Loop.current().delay, sensor._description)
        await driver.measure()
        return await driver.measure()

    assert clock.run(run()) == measured
    sent = [one.sent.hex(" ") for one in record.transactions]
    sample = "f2 00 00 00 00 00 00"
    assert sent == ["c0 00", "31 0b", "2c 0a", "2d 08", sample, "c0 00", sample]


@pytest.mark.parametrize(
    ("fields", "named", "bursts"),
    [
        ([(0x10, 2), (0x12, 1)], [], [(0x10, 3)]),
        ([(0x12, 1), (0x10, 2)], [], [(0x10, 3)]),
        ([(0x10, 2), (0x11, 1)], [], [(0x10, 2)]),
        ([(0x10, 4), (0x11, 1), (0x14, 2)], [], [(0x10, 6)]),
        ([(0x10, 2), (0x13, 1)], [], [(0x10, 2), (0x13, 1)]),
        ([(0x10, 2), (0x13, 1), (0x20, 1)], [(0x10, 4)], [(0x10, 4), (0x20, 1)]),
        ([(0x10, 2), (0x12, 2)], [(0x10, 3)], [(0x10, 3), (0x12, 2)]),
    ],
)
def test_neighbours_are_read_together(
    fields: list[tuple[int, int]], named: list[tuple[int, int]], bursts: list[tuple[int, int]]
) -> None:
    description = Description({str(number): Field(*field) for number, field in enumerate(fields)}, bursts=named)
    assert description.all_bursts() == bursts


def test_a_chip_without_registers(clock: VirtualClock, socket: Callable[..., Any]) -> None:
    description = Description(
        {
            "tip": Field(None, 2, shift=2, signed=True, polynomial=(0.0, 0.25)),
            "junction": Field(None, 2, skip=2, shift=4, signed=True, polynomial=(0.0, 0.0625)),
        }
    )
    chip = SimulatedMax31855(clock.now, lambda _: Thermocouple(-12.25, 21.5), age=POWER_UP)
    handle, record = socket(chip)

    async def run() -> dict[str, float]:
        return await Generic(handle, Loop.current().delay, description).measure()

    assert clock.run(run()) == {"tip": -12.25, "junction": 21.5}
    assert [len(one.sent) for one in record.transactions] == [4]


def test_the_device_on_its_simulated_chip(clock: VirtualClock, running: Running) -> None:
    sensor = GenericSensor("table", options(start=[[0x20, 1]], ready=[0x27, 0x08, 0x08]))
    said: list[str] = []
    states: list[str] = []
    sensor.observe(lambda event: said.append(event.message) if event.message else None)

    async def run() -> None:
        loop = Loop.current()
        async with running(sensor):
            await loop.delay(1.5)
            assert (sensor.vectors["values"].state, sensor.values.members["x"].unit) == ("Ok", "g")
            assert -1.7 <= sensor.values["x"] <= 1.7
            assert sensor.simulated_chip.written == {0x31: 0x0B, 0x2C: 0x0A, 0x2D: 8, 0x20: 1}
            for fault in ("wrong_id", "stuck_busy", "no_answer"):
                await sensor.take_new(sensor.vectors["faults"], {fault: True})
                await loop.delay(1)
                states.append(sensor.vectors["values"].state)
                await sensor.take_new(sensor.vectors["faults"], {fault: False})
                await loop.delay(2)
                states.append(sensor.vectors["values"].state)

    clock.run(run())
    assert states == ["Alert", "Ok"] * 3
    assert "chip id is 0x1a, that of the one described is 0xe5: it is another chip" in said[0]
    assert "register 0x27 is 0x00 after 10 ms, and its bits 0x08 are not 0x08" in said[1]
    assert "chip id is 0xff" in said[2]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"quantities": {}, "bus": "spidev0"}, "quantities is empty; describe at least one"),
        ({"quantities": {"x": {"bytes": 9}}}, "bytes"),
        ({"quantities": {"x": {"byte": 2}}}, "byte"),
        ({"quantities": {"x": {"bytes": 2, "shift": 8, "bits": 9}}}, "2 bytes shifted by 8 do not have 9 bits"),
        ({"quantities": {"x": {"format": "%d"}}}, "quantities.x: Number: format is '%d'"),
        ({"identity": [1, 256]}, "identity"),
        ({"mode": 4}, "mode"),
    ],
)
def test_a_wrong_description_is_one_sentence(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        GenericSensor("x", options(**change))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_bus_without_a_chip(clock: VirtualClock, socket: Callable[..., Any]) -> None:
    handle, record = socket(SimulatedMax31855(clock.now))

    class Nothing:
        def select(self) -> None: ...
        def deselect(self) -> None: ...
        def transfer(self, byte: int) -> int:
            return 0xFF

    record.chip = Nothing()

    async def run() -> None:
        with pytest.raises(DeviceUnavailable, match="nothing answers"):
            await Generic(handle, Loop.current().delay, Description({"x": Field(None, 2)})).measure()

    clock.run(run())
