"""plugin-spi-sensor: sensors on shared SPI buses, real and simulated."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core import hookimpl

if TYPE_CHECKING:
    from core.device import Device
    from core.hookspecs import Check, Proposal

core_api = 1


@hookimpl
def core_register_devices() -> list[type[Device]]:
    """Return the sensors, and the logger on an SD card."""
    from plugin_spi_sensor.devices import SENSORS, CardLogger

    return [*SENSORS, CardLogger]


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
