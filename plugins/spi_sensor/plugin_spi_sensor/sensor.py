"""The sensor as a device: its climate and its sampling as properties, and one measurement a tick."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Annotated

from msgspec import Meta

import core
from core import ConfigError, Device, DeviceUnavailable, Duration, Loop, Number, NumberVector, ValueRefused
from core.sim.spi import SimulatedSpiBus
from core.sim.unplugging import PluggedSpiChip, Simulation
from plugin_spi_sensor.bme280 import BAUDRATE, Bme280, Oversampling, Settings
from plugin_spi_sensor.shared_bus import SIMULATED, Seat, check_bus_name, take_seat
from plugin_spi_sensor.simulated_bme280 import SimulatedBme280
from plugin_spi_sensor.simulated_climate import room

SHORTEST, LONGEST = 0.1, 3600.0
"""Seconds between two measurements."""


class SpiSensor(Device):
    """A BME280 on a shared SPI bus: temperature, humidity and pressure."""

    kind = "bme280"
    climate = NumberVector(
        "Climate",
        group="Climate",
        members={
            "temperature": Number(label="Temperature", unit="°C", format="%.2f", min=-40, max=85),
            "humidity": Number(label="Humidity", unit="%", format="%.1f", min=0, max=100),
            "pressure": Number(label="Pressure", unit="hPa", format="%.2f", min=300, max=1100),
        },
    )
    sampling = NumberVector(
        "Sampling",
        group="Climate",
        perm="rw",
        members={"period": Number(1.0, label="Period", unit="s", format="%g", min=SHORTEST, max=LONGEST, step=0.1)},
    )

    class Options(core.Options):
        """The options of `[device.<name>]` with `plugin = "spi-sensor"`."""

        bus: Annotated[
            str, Meta(description=f'SPI bus: "{SIMULATED}", or "{SIMULATED}:<name>" for one more simulated bus')
        ] = SIMULATED
        chip_select: Annotated[int, Meta(ge=0, description="chip select of the sensor; each on a bus has its own")] = 0
        period: Annotated[
            float, Meta(ge=SHORTEST, le=LONGEST, description="seconds between two measurements, 0.1 to 3600")
        ] = 1.0
        oversampling: Annotated[
            Oversampling, Meta(description="samples that the chip takes the mean of: 1, 2, 4, 8 or 16")
        ] = 1

    options: Options

    def __init__(self, name: str, options: Options | None = None) -> None:
        super().__init__(name, options)
        check_bus_name(self.options.bus)
        samples = self.options.oversampling
        self._settings = Settings(temperature=samples, pressure=samples, humidity=samples)
        self._seat: Seat[SimulatedSpiBus] | None = None
        self._chip: Bme280 | None = None
        self.simulated_chip: SimulatedBme280 | None = None
        """The chip that a simulated bus has at the other end, while the device is open."""
        period = self.options.period
        if why := self._too_short(period):
            raise ConfigError(f"period is {period:g}: {why}")
        self.sampling.replace_members({"period": replace(self.sampling.members["period"], value=period)})
        self.sample.change_rate(Duration.of_seconds(period))

    async def open(self) -> None:
        """Join the bus; raise DeviceUnavailable if another instance has the chip select. The chip is not asked yet."""
        options = self.options
        seat = take_seat(options.bus, options.chip_select, self.name, baudrate=BAUDRATE)
        self._seat = seat
        self.simulated_chip = SimulatedBme280(Loop.current().now, room(options.chip_select))
        seat.shared.bus.attach(seat.number, self.simulated_chip)
        self._chip = Bme280(seat.handle, self.delay, self._settings)

    async def close(self) -> None:
        """Leave the bus to the others; the last one closes it."""
        seat, self._seat = self._seat, None
        self._chip = self.simulated_chip = None
        if seat is not None:
            seat.shared.bus.detach(seat.number)
            seat.leave()

    def summary(self) -> str:
        """Say on which bus the sensor is."""
        return f"BME280 on SPI bus {self.options.bus}, chip select {self.options.chip_select}"

    def simulation(self) -> Simulation | None:
        """Return the simulated chip in its socket."""
        if self._seat is None or self.simulated_chip is None:
            return None
        return PluggedSpiChip(self._seat.shared.bus, self._seat.number, self.simulated_chip)

    @climate.every(Duration.of_seconds(1))
    async def sample(self) -> None:
        """Measure once; the bus is free for others while the chip converts."""
        if self._chip is None:
            return
        try:
            measured = await self._chip.measure()
        except DeviceUnavailable as error:
            raise DeviceUnavailable(f"{self.summary()}: {error}") from error
        self.climate.update(temperature=measured.temperature, humidity=measured.humidity, pressure=measured.pressure)

    @sampling.on_new
    async def change_period(self, new: dict[str, float]) -> None:
        """Measure at another period from now on; refuse one in which the chip cannot finish."""
        if why := self._too_short(new["period"]):
            raise ValueRefused(f"sampling.period: {why}")
        self.sample.change_rate(Duration.of_seconds(new["period"]))

    def _too_short(self, period: float) -> str:
        """Return why the chip cannot measure once in so many seconds, nothing if it can."""
        shortest = math.ceil(self._settings.conversion_seconds * 100) / 100
        if period >= shortest:
            return ""
        return f"with oversampling {self.options.oversampling} at least {shortest:g} s are needed"
