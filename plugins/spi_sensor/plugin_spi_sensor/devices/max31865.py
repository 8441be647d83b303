"""The MAX31865 as a device: a resistance thermometer, and what the chip finds wrong with it as lights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, ClassVar

from msgspec import Meta

from core import Light, LightVector, Number, NumberVector
from plugin_spi_sensor.adafruit.chips import AdafruitMax31865
from plugin_spi_sensor.chips.max31865 import BAUDRATE, PHASE, Fault, Mains, Max31865, Wires, Wiring
from plugin_spi_sensor.devices.options import ChosenDriver
from plugin_spi_sensor.devices.sensor import Handle, Reading, SpiSensor
from plugin_spi_sensor.simulated.climate import place_of
from plugin_spi_sensor.simulated.max31865 import SimulatedMax31865, bath

__all__ = ["Max31865Sensor"]


class Max31865Sensor(SpiSensor):
    """A MAX31865 on a shared SPI bus: a platinum resistance thermometer."""

    kind = "max31865"
    reads = "temperature"
    chip_name = "MAX31865"
    baudrate = BAUDRATE
    phase = PHASE
    possible_faults: ClassVar = SimulatedMax31865.possible_faults

    temperature = NumberVector(
        "Temperature",
        group="Temperature",
        members={
            "temperature": Number(label="Temperature", unit="°C", format="%.3f", min=-200, max=850),
            "resistance": Number(label="Resistance", unit="Ω", format="%.3f"),
        },
    )
    thermometer = LightVector(
        "Thermometer",
        group="Temperature",
        members={
            (fault.name or "").lower(): Light(label=(fault.name or "").replace("_", " ").lower()) for fault in Fault
        },
    )

    class Options(ChosenDriver):
        """The options of `[device.<name>]` with `plugin = "spi-sensor"` and `type = "max31865"`."""

        nominal: Annotated[float, Meta(gt=0, description="ohms of the thermometer at 0 °C: 100 for a Pt100")] = 100.0
        reference: Annotated[
            float, Meta(gt=0, description="ohms of the reference resistor: 430 for a Pt100 board, 4300 for a Pt1000")
        ] = 430.0
        wires: Annotated[Wires, Meta(description="wires to the thermometer: 2, 3 or 4")] = 2
        mains: Annotated[Mains, Meta(description="hertz of the mains, whose hum is filtered out: 50 or 60")] = 50

    options: Options

    def __init__(self, name: str, options: Options | None = None) -> None:
        given = options or self.Options()
        self._wiring = Wiring(given.nominal, given.reference, given.wires, given.mains)
        self._chip: Max31865 | AdafruitMax31865 | None = None
        super().__init__(name, given)

    def make_chip(self, handle: Handle) -> None:
        """Make the chip's driver."""
        if self.options.driver == "adafruit":
            self._chip = AdafruitMax31865(self.worker(handle), self._wiring)
        else:
            self._chip = Max31865(handle, self.delay, self._wiring)

    def make_simulated(self, clock: Callable[[], int]) -> SimulatedMax31865:
        """Return a chip whose thermometer is in a bath."""
        wiring = self._wiring
        place = place_of(self.options.chip_select)
        return SimulatedMax31865(clock, bath(place), nominal=wiring.nominal, reference=wiring.reference)

    def conversion_seconds(self) -> float:
        """Return how long a measurement takes at most, in seconds."""
        return self._wiring.measurement_seconds

    async def read(self) -> Sequence[Reading]:
        """Convert once."""
        if self._chip is None:
            return ()
        with self.shown_in(self.thermometer):
            measured = await self._chip.measure()
        return ({"temperature": measured.temperature, "resistance": measured.ohms},)
