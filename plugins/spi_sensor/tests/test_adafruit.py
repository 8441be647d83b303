"""Adafruit's drivers on the simulated chips: they read what ours read, and hold up nobody.

These run on the real clock, because the drivers sleep in their threads.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from core import DeviceUnavailable, Loop
from plugin_spi_sensor.adafruit import chips, worker
from plugin_spi_sensor.adafruit.worker import Worker
from plugin_spi_sensor.chips import bme280, bme680, max31855, max31865, mcp3xxx
from plugin_spi_sensor.chips.chip import ChipFault
from plugin_spi_sensor.devices.bme280 import Bme280Sensor
from plugin_spi_sensor.devices.max31855 import Max31855Sensor
from plugin_spi_sensor.simulated.bme280 import SimulatedBme280
from plugin_spi_sensor.simulated.bme680 import SimulatedBme680
from plugin_spi_sensor.simulated.max31855 import POWER_UP, SimulatedMax31855
from plugin_spi_sensor.simulated.max31865 import SimulatedMax31865
from plugin_spi_sensor.simulated.mcp3xxx import SimulatedMcp3xxx

pytest.importorskip("adafruit_bus_device", reason="Adafruit's libraries could not be installed here")

Running = Callable[..., AbstractAsyncContextManager[None]]
Socket = Callable[..., Any]

CLIMATE = bme280.Measurement(temperature=21.5, humidity=43.0, pressure=1004.2)
AIR = bme680.AirQuality(temperature=24.5, humidity=51.0, pressure=1009.7, gas=81_000.0)
VOLTS = (0.0, 0.4, 1.0, 1.65, 2.0, 2.5, 3.0, 3.2)


def both(socket: Socket, simulated: Any, own: Callable[..., Any], theirs: Callable[[Worker], Any]) -> tuple[Any, Any]:
    """Return what our driver reads from a chip and what Adafruit's reads from it."""
    handle, _ = socket(simulated)

    async def run() -> tuple[Any, Any]:
        measured = await own(handle, Loop.current().delay).measure()
        thread = Worker(handle, "desk")
        try:
            return measured, await theirs(thread).measure()
        finally:
            await thread.close()

    return Loop().run(run())


@pytest.mark.parametrize("settings", [bme280.Settings(), bme280.Settings(2, 4, 8, 16)])
def test_a_bme280_reads_the_same(socket: Socket, settings: bme280.Settings) -> None:
    own, theirs = both(
        socket,
        SimulatedBme280(time.monotonic_ns, lambda _: CLIMATE),
        lambda handle, delay: bme280.Bme280(handle, delay, settings),
        lambda thread: chips.AdafruitBme280(thread, settings),
    )
    assert theirs.temperature == pytest.approx(own.temperature, abs=0.01)
    assert theirs.humidity == pytest.approx(own.humidity, abs=0.05)
    assert theirs.pressure == pytest.approx(own.pressure, abs=0.05)
    assert own.pressure == pytest.approx(CLIMATE.pressure, abs=0.05)


@pytest.mark.parametrize(
    "settings", [bme680.Settings(), bme680.Settings(2, 16, 4, 7, 400, 100), bme680.Settings(heater_milliseconds=0)]
)
def test_a_bme680_reads_the_same(socket: Socket, settings: bme680.Settings) -> None:
    own, theirs = both(
        socket,
        SimulatedBme680(time.monotonic_ns, lambda _: AIR),
        lambda handle, delay: bme680.Bme680(handle, delay, settings),
        lambda thread: chips.AdafruitBme680(thread, settings),
    )
    assert theirs.temperature == pytest.approx(own.temperature, abs=0.02)
    assert theirs.humidity == pytest.approx(own.humidity, abs=0.1)
    assert theirs.pressure == pytest.approx(own.pressure, abs=0.2)
    assert own.pressure == pytest.approx(AIR.pressure, abs=0.05)
    if settings.heater_milliseconds:
        assert theirs.gas == pytest.approx(own.gas, rel=0.01)
        assert own.gas == pytest.approx(AIR.gas, rel=0.01)
    else:
        assert (own.gas, theirs.gas) == (None, None)


@pytest.mark.parametrize("bits", [10, 12])
@pytest.mark.parametrize("wanted", [0, 3, 7, "0-1", "3-2", "7-6"])
def test_a_converter_reads_the_same(socket: Socket, bits: int, wanted: int | str) -> None:
    simulated = SimulatedMcp3xxx(time.monotonic_ns, bits=bits, reference=3.3, voltages=lambda _: VOLTS)
    handle, _ = socket(simulated)
    chosen = mcp3xxx.Input.parse(wanted)

    async def run() -> tuple[float, float]:
        own = await mcp3xxx.Mcp3xxx(handle, Loop.current().delay, bits=bits, reference=3.3).measure(chosen)
        thread = Worker(handle, "desk")
        try:
            return own, await chips.AdafruitMcp3xxx(thread, bits=bits, reference=3.3).measure(chosen)
        finally:
            await thread.close()

    own, theirs = Loop().run(run())
    # Adafruit's full scale is the reference itself, ours one step below, as the data sheet has it.
    assert theirs == pytest.approx(own, abs=3.3 / (1 << bits))


@pytest.mark.parametrize("tip", [-120.25, 0.0, 843.5])
def test_a_thermocouple_reads_the_same(socket: Socket, tip: float) -> None:
    simulated = SimulatedMax31855(time.monotonic_ns, lambda _: max31855.Thermocouple(tip, 21.0625), age=POWER_UP)
    own, theirs = both(socket, simulated, max31855.Max31855, chips.AdafruitMax31855)
    assert own == theirs == max31855.Thermocouple(tip, 21.0625)


@pytest.mark.parametrize("celsius", [5.0, 100.0, 400.0])
@pytest.mark.parametrize("wiring", [max31865.Wiring(), max31865.Wiring(1000, 4300, 3, 60)])
def test_a_resistance_thermometer_reads_the_same(socket: Socket, wiring: max31865.Wiring, celsius: float) -> None:
    own, theirs = both(
        socket,
        SimulatedMax31865(time.monotonic_ns, lambda _: celsius, nominal=wiring.nominal, reference=wiring.reference),
        lambda handle, delay: max31865.Max31865(handle, delay, wiring),
        lambda thread: chips.AdafruitMax31865(thread, wiring),
    )
    assert theirs.ohms == own.ohms
    assert theirs.temperature == pytest.approx(own.temperature, abs=0.001)
    assert own.temperature == pytest.approx(celsius, abs=0.05)


@pytest.mark.parametrize("fault", ["open", "short_to_ground", "short_to_supply"])
def test_faults_of_leads_have_the_same_names(socket: Socket, fault: str) -> None:
    simulated = SimulatedMax31855(time.monotonic_ns, lambda _: max31855.Thermocouple(20, 20), age=POWER_UP)
    simulated.faults = {name for name in simulated.possible_faults if fault.replace("short_to_", "") in name}
    assert len(simulated.faults) == 1
    handle, _ = socket(simulated)

    async def run() -> list[ChipFault]:
        thread = Worker(handle, "kiln")
        found = []
        for chip in (max31855.Max31855(handle, Loop.current().delay), chips.AdafruitMax31855(thread)):
            with pytest.raises(ChipFault) as caught:
                await chip.measure()
            found.append(caught.value)
        await thread.close()
        return found

    own, theirs = Loop().run(run())
    assert (own.names, str(own)) == (theirs.names, str(theirs))


def test_a_register_is_read_in_one_transfer(socket: Socket) -> None:
    # Between two the kernel's select would rise.
    handle, record = socket(SimulatedBme280(time.monotonic_ns, lambda _: CLIMATE))

    async def run() -> None:
        thread = Worker(handle, "desk")
        await chips.AdafruitBme280(thread, bme280.Settings()).measure()
        await thread.close()

    Loop().run(run())
    sent = [one.sent.hex(" ") for one in record.transactions]
    assert sent[0] == "d0 00"
    assert "88" + " 00" * 24 in sent
    assert "72 01" in sent
    assert "" not in sent


def test_the_bus_is_free_while_the_driver_waits(socket: Socket) -> None:
    handle, _ = socket(SimulatedBme680(time.monotonic_ns, lambda _: AIR))

    async def run() -> int:
        thread, turns = Worker(handle, "desk"), 0
        measurement = asyncio.ensure_future(chips.AdafruitBme680(thread, bme680.Settings()).measure())
        while not measurement.done():
            async with handle:
                turns += 1
            await asyncio.sleep(0)
        await thread.close()
        return turns

    # It heats for 150 ms; were the bus held meanwhile, there would be a turn before and one after.
    assert Loop().run(run()) > 10


def test_a_cancelled_measurement_ends_its_thread(socket: Socket) -> None:
    simulated = SimulatedBme280(time.monotonic_ns, lambda _: CLIMATE)
    handle, _ = socket(simulated)

    async def run() -> None:
        thread = Worker(handle, "desk")
        chip = chips.AdafruitBme280(thread, bme280.Settings())
        await chip.measure()
        simulated.faults = {"stuck_busy"}
        measurement = asyncio.ensure_future(chip.measure())
        done, _ = await asyncio.wait({measurement}, timeout=0.05)
        assert not done
        measurement.cancel()
        with pytest.raises(asyncio.CancelledError):
            await measurement
        simulated.faults = set()
        assert (await chip.measure()).temperature == pytest.approx(21.5, abs=0.01)
        await thread.close()

    Loop().run(run())
    assert "desk" not in {one.name.partition("_")[0] for one in threading.enumerate()}


def test_a_driver_that_never_ends_is_stopped(socket: Socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "LIMIT", 0.3)
    simulated = SimulatedBme280(time.monotonic_ns, lambda _: CLIMATE)
    simulated.faults = {"stuck_busy"}
    handle, _ = socket(simulated)

    async def run() -> None:
        thread = Worker(handle, "desk")
        with pytest.raises(DeviceUnavailable, match=r"still waits for the chip after 0\.3 s"):
            await chips.AdafruitBme280(thread, bme280.Settings()).measure()
        await thread.close()

    Loop().run(run())


def test_a_holder_that_is_cancelled_keeps_the_bus_until_the_thread_has_left_it(socket: Socket) -> None:
    handle, _ = socket(SimulatedBme280(time.monotonic_ns, lambda _: CLIMATE))
    inside, may_leave = threading.Event(), threading.Event()

    async def run() -> None:
        thread = Worker(handle, "desk")

        def work() -> None:
            thread.bus.try_lock()
            inside.set()
            may_leave.wait()
            thread.bus.unlock()

        task = asyncio.ensure_future(thread.run(work))
        await asyncio.to_thread(inside.wait)
        task.cancel()

        async def use() -> bool:
            async with handle:
                return may_leave.is_set()

        other = asyncio.ensure_future(use())
        for _ in range(20):
            await asyncio.sleep(0)
        assert not other.done()
        may_leave.set()
        assert await other
        with pytest.raises(asyncio.CancelledError):
            await task
        await thread.close()

    Loop().run(run())


def test_devices_run_either_driver_beside_each_other(running: Running) -> None:
    made = {
        "own": Bme280Sensor("own", Bme280Sensor.Options(period=0.05)),
        "theirs": Bme280Sensor("theirs", Bme280Sensor.Options(chip_select=1, period=0.05, driver="adafruit")),
        "kiln": Max31855Sensor("kiln", Max31855Sensor.Options(chip_select=2, period=0.1, driver="adafruit")),
    }
    said: list[str] = []
    made["theirs"].observe(lambda event: said.append(event.message) if event.message else None)

    async def until(holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not holds():
                await Loop.current().delay(0.01)

    async def run() -> None:
        async with running(*made.values()):
            await until(lambda: all(one.reading.state == "Ok" for one in made.values()))
            theirs = made["theirs"]
            assert theirs.reading["pressure"] == pytest.approx(1013, abs=20)
            await theirs.take_new(theirs.vectors["faults"], {"no_answer": True})
            await until(lambda: theirs.reading.state == "Alert")
            assert made["own"].reading.state == "Ok"
            await theirs.take_new(theirs.vectors["faults"], {"no_answer": False})
            await until(lambda: theirs.reading.state == "Ok")

    Loop().run(run())
    assert "BME280 on SPI bus simulated, chip select 1" in said[0]


def test_without_the_library_the_cure_is_told(socket: Socket) -> None:
    handle, _ = socket(SimulatedMax31855(time.monotonic_ns, age=POWER_UP))

    class Missing(chips.AdafruitMax31855):
        module = "adafruit_that_is_not_there"

    async def run() -> None:
        thread = Worker(handle, "desk")
        with pytest.raises(DeviceUnavailable, match=r"pip install 'plugin-spi-sensor\[adafruit\]'"):
            Missing(thread)
        await thread.close()

    Loop().run(run())
