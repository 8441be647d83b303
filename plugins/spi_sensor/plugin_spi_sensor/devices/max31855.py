"""The MAX31855 as a device: a thermocouple, its cold junction, and its leads as lights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from core import Light, LightVector, Number, NumberVector
from plugin_spi_sensor.adafruit.chips import AdafruitMax31855
from plugin_spi_sensor.chips.max31855 import BAUDRATE, CONVERSION_SECONDS, Fault, Max31855
from plugin_spi_sensor.devices.options import ChosenDriver
from plugin_spi_sensor.devices.sensor import Handle, Reading, SpiSensor
from plugin_spi_sensor.simulated.climate import place_of
from plugin_spi_sensor.simulated.max31855 import POWER_UP, SimulatedMax31855, kiln

__all__ = ["Max31855Sensor"]


class Max31855Sensor(SpiSensor):
    """A MAX31855 on a shared SPI bus: a thermocouple."""

    kind = "max31855"
    reads = "temperature"
    chip_name = "MAX31855"
    baudrate = BAUDRATE
    possible_faults: ClassVar = SimulatedMax31855.possible_faults

    temperature = NumberVector(
        "Temperature",
        group="Temperature",
        members={
            "thermocouple": Number(label="Thermocouple", unit="°C", format="%.2f", min=-270, max=1800),
            "cold_junction": Number(label="Cold junction", unit="°C", format="%.4f", min=-55, max=125),
        },
    )
    leads = LightVector(
        "Leads",
        group="Temperature",
        members={
            (fault.name or "").lower(): Light(label=(fault.name or "").replace("_", " ").lower()) for fault in Fault
        },
    )
    _chip: Max31855 | AdafruitMax31855 | None = None

    class Options(ChosenDriver):
        """The options of `[device.<name>]` with `plugin = "spi-sensor"` and `type = "max31855"`."""

    options: Options

    def make_chip(self, handle: Handle) -> None:
        """Make the chip's driver."""
        if self.options.driver == "adafruit":
            self._chip = AdafruitMax31855(self.worker(handle))
        else:
            self._chip = Max31855(handle, self.delay)

    def make_simulated(self, clock: Callable[[], int]) -> SimulatedMax31855:
        """Return a chip whose thermocouple is in a kiln."""
        return SimulatedMax31855(clock, kiln(place_of(self.options.chip_select)), age=POWER_UP)

    def conversion_seconds(self) -> float:
        """Return how long the chip must be left alone between two readings, in seconds."""
        return CONVERSION_SECONDS

    async def read(self) -> Sequence[Reading]:
        """Fetch the newest conversion."""
        if self._chip is None:
            return ()
        with self.shown_in(self.leads):
            measured = await self._chip.measure()
        return ({"thermocouple": measured.temperature, "cold_junction": measured.cold_junction},)
