"""A device for a chip that core.toml describes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, ClassVar, Literal

import msgspec
from msgspec import Meta, field

from core import ConfigError, Number, NumberVector
from core.errors import DefinitionError
from plugin_spi_sensor.bus.names import parse_bus
from plugin_spi_sensor.chips.generic import MOST_BYTES, Description, Field, Generic
from plugin_spi_sensor.devices.options import SensorOptions
from plugin_spi_sensor.devices.sensor import Handle, Reading, SpiSensor
from plugin_spi_sensor.simulated.generic import SimulatedGeneric

__all__ = ["GenericSensor", "Quantity"]

Byte = Annotated[int, Meta(ge=0, le=0xFF)]
Pair = tuple[Byte, Byte]


class Quantity(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Be one `[device.<name>.quantities.<quantity>]`: where its number is, and what it means."""

    register: Annotated[Byte | None, Meta(description="its first register; without one the chip sends unasked")] = None
    bytes: Annotated[int, Meta(ge=1, le=MOST_BYTES, description="how many bytes it has")] = 2
    skip: Annotated[int, Meta(ge=0, le=64, description="without a register: bytes that come before")] = 0
    little_endian: Annotated[bool, Meta(description="whether the lowest byte comes first")] = False
    shift: Annotated[int, Meta(ge=0, le=63, description="how many places it is shifted to the right")] = 0
    bits: Annotated[int, Meta(ge=0, le=64, description="how many bits count then, 0 for all")] = 0
    signed: Annotated[bool, Meta(description="whether its highest bit is a sign")] = False
    polynomial: Annotated[
        list[float], Meta(min_length=1, max_length=8, description="[a, b, c ...] for a + b n + c n² of the number n")
    ] = field(default_factory=lambda: [0.0, 1.0])
    label: Annotated[str, Meta(description="what clients call it")] = ""
    unit: Annotated[str, Meta(description="its unit")] = ""
    format: Annotated[str, Meta(description="how it is shown, as printf has it")] = "%g"
    min: Annotated[float, Meta(description="the least that the chip measures")] = 0.0
    max: Annotated[float, Meta(description="the most that the chip measures; no limits where min is not below")] = 0.0


EXAMPLE = {"value": Quantity(register=0x00, label="Value", max=100.0, polynomial=[0.0, 0.01])}
"""What a simulated chip measures where nothing is described."""


class GenericSensor(SpiSensor):
    """A chip on a shared SPI bus that core.toml describes."""

    kind = "generic"
    reads = "values"
    chip_name = "chip"
    baudrate = 1_000_000
    possible_faults: ClassVar = SimulatedGeneric.possible_faults

    values = NumberVector("Values", group="Values", members={})

    class Options(SensorOptions):
        """The options of `[device.<name>]` with `plugin = "spi-sensor"` and `type = "generic"`."""

        quantities: Annotated[dict[str, Quantity], Meta(description="what is measured: a table for each quantity")] = (
            field(default_factory=dict)
        )
        chip: Annotated[str, Meta(description="the chip's name, for messages")] = "chip"
        mode: Annotated[Literal[0, 1, 2, 3], Meta(description="SPI mode: 0 to 3")] = 0
        read_bit: Annotated[Byte, Meta(description="what is added to an address to read from it")] = 0x80
        write_bit: Annotated[Byte, Meta(description="what is added to an address to write to it")] = 0x00
        identity: Annotated[
            Pair | None, Meta(description="a register and the value by which the chip is known: [0xd0, 0x60]")
        ] = None
        bursts: Annotated[
            list[tuple[Byte, Annotated[int, Meta(ge=1, le=256)]]],
            Meta(
                description="registers and counts that are read in one transaction: [[0x32, 6]]; neighbours are anyway"
            ),
        ] = field(default_factory=list)
        setup: Annotated[list[Pair], Meta(description="registers and values that are written once: [[0x2d, 8]]")] = (
            field(default_factory=list)
        )
        start: Annotated[list[Pair], Meta(description="registers and values that start each measurement")] = field(
            default_factory=list
        )
        wait: Annotated[
            float, Meta(ge=0, le=60, description="seconds that a measurement takes at most; the bus is free then")
        ] = 0.0
        ready: Annotated[
            tuple[Byte, Byte, Byte] | None,
            Meta(description="a register, a mask, and what is under it when a measurement is over: [0xf3, 8, 0]"),
        ] = None

    options: Options

    def __init__(self, name: str, options: Options | None = None) -> None:
        given = options or self.Options()
        self._quantities = given.quantities or (EXAMPLE if parse_bus(given.bus).kind == "simulated" else {})
        if not self._quantities:
            raise ConfigError(
                "quantities is empty; describe at least one, such as [device.<name>.quantities.temperature] with "
                "register = 0x01 and bytes = 2"
            )
        self._description = Description(
            fields={title: _field(title, quantity) for title, quantity in self._quantities.items()},
            read_bit=given.read_bit,
            write_bit=given.write_bit,
            identity=given.identity,
            bursts=given.bursts,
            setup=given.setup,
            start=given.start,
            wait=given.wait,
            ready=given.ready,
        )
        self._chip: Generic | None = None
        self.polarity, self.phase = given.mode >> 1, given.mode & 1
        super().__init__(name, given)
        self.chip_name = given.chip

    def quantities(self) -> Mapping[str, Number]:
        """Return a number for each quantity that is described."""
        members = {}
        for title, one in self._quantities.items():
            low, high = (one.min, one.max) if one.min < one.max else (0.0, 0.0)
            try:
                members[title] = Number(label=one.label or title, unit=one.unit, format=one.format, min=low, max=high)
            except DefinitionError as error:
                raise ConfigError(f"quantities.{title}: {error}") from error
        return members

    def make_chip(self, handle: Handle) -> None:
        """Make the chip's driver."""
        self._chip = Generic(handle, self.delay, self._description)

    def make_simulated(self, clock: Callable[[], int]) -> SimulatedGeneric:
        """Return a chip with the registers that are described."""
        ranges = {
            title: (member.min, member.max) if member.min < member.max else (0.0, 100.0)
            for title, member in self.values.members.items()
        }
        return SimulatedGeneric(clock, self._description, ranges)

    def conversion_seconds(self) -> float:
        """Return how long a measurement takes at most, in seconds."""
        return self.options.wait

    async def read(self) -> Sequence[Reading]:
        """Measure once."""
        return () if self._chip is None else (await self._chip.measure(),)


def _field(title: str, quantity: Quantity) -> Field:
    bits = quantity.bits or 8 * quantity.bytes - quantity.shift
    if not 0 < bits <= 8 * quantity.bytes - quantity.shift:
        raise ConfigError(
            f"quantities.{title}: {quantity.bytes} bytes shifted by {quantity.shift} do not have {quantity.bits} bits"
        )
    return Field(
        register=quantity.register,
        count=quantity.bytes,
        skip=quantity.skip,
        little_endian=quantity.little_endian,
        shift=quantity.shift,
        bits=quantity.bits,
        signed=quantity.signed,
        polynomial=tuple(quantity.polynomial),
    )
