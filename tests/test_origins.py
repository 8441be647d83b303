"""A program written for tasko or asynccp runs after changing its imports: every example of their two readmes.

The examples are shown as their authors wrote them; what they leave out (hardware, the bodies of their functions) is
filled in by what notes its calls. Their two slips are tested as the errors that they are.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

import core.loop as asynccp
import core.loop as tasko
from core.duration import Duration
from core.errors import TimingError
from core.loop import Loop
from core.resource import Handle, ManagedResource
from core.testing import VirtualClock

Calls = Counter[str]


@pytest.fixture
def calls(clock: VirtualClock, monkeypatch: pytest.MonkeyPatch) -> Calls:
    """Give the notes of an example; the default loop that it runs on has virtual time."""
    monkeypatch.setattr("core.loop.loop._default", clock.loop)
    return Counter()


class EndOfExample(Exception):  # noqa: N818 - it is none that the examples know
    """End an example, which would run for ever."""


def end_after(seconds: float) -> None:
    async def end() -> None:
        raise EndOfExample

    Loop.current().run_later(seconds, end())


def test_asynccp_plain_synchronous_loop_task(calls: Calls) -> None:
    async def read_some_sensor() -> None:
        calls["sensor"] += 1

    async def check_button() -> None:
        calls["button"] += 1

    async def update_display() -> None:
        calls["display"] += 1

    async def loop() -> None:
        await read_some_sensor()
        await check_button()
        await update_display()

    def run() -> None:
        asynccp.add_task(loop())
        asynccp.run()

    run()
    assert calls == {"sensor": 1, "button": 1, "display": 1}


def test_asynccp_scheduled_app(calls: Calls) -> None:
    class App:
        def __init__(self) -> None:
            self.button_state = 0
            self.sensor_state = 0

        async def read_some_sensor(self) -> None:
            calls["sensor"] += 1

        async def check_button(self) -> None:
            calls["button"] += 1

        async def update_display(self) -> None:
            calls["display"] += 1

    def run() -> None:
        app = App()

        asynccp.schedule(frequency=Duration.of_seconds(5), coroutine_function=app.read_some_sensor)
        asynccp.schedule(frequency=80, coroutine_function=app.check_button)
        asynccp.schedule(frequency=15, coroutine_function=app.update_display)
        asynccp.run()

    end_after(9.999)
    with pytest.raises(EndOfExample):
        run()
    assert calls == {"sensor": 2, "button": 800, "display": 150}


class Pin:
    def __init__(self, name: str, log: list[str]) -> None:
        self.name = name
        self.log = log

    @property
    def value(self) -> bool:
        raise AssertionError("nobody reads it")

    @value.setter
    def value(self, value: bool) -> None:
        self.log.append(f"{self.name} {value}")


def setup_spi(log: list[str]) -> tuple[Handle[str], Handle[str]]:
    # Configure the hardware
    spi = "the bus"

    sensor_cs = Pin("sensor", log)
    sdcard_cs = Pin("sdcard", log)

    # Set up acquire/release workflow for the SPI bus
    def set_active(pin: Pin) -> None:
        pin.value = True

    def set_inactive(pin: Pin) -> None:
        pin.value = False

    # Configure the physical spi as a managed resource with callbacks that manage the CS pin
    managed_spi = ManagedResource(spi, on_acquire=set_active, on_release=set_inactive)

    # Get awaitable handles for each CS using this SPI bus
    sensor_handle = managed_spi.handle(pin=sensor_cs)
    sdcard_handle = managed_spi.handle(pin=sdcard_cs)

    return sensor_handle, sdcard_handle


def alternates(log: list[str]) -> bool:
    """Tell whether every selected pin was deselected before the next."""
    pairs = list(zip(log[::2], log[1::2], strict=False))
    return bool(pairs) and all(on.split()[0] == off.split()[0] and on.endswith("True") for on, off in pairs)


def test_asynccp_multiplexed_spi_bus(calls: Calls) -> None:
    log: list[str] = []

    async def send_read_request_to_sensor(bus: str) -> None:
        assert bus == "the bus"
        await asynccp.delay(0.001)

    async def read_result_from_sensor(bus: str) -> int:
        calls["read"] += 1
        return 5

    async def write_to_sdcard(bus: str) -> int:
        calls["written"] += 1
        await asynccp.delay(0.002)
        return 512

    async def read_sensor(sensor_handle: Handle[str]) -> int:
        async with sensor_handle as bus:
            await send_read_request_to_sensor(bus)
            # Consider a BME680 which needs a delay before reading the requested result.
            # Let's let something else use the bus while it's waiting
        await asynccp.delay(seconds=0.1)
        async with sensor_handle as bus:
            return await read_result_from_sensor(bus)

    async def log_to_sdcard(sdcard_handle: Handle[str]) -> None:
        async with sdcard_handle as bus:
            await write_to_sdcard(bus)

    sensor_handle, sdcard_handle = setup_spi(log)
    asynccp.schedule(Duration.of_milliseconds(123), read_sensor, sensor_handle)
    sd_log_scheduled_task = asynccp.schedule(Duration.of_seconds(1.5), log_to_sdcard, sdcard_handle)
    end_after(6.1)
    with pytest.raises(EndOfExample):
        asynccp.run()
    assert calls["written"] == sd_log_scheduled_task.statistics.ticks == 5
    assert calls["read"] == 49
    assert alternates(log)


def test_tasko_multiplexed_spi_bus(calls: Calls) -> None:
    log: list[str] = []

    async def send_and_read_from_sensor(bus: str) -> None:
        calls["sensor"] += 1
        await tasko.sleep(0.5)

    async def write_to_sdcard(bus: str) -> int:
        calls["sdcard"] += 1
        return 512

    async def read_sensor(sensor_handle: Handle[str]) -> None:
        async with sensor_handle as bus:
            await send_and_read_from_sensor(bus)

    async def log_to_sdcard(sdcard_handle: Handle[str]) -> None:
        async with sdcard_handle as bus:
            await write_to_sdcard(bus)

    sensor_handle, sdcard_handle = setup_spi(log)
    # As printed, `schedule(hz=1, read_sensor, sensor_handle)` is no Python: see the slip below.
    tasko.schedule(1, read_sensor, sensor_handle)
    tasko.schedule(1 / 10, log_to_sdcard, sdcard_handle)
    end_after(20.2)
    with pytest.raises(EndOfExample):
        tasko.run()
    assert calls == {"sensor": 21, "sdcard": 3}
    assert alternates(log)


class Bus:
    def __init__(self, calls: Calls) -> None:
        self.calls = calls

    def send(self, payload: bytes) -> None:
        self.calls["sent"] += 1

    def read(self, payload: bytes) -> None:
        self.calls["read"] += 1


class RotaryButton:
    def __init__(self, calls: Calls) -> None:
        self.calls = calls

    async def loop(self) -> None:
        self.calls["rotary"] += 1


@pytest.mark.parametrize("origin", ["tasko", "asynccp"])
def test_the_toy_example(calls: Calls, origin: str) -> None:
    i2c, payload = Bus(calls), b""

    # Some state.  Global state is not super cool but whatevs
    reading_sensor = False

    def set_animation_state() -> None:
        calls["animated"] += 1

    # Define the top-level workflows (you would have to write this stuff no matter what)
    async def read_sensor() -> None:
        nonlocal reading_sensor
        reading_sensor = True
        try:
            i2c.send(payload)
            if origin == "tasko":
                await tasko.sleep(1)  # Don't block your loading beach ball while the sensor is sensing.
            else:
                await asynccp.delay(1)
            i2c.read(payload)  # if you have some buffered i2c thing
        finally:
            reading_sensor = False

    async def animate_beach_ball() -> None:
        if reading_sensor:
            set_animation_state()  # hopefully this is quick - if not, maybe there's something inside to `await`

    async def read_from_3d_printer() -> None:
        calls["printer"] += 1

    rotary = RotaryButton(calls)

    if origin == "tasko":
        tasko.schedule(hz=10, coroutine_function=read_sensor)
        tasko.schedule(hz=10, coroutine_function=animate_beach_ball)
        tasko.schedule(hz=5, coroutine_function=read_from_3d_printer)
        tasko.schedule(hz=100, coroutine_function=rotary.loop)
    else:
        asynccp.schedule(Duration.of_milliseconds(100), coroutine_function=read_sensor)
        asynccp.schedule(Duration.of_milliseconds(100), coroutine_function=animate_beach_ball)
        asynccp.schedule(Duration.of_milliseconds(200), coroutine_function=read_from_3d_printer)
        asynccp.schedule(Duration.of_milliseconds(10), coroutine_function=rotary.loop)

    end_after(9.955)
    with pytest.raises(EndOfExample):
        # And let it do while True
        tasko.run()
    # The sensor takes a second at 10 Hz: the grid goes on where it can.
    assert calls["sent"] == 10
    assert calls["read"] == 9
    assert calls["printer"] == 50
    assert calls["rotary"] == 996
    assert calls["animated"] == 100


def test_the_slip_of_a_misspelt_word_names_the_right_one(calls: Calls) -> None:
    async def read_from_3d_printer() -> None:
        calls["printer"] += 1

    misspelt: dict[str, Any] = {"corouting_function": read_from_3d_printer}
    with pytest.raises(TimingError, match="corouting_function= is unknown, did you mean coroutine_function="):
        tasko.schedule(hz=5, **misspelt)
    with pytest.raises(TimingError, match="did you mean coroutine_function="):
        asynccp.schedule(Duration.of_milliseconds(200), **misspelt)


def test_the_slip_of_a_positional_after_a_keyword_is_no_python() -> None:
    with pytest.raises(SyntaxError, match="positional argument follows keyword argument"):
        compile("tasko.schedule(hz=1, read_sensor, sensor_handle)", "readme", "exec")
