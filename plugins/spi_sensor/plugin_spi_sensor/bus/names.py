"""The names that core.toml has for buses and chip selects."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from core import ConfigError
from plugin_spi_sensor.bus.protocol import Select

__all__ = ["ALLOWED_BUSES", "SIMULATED", "BusName", "check_select", "parse_bus"]

SIMULATED = "simulated"
ALLOWED_BUSES = (
    f'"{SIMULATED}" or "{SIMULATED}:<name>"; "spidev<number>" for /dev/spidev<number>.*; '
    '"blinka" or "blinka:<port>" for the SPI of adafruit-blinka'
)

_SPIDEV = re.compile(r"(?:/dev/)?spidev(\d+)")
_NODE = re.compile(r"(?:/dev/)?spidev(\d+)\.(\d+)")


@dataclass(frozen=True, slots=True)
class BusName:
    """Be what the name of a bus says: its kind, and the name or number behind it."""

    kind: Literal["simulated", "spidev", "blinka"]
    port: str = ""


def parse_bus(name: str) -> BusName:
    """Return what the name of a bus says; raise ConfigError, with what is allowed, if no such bus can be had."""
    kind, colon, port = name.partition(":")
    if kind == SIMULATED and (port or not colon):
        return BusName("simulated", port)
    if kind == "blinka" and (port.isdecimal() or not colon):
        return BusName("blinka", port)
    if found := _SPIDEV.fullmatch(name):
        return BusName("spidev", found[1])
    if found := _NODE.fullmatch(name):
        raise ConfigError(
            f'bus is {name!r}; a bus has no dot: set bus = "spidev{found[1]}" and chip_select = {found[2]}'
        )
    raise ConfigError(f"bus is {name!r}; {ALLOWED_BUSES} is allowed")


def check_select(bus: BusName, select: Select) -> None:
    """Raise ConfigError for a chip select that cannot be: neither a number from 0 nor a line as "<chip>:<line>"."""
    if isinstance(select, str):
        chip, _, line = select.rpartition(":")
        if not (chip and line):
            raise ConfigError(
                f'chip_select is {select!r}; a number is allowed, or a GPIO line as "<chip>:<line>", '
                'such as "pinctrl-bcm2711:25"'
            )
    elif select < 0:
        raise ConfigError(f"chip_select is {select}; a number from 0 is allowed")
    elif bus.kind == "blinka" and select != 0:
        raise ConfigError(
            f"chip_select is {select}; Blinka opens select 0 alone: set chip_select = 0, a GPIO line, "
            f'or bus = "spidev<number>"'
        )
