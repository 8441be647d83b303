"""The BME280 as a device: its climate, oversampling and filter as properties."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Annotated, Any, ClassVar, get_args

from msgspec import Meta

from core import Number, NumberVector, ValueRefused
from plugin_spi_sensor.adafruit.chips import READS_FROM_BME280, AdafruitBme280
from plugin_spi_sensor.chips.bme280 import BAUDRATE, Bme280, Filter, Oversampling, Settings
from plugin_spi_sensor.devices.options import ChosenDriver
from plugin_spi_sensor.devices.sensor import Handle, Reading, SpiSensor
from plugin_spi_sensor.simulated.bme280 import SimulatedBme280
from plugin_spi_sensor.simulated.climate import place_of, room

__all__ = ["Bme280Sensor", "check_codes", "oversampling_members"]

SAMPLES: tuple[int, ...] = get_args(Oversampling)
FILTERS: tuple[int, ...] = get_args(Filter)


def oversampling_members(filters: Sequence[int] = FILTERS) -> dict[str, Number]:
    """Return the members by which clients set how many samples a chip of Bosch takes the mean of, and its filter."""
    return {
        "temperature": Number(1, label="Temperature", min=1, max=16),
        "pressure": Number(1, label="Pressure", min=1, max=16),
        "humidity": Number(1, label="Humidity", min=1, max=16),
        "filter": Number(0, label="Filter", min=0, max=max(filters)),
    }


def check_codes(new: dict[str, float], filters: Sequence[int] = FILTERS) -> dict[str, Any]:
    """Return what a client sent as whole numbers; raise ValueRefused, with what is allowed, for others."""
    for name, value in new.items():
        allowed = filters if name == "filter" else SAMPLES
        if value not in allowed:
            raise ValueRefused(f"oversampling.{name} is {value:g}; {', '.join(map(str, allowed))} is allowed")
    return {name: int(value) for name, value in new.items()}


class Bme280Sensor(SpiSensor):
    """A BME280 on a shared SPI bus: temperature, humidity and pressure."""

    kind = "bme280"
    is_default = True
    reads = "climate"
    chip_name = "BME280"
    baudrate = BAUDRATE
    possible_faults: ClassVar = SimulatedBme280.possible_faults

    climate = NumberVector(
        "Climate",
        group="Climate",
        members={
            "temperature": Number(label="Temperature", unit="°C", format="%.2f", min=-40, max=85),
            "humidity": Number(label="Humidity", unit="%", format="%.1f", min=0, max=100),
            "pressure": Number(label="Pressure", unit="hPa", format="%.2f", min=300, max=1100),
        },
    )
    oversampling = NumberVector("Oversampling", group="Sampling", perm="rw", members=oversampling_members())

    class Options(ChosenDriver):
        """The options of `[device.<name>]` with `plugin = "spi-sensor"` and `type = "bme280"`."""

        oversampling: Annotated[
            Oversampling, Meta(description="samples that the chip takes the mean of: 1, 2, 4, 8 or 16")
        ] = 1
        filter: Annotated[
            Filter, Meta(description="coefficient of the chip's filter, which smoothes: 0 (off), 2, 4, 8 or 16")
        ] = 0

    options: Options

    def __init__(self, name: str, options: Options | None = None) -> None:
        given = options or self.Options()
        samples = given.oversampling
        self._settings = Settings(samples, samples, samples, given.filter)
        self._chip: Bme280 | AdafruitBme280 | None = None
        super().__init__(name, given)
        self.oversampling.replace_members(
            {
                key: replace(member, value=float(getattr(self._settings, key)))
                for key, member in self.oversampling.members.items()
            }
        )

    def make_chip(self, handle: Handle) -> None:
        """Make the chip's driver."""
        if self.options.driver == "adafruit":
            self._chip = AdafruitBme280(self.worker(handle), self._settings)
        else:
            self._chip = Bme280(handle, self.delay, self._settings)

    def make_simulated(self, clock: Callable[[], int]) -> SimulatedBme280:
        """Return a chip in a room."""
        return SimulatedBme280(clock, room(place_of(self.options.chip_select)))

    def conversion_seconds(self) -> float:
        """Return how long a measurement takes at most, in seconds."""
        return self._takes(self._settings)

    def _takes(self, settings: Settings) -> float:
        return settings.conversion_seconds * (READS_FROM_BME280 if self.options.driver == "adafruit" else 1)

    async def read(self) -> Sequence[Reading]:
        """Measure once."""
        if self._chip is None:
            return ()
        measured = await self._chip.measure()
        return ({"temperature": measured.temperature, "humidity": measured.humidity, "pressure": measured.pressure},)

    @oversampling.on_new
    async def change_oversampling(self, new: dict[str, float]) -> None:
        """Measure with other settings from now on; refuse those with which the chip cannot finish in a period."""
        settings = replace(self._settings, **check_codes(new))
        self.check_fits_period(self._takes(settings), "oversampling: ")
        self._settings = settings
        if self._chip is not None:
            self._chip.settings = settings
