"""The converters: their bits on the wire, the volts that they mean, and what is said where nothing answers."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import ConfigError, DeviceUnavailable, Loop
from core.testing import VirtualClock
from plugin_spi_sensor.chips.mcp3xxx import Input, Mcp3xxx
from plugin_spi_sensor.devices.mcp3xxx import Mcp3008Sensor, Mcp3208Sensor
from plugin_spi_sensor.simulated.mcp3xxx import SimulatedMcp3xxx

LEVELS = [0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.3]
Running = Callable[..., AbstractAsyncContextManager[None]]


def chip(bits: int) -> SimulatedMcp3xxx:
    return SimulatedMcp3xxx(lambda: 0, bits=bits, reference=3.3, voltages=lambda _: LEVELS)


def transaction(chip: SimulatedMcp3xxx, sent: bytes) -> bytes:
    chip.select()
    answer = bytes(chip.transfer(byte) for byte in sent)
    chip.deselect()
    return answer


@pytest.mark.parametrize(
    ("bits", "sent", "answer"),
    [
        # Figure 6-1 of DS21295D: start bit, single-ended channel 3, then the null bit and ten bits: 1.5 V is 465.
        (10, "01 b0 00", "ff f9 d1"),
        # Figure 6-1 of DS21298E: the start bit stands two places further left, and 1.5 V is 1861.
        (12, "06 c0 00", "ff e7 45"),
        # Channel 1 against channel 0: 0.5 V; and the other way round nothing, since it is below (section 5.1).
        (10, "01 10 00", "ff f8 9b"),
        (10, "01 00 00", "ff f8 00"),
    ],
)
def test_bits_on_the_wire(bits: int, sent: str, answer: str) -> None:
    assert transaction(chip(bits), bytes.fromhex(sent)).hex(" ") == answer


def test_leading_zeros_are_waited_through_and_the_result_comes_again_backwards() -> None:
    # Figure 5-2: after B0 comes B1, B2 and so on up to B9, then zeros.
    answer = transaction(chip(10), bytes.fromhex("00 01 b0 00 00 00"))
    assert int.from_bytes(answer[2:4]) & 0x3FF == 465 == 0b01_1101_0001
    assert int.from_bytes(answer[4:]) == 0b0_0010_1110_000_0000


@pytest.mark.parametrize("bits", [10, 12])
def test_the_driver_reads_volts(clock: VirtualClock, socket: Callable[..., Any], bits: int) -> None:
    handle, record = socket(chip(bits))
    driver = Mcp3xxx(handle, Loop.current, bits=bits, reference=3.3)  # type: ignore[arg-type]

    async def run() -> list[float]:
        return [await driver.measure(Input(channel)) for channel in range(8)]

    measured = clock.run(run())
    step = 3.3 / 2**bits
    assert all(level - step <= volts <= level for level, volts in zip(LEVELS, measured, strict=True))
    first = {10: "01 80 00", 12: "06 00 00"}[bits]
    assert record.transactions[0].sent.hex(" ") == first
    assert {len(one.sent) for one in record.transactions} == {3}


@given(volts=st.floats(0, 5), bits=st.sampled_from([10, 12]))
def test_codes_are_those_of_equation_4_2(volts: float, bits: int) -> None:
    one = SimulatedMcp3xxx(lambda: 0, bits=bits, reference=5.0, voltages=lambda _: [volts] * 8)
    answer = int.from_bytes(transaction(one, (0b1_1000 << 2 + bits).to_bytes(3)))
    assert answer & (1 << bits) - 1 == min(int(volts / 5.0 * 2**bits), 2**bits - 1)


@pytest.mark.parametrize(("text", "code"), [(0, 8), (7, 15), ("5", 13), ("0-1", 0), ("1-0", 1), ("6-7", 6), ("7-6", 7)])
def test_inputs(text: int | str, code: int) -> None:
    assert Input.parse(text).code == code


@pytest.mark.parametrize("text", [8, -1, "8", "0-2", "1-2", "0-0", "x", ""])
def test_there_are_no_other_inputs(text: int | str) -> None:
    with pytest.raises(ConfigError, match=rf'{text!r} is no input; 0 to 7 is allowed, or a pair: "0-1"'):
        Input.parse(text)


def test_a_bus_without_a_chip(clock: VirtualClock, socket: Callable[..., Any]) -> None:
    handle, record = socket(chip(10))
    driver = Mcp3xxx(handle, Loop.current, bits=10, reference=3.3)  # type: ignore[arg-type]

    class Nothing:
        def select(self) -> None: ...
        def deselect(self) -> None: ...
        def transfer(self, byte: int) -> int:
            return 0xFF

    record.chip = Nothing()

    async def run() -> None:
        with pytest.raises(DeviceUnavailable, match="nothing answers"):
            await driver.measure(Input(0))

    clock.run(run())


@pytest.mark.parametrize("kind", [Mcp3008Sensor, Mcp3208Sensor])
def test_the_device_has_the_inputs_that_it_is_told(
    clock: VirtualClock, running: Running, kind: type[Mcp3008Sensor]
) -> None:
    sensor = kind("adc", kind.Options(reference=5.0, inputs={"light": 3, "bridge": "0-1"}, period=0.1))
    assert list(kind("all").voltages.members) == [f"ch{number}" for number in range(8)]

    async def run() -> None:
        async with running(sensor):
            await Loop.current().delay(0.55)
            levels = sensor.simulated_chip._voltages(500_000_000)
            assert sensor.voltages["light"] == pytest.approx(levels[3], abs=0.006)
            assert sensor.voltages["bridge"] == pytest.approx(max(levels[0] - levels[1], 0), abs=0.006)
            assert sensor.vectors["voltages"].state == "Ok"
            assert sensor.voltages.members["light"].max == 5
            await sensor.take_new(sensor.vectors["faults"], {"no_answer": True})
            await Loop.current().delay(0.1)
            assert sensor.voltages.state == "Alert"

    clock.run(run())
