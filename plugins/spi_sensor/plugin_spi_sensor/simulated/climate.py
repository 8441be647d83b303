"""A climate to measure on the desk: slow, believable, and the same at every run."""

from __future__ import annotations

import math
from collections.abc import Callable

from plugin_spi_sensor.chips.bme280 import Measurement

__all__ = ["Climate", "place_of", "room"]

Climate = Callable[[int], Measurement]
"""What the climate is at a time in nanoseconds."""


def room(place: int = 0) -> Climate:
    """Return the climate of a room; each `place` in it is a little ahead of the one before.

    Temperature goes from 19 to 23 °C within ten minutes, humidity against it from 37 to 53 %, pressure from 1009 to
    1018 hPa within an hour.
    """

    def climate(nanoseconds: int) -> Measurement:
        seconds = nanoseconds / 1e9 + 25.0 * place
        warmth = math.sin(math.tau * seconds / 600)
        return Measurement(
            temperature=21 + 1.8 * warmth + 0.2 * math.sin(math.tau * seconds / 37),
            humidity=45 - 7 * warmth + math.sin(math.tau * seconds / 53),
            pressure=1013.25 + 3.5 * math.sin(math.tau * seconds / 3600) + 0.5 * math.sin(math.tau * seconds / 240),
        )

    return climate


def place_of(chip_select: int | str) -> int:
    """Return the place of the chip on a chip select, so that several in a room do not measure the same."""
    return chip_select if isinstance(chip_select, int) else sum(chip_select.encode()) % 20
