"""An SD card on the bus as a log: what other devices show, in blocks that are written in a ring.

It shares its bus with whoever is there and knows nobody of them. The card has no file system: a block is a mark, its
number since the beginning, and lines of text. Blocks that are not of a log are never written unless that is asked for.
"""

from __future__ import annotations

import struct
from collections import deque
from typing import Annotated, Any

from msgspec import Meta, field

from core import Device, DeviceUnavailable, Duration, Loop, Number, NumberVector, ResourceError, Snooped
from core.sim.spi import SimulatedSpiBus
from core.sim.unplugging import PluggedSpiChip, Simulation
from plugin_spi_sensor.bus.names import check_select, parse_bus
from plugin_spi_sensor.bus.shared import Seat, take_seat
from plugin_spi_sensor.chips.sd_card import BAUDRATE, BLOCK, FIRST_BAUDRATE, SdCard
from plugin_spi_sensor.devices.options import LONGEST, SHORTEST, SeatOptions
from plugin_spi_sensor.simulated.sd_card import SimulatedSdCard

__all__ = ["CardLogger", "block_of", "text_of"]

MARK = b"corelog1"
HEADER = struct.Struct(">8sQ")
ROOM = BLOCK - HEADER.size
MOST_WAITING = 1 << 20
"""Bytes of lines that wait for the card; older ones are dropped, and counted."""
BLANK = (bytes(BLOCK), b"\xff" * BLOCK)


def block_of(number: int, text: bytes) -> bytes:
    """Return the block of a number that holds the text, at most ROOM bytes; the rest is filled with newlines."""
    return HEADER.pack(MARK, number) + text.ljust(ROOM, b"\n")


def text_of(block: bytes) -> tuple[int, bytes] | None:
    """Return a block's number and text, None for a block that is not of a log."""
    mark, number = HEADER.unpack_from(block)
    return (number, block[HEADER.size :].rstrip(b"\n")) if mark == MARK else None


class CardLogger(Device):
    """A log on an SD card on a shared SPI bus."""

    kind = "card-logger"

    card = NumberVector(
        "Card",
        members={
            "blocks": Number(label="Blocks written", format="%.0f"),
            "waiting": Number(label="Bytes that wait", format="%.0f"),
            "dropped": Number(label="Lines dropped", format="%.0f"),
        },
    )

    class Options(SeatOptions):
        """The options of `[device.<name>]` with `plugin = "spi-sensor"` and `type = "card-logger"`."""

        logs: Annotated[list[str], Meta(description="the devices whose numbers are logged")] = field(
            default_factory=list
        )
        period: Annotated[
            float, Meta(ge=SHORTEST, le=LONGEST, description="seconds after which lines that wait are written")
        ] = 1.0
        first_block: Annotated[int, Meta(ge=0, description="the first block of the log on the card")] = 0
        blocks: Annotated[int, Meta(ge=2, description="how many blocks the log has; then the oldest is written")] = 2048
        overwrite: Annotated[bool, Meta(description="whether to write over blocks that are not of a log")] = False

    options: Options

    def __init__(self, name: str, options: Options | None = None) -> None:
        super().__init__(name, options)
        check_select(parse_bus(self.options.bus), self.options.chip_select)
        for device in self.options.logs:
            self.snoop(device)
        self.simulated_card: SimulatedSdCard | None = None
        """The card that a simulated bus has at the other end, while the device is open."""
        self._seat: Seat[Any] | None = None
        self._card: SdCard | None = None
        self._next: int | None = None
        self._lines: deque[bytes] = deque()
        self._waiting = self._dropped = 0
        self.write.change_rate(Duration.of_seconds(self.options.period))

    async def open(self) -> None:
        """Join the bus; raise DeviceUnavailable with cause and cure. The card is asked with the first block."""
        options = self.options
        self._seat = seat = take_seat(
            options.bus, options.chip_select, self.name, baudrate=options.baudrate or BAUDRATE,
            idle_select=options.idle_select, wait_limit=Duration.of_seconds(options.bus_wait),
        )  # fmt: skip
        if isinstance(seat.shared.bus, SimulatedSpiBus):
            self.simulated_card = SimulatedSdCard(Loop.current().now)
            seat.shared.bus.attach(seat.select, self.simulated_card)
        self._card = SdCard(seat.handle, seat.handle_at(FIRST_BAUDRATE), self.delay)
        self._next = None
        self.write.change_rate(seat.timing(options.period))

    async def close(self) -> None:
        """Leave the bus to the others; the last one closes it."""
        seat, self._seat, self._card = self._seat, None, None
        card, self.simulated_card = self.simulated_card, None
        if seat is not None:
            if card is not None:
                seat.shared.bus.detach(seat.select)
            seat.leave()

    def summary(self) -> str:
        """Say on which bus the card is."""
        return f"SD card on SPI bus {self.options.bus}, chip select {self.options.chip_select}"

    def simulation(self) -> Simulation | None:
        """Return the simulated card in its socket, None on a real bus."""
        if self._seat is None or self.simulated_card is None:
            return None
        return PluggedSpiChip(self._seat.shared.bus, self._seat.select, self.simulated_card)

    async def on_snoop(self, news: Snooped) -> None:
        """Keep the numbers of a device that is logged until the card has them."""
        if news.kind != "changed" or news.name is None:
            return
        seconds = Loop.current().now() / 1e9
        for member, value in news.values.items():
            if isinstance(value, float):
                self.log_line(f"{seconds:.3f} {news.device}.{news.name}.{member} {value:g}")

    def log_line(self, text: str) -> None:
        """Have a line written with the next block; beyond what may wait the oldest are dropped."""
        line = text.replace("\n", " ").encode()[: ROOM - 1] + b"\n"
        self._lines.append(line)
        self._waiting += len(line)
        while self._waiting > MOST_WAITING:
            self._waiting -= len(self._lines.popleft())
            self._dropped += 1

    @card.every(Duration.of_seconds(1))
    async def write(self) -> None:
        """Write the lines that wait; the bus is free for others between blocks, and while the card programs one."""
        card = self._card
        if card is None:
            return
        try:
            if self._next is None:
                await card.open()
                self._next = await self._end_of_log(card)
            if not self._lines:
                await card.check()
            while self._lines:
                await self._write_block(card, self._next)
                self._next += 1
        except (OSError, ResourceError) as error:
            self._next = None
            raise DeviceUnavailable(f"{self.summary()}: {error}") from error
        self.card.update(blocks=self._next, waiting=self._waiting, dropped=self._dropped)

    async def _write_block(self, card: SdCard, number: int) -> None:
        text = bytearray()
        taken = 0
        for line in self._lines:
            if len(text) + len(line) > ROOM:
                break
            text += line
            taken += 1
        if number < self.options.blocks and not self.options.overwrite:
            await self._number_at(card, number)
        before = self._dropped
        await card.write(self._place(number), block_of(number, bytes(text)))
        # Only now, so that a card that fails loses nothing; some may have been dropped meanwhile.
        for _ in range(max(taken - (self._dropped - before), 0)):
            self._waiting -= len(self._lines.popleft())

    async def _end_of_log(self, card: SdCard) -> int:
        """Return the number of the block to be written next: the numbers in the ring rise until it."""
        first = await self._number_at(card, 0)
        if first is None:
            return 0
        low, high = 0, self.options.blocks
        while high - low > 1:
            middle = (low + high) // 2
            found = await self._number_at(card, middle)
            if found is not None and found == first + middle:
                low = middle
            else:
                high = middle
        return first + low + 1

    async def _number_at(self, card: SdCard, place: int) -> int | None:
        """Return the number in a block of the ring, None for a blank one; raise DeviceUnavailable for one of others."""
        number = self.options.first_block + place
        block = await card.read(number)
        if found := text_of(block):
            return found[0]
        if block in BLANK or self.options.overwrite:
            return None
        raise DeviceUnavailable(
            f"block {number} holds something that is not of a log, such as a file system; set first_block to "
            "blocks that are free, or overwrite = true"
        )

    def _place(self, number: int) -> int:
        return self.options.first_block + number % self.options.blocks
