"""The converters MCP3008 (10 bits) and MCP3208 (12 bits) of Microchip: eight inputs, alone or in pairs.

Sections are those of the data sheets DS21295D and DS21298E; both are asked alike but for where the start bit stands.
The chip converts while it is clocked, so that there is nothing to wait for.
"""

from __future__ import annotations

import re
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from core import ConfigError, DeviceUnavailable
from plugin_spi_sensor.bus.protocol import SpiBus
from plugin_spi_sensor.chips.chip import Chip, Delay

__all__ = ["BAUDRATE", "CHANNELS", "Input", "Mcp3xxx"]

BAUDRATE = 1_000_000
"""Hz; both take it at 2.7 V (section 1, f_CLK), and it is far above the 10 kHz at which they forget (section 6.2)."""
CHANNELS = 8
_PAIR = re.compile(r"([0-7])-([0-7])")


@dataclass(frozen=True, slots=True)
class Input:
    """Be what is converted: a channel against ground, or against the other one of its pair (table 5-2)."""

    channel: int
    differential: bool = False

    @classmethod
    def parse(cls, text: int | str) -> Input:
        """Return the input that `3`, or `"2-3"` for channel 2 against 3, means; raise ConfigError for another."""
        if isinstance(text, int):
            if 0 <= text < CHANNELS:
                return cls(text)
        elif text.isdecimal() and int(text) < CHANNELS:
            return cls(int(text))
        elif (pair := _PAIR.fullmatch(text)) and int(pair[1]) == int(pair[2]) ^ 1:
            return cls(int(pair[1]), differential=True)
        raise ConfigError(
            f'{text!r} is no input; 0 to {CHANNELS - 1} is allowed, or a pair: "0-1", "1-0", "2-3" and so on to "7-6"'
        )

    @property
    def code(self) -> int:
        """Return the four bits that choose it: single-ended or not, then the channel (table 5-2)."""
        return (not self.differential) << 3 | self.channel


class Mcp3xxx(Chip):
    """Convert what is at the inputs of a chip with `bits` bits against `reference` volts."""

    def __init__(
        self, handle: AbstractAsyncContextManager[SpiBus], delay: Delay, *, bits: int, reference: float
    ) -> None:
        super().__init__(handle, delay)
        self._bits = bits
        self._reference = reference

    async def measure(self, wanted: Input) -> float:
        """Return the voltage at an input, in volts; raise DeviceUnavailable if nothing answers."""
        # The start bit, the four that choose, one clock to sample and the null bit stand before the result, which
        # ends with the third byte (figure 6-1).
        sent = ((0b1_0000 | wanted.code) << 2 + self._bits).to_bytes(3)
        answer = int.from_bytes(await self.exchange(sent))
        if answer >> self._bits & 1:
            raise DeviceUnavailable(
                "nothing answers (the bit before the result is not 0); check its power, its wiring and the option "
                "chip_select"
            )
        return (answer & (1 << self._bits) - 1) * self._reference / (1 << self._bits)
