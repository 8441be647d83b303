"""Adafruit's drivers with the faces of ours, so that a sensor's device need not know which of the two it has.

A driver is made in its thread with the first measurement, and anew after a failure. The libraries are imported with the
device that wants them; there is none for the ADXL345 on SPI.
"""

from __future__ import annotations

import abc
import importlib
from typing import Any, ClassVar, Generic, TypeVar

from core import DeviceUnavailable, ResourceError
from plugin_spi_sensor.adafruit.worker import Worker
from plugin_spi_sensor.bus.blinka_import import quietly
from plugin_spi_sensor.chips import bme280, bme680, max31855, max31865
from plugin_spi_sensor.chips.chip import ChipFault
from plugin_spi_sensor.chips.mcp3xxx import Input

__all__ = [
    "READS_FROM_BME280",
    "AdafruitBme280",
    "AdafruitBme680",
    "AdafruitMax31855",
    "AdafruitMax31865",
    "AdafruitMcp3xxx",
]

READS_FROM_BME280 = 3
"""How often Adafruit's driver measures for the three quantities."""
REFRESH_RATE = 200
"""Hz; within 5 ms its quantities are of one measurement."""

R = TypeVar("R")


class AdafruitChip(abc.ABC, Generic[R]):
    """Be a driver of the library `module` in the thread of a worker."""

    module: str

    def __init__(self, worker: Worker) -> None:
        """Import the library; raise DeviceUnavailable, with the cure, where that fails."""
        self._worker = worker
        self._driver: Any = None
        try:
            with quietly():
                self._library: Any = importlib.import_module(self.module)
        except (ImportError, NotImplementedError, RuntimeError) as error:
            raise DeviceUnavailable(
                f"driver is 'adafruit', and {self.module} cannot be imported ({error}); "
                "pip install 'plugin-spi-sensor[adafruit]'"
            ) from error

    @abc.abstractmethod
    def make(self) -> Any:
        """Return the library's driver, on the bus of the worker; called in the thread."""

    @abc.abstractmethod
    def read(self, driver: Any) -> R:
        """Measure with the driver; called in the thread."""

    async def measure(self) -> R:
        """Return what the driver measures; raise DeviceUnavailable for whatever it raises."""
        return await self.in_thread(self.read)

    async def in_thread(self, read: Any) -> R:
        """Call `read` with the driver, which is made if there is none."""

        def work() -> R:
            self._driver = self._driver or self.make()
            result: R = read(self._driver)
            return result

        try:
            return await self._worker.run(work)
        except (OSError, ResourceError):
            self._driver = None
            raise
        except Exception as error:  # a foreign driver, which may raise anything
            self._driver = None
            raise DeviceUnavailable(
                f"Adafruit's driver says: {error}; check power, wiring and the options type and chip_select"
            ) from error


class AdafruitBme280(AdafruitChip[bme280.Measurement]):
    """Measure with `adafruit_bme280`; it starts a measurement for each of the three quantities."""

    module = "adafruit_bme280.advanced"

    def __init__(self, worker: Worker, settings: bme280.Settings) -> None:
        super().__init__(worker)
        self.settings = settings
        self._applied: bme280.Settings | None = None

    def make(self) -> Any:
        """Return the library's driver."""
        self._applied = None
        return self._library.Adafruit_BME280_SPI(self._worker.bus, self._worker.select)

    def read(self, driver: Any) -> bme280.Measurement:
        """Measure three times."""
        settings = self.settings
        if settings != self._applied:
            driver.overscan_temperature = settings.temperature.bit_length()
            driver.overscan_pressure = settings.pressure.bit_length()
            driver.overscan_humidity = settings.humidity.bit_length()
            driver.iir_filter = settings.filter.bit_length() - 1 if settings.filter else 0
            self._applied = settings
        return bme280.Measurement(driver.temperature, driver.humidity, driver.pressure)


class AdafruitBme680(AdafruitChip[bme680.AirQuality]):
    """Measure with `adafruit_bme680`; it does not tell whether the heater was warm enough."""

    module = "adafruit_bme680"

    def __init__(self, worker: Worker, settings: bme680.Settings) -> None:
        super().__init__(worker)
        self.settings = settings
        self._applied: bme680.Settings | None = None

    def make(self) -> Any:
        """Return the library's driver."""
        self._applied = None
        return self._library.Adafruit_BME680_SPI(self._worker.bus, self._worker.select, refresh_rate=REFRESH_RATE)

    def read(self, driver: Any) -> bme680.AirQuality:
        """Measure once."""
        settings = self.settings
        if settings != self._applied:
            driver.temperature_oversample = settings.temperature
            driver.pressure_oversample = settings.pressure
            driver.humidity_oversample = settings.humidity
            driver.filter_size = settings.filter
            heating = settings.heater_milliseconds or None
            driver.set_gas_heater(round(settings.heater_celsius), heating)
            self._applied = settings
        temperature, humidity, pressure = driver.temperature, driver.humidity, driver.pressure
        return bme680.AirQuality(temperature, humidity, pressure, driver.gas if settings.heater_milliseconds else None)


class AdafruitMcp3xxx(AdafruitChip[float]):
    """Convert with `adafruit_mcp3xxx`; it does not notice a chip that is missing."""

    def __init__(self, worker: Worker, *, bits: int, reference: float) -> None:
        self._type = {10: "MCP3008", 12: "MCP3208"}[bits]
        self.module = f"adafruit_mcp3xxx.{self._type.lower()}"
        super().__init__(worker)
        with quietly():
            self._input: Any = importlib.import_module("adafruit_mcp3xxx.analog_in").AnalogIn
        self._reference = reference

    def make(self) -> Any:
        """Return the library's driver."""
        make = getattr(self._library, self._type)
        return make(self._worker.bus, self._worker.select, ref_voltage=self._reference)

    def read(self, driver: Any) -> float:
        """Return the voltage at channel 0."""
        return self._voltage(driver, Input(0))

    async def measure(self, wanted: Input | None = None) -> float:
        """Return the voltage at an input, in volts."""
        chosen = wanted or Input(0)
        return await self.in_thread(lambda driver: self._voltage(driver, chosen))

    def _voltage(self, driver: Any, wanted: Input) -> float:
        other = (wanted.channel ^ 1,) if wanted.differential else ()
        voltage: float = self._input(driver, wanted.channel, *other).voltage
        return voltage


class AdafruitMax31855(AdafruitChip[max31855.Thermocouple]):
    """Read with `adafruit_max31855`; it does not notice a chip that is missing."""

    module = "adafruit_max31855"
    faults: ClassVar = {
        "thermocouple not connected": max31855.Fault.OPEN,
        "short circuit to ground": max31855.Fault.SHORT_TO_GROUND,
        "short circuit to power": max31855.Fault.SHORT_TO_SUPPLY,
    }

    def make(self) -> Any:
        """Return the library's driver."""
        return self._library.MAX31855(self._worker.bus, self._worker.select)

    def read(self, driver: Any) -> max31855.Thermocouple:
        """Read both temperatures, each in a transaction."""
        try:
            return max31855.Thermocouple(driver.temperature, driver.reference_temperature)
        except RuntimeError as error:
            fault = self.faults.get(str(error))
            if fault is None:
                raise
            raise ChipFault(max31855.LEADS[fault], fault.name or "") from error


class AdafruitMax31865(AdafruitChip[max31865.Resistance]):
    """Measure with `adafruit_max31865`."""

    module = "adafruit_max31865"

    def __init__(self, worker: Worker, wiring: max31865.Wiring) -> None:
        super().__init__(worker)
        self._wiring = wiring

    def make(self) -> Any:
        """Return the library's driver, with a buffer of its own and the resistance that it measured last."""
        wiring = self._wiring

        class Driver(self._library.MAX31865):  # type: ignore[misc, name-defined]
            def __init__(self, *given: Any, **named: Any) -> None:
                # Its class has one for all chips, which threads would overwrite for each other.
                self._BUFFER = bytearray(3)
                self.ohms = 0.0
                super().__init__(*given, **named)

            @property
            def resistance(self) -> float:
                self.ohms = super().resistance
                return self.ohms

        return Driver(
            self._worker.bus, self._worker.select, rtd_nominal=wiring.nominal, ref_resistor=wiring.reference,
            wires=wiring.wires, filter_frequency=wiring.mains,
        )  # fmt: skip

    def read(self, driver: Any) -> max31865.Resistance:
        """Convert once."""
        temperature: float = driver.temperature
        bits = zip((0x80, 0x40, 0x20, 0x10, 0x08, 0x04), driver.fault, strict=True)
        found = max31865.Fault(sum(bit for bit, present in bits if present))
        if found:
            raise ChipFault("; ".join(max31865.FAULTS[fault] for fault in found), found.name or "")
        return max31865.Resistance(driver.ohms, temperature)
