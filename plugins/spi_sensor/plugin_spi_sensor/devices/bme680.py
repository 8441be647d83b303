"""The BME680 as a device: climate and gas, oversampling and heater as properties."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Annotated, ClassVar, get_args

from msgspec import Meta

from core import Light, LightVector, Number, NumberVector
from plugin_spi_sensor.adafruit.chips import AdafruitBme680
from plugin_spi_sensor.chips.bme280 import Oversampling
from plugin_spi_sensor.chips.bme680 import BAUDRATE, AirFilter, Bme680, Settings
from plugin_spi_sensor.devices.bme280 import check_codes, oversampling_members
from plugin_spi_sensor.devices.options import ChosenDriver
from plugin_spi_sensor.devices.sensor import Handle, Reading, SpiSensor
from plugin_spi_sensor.simulated.bme680 import SimulatedBme680, kitchen
from plugin_spi_sensor.simulated.climate import place_of

__all__ = ["Bme680Sensor"]

FILTERS: tuple[int, ...] = get_args(AirFilter)
HOTTEST, LONGEST_HEATING = 400, 4032


class Bme680Sensor(SpiSensor):
    """A BME680 on a shared SPI bus: temperature, humidity, pressure and gas."""

    kind = "bme680"
    reads = "climate"
    chip_name = "BME680"
    baudrate = BAUDRATE
    possible_faults: ClassVar = SimulatedBme680.possible_faults

    climate = NumberVector(
        "Climate",
        group="Climate",
        members={
            "temperature": Number(label="Temperature", unit="°C", format="%.2f", min=-40, max=85),
            "humidity": Number(label="Humidity", unit="%", format="%.1f", min=0, max=100),
            "pressure": Number(label="Pressure", unit="hPa", format="%.2f", min=300, max=1100),
            "gas": Number(label="Gas resistance", unit="Ω", format="%.0f"),
        },
    )
    oversampling = NumberVector("Oversampling", group="Sampling", perm="rw", members=oversampling_members(FILTERS))
    heater = NumberVector(
        "Gas heater",
        group="Sampling",
        perm="rw",
        members={
            "temperature": Number(320, label="Temperature", unit="°C", min=200, max=HOTTEST, step=10),
            "duration": Number(150, label="Duration, 0 for no gas", unit="ms", min=0, max=LONGEST_HEATING, step=10),
        },
    )
    gas = LightVector("Gas", group="Climate", members={"heater": Light(label="Heater")})

    class Options(ChosenDriver):
        """The options of `[device.<name>]` with `plugin = "spi-sensor"` and `type = "bme680"`."""

        oversampling: Annotated[
            Oversampling, Meta(description="samples that the chip takes the mean of: 1, 2, 4, 8 or 16")
        ] = 1
        filter: Annotated[
            AirFilter, Meta(description="coefficient of the chip's filter: 0 (off), 1, 3, 7, 15, 31, 63 or 127")
        ] = 0
        heater: Annotated[
            float, Meta(ge=200, le=HOTTEST, description="temperature of the gas sensor's heater in °C, 200 to 400")
        ] = 320.0
        heating: Annotated[
            int, Meta(ge=0, le=LONGEST_HEATING, description="milliseconds of heating, 0 for no gas measurement")
        ] = 150

    options: Options

    def __init__(self, name: str, options: Options | None = None) -> None:
        given = options or self.Options()
        samples = given.oversampling
        self._settings = Settings(samples, samples, samples, given.filter, given.heater, given.heating)
        self._chip: Bme680 | AdafruitBme680 | None = None
        super().__init__(name, given)
        settings = self._settings
        self.oversampling.replace_members(
            {
                key: replace(member, value=float(getattr(settings, key)))
                for key, member in self.oversampling.members.items()
            }
        )
        own = {"temperature": settings.heater_celsius, "duration": float(settings.heater_milliseconds)}
        self.heater.replace_members(
            {key: replace(member, value=own[key]) for key, member in self.heater.members.items()}
        )

    def make_chip(self, handle: Handle) -> None:
        """Make the chip's driver."""
        if self.options.driver == "adafruit":
            self._chip = AdafruitBme680(self.worker(handle), self._settings)
        else:
            self._chip = Bme680(handle, self.delay, self._settings)

    def make_simulated(self, clock: Callable[[], int]) -> SimulatedBme680:
        """Return a chip in a kitchen."""
        return SimulatedBme680(clock, kitchen(place_of(self.options.chip_select)))

    def conversion_seconds(self) -> float:
        """Return how long a measurement takes at most, in seconds."""
        return self._settings.conversion_seconds

    async def read(self) -> Sequence[Reading]:
        """Measure once; without the gas where its heater was not warm enough."""
        if self._chip is None:
            return ()
        measured = await self._chip.measure()
        reading = {
            "temperature": measured.temperature, "humidity": measured.humidity, "pressure": measured.pressure,
        }  # fmt: skip
        if measured.gas is not None:
            reading["gas"] = measured.gas
        self._show_heater(measured.gas is not None)
        return (reading,)

    @oversampling.on_new
    async def change_oversampling(self, new: dict[str, float]) -> None:
        """Measure with other settings from now on; refuse those with which the chip cannot finish in a period."""
        self._change(replace(self._settings, **check_codes(new, FILTERS)))

    @heater.on_new
    async def change_heater(self, new: dict[str, float]) -> None:
        """Heat otherwise from now on; refuse what does not fit into a period."""
        after = {**self.heater.values, **new}
        settings = replace(
            self._settings, heater_celsius=after["temperature"], heater_milliseconds=round(after["duration"])
        )
        self._change(settings)

    def _change(self, settings: Settings) -> None:
        self.check_fits_period(settings.conversion_seconds)
        self._settings = settings
        if self._chip is not None:
            self._chip.settings = settings

    def _show_heater(self, warm: bool) -> None:
        state = self.gas["heater"]
        if not self._settings.heater_milliseconds:
            if state != "Idle":
                self.gas.update(heater="Idle", state="Idle")
        elif warm and state != "Ok":
            self.gas.update(heater="Ok")
        elif not warm and state != "Alert":
            self.gas.update(
                heater="Alert",
                state="Alert",
                message=f"{self.name}: the heater was not at {self._settings.heater_celsius:g} °C after "
                f"{self._settings.heater_milliseconds} ms; set heater.duration longer",
            )
