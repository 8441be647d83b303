"""The plugin as a plugin: its hooks, and that nothing heavy is imported before it is used."""

from __future__ import annotations

import subprocess
import sys

import plugin_spi_sensor
from core.assembly import propose
from core.config import convert
from core.hookspecs import API_VERSION
from plugin_spi_sensor.devices import SENSORS, CardLogger
from plugin_spi_sensor.devices.bme280 import Bme280Sensor


def test_it_registers_the_sensor() -> None:
    assert plugin_spi_sensor.core_api == API_VERSION
    registered = plugin_spi_sensor.core_register_devices()
    assert [one.load() for one in registered] == [*SENSORS, CardLogger]
    assert [one.kind for one in registered] == [one.load().kind for one in registered]
    assert SENSORS[0] is Bme280Sensor
    assert len({sensor.kind for sensor in SENSORS}) == len(SENSORS)


def test_the_proposal_is_a_configuration_that_works() -> None:
    (table,) = propose(plugin_spi_sensor.core_default_config()).of("device")
    assert (table.name, table.keys["plugin"]) == ("climate", "spi-sensor")
    sensor = Bme280Sensor(table.name, convert(Bme280Sensor.Options, table.without("plugin", "type"), table.title))
    assert sensor.options.bus == "simulated"


def test_importing_the_plugin_imports_no_device() -> None:
    code = (
        "import sys, plugin_spi_sensor; print(*(name for name in sys.modules if name.startswith('plugin_spi_sensor.')))"
    )
    command = [sys.executable, "-c", f"import sys; sys.path[:] = {sys.path!r}; {code}"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == ""
