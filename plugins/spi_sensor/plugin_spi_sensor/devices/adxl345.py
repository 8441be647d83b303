"""The ADXL345 as a device: every sample of its FIFO as a value, and how many were lost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, ClassVar

from msgspec import Meta

from core import Number, NumberVector
from plugin_spi_sensor.chips.adxl345 import BAUDRATE, FIFO_SIZE, Adxl345, Range, Rate
from plugin_spi_sensor.devices.options import LONGEST, SHORTEST, SensorOptions
from plugin_spi_sensor.devices.sensor import Handle, Reading, SpiSensor
from plugin_spi_sensor.simulated.adxl345 import SimulatedAdxl345, shaking
from plugin_spi_sensor.simulated.climate import place_of

__all__ = ["Adxl345Sensor"]


class Adxl345Sensor(SpiSensor):
    """An ADXL345 on a shared SPI bus: acceleration at up to 800 Hz."""

    kind = "adxl345"
    reads = "acceleration"
    chip_name = "ADXL345"
    baudrate = BAUDRATE
    polarity = 1
    phase = 1
    possible_faults: ClassVar = SimulatedAdxl345.possible_faults

    acceleration = NumberVector(
        "Acceleration",
        group="Acceleration",
        members={axis: Number(label=axis, unit="g", format="%.4f", min=-16, max=16) for axis in ("x", "y", "z")},
    )
    fifo = NumberVector(
        "FIFO",
        group="Acceleration",
        members={
            "fetched": Number(label="Fetched with the last burst", format="%.0f"),
            "overruns": Number(label="Bursts before which samples were lost", format="%.0f"),
        },
    )

    class Options(SensorOptions):
        """The options of `[device.<name>]` with `plugin = "spi-sensor"` and `type = "adxl345"`."""

        period: Annotated[
            float, Meta(ge=SHORTEST, le=LONGEST, description="seconds between two bursts; the FIFO holds 32 samples")
        ] = 0.03
        rate: Annotated[Rate, Meta(description="samples a second: 25, 50, 100, 200, 400 or 800")] = 100
        range: Annotated[Range, Meta(description="largest acceleration in g, in both directions: 2, 4, 8 or 16")] = 16

    options: Options

    def __init__(self, name: str, options: Options | None = None) -> None:
        self._chip: Adxl345 | None = None
        super().__init__(name, options or self.Options())

    def make_chip(self, handle: Handle) -> None:
        """Make the chip's driver."""
        self._chip = Adxl345(handle, self.delay, rate=self.options.rate, span=self.options.range)

    def make_simulated(self, clock: Callable[[], int]) -> SimulatedAdxl345:
        """Return a chip on a table with a motor."""
        return SimulatedAdxl345(clock, shaking(place_of(self.options.chip_select)))

    def too_short(self, period: float) -> str:
        """Return why samples would be lost between two bursts, nothing if they would not."""
        longest = FIFO_SIZE / self.options.rate
        if period <= longest:
            return super().too_short(period)
        return f"at most {longest:g} s are allowed, in which {self.options.rate} samples a second fill the FIFO"

    async def read(self) -> Sequence[Reading]:
        """Fetch what has gathered."""
        if self._chip is None:
            return ()
        burst = await self._chip.fetch()
        if burst.overrun or len(burst.samples) != self.fifo["fetched"]:
            self.fifo.update(fetched=len(burst.samples), overruns=self.fifo["overruns"] + burst.overrun)
        return [{"x": sample.x, "y": sample.y, "z": sample.z} for sample in burst.samples]
