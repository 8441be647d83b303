"""The options of core.toml that sensors have in common."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, field

import core
from plugin_spi_sensor.bus.names import ALLOWED_BUSES, SIMULATED

__all__ = ["LONGEST", "MOST_AVERAGED", "SHORTEST", "ChosenDriver", "SeatOptions", "SensorOptions"]

SHORTEST, LONGEST = 0.001, 3600.0
"""Seconds between two measurements."""
MOST_AVERAGED = 1000

PerQuantity = dict[str, float]


class SeatOptions(core.Options):
    """The options of whoever has a place on a bus."""

    bus: Annotated[str, Meta(description=f"SPI bus: {ALLOWED_BUSES}")] = SIMULATED
    chip_select: Annotated[
        Annotated[int, Meta(ge=0)] | str,
        Meta(description='chip select: a number, or a GPIO line as "<chip>:<line>"; each has its own'),
    ] = 0
    idle_select: Annotated[
        int,
        Meta(ge=0, description="with a GPIO line: the bus's own select that transfers go through, without a device"),
    ] = 0
    baudrate: Annotated[
        int, Meta(ge=0, le=100_000_000, description="clock rate in Hz, 0 for the rate that suits the chip")
    ] = 0
    bus_wait: Annotated[
        float, Meta(ge=0.001, le=LONGEST, description="seconds after which it says who has the bus, and tries again")
    ] = 5.0


class SensorOptions(SeatOptions):
    """The options that all sensors have."""

    period: Annotated[
        float, Meta(ge=SHORTEST, le=LONGEST, description=f"seconds between two measurements, up to {LONGEST:g}")
    ] = 1.0
    averaging: Annotated[
        int, Meta(ge=1, le=MOST_AVERAGED, description="how many of the last measurements a value is the mean of")
    ] = 1
    offset: Annotated[dict[str, float], Meta(description="calibration: what is added to a quantity, after scale")] = (
        field(default_factory=dict)
    )
    scale: Annotated[dict[str, float], Meta(description="calibration: what a quantity is multiplied by")] = field(
        default_factory=dict
    )
    low: Annotated[PerQuantity, Meta(description="alarm when a quantity is below")] = field(default_factory=dict)
    high: Annotated[PerQuantity, Meta(description="alarm when a quantity is above")] = field(default_factory=dict)


class ChosenDriver(SensorOptions):
    """The option of sensors for which Adafruit has a driver as well."""

    driver: Annotated[
        Literal["own", "adafruit"],
        Meta(description='"own", or "adafruit" for the driver of Adafruit\'s CircuitPython library, in a thread'),
    ] = "own"
