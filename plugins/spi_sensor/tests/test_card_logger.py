"""An SD card on the bus of the sensors: its bytes, its log, and that nobody on the bus knows of anybody else."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from core import DeviceUnavailable, Duration, Loop, Snooped
from core.config import convert
from core.testing import VirtualClock
from core.testing.bus_record import BusRecord, assert_bus_at_rest
from plugin_spi_sensor import core_register_devices
from plugin_spi_sensor.bus.shared import open_buses, take_seat
from plugin_spi_sensor.chips.sd_card import BLOCK, SdCard, crc7, frame
from plugin_spi_sensor.devices.bme280 import Bme280Sensor
from plugin_spi_sensor.devices.card_logger import ROOM, CardLogger, block_of, text_of
from plugin_spi_sensor.simulated.sd_card import SimulatedSdCard

Running = Callable[..., AbstractAsyncContextManager[None]]
DATA = bytes(range(256)) * 2


@contextmanager
def desk(clock: VirtualClock) -> Iterator[tuple[SdCard, SimulatedSdCard, BusRecord, Any]]:
    """Give a driver and a card on a bus, and the record of what is sent."""
    seat = take_seat("simulated:desk", 0, "the test", baudrate=8_000_000)
    simulated = SimulatedSdCard(clock.now, size=100)
    record = BusRecord(simulated)
    seat.shared.bus.attach(0, record)
    try:
        yield SdCard(seat.handle, seat.handle_at(400_000), lambda s: Loop.current().delay(s)), simulated, record, seat
    finally:
        seat.leave()


def test_checksums_are_those_of_the_specification() -> None:
    # Section 4.5 has these three.
    assert [crc7(bytes.fromhex(text)) for text in ("4000000000", "5100000000", "1100000900")] == [0x4A, 0x2A, 0x33]
    assert frame(8, 0x1AA).hex(" ") == "48 00 00 01 aa 87"


def test_a_card_is_begun_as_specified(clock: VirtualClock) -> None:
    with desk(clock) as (card, _, record, _):
        clock.run(card.open())
        sent = [one.sent for one in record.transactions]
    commands = [data[:6].hex(" ") for data in sent]
    assert commands[:4] == [
        "40 00 00 00 00 95",  # GO_IDLE_STATE
        "48 00 00 01 aa 87",  # SEND_IF_COND
        "77 00 00 00 00 65",  # APP_CMD
        "69 40 00 00 00 77",  # SD_SEND_OP_COND with HCS
    ]
    assert commands[-3:] == [
        "7a 00 00 00 00 fd",  # READ_OCR
        "7b 00 00 00 01 83",  # CRC_ON_OFF
        "50 00 00 02 00 15",  # SET_BLOCKLEN
    ]
    # What follows a command is clocked with 0xff, so that the card takes nothing for a command.
    assert {byte for data in sent for byte in data[6:]} == {0xFF}


def test_a_block_is_written_and_read(clock: VirtualClock) -> None:
    with desk(clock) as (card, simulated, record, _):

        async def run() -> bytes:
            await card.open()
            record.transactions.clear()
            await card.write(7, DATA)
            return await card.read(7)

        assert clock.run(run()) == DATA
        assert simulated.blocks == {7: DATA}
        sent = record.transactions[0].sent
        # WRITE_BLOCK, nine bytes for the response, the token, the data and their checksum, and the card's word on them.
        assert sent[:6].hex(" ") == "58 00 00 00 07 11"
        assert sent[6:16] == b"\xff" * 9 + b"\xfe"
        assert sent[16:528] == DATA
        assert len(sent) == 6 + 9 + 1 + 512 + 2 + 2
        assert {one.sent for one in record.transactions[1:-1]} == {b"\xff"}


def test_the_bus_is_free_while_a_block_is_programmed(clock: VirtualClock) -> None:
    with desk(clock) as (card, _, _, seat):

        async def run() -> tuple[int, float]:
            await card.open()
            loop, turns = Loop.current(), 0

            async def use() -> None:
                nonlocal turns
                while True:
                    async with seat.handle:
                        turns += 1
                    await loop.delay(0.0005)

            user, began = loop.add_task(use()), loop.now()
            await card.write(1, DATA)
            user.cancel()
            return turns, (loop.now() - began) / 1e6

        turns, milliseconds = clock.run(run())
    assert milliseconds == pytest.approx(3)
    assert turns >= 6


@pytest.mark.parametrize(
    ("fault", "why"),
    [("damaged_data", r"refuses the data of block 3 \(0x0b\)"), ("stuck_busy", "is busy for more than 0.5 s")],
)
def test_what_a_card_may_refuse(clock: VirtualClock, fault: str, why: str) -> None:
    with desk(clock) as (card, simulated, _, seat):

        async def run() -> None:
            await card.open()
            simulated.faults = {fault}
            with pytest.raises(DeviceUnavailable, match=why):
                await card.write(3, DATA)
            simulated.faults = set()
            with pytest.raises(DeviceUnavailable, match="refuses to write block 100, with 0x40"):
                await card.write(100, DATA)
            seat.shared.bus.detach(0)
            with pytest.raises(DeviceUnavailable, match="does not answer when it shall read block 3"):
                await card.read(3)
            with pytest.raises(DeviceUnavailable, match="does not go idle: nothing answers"):
                await card.open()

        clock.run(run())


def written(card: SimulatedSdCard) -> list[str]:
    """Return the lines of the log, in order."""
    blocks = sorted(found for found in map(text_of, card.blocks.values()) if found)
    return [line for _, text in blocks for line in text.decode().splitlines()]


def test_the_log_goes_on_where_it_ended(clock: VirtualClock, running: Running) -> None:
    made: list[SimulatedSdCard] = []

    async def session(first: int, last: int) -> None:
        logger = CardLogger("log", CardLogger.Options(blocks=8, period=0.1))
        async with running(logger):
            assert logger.simulated_card is not None
            if made:
                logger.simulated_card.blocks = made[0].blocks
            for number in range(first, last):
                logger.log_line(f"line {number} " + "x" * 200)
            await Loop.current().delay(0.5)
            made.append(logger.simulated_card)
            assert (logger.card.state, logger.card["waiting"]) == ("Ok", 0)

    async def run() -> None:
        await session(0, 7)
        await session(7, 20)

    clock.run(run())
    # Two lines a block, 4 blocks and then 7: three of the first are gone.
    assert [line.split()[1] for line in written(made[-1])] == [str(number) for number in range(6, 20)]
    assert {len(block) for block in made[-1].blocks.values()} == {BLOCK}
    assert max(made[-1].blocks) == 7


def test_what_other_devices_show_is_logged(clock: VirtualClock, running: Running) -> None:
    logger = CardLogger("log", CardLogger.Options(logs=["climate"], period=0.1))
    assert logger.snoops == {("climate", None): False}

    async def run() -> list[str]:
        async with running(logger):
            await logger.on_snoop(Snooped("defined", "climate", "climate", {"temperature": 20.0}))
            await Loop.current().delay(0.25)
            await logger.on_snoop(Snooped("changed", "climate", "climate", {"temperature": 21.5, "place": "hall"}))
            await Loop.current().delay(0.25)
            assert logger.simulated_card is not None
            return written(logger.simulated_card)

    assert clock.run(run()) == ["0.250 climate.climate.temperature 21.5"]


def test_blocks_of_others_are_not_written(clock: VirtualClock, running: Running) -> None:
    said: list[str] = []
    table = b"\xeb\x3c\x90MSDOS5.0" + bytes(499) + b"\x55\xaa"

    async def session(overwrite: bool, place: int) -> bytes:
        logger = CardLogger("log", CardLogger.Options(blocks=8, period=0.1, overwrite=overwrite))
        logger.observe(lambda event: said.append(event.message) if event.message else None)
        async with running(logger):
            assert logger.simulated_card is not None
            logger.simulated_card.blocks[place] = table
            for _ in range(8):
                logger.log_line("x" * 400)
            await Loop.current().delay(2)
            return logger.simulated_card.blocks[place]

    assert clock.run(session(False, 0)) == table
    assert clock.run(session(False, 5)) == table
    assert "block 0 holds something that is not of a log, such as a file system; set first_block" in said[0]
    assert any("block 5 holds something" in one for one in said)
    assert text_of(clock.run(session(True, 0))) is not None


def test_a_card_that_is_pulled_loses_no_line(clock: VirtualClock, running: Running) -> None:
    logger = CardLogger("log", CardLogger.Options(period=0.1))
    states: list[str] = []

    async def run() -> list[str]:
        async with running(logger):
            loop, card = Loop.current(), logger.simulation()
            assert card is not None
            logger.log_line("before")
            await loop.delay(0.5)
            card.vanish()
            logger.log_line("meanwhile")
            await loop.delay(1)
            states.append(logger.card.state)
            card.reappear()
            await loop.delay(60)
            states.append(logger.card.state)
            assert logger.simulated_card is not None
            return written(logger.simulated_card)

    assert clock.run(run()) == ["before", "meanwhile"]
    assert states == ["Alert", "Ok"]


def test_what_waits_is_bounded(clock: VirtualClock) -> None:
    logger = CardLogger("log")
    for number in range(20_000):
        logger.log_line(f"{number} " + "x" * 100)
    assert logger._waiting <= 1 << 20
    assert len(logger._lines) + logger._dropped == 20_000
    assert logger._lines[-1].startswith(b"19999 ")


def test_a_block_holds_what_it_was_given() -> None:
    assert text_of(block_of(12, b"a line\n")) == (12, b"a line")
    assert len(block_of(1, b"x" * ROOM)) == BLOCK
    assert text_of(bytes(BLOCK)) is None


EXAMPLE = Path(__file__).parent.parent / "examples" / "shared_bus.toml"


def of_the_example() -> dict[str, Any]:
    """Return the devices that the example describes, by name."""
    kinds = {one.kind: one.load() for one in core_register_devices()}
    made = {}
    for name, table in tomllib.loads(EXAMPLE.read_text())["device"].items():
        kind = kinds[table.pop("type")]
        assert table.pop("plugin") == "spi-sensor"
        made[name] = kind(name, convert(kind.Options, table, f"[device.{name}]"))
    return made


def test_nobody_on_the_bus_knows_of_anybody(clock: VirtualClock, running: Running) -> None:
    devices = of_the_example()
    log = devices["log"]
    counts = dict.fromkeys(devices, 0)

    def counting(name: str) -> Callable[[Any], None]:
        reading = getattr(devices[name], "reading", None)

        def count(event: Any) -> None:
            if reading is not None and event.kind == "changed" and event.vector is reading:
                counts[name] += reading.state == "Ok"

        return count

    async def run() -> list[str]:
        loop = Loop.current()
        async with running(*devices.values()):
            (bus,) = open_buses().values()
            await loop.delay(1)
            for name, device in devices.items():
                device.observe(counting(name))
            for number in range(200):
                log.log_line(f"{number} " + "x" * 300)
                await loop.delay(0.01)
            await loop.delay(0.2)
            assert_bus_at_rest(bus.bus)
            states = {name: one.reading.state for name, one in devices.items() if one is not log}
            assert states == {"climate": "Ok", "voltages": "Ok", "bath": "Ok", "table": "Ok"}
            return written(log.simulated_card)

    lines = clock.run(run())
    assert [line.split()[0] for line in lines] == [str(number) for number in range(200)]
    # In 2.2 seconds, each at its own rate: 50, 100 and 10 Hz, and 400 samples a second.
    assert counts["climate"] == pytest.approx(110, abs=2)
    assert counts["voltages"] == pytest.approx(220, abs=3)
    assert counts["bath"] == pytest.approx(22, abs=1)
    assert counts["table"] == pytest.approx(880, abs=30)


def test_who_waits_too_long_says_who_has_the_bus(clock: VirtualClock, running: Running) -> None:
    sensor = Bme280Sensor("climate", Bme280Sensor.Options(period=0.1, bus_wait=0.5))
    said: list[str] = []
    sensor.observe(lambda event: said.append(event.message) if event.message else None)

    states: list[str] = []

    async def run() -> None:
        loop = Loop.current()
        async with running(sensor):
            await loop.delay(0.35)
            states.append(sensor.climate.state)
            seat = take_seat("simulated", 1, "card", baudrate=1_000_000, wait_limit=Duration.of_seconds(1))

            async def hold() -> None:
                async with seat.handle:
                    await loop.delay(2)

            holder = loop.add_task(hold(), name="card.write")
            await loop.delay(1)
            states.append(sensor.climate.state)
            await holder
            await loop.delay(2)
            states.append(sensor.climate.state)
            seat.leave()

    clock.run(run())
    assert states == ["Ok", "Alert", "Ok"]
    assert "SPI bus simulated: not free within 500 ms; card.write holds it" in said[0]
