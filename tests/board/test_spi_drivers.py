"""What the drivers of all chips send, on the kernel's wires: byte for byte what they send to the simulated chips.

That this is what the data sheets say is held by the tests of each chip, in plugins/spi_sensor/tests.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from core import DeviceUnavailable, Loop, ManagedSpi
from core.testing import VirtualClock
from core.testing.bus_record import BusRecord
from plugin_spi_sensor.adafruit.chips import AdafruitBme280
from plugin_spi_sensor.adafruit.worker import Worker
from plugin_spi_sensor.bus.shared import Seat, open_buses, take_seat
from plugin_spi_sensor.bus.spidev_bus import SpidevBus
from plugin_spi_sensor.chips.bme280 import Settings
from plugin_spi_sensor.chips.chip import Chip
from plugin_spi_sensor.devices import SENSORS
from plugin_spi_sensor.devices.generic import GenericSensor, Quantity
from plugin_spi_sensor.devices.sensor import SpiSensor
from tests.board.simulated_chips import SimulatedChip
from tests.board.spi_trace import Happening, traced

pytestmark = pytest.mark.usefixtures("no_leaks")

LABEL, LINE = "pinctrl-bcm2711", 30

Take = Callable[[SpiSensor, str, int | str], Seat[Any]]


@pytest.fixture(params=["spidev0", "blinka"])
def bus(request: pytest.FixtureRequest) -> str:
    """Be the first bus, by each of the backends."""
    name: str = request.param
    package = "adafruit_platformdetect" if name == "blinka" else "spidev"
    pytest.importorskip(package, reason=f"{package} could not be installed here")
    return name


@pytest.fixture
def take() -> Iterator[Take]:
    """Return a function that takes a sensor's seat on a bus, as the sensor itself would; all are left at the end."""
    with contextlib.ExitStack() as stack:

        def taken(sensor: SpiSensor, bus: str, select: int | str) -> Seat[Any]:
            seat = take_seat(
                bus, select, sensor.name, baudrate=sensor.baudrate, polarity=sensor.polarity, phase=sensor.phase
            )
            stack.callback(seat.leave)
            return seat

        yield taken
    assert open_buses() == {}


def made(kind: type[SpiSensor]) -> SpiSensor:
    """Return a sensor with its default options; the described chip is one in mode 2, with two registers."""
    if kind is GenericSensor:
        quantities = {"x": Quantity(register=0x32), "y": Quantity(register=0x34)}
        return kind("generic", GenericSensor.Options(mode=2, setup=[(0x2D, 8)], quantities=quantities))
    return kind(kind.kind)


def conversation(clock: VirtualClock, sensor: SpiSensor) -> list[bytes]:
    """Return the transactions of three readings of the simulated chip."""

    async def talk() -> list[bytes]:
        seat = take_seat("simulated:record", 0, sensor.name, baudrate=sensor.baudrate)
        try:
            record = BusRecord(sensor.make_simulated(clock.now))
            seat.shared.bus.attach(0, record)
            sensor.make_chip(seat.handle)
            for _ in range(3):
                await Loop.current().delay(0.3)
                await sensor.read()
            return [one.sent for one in record.transactions]
        finally:
            seat.leave()

    return clock.run(talk())


async def replay(seat: Seat[Any], transactions: list[bytes]) -> None:
    """Send each in a transaction of its own."""
    for data in transactions:
        async with seat.handle as bus:
            bus.write_readinto(data, bytearray(len(data)))
        await asyncio.sleep(0)


def around(before: Happening, transactions: list[bytes], after: Happening) -> list[Happening]:
    """Return what a select and the bytes do, transaction by transaction."""
    return [one for data in transactions for one in (before, ("sent", "spi0.0", data), after)]


@pytest.mark.parametrize("kind", SENSORS, ids=lambda kind: kind.kind)
def test_the_bytes_of_a_driver_arrive(
    clock: VirtualClock, bus: str, take: Take, board_chip: SimulatedChip, kind: type[SpiSensor]
) -> None:
    sensor = made(kind)
    said = conversation(clock, sensor)
    assert said
    with traced(board_chip, LINE) as trace:
        seat = take(sensor, bus, 0)
        asyncio.run(replay(seat, said))
        seat.leave()
    assert trace.of("select", "sent") == around(("select", "spi0.0", True), said, ("select", "spi0.0", False))
    modes = [mode for _, _, mode in trace.of("mode")]
    assert not modes or modes[-1] == sensor.polarity << 1 | sensor.phase

    with traced(board_chip, LINE) as trace:
        seat = take(sensor, bus, f"{LABEL}:{LINE}")
        asyncio.run(replay(seat, said))
        seat.leave()
    happened = trace.of("line", "sent")
    # At set-up at most a step to the level that selects nothing, and the byte that moves the clock to its rest.
    while happened[0] in (("line", str(LINE), 1), ("sent", "spi0.0", b"\x00")):
        del happened[0]
    assert happened == around(("line", str(LINE), 0), said, ("line", str(LINE), 1))


def test_all_chips_on_one_bus(clock: VirtualClock, bus: str, take: Take, board_chip: SimulatedChip) -> None:
    sensors = [made(kind) for kind in SENSORS]
    lines = {LINE + number: sensor for number, sensor in enumerate(sensors)}
    said = {line: conversation(clock, sensor) for line, sensor in lines.items()}

    async def run() -> None:
        async with asyncio.TaskGroup() as group:
            for line, seat in seats.items():
                group.create_task(replay(seat, said[line]))

    with traced(board_chip, *lines) as trace:
        seats = {line: take(sensor, bus, f"{LABEL}:{line}") for line, sensor in lines.items()}
        asyncio.run(run())
    arrived: dict[int, list[bytes]] = {line: [] for line in lines}
    low: int | None = None
    for what, which, value in trace.of("line", "sent"):
        if what == "line" and value:
            assert low in (None, int(which))
            low = None
        elif what == "line":
            assert low is None
            low = int(which)
        elif low is None:
            # The clock's level for the next chip, while nobody is selected.
            assert value == b"\x00"
        else:
            assert isinstance(value, bytes)
            arrived[low].append(value)
    assert arrived == said


@pytest.mark.parametrize("select", [0, f"{LABEL}:{LINE}"])
def test_adafruits_driver_selects_as_ours_does(
    bus: str, take: Take, board_chip: SimulatedChip, spi_chip: SimulatedChip, select: int | str
) -> None:
    pytest.importorskip("adafruit_bme280", reason="Adafruit's libraries could not be installed here")
    spi_chip.pull(0, "up")
    sensor = made(SENSORS[0])

    async def run() -> None:
        thread = Worker(seat.handle, "desk")
        with pytest.raises(DeviceUnavailable, match="Failed to find BME280! Chip ID 0xff"):
            await AdafruitBme280(thread, Settings()).measure()
        await thread.close()

    seat = take(sensor, bus, select)
    with traced(board_chip, LINE) as trace:
        Loop().run(run())
    # No pulse where its SPIDevice is made, and a register's address and its value in one transfer.
    if select == 0:
        expected = around(("select", "spi0.0", True), [b"\xd0\x00"], ("select", "spi0.0", False))
        assert trace.of("select", "sent") == expected
    else:
        expected = around(("line", str(LINE), 0), [b"\xd0\x00"], ("line", str(LINE), 1))
        assert [one for one in trace.of("line", "sent") if one != ("sent", "spi0.0", b"\x00")] == expected


class Noted(SpidevBus):
    """Be a bus that notes which transfers are made in the thread of the loop."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.on_loop: list[bool] = []

    def _exchange(self, node: Any, sent: bytes) -> bytes:
        self.on_loop.append(threading.current_thread() is threading.main_thread())
        return super()._exchange(node, sent)


@pytest.mark.parametrize(("baudrate", "on_loop"), [(1_000_000, True), (100_000, False)])
def test_long_transfers_are_made_in_a_thread(board_chip: SimulatedChip, baudrate: int, on_loop: bool) -> None:
    pytest.importorskip("spidev", reason="spidev could not be compiled here")
    bus = Noted(1)  # what is sent comes back
    managed = ManagedSpi(bus)
    chip = Chip(managed.cs_handle(bus.chip_select(0), baudrate=baudrate), lambda seconds: Loop.current().delay(seconds))
    data = bytes(range(100))

    async def run() -> None:
        # 100 bytes take 0.8 ms and 8 ms.
        assert await chip.exchange(data) == data
        # A cancelled one keeps the bus to its end.
        task = asyncio.ensure_future(chip.exchange(data))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait({task})
        assert task.cancelled() or task.result() == data
        assert managed.statistics().holder is None
        assert await chip.exchange(b"\x55") == b"\x55"

    try:
        Loop().run(run())
    finally:
        bus.deinit()
    assert bus.on_loop == [on_loop, on_loop, True]
