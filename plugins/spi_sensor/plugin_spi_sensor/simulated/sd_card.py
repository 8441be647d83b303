"""An SD card for a simulated bus: commands, checksums, and blocks that take their time to be programmed.

Sections are those of the SD Association's "Physical Layer Simplified Specification", version 6.
"""

from __future__ import annotations

import binascii
from collections import deque
from collections.abc import Callable
from typing import ClassVar

from plugin_spi_sensor.chips.sd_card import ACCEPTED, BLOCK, HIGH_CAPACITY, IDLE, TOKEN, Command, frame

__all__ = ["SimulatedSdCard"]

READY_AFTER, PROGRAMMED_AFTER = 30_000_000, 2_500_000
"""ns that the card needs after a reset, and for a block."""
ILLEGAL, WRONG_CHECKSUM, OUT_OF_RANGE = 0x04, 0x08, 0x40
"""Bits of a response (section 7.3.2.1)."""
DATA_CHECKSUM = 0x0B
"""What it says to damaged data (section 7.3.3.1)."""


class SimulatedSdCard:
    """Be a card with `size` blocks, addressed by block; `clock` tells nanoseconds."""

    possible_faults: ClassVar = ("stuck_busy", "damaged_data")

    def __init__(self, clock: Callable[[], int], size: int = 1 << 16) -> None:
        self.faults: set[str] = set()
        self.blocks: dict[int, bytes] = {}
        """What has been written."""
        self._clock = clock
        self._size = size
        self._ready_at = 0
        self._idle = True
        self._application = False
        self._checksums = False
        self._busy_until = 0
        self._received = bytearray()
        self._answer: deque[int] = deque()
        self._writes: int | None = None

    def select(self) -> None:
        """Begin a transaction."""
        self._received.clear()
        self._answer.clear()
        self._writes = None

    def deselect(self) -> None:
        """End the transaction; the card goes on to program what it has got."""

    def transfer(self, byte: int) -> int:
        """Take a byte of a command or of data, and return one of a response, 0 while busy, or else 0xff."""
        if self._answer:
            answer = self._answer.popleft()
        else:
            answer = 0x00 if (self._busy_until or self.faults) and self._busy() else 0xFF
        if self._writes is not None:
            self._take_data(byte)
        elif self._received or byte & 0xC0 == 0x40:
            self._received.append(byte)
            if len(self._received) == 6:
                self._command(bytes(self._received))
                self._received.clear()
        return answer

    def _busy(self) -> bool:
        if self._clock() >= self._busy_until:
            self._busy_until = 0
        return "stuck_busy" in self.faults or bool(self._busy_until)

    def _command(self, received: bytes) -> None:
        number, argument = received[0] & 0x3F, int.from_bytes(received[1:5])
        application, self._application = self._application, False
        # Until checksums are wanted only the first two commands are checked (section 7.2.2).
        checked = self._checksums or number in (Command.RESET, Command.CHECK_VOLTAGE)
        if checked and received != frame(number, argument):
            self._say(WRONG_CHECKSUM)
        elif number == Command.RESET:
            self._idle, self._checksums = True, False
            self._ready_at = self._clock() + READY_AFTER
            self._say(0)
        elif number == Command.CHECK_VOLTAGE:
            self._say(0, (argument & 0xFFF).to_bytes(4))
        elif number == Command.APPLICATION:
            self._application = True
            self._say(0)
        elif number == Command.START and application:
            self._idle = self._idle and self._clock() < self._ready_at
            self._say(0)
        elif number == Command.CONDITIONS:
            self._say(0, (HIGH_CAPACITY | 0x80FF_8000).to_bytes(4))
        elif number == Command.CHECKSUMS:
            self._checksums = bool(argument & 1)
            self._say(0)
        elif number == Command.BLOCK_LENGTH:
            self._say(0)
        elif number in (Command.READ, Command.WRITE) and not self._idle:
            self._block(number, argument)
        else:
            self._say(ILLEGAL)

    def _block(self, number: int, argument: int) -> None:
        if argument >= self._size:
            self._say(OUT_OF_RANGE)
        elif number == Command.WRITE:
            self._writes = argument
            self._say(0)
        else:
            data = self.blocks.get(argument, bytes(BLOCK))
            checksum = binascii.crc_hqx(data, 0 if "damaged_data" not in self.faults else 1).to_bytes(2)
            self._say(0, b"\xff\xff" + bytes((TOKEN,)) + data + checksum)

    def _say(self, error: int, more: bytes = b"") -> None:
        self._answer.extend((0xFF, error | (IDLE if self._idle else 0), *more))

    def _take_data(self, byte: int) -> None:
        if not self._received and byte != TOKEN:
            return
        self._received.append(byte)
        if len(self._received) < 1 + BLOCK + 2 or self._writes is None:
            return
        data, checksum = bytes(self._received[1:-2]), bytes(self._received[-2:])
        if binascii.crc_hqx(data, 0).to_bytes(2) != checksum or "damaged_data" in self.faults:
            self._answer.append(DATA_CHECKSUM)
        else:
            self.blocks[self._writes] = data
            self._answer.append(0xE0 | ACCEPTED)
            self._busy_until = self._clock() + PROGRAMMED_AFTER
        self._received.clear()
        self._writes = None
