"""What the drivers of all chips have in common: transactions on a shared bus, and the failures that they name."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager

from core import DeviceUnavailable
from core.resource import to_the_end
from plugin_spi_sensor.bus.kernel import KernelBus
from plugin_spi_sensor.bus.protocol import SpiBus

__all__ = ["SILENT", "Chip", "ChipFault", "Delay", "wrong_id"]

Delay = Callable[[float], Awaitable[object]]
"""Waits for a number of seconds while others run."""

LONG = 0.002
"""Seconds on the wire from which on a transfer is made in a thread. Going there and back was measured to cost 0.07 ms
of processor time, and to take up to 0.4 ms on a busy machine."""

SILENT = (0x00, 0xFF)
"""What a bus reads where nothing answers: its pull resistor."""


class ChipFault(DeviceUnavailable):
    """Report what a chip itself has found wrong with what is connected to it; `names` are its faults, joined by |."""

    def __init__(self, text: str, names: str) -> None:
        super().__init__(text)
        self.names = frozenset(names.lower().split("|")) - {""}


class Chip:
    """Talk to the chip that `handle` selects.

    Whoever enters the handle selects the chip, and whoever leaves it ends the transaction: each method here is one
    transaction and one transfer, and none waits while it has the bus.
    """

    def __init__(self, handle: AbstractAsyncContextManager[SpiBus], delay: Delay) -> None:
        self._handle = handle
        self._delay = delay

    async def exchange(self, sent: bytes) -> bytes:
        """Send bytes and return as many that the chip sent meanwhile."""
        answer = bytearray(len(sent))
        async with self._handle as bus:
            if is_long(bus, len(sent)):
                # To its end, even when cancelled: nobody else may have the bus before.
                await to_the_end(asyncio.to_thread(bus.write_readinto, sent, answer))
            else:
                bus.write_readinto(sent, answer)
        return bytes(answer)

    async def send(self, sent: bytes) -> None:
        """Send bytes and drop the answer."""
        await self.exchange(sent)


def is_long(bus: SpiBus, count: int) -> bool:
    """Return whether so many bytes take so long on a real bus, at its clock rate, that they are for a thread."""
    return isinstance(bus, KernelBus) and 8 * count > LONG * bus.frequency


def wrong_id(found: int, wanted: int, chip: str) -> DeviceUnavailable:
    """Return the error for a chip (such as "a BME280") that says it is another, or says nothing at all."""
    if found in SILENT:
        why = "nothing answers; check its power, its wiring and the option chip_select"
    else:
        why = "it is another chip; check the options type and chip_select"
    return DeviceUnavailable(f"chip id is {found:#04x}, that of {chip} is {wanted:#04x}: {why}")
