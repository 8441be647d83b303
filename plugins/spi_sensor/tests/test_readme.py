"""The README is complete, and what it shows works."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import msgspec
import pytest

import plugin_spi_sensor
from core import Device
from core.config import convert
from plugin_spi_sensor.devices import SENSORS, CardLogger
from plugin_spi_sensor.devices.generic import GenericSensor, Quantity

README = (Path(plugin_spi_sensor.__file__).parent.parent / "README.md").read_text()
DEVICES: tuple[type[Device], ...] = (*SENSORS, CardLogger)
KINDS = {device.kind: device for device in DEVICES}
TABLES = [
    (name, table)
    for text in re.findall(r"^```toml\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
    for name, table in tomllib.loads(text)["device"].items()
]


@pytest.mark.parametrize(("name", "table"), TABLES, ids=[name for name, _ in TABLES])
def test_what_is_shown_can_be_run(name: str, table: dict[str, object]) -> None:
    given = dict(table)
    assert given.pop("plugin") == "spi-sensor"
    kind = KINDS[str(given.pop("type"))]
    device = kind(name, convert(kind.Options, given, f"[device.{name}]"))
    assert name in ("climate", "kiln", "table", "log")
    assert device.summary()


def test_every_kind_and_setting_is_told() -> None:
    for kind, device in KINDS.items():
        assert f"`{kind}`" in README
        for option in msgspec.structs.fields(device.Options):
            assert re.search(rf"`{option.name}`|^{option.name} = ", README, re.MULTILINE) or (
                device is GenericSensor and f"[device.table.{option.name}." in README
            ), f"{kind}: {option.name}"
    for option in msgspec.structs.fields(Quantity):
        assert re.search(rf"^{option.name} = |`{option.name}`", README, re.MULTILINE), option.name


def test_every_property_and_fault_is_told() -> None:
    for kind in SENSORS:
        sensor = kind("one")
        for name in sensor.vectors:
            assert f"`{name}`" in README, f"{kind.kind}: {name}"
        for fault in kind.possible_faults:
            assert f"`{fault}`" in README, f"{kind.kind}: {fault}"


def test_every_extra_is_told() -> None:
    project = tomllib.loads((Path(plugin_spi_sensor.__file__).parent.parent / "pyproject.toml").read_text())
    extras = project["project"]["optional-dependencies"]
    assert set(extras) == {"adafruit", "blinka", "gpio", "spidev"}
    for extra in extras:
        assert re.search(rf"`{extra}`|plugin-spi-sensor\[[^]]*{extra}", README)
