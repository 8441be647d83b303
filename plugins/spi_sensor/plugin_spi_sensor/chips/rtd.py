"""Platinum resistance thermometers: from ohms to °C by the equation of Callendar and Van Dusen (IEC 60751)."""

from __future__ import annotations

import math

__all__ = ["resistance", "temperature"]

# IEC 60751:2008, section 4.2.
A, B, C = 3.9083e-3, -5.775e-7, -4.183e-12
ENOUGH = 1e-6
"""°C, by which the last step of the approximation below 0 °C may change the result."""


def resistance(celsius: float, nominal: float = 100.0) -> float:
    """Return the ohms of a thermometer at a temperature in °C; `nominal` are its ohms at 0 °C."""
    below = C * (celsius - 100) * celsius**3 if celsius < 0 else 0.0
    return nominal * (1 + A * celsius + B * celsius**2 + below)


def temperature(ohms: float, nominal: float = 100.0) -> float:
    """Return the temperature in °C of a thermometer of so many ohms.

    Raises ValueError for a resistance that no thermometer has.
    """
    ratio = ohms / nominal
    square = A * A - 4 * B * (1 - ratio)
    if square < 0:
        raise ValueError(f"{ohms:.1f} Ω is more than a thermometer of {nominal:g} Ω can have")
    celsius = (math.sqrt(square) - A) / (2 * B)
    if celsius >= 0:
        return celsius
    # Below 0 °C there is a fourth power, and the quadratic solution is a good beginning for Newton's method.
    for _ in range(20):
        slope = nominal * (A + 2 * B * celsius + C * (4 * celsius**3 - 300 * celsius**2))
        step = (resistance(celsius, nominal) - ohms) / slope
        celsius -= step
        if abs(step) < ENOUGH:
            break
    return celsius
