"""Both backends on the kernel's buses: bytes, selects, lines of GPIO chips, and what they say where something is wrong.

Every test leaves no descriptor behind: Blinka itself never closes its device.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import gpiod
import pytest
from gpiod.line import Direction

from core import ConfigError, DeviceUnavailable
from plugin_spi_sensor.bus.blinka_bus import BlinkaBus
from plugin_spi_sensor.bus.kernel import KernelBus
from plugin_spi_sensor.bus.shared import Seat, open_buses, take_seat
from plugin_spi_sensor.bus.spidev_bus import SpidevBus
from tests.board.simulated_chips import SimulatedChip
from tests.board.spi_trace import Trace, traced

pytestmark = pytest.mark.usefixtures("no_leaks")

LINE, OTHER_LINE = 25, 24
GPIO, OTHER_GPIO = f"pinctrl-bcm2711:{LINE}", f"pinctrl-bcm2711:{OTHER_LINE}"

Take = Callable[..., Seat[Any]]


@pytest.fixture(params=["spidev0", "blinka"])
def name(request: pytest.FixtureRequest) -> str:
    """Be the first bus, by each of the backends."""
    backend: str = request.param
    pytest.importorskip(
        {"spidev0": "spidev", "blinka": "adafruit_platformdetect"}[backend], reason=f"no package for {backend} here"
    )
    return backend


@pytest.fixture
def take() -> Iterator[Take]:
    """Return a function that takes seats, which are left at the end."""
    with contextlib.ExitStack() as stack:

        def taken(name: str, select: int | str, owner: str = "test", **more: Any) -> Seat[Any]:
            seat = take_seat(name, select, owner, **{"baudrate": 1_000_000, **more})
            stack.callback(seat.leave)
            return seat

        yield taken
    assert open_buses() == {}


def use(seat: Seat[Any], *sent: bytes) -> list[bytes]:
    """Send each in a transaction of its own and return the answers."""

    async def run() -> list[bytes]:
        answers = []
        for data in sent:
            answer = bytearray(len(data))
            async with seat.handle as bus:
                bus.write_readinto(data, answer)
            answers.append(bytes(answer))
        return answers

    return asyncio.run(run())


def test_bytes_arrive_and_the_kernel_selects_around_each_transfer(
    name: str, take: Take, board_chip: SimulatedChip, spi_chip: SimulatedChip
) -> None:
    spi_chip.pull(0, "up")
    seat = take(name, 0)
    with traced(board_chip) as trace:
        assert use(seat, b"\x01\x02\x03", b"\xaa") == [b"\xff\xff\xff", b"\xff"]
    around = [("select", "spi0.0", True), ("sent", "spi0.0", b"\x01\x02\x03"), ("select", "spi0.0", False)]
    assert trace.of("select", "sent") == [*around, *around[:1], ("sent", "spi0.0", b"\xaa"), *around[2:]]
    spi_chip.pull(0, "down")
    assert use(seat, b"\x01\x02\x03") == [bytes(3)]


def test_a_gpio_line_is_low_around_a_whole_transaction(name: str, take: Take, board_chip: SimulatedChip) -> None:
    seat = take(name, GPIO)
    assert board_chip.level(LINE) == 1
    with gpiod.Chip(str(board_chip.path)) as chip:
        assert chip.get_line_info(LINE).consumer == "core:test"

    async def run() -> None:
        async with seat.handle as bus:
            bus.write(b"\x72\x01")
            assert board_chip.level(LINE) == 0
            bus.readinto(bytearray(2))

    asyncio.run(run())
    with traced(board_chip, LINE) as trace:
        asyncio.run(run())
    assert trace.of("line", "sent") == [
        ("line", "25", 0),
        ("sent", "spi0.0", b"\x72\x01"),
        ("sent", "spi0.0", bytes(2)),
        ("line", "25", 1),
    ]
    assert board_chip.level(LINE) == 1


@pytest.mark.parametrize("select", [0, GPIO])
def test_nothing_pulses_at_set_up_nor_at_the_end(
    name: str, take: Take, board_chip: SimulatedChip, spi_chip: SimulatedChip, select: int | str
) -> None:
    with traced(board_chip, LINE) as trace:
        seat = take(name, select)
        # The kernel's select is an output at its inactive level since the bus was bound.
        assert spi_chip.level(3) == 1
        seat.leave()
    assert trace.of("select", "sent") == []
    # One step to an output at the level that selects nothing; never another.
    assert [level for _, _, level in trace.of("line")] in ([], [1])


@pytest.mark.parametrize("mode", [0, 1, 2, 3])
def test_modes(name: str, take: Take, board_chip: SimulatedChip, mode: int) -> None:
    seat = take(name, 0, polarity=mode >> 1, phase=mode & 1)
    with traced(board_chip) as trace:
        use(seat, b"\x55")
    set_up = [value for _, bus, value in trace.of("mode") if bus == "spi0.0"]
    # Set before the transfer, and by nobody in between.
    assert not set_up or set_up[-1] == mode
    assert trace.happenings[-3:] == [
        ("select", "spi0.0", True),
        ("sent", "spi0.0", b"\x55"),
        ("select", "spi0.0", False),
    ]


def test_the_clock_rests_at_its_level_before_a_line_selects(name: str, take: Take, board_chip: SimulatedChip) -> None:
    slow, other = take(name, GPIO, "slow"), take(name, OTHER_GPIO, "other", polarity=1, phase=1)
    use(slow, b"\x01")
    with traced(board_chip, LINE, OTHER_LINE) as trace:
        use(other, b"\x02", b"\x03")
        use(slow, b"\x04")
    # The byte that moves the clock comes while no line is low.
    assert trace.of("line", "sent") == [
        ("sent", "spi0.0", b"\x00"),
        ("line", "24", 0),
        ("sent", "spi0.0", b"\x02"),
        ("line", "24", 1),
        ("line", "24", 0),
        ("sent", "spi0.0", b"\x03"),
        ("line", "24", 1),
        ("sent", "spi0.0", b"\x00"),
        ("line", "25", 0),
        ("sent", "spi0.0", b"\x04"),
        ("line", "25", 1),
    ]


def test_several_devices_on_one_bus_are_never_selected_together(
    name: str, take: Take, board_chip: SimulatedChip
) -> None:
    # Blinka has select 0 alone, which then only carries; spidev has a device on each of its selects as well.
    seats = [take(name, GPIO, "one", idle_select=0), take(name, OTHER_GPIO, "two", idle_select=0)]
    if name != "blinka":
        seats.append(take(name, 1, "three"))

    async def user(seat: Seat[Any], own: int) -> None:
        for _ in range(20):
            async with seat.handle as bus:
                bus.write(bytes((own,)))
                await asyncio.sleep(0)
            await asyncio.sleep(0)

    async def run() -> None:
        async with asyncio.TaskGroup() as group:
            for own, seat in enumerate(seats):
                group.create_task(user(seat, own + 1))

    with traced(board_chip, LINE, OTHER_LINE) as trace:
        asyncio.run(run())
    low: set[str] = set()
    for kind, which, what in trace.of("line", "sent"):
        if kind == "line":
            (low.discard if what else low.add)(which)
            assert len(low) <= 1
        elif what != b"\x00":  # the clock's first rest
            assert isinstance(what, bytes)
            expected = {1: ("spi0.0", {"25"}), 2: ("spi0.0", {"24"}), 3: ("spi0.1", set())}[what[0]]
            assert (which, low) == expected
    assert len([data for data in _sent(trace) if data != b"\x00"]) == 20 * len(seats)


def _sent(trace: Trace) -> list[bytes]:
    return [*trace.sent("spi0.0"), *trace.sent("spi0.1")]


@pytest.mark.parametrize("name", ["spidev1", "blinka:1"])
def test_what_is_sent_over_the_loop_comes_back(take: Take, name: str) -> None:
    pytest.importorskip("spidev" if name == "spidev1" else "adafruit_platformdetect", reason="not installed here")
    data = bytes(range(256)) * 16
    assert use(take(name, 0), data, b"\x5a") == [data, b"\x5a"]


def test_more_than_the_kernel_takes(name: str, take: Take) -> None:
    seat = take(name, 0)
    with pytest.raises(DeviceUnavailable, match=r"4097 bytes are more than .* \(4096\).*spidev.bufsiz.*GPIO line"):
        use(seat, bytes(4097))
    # On a line that stays low it is several transfers.
    seat.leave()
    assert len(use(take(name, GPIO), bytes(10_000))[0]) == 10_000


def test_a_select_that_carries_has_no_device(take: Take) -> None:
    pytest.importorskip("spidev", reason="spidev could not be compiled here")
    seat = take("spidev0", GPIO, "one", idle_select=1)
    with pytest.raises(ConfigError, match="chip select 1 of SPI bus spidev0 is asserted by the kernel with every"):
        take("spidev0", 1, "two")
    two = take("spidev0", 0, "two")
    with pytest.raises(ConfigError, match=r"chip select 0 .* carries 'two'; set idle_select"):
        take("spidev0", OTHER_GPIO, "three", idle_select=0)
    with pytest.raises(DeviceUnavailable, match=r"chip select 0 .* held by 'two'; set chip_select = 2"):
        take("spidev0", 0, "four")
    assert use(seat, b"\x01") == use(two, b"\x01")


def test_one_controller_by_two_backends_is_refused(take: Take) -> None:
    for package in ("spidev", "adafruit_platformdetect"):
        pytest.importorskip(package, reason=f"{package} could not be installed here")
    take("spidev0", 1, "card")
    with pytest.raises(ConfigError, match=r"bus blinka is /dev/spidev0.*'card' has open as spidev0; set bus = \"spid"):
        take("blinka", 0)


@pytest.mark.parametrize(
    ("bus", "select", "why"),
    [
        ("spidev0", 2, r"/dev/spidev0\.2: there is no such device; there is /dev/spidev0\.0, .*1\.0"),
        ("spidev7", 0, r"/dev/spidev7\.0: there is no such device; there is /dev/spidev0\.0"),
        ("blinka:3", 0, r"Blinka has no such SPI on this machine, a RASPBERRY_PI_4B to Blinka.*bus = \"spidev3\""),
        ("spidev0", "no-such-chip:3", r"there is no GPIO chip 'no-such-chip', but .*pinctrl-bcm2711"),
        ("spidev0", "pinctrl-bcm2711:58", r"there is no line 58 of pinctrl-bcm2711; see gpioinfo"),
        ("spidev0", "pinctrl-bcm2711:NAME", r"there is no line NAME of pinctrl-bcm2711; see gpioinfo"),
        ("spidev0", "sim-spi:3", r"line 3 of sim-spi is held by 'spi0 CS0'; .*dtoverlay=spi0-0cs"),
        ("spidev0", "sim-spi:CE1", r"line CE1 of sim-spi is held by 'spi0 CS1'"),
    ],
)
def test_what_cannot_be_opened_says_why(take: Take, bus: str, select: int | str, why: str) -> None:
    package = "adafruit_platformdetect" if bus.startswith("blinka") else "spidev"
    pytest.importorskip(package, reason=f"{package} could not be installed here")
    with pytest.raises(DeviceUnavailable, match=why):
        take(bus, select)


def test_a_line_that_somebody_holds_is_named_with_its_holder(take: Take, board_chip: SimulatedChip) -> None:
    pytest.importorskip("spidev", reason="spidev could not be compiled here")
    settings = gpiod.LineSettings(direction=Direction.OUTPUT)
    with (
        gpiod.request_lines(str(board_chip.path), config={LINE: settings}, consumer="somebody"),
        pytest.raises(DeviceUnavailable, match=r"line 25 of pinctrl-bcm2711 is held by 'somebody'; .*another line"),
    ):
        take("spidev0", GPIO)


def test_nothing_is_printed_on_stdout(capfd: pytest.CaptureFixture[str], take: Take) -> None:
    pytest.importorskip("adafruit_platformdetect", reason="Blinka could not be installed here")
    take("blinka", 0)
    assert capfd.readouterr().out == ""
    assert os.environ["BLINKA_SKIP_DEPENDENCY_CHECK"] == "1"


@pytest.mark.parametrize("make", [partial(SpidevBus, 0), BlinkaBus], ids=["spidev", "blinka"])
def test_it_is_locked_and_closed_as_busio_is(make: Callable[[], KernelBus[Any]]) -> None:
    pytest.importorskip("adafruit_platformdetect", reason="Blinka could not be installed here")
    bus = make()
    try:
        line = bus.chip_select(0)
        for call in (bus.configure, partial(bus.write, b"\x00"), partial(bus.readinto, bytearray(1))):
            with pytest.raises(RuntimeError, match="try_lock"):
                call()
        assert bus.try_lock()
        assert not bus.try_lock()
        for wrong in ({"baudrate": 0}, {"polarity": 2}, {"phase": -1}, {"bits": 9}):
            with pytest.raises(ValueError, match=next(iter(wrong))):
                bus.configure(**wrong)
        with pytest.raises(RuntimeError, match="without a chip select"):
            bus.write(b"\x00")
        line.value = False
        with pytest.raises(ValueError, match="2 bytes to send and 3 to receive"):
            bus.write_readinto(b"12", bytearray(3))
        line.value = True
        bus.unlock()
        with pytest.raises(ValueError, match="not locked"):
            bus.unlock()
    finally:
        bus.deinit()
    bus.deinit()
    with pytest.raises(ValueError, match="closed"):
        bus.try_lock()
