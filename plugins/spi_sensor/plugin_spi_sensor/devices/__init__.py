"""The chips as devices: options of core.toml, properties, and one measurement a tick."""

from __future__ import annotations

from plugin_spi_sensor.devices.adxl345 import Adxl345Sensor
from plugin_spi_sensor.devices.bme280 import Bme280Sensor
from plugin_spi_sensor.devices.bme680 import Bme680Sensor
from plugin_spi_sensor.devices.card_logger import CardLogger
from plugin_spi_sensor.devices.generic import GenericSensor
from plugin_spi_sensor.devices.max31855 import Max31855Sensor
from plugin_spi_sensor.devices.max31865 import Max31865Sensor
from plugin_spi_sensor.devices.mcp3xxx import Mcp3008Sensor, Mcp3208Sensor
from plugin_spi_sensor.devices.sensor import SpiSensor

__all__ = ["SENSORS", "CardLogger"]

SENSORS: tuple[type[SpiSensor], ...] = (
    Bme280Sensor,
    Bme680Sensor,
    Mcp3008Sensor,
    Mcp3208Sensor,
    Max31855Sensor,
    Max31865Sensor,
    Adxl345Sensor,
    GenericSensor,
)
"""The devices of the plugin; the first is the one that core.toml means without `type`."""
