"""An SD card over SPI: blocks of 512 bytes, written and read by number.

Sections are those of the SD Association's "Physical Layer Simplified Specification", version 6. A command with all that
belongs to it is one transfer, because a card must stay selected until the end of it and the kernel's selects rise after
each. While the card programs what it has got, the bus is free.
"""

from __future__ import annotations

import binascii
from contextlib import AbstractAsyncContextManager
from enum import IntEnum

from core import DeviceUnavailable
from plugin_spi_sensor.bus.protocol import SpiBus
from plugin_spi_sensor.chips.chip import Chip, Delay

__all__ = ["BAUDRATE", "BLOCK", "FIRST_BAUDRATE", "Command", "SdCard", "crc7", "frame"]

BLOCK = 512
FIRST_BAUDRATE, BAUDRATE = 400_000, 8_000_000
"""Hz; until it is ready a card takes 400 kHz (section 6.4.1), later 25 MHz, which wires on a breadboard do not."""
IDLE = 0x01
"""The response of a card that is not ready yet (section 7.3.2.1)."""
ANSWER_WITHIN = 8
"""Bytes until a response comes at latest (section 7.5.1.1, N_CR)."""
ACCEPTED, TOKEN = 0x05, 0xFE
"""What a card says to data that it takes, and what comes before data (section 7.3.3)."""
CHECK = 0x1AA
"""2.7 to 3.6 V, and a pattern that the card gives back (section 4.3.13)."""
HIGH_CAPACITY = 0x4000_0000
RESETS = 10
START_SECONDS, WRITE_SECONDS = 1.0, 0.5
"""How long a card takes to be ready (section 4.2.3) and to program a block at most (section 4.6.2.2)."""
READ_WITHIN, READS = 256, 5
"""Bytes within which the data of a block begin, or else it is asked for again: the card has it at hand then."""
LOOK_SECONDS = 0.001


class Command(IntEnum):
    """Name the commands (table 7-3)."""

    RESET = 0
    CHECK_VOLTAGE = 8
    BLOCK_LENGTH = 16
    READ = 17
    WRITE = 24
    START = 41
    APPLICATION = 55
    CONDITIONS = 58
    CHECKSUMS = 59


def crc7(data: bytes) -> int:
    """Return the checksum of a command (section 4.5)."""
    crc = 0
    for byte in data:
        for bit in range(7, -1, -1):
            crc = (crc << 1 ^ (0x09 if (crc >> 6 ^ byte >> bit) & 1 else 0)) & 0x7F
    return crc


def frame(command: int, argument: int = 0) -> bytes:
    """Return the six bytes of a command (section 7.3.1.1)."""
    body = bytes((0x40 | command, *argument.to_bytes(4)))
    return body + bytes((crc7(body) << 1 | 1,))


class SdCard(Chip):
    """Write and read the card that `handle` selects; `slowly` is a handle with the clock that a card begins with."""

    def __init__(
        self,
        handle: AbstractAsyncContextManager[SpiBus],
        slowly: AbstractAsyncContextManager[SpiBus],
        delay: Delay,
    ) -> None:
        super().__init__(slowly, delay)
        self._slowly, self._fast = slowly, handle
        self._unit = 0

    async def open(self) -> None:
        """Reset the card and wait until it is ready (section 7.2.1); raise DeviceUnavailable where it is not."""
        self._handle, self._unit = self._slowly, 0
        for _ in range(RESETS):
            if (found := await self._command(Command.RESET))[:1] == bytes((IDLE,)):
                break
        else:
            why = "nothing answers; check that a card is in its socket, and the option chip_select"
            raise DeviceUnavailable(f"the card does not go idle: {f'it says {found.hex()}' if found else why}")
        second = (await self._command(Command.CHECK_VOLTAGE, CHECK, 4))[3:5] == CHECK.to_bytes(2)
        waited = 0.0
        while True:
            await self._command(Command.APPLICATION)
            found = await self._command(Command.START, HIGH_CAPACITY if second else 0)
            if found[:1] == b"\x00":
                break
            if waited >= START_SECONDS:
                raise DeviceUnavailable(f"the card is not ready after {START_SECONDS:g} s; try another card")
            await self._delay(0.01)
            waited += 0.01
        conditions = int.from_bytes((await self._command(Command.CONDITIONS, 0, 4))[1:5])
        await self._done(Command.CHECKSUMS, 1)
        await self._done(Command.BLOCK_LENGTH, BLOCK)
        # Small cards are addressed by bytes.
        self._unit = 1 if conditions & HIGH_CAPACITY else BLOCK
        self._handle = self._fast

    async def check(self) -> None:
        """Raise DeviceUnavailable where the card is not there any more, or has lost its power meanwhile."""
        said = await self._command(Command.CONDITIONS, 0, 4)
        if said[:1] != b"\x00":
            raise DeviceUnavailable(
                f"the card answers {said[:1].hex() or 'nothing'}; check that it is in its socket, and its power"
            )

    async def write(self, number: int, data: bytes) -> None:
        """Write a block; the bus is free while the card programs it. Raises DeviceUnavailable where it fails."""
        if len(data) != BLOCK:
            raise ValueError(f"{len(data)} bytes are no block; {BLOCK} are needed")
        checksum = binascii.crc_hqx(data, 0).to_bytes(2)
        command = frame(Command.WRITE, number * self._unit)
        filler = b"\xff" * (1 + ANSWER_WITHIN)
        answer = await self.exchange(command + filler + bytes((TOKEN,)) + data + checksum + b"\xff\xff")
        begin = len(command)
        said = _response(answer[begin : begin + len(filler)])
        if said[:1] != b"\x00":
            raise DeviceUnavailable(_refusal("write", number, said))
        if (word := answer[-2]) & 0x1F != ACCEPTED:
            raise DeviceUnavailable(f"the card refuses the data of block {number} ({word:#04x}); check its wiring")
        waited = 0.0
        while (await self.exchange(b"\xff"))[0] != 0xFF:
            if waited >= WRITE_SECONDS:
                raise DeviceUnavailable(f"the card is busy for more than {WRITE_SECONDS:g} s with block {number}")
            await self._delay(LOOK_SECONDS)
            waited += LOOK_SECONDS

    async def read(self, number: int) -> bytes:
        """Return a block; raise DeviceUnavailable where it cannot be read."""
        for _ in range(READS):
            said = await self._command(Command.READ, number * self._unit, READ_WITHIN + BLOCK + 3)
            if said[:1] != b"\x00":
                raise DeviceUnavailable(_refusal("read", number, said))
            begin = said.find(TOKEN, 1, READ_WITHIN) + 1
            data, checksum = said[begin : begin + BLOCK], said[begin + BLOCK : begin + BLOCK + 2]
            if begin and binascii.crc_hqx(data, 0).to_bytes(2) == checksum:
                return data
        raise DeviceUnavailable(f"block {number} of the card comes damaged or not at all; check wiring, lower baudrate")

    async def _command(self, command: Command, argument: int = 0, more: int = 0) -> bytes:
        """Return the response and `more` bytes after it; nothing where none comes."""
        sent = frame(command, argument)
        answer = await self.exchange(sent + b"\xff" * (1 + ANSWER_WITHIN + more))
        return _response(answer[len(sent) :])

    async def _done(self, command: Command, argument: int) -> None:
        said = await self._command(command, argument)
        if said[:1] not in (b"\x00", bytes((IDLE,))):
            raise DeviceUnavailable(f"the card answers {said[:1].hex() or 'nothing'} to command {int(command)}")


def _response(answer: bytes) -> bytes:
    """Return what begins with a response, whose first bit is 0."""
    begin = next((place for place, byte in enumerate(answer) if not byte & 0x80), len(answer))
    return answer[begin:]


def _refusal(what: str, number: int, said: bytes) -> str:
    if not said:
        return f"the card does not answer when it shall {what} block {number}; check that it is in its socket"
    return f"the card refuses to {what} block {number}, with {said[0]:#04x}"
