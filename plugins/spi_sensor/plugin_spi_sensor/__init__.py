"""plugin-spi-sensor: sensors on shared SPI buses, real and simulated."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core import hookimpl
from core.late_class import LateClass

if TYPE_CHECKING:
    from core.hookspecs import Check, Proposal

core_api = 1


DEVICES = {
    "bme280": ("bme280", "Bme280Sensor"),
    "bme680": ("bme680", "Bme680Sensor"),
    "mcp3008": ("mcp3xxx", "Mcp3008Sensor"),
    "mcp3208": ("mcp3xxx", "Mcp3208Sensor"),
    "max31855": ("max31855", "Max31855Sensor"),
    "max31865": ("max31865", "Max31865Sensor"),
    "adxl345": ("adxl345", "Adxl345Sensor"),
    "generic": ("generic", "GenericSensor"),
    "card-logger": ("card_logger", "CardLogger"),
}
"""The module and the class of each kind: whoever lists plugins need not import them."""


@hookimpl
def core_register_devices() -> list[LateClass]:
    """Return the sensors, and the logger on an SD card."""
    return [LateClass(kind, f"{__name__}.devices.{module}", name) for kind, (module, name) in DEVICES.items()]


@hookimpl
def core_register_checks() -> dict[str, Check]:
    """Return what `corectl doctor` looks at: the packages by which buses and drivers are had."""
    from plugin_spi_sensor.doctor import check_packages

    return {"SPI packages": check_packages}


@hookimpl
def core_default_config() -> list[Proposal]:
    """Return a sensor on a simulated bus."""
    from core.hookspecs import Proposal

    return [
        Proposal(
            section="device",
            name="climate",
            table={"plugin": "spi-sensor", "type": "bme280", "bus": "simulated"},
            comment="A simulated BME280: temperature, humidity and pressure, measured once a second.",
        )
    ]
