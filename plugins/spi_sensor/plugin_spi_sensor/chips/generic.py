"""A chip that core.toml describes: its registers, how a measurement is started, and what the numbers mean.

Registers that are neighbours are read in one transaction, in which a chip keeps them together: the two halves of a
sample are of one sample, and a FIFO gives its entry once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from core import DeviceUnavailable
from plugin_spi_sensor.bus.protocol import SpiBus
from plugin_spi_sensor.chips.chip import SILENT, Chip, Delay, wrong_id

__all__ = ["Description", "Field", "Generic"]

MOST_BYTES = 8

Pair = tuple[int, int]
"""A register and its value."""

Burst = tuple[int, int]
"""A register, and how many from there on are read in one transaction."""


@dataclass(frozen=True, slots=True)
class Field:
    """Be where a number is, and what it means: `bits` of the bytes after a shift, then a polynomial.

    Without a register the chip sends its bytes unasked, and `skip` of them come before.
    """

    register: int | None
    count: int
    skip: int = 0
    little_endian: bool = False
    shift: int = 0
    bits: int = 0
    signed: bool = False
    polynomial: tuple[float, ...] = (0.0, 1.0)

    def value(self, data: bytes) -> float:
        """Return what the bytes mean."""
        number = int.from_bytes(data, "little" if self.little_endian else "big") >> self.shift
        bits = self.bits or 8 * self.count - self.shift
        number &= (1 << bits) - 1
        if self.signed and number >> bits - 1:
            number -= 1 << bits
        # Horner's scheme.
        value = 0.0
        for factor in reversed(self.polynomial):
            value = value * number + factor
        return value


@dataclass(frozen=True, slots=True)
class Description:
    """Say how a chip is spoken to: the bits that an address has besides, what is written when, and its fields."""

    fields: Mapping[str, Field]
    read_bit: int = 0x80
    write_bit: int = 0x00
    identity: Pair | None = None
    bursts: Sequence[Burst] = ()
    """What is read together though not all of it is a field's; other fields are joined where they are neighbours."""
    setup: Sequence[Pair] = ()
    start: Sequence[Pair] = ()
    wait: float = 0.0
    ready: tuple[int, int, int] | None = None
    """A register, a mask, and what is under it when the conversion is over."""

    def all_bursts(self) -> list[Burst]:
        """Return what is read for a measurement: the bursts that are named, then the others, joined."""
        named = [(register, register + count) for register, count in self.bursts]
        joined: list[tuple[int, int]] = []
        for begin, end in sorted(_span(field) for field in self.fields.values() if field.register is not None):
            if any(first <= begin and end <= last for first, last in named):
                continue
            if joined and begin <= joined[-1][1]:
                joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
            else:
                joined.append((begin, end))
        return [(begin, end - begin) for begin, end in (*named, *joined)]


class Generic(Chip):
    """Measure with the chip that `handle` selects, as described."""

    def __init__(self, handle: AbstractAsyncContextManager[SpiBus], delay: Delay, description: Description) -> None:
        super().__init__(handle, delay)
        self._description = description
        self._bursts = description.all_bursts()
        ends = [field.skip + field.count for field in description.fields.values() if field.register is None]
        self._frame_size = max(ends, default=0)
        self._set_up = False

    async def measure(self) -> dict[str, float]:
        """Start a measurement, leave the bus, wait, and fetch each field; raise DeviceUnavailable where it fails.

        The chip is set up before the first measurement, and again after a failure.
        """
        description = self._description
        set_up, self._set_up = self._set_up, False
        if description.identity is not None:
            register, wanted = description.identity
            (found,) = await self._read(register, 1)
            if found != wanted:
                raise wrong_id(found, wanted, "the one described")
        if not set_up:
            await self._write(description.setup)
        await self._write(description.start)
        if description.wait:
            await self._delay(description.wait)
        await self._check_ready()
        frame = await self._frame()
        bursts = {register: await self._read(register, count) for register, count in self._bursts}
        values = {name: field.value(_bytes_of(field, frame, bursts)) for name, field in description.fields.items()}
        self._set_up = True
        return values

    async def _check_ready(self) -> None:
        if self._description.ready is None:
            return
        register, mask, wanted = self._description.ready
        (found,) = await self._read(register, 1)
        if found & mask != wanted:
            raise DeviceUnavailable(
                f"register {register:#04x} is {found:#04x} after {self._description.wait * 1000:g} ms, and its bits "
                f"{mask:#04x} are not {wanted:#04x}; check the options wait and ready, and the chip's power"
            )

    async def _frame(self) -> bytes:
        """Return what the chip sends unasked, as far as fields are in it."""
        if not self._frame_size:
            return b""
        frame = await self.exchange(bytes(self._frame_size))
        if set(frame) == {SILENT[1]}:
            raise DeviceUnavailable("nothing answers (all bits are 1); check its power, its wiring and chip_select")
        return frame

    async def _read(self, register: int, count: int) -> bytes:
        return (await self.exchange(bytes((register | self._description.read_bit, *bytes(count)))))[1:]

    async def _write(self, pairs: Sequence[Pair]) -> None:
        for register, value in pairs:
            await self.send(bytes((register | self._description.write_bit, value)))


def _span(field: Field) -> tuple[int, int]:
    """Return the first register of a field and the one after its last; without one it is at the chip's beginning."""
    begin = field.register or 0
    return begin, begin + field.count


def _bytes_of(field: Field, frame: bytes, bursts: Mapping[int, bytes]) -> bytes:
    if field.register is None:
        return frame[field.skip : field.skip + field.count]
    begin, end = _span(field)
    first, data = next((at, data) for at, data in bursts.items() if at <= begin and end <= at + len(data))
    return data[begin - first : end - first]
