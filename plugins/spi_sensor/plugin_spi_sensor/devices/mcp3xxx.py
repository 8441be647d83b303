"""The converters MCP3008 and MCP3208 as devices: voltages at chosen inputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, ClassVar

from msgspec import Meta, field

from core import Number, NumberVector
from plugin_spi_sensor.adafruit.chips import AdafruitMcp3xxx
from plugin_spi_sensor.chips.mcp3xxx import BAUDRATE, CHANNELS, Input, Mcp3xxx
from plugin_spi_sensor.devices.options import ChosenDriver
from plugin_spi_sensor.devices.sensor import Handle, Reading, SpiSensor
from plugin_spi_sensor.simulated.climate import place_of
from plugin_spi_sensor.simulated.mcp3xxx import SimulatedMcp3xxx, waves

__all__ = ["Mcp3008Sensor", "Mcp3208Sensor"]


class ConverterOptions(ChosenDriver):
    """The options of `[device.<name>]` with `plugin = "spi-sensor"` and `type = "mcp3008"` or `"mcp3208"`."""

    reference: Annotated[float, Meta(gt=0, le=7, description="voltage at the chip's pin VREF, in volts")] = 3.3
    inputs: Annotated[
        dict[str, int | str],
        Meta(description='inputs by name: a channel (light = 3) or a pair (bridge = "0-1"); all eight if empty'),
    ] = field(default_factory=dict)


class _Converter(SpiSensor):
    """A converter on a shared SPI bus."""

    reads = "voltages"
    baudrate = BAUDRATE
    bits: ClassVar[int]

    voltages = NumberVector("Voltages", group="Voltages", members={})

    Options = ConverterOptions
    options: ConverterOptions

    def __init__(self, name: str, options: ConverterOptions | None = None) -> None:
        given = options or self.Options()
        names: Mapping[str, int | str] = given.inputs or {f"ch{channel}": channel for channel in range(CHANNELS)}
        self._inputs = {title: Input.parse(text) for title, text in names.items()}
        self._chip: Mcp3xxx | AdafruitMcp3xxx | None = None
        super().__init__(name, given)

    def quantities(self) -> Mapping[str, Number]:
        """Return a voltage for each input."""
        top = self.options.reference
        return {name: Number(label=name, unit="V", format="%.4f", min=0, max=top) for name in self._inputs}

    def make_chip(self, handle: Handle) -> None:
        """Make the chip's driver."""
        reference = self.options.reference
        if self.options.driver == "adafruit":
            self._chip = AdafruitMcp3xxx(self.worker(handle), bits=self.bits, reference=reference)
        else:
            self._chip = Mcp3xxx(handle, self.delay, bits=self.bits, reference=reference)

    def make_simulated(self, clock: Callable[[], int]) -> SimulatedMcp3xxx:
        """Return a chip with slow waves at its inputs."""
        reference = self.options.reference
        voltages = waves(reference, place_of(self.options.chip_select))
        return SimulatedMcp3xxx(clock, bits=self.bits, reference=reference, voltages=voltages)

    async def read(self) -> Sequence[Reading]:
        """Convert one input after another; the bus is free in between."""
        if self._chip is None:
            return ()
        return ({name: await self._chip.measure(wanted) for name, wanted in self._inputs.items()},)


class Mcp3008Sensor(_Converter):
    """An MCP3008 on a shared SPI bus: eight voltages with 10 bits."""

    kind = "mcp3008"
    chip_name = "MCP3008"
    bits = 10


class Mcp3208Sensor(_Converter):
    """An MCP3208 on a shared SPI bus: eight voltages with 12 bits."""

    kind = "mcp3208"
    chip_name = "MCP3208"
    bits = 12
