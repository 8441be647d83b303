"""How LEDs look in recordings: on a board that is dark, so that the page around it may be light or dark."""

from __future__ import annotations

from core.cli.record.film import FULL

Colour = tuple[int, int, int]

BOARD: Colour = (24, 26, 31)
DARK: Colour = (68, 33, 32)
LIT: Colour = (255, 59, 48)


def led(level: int) -> Colour:
    """Return the colour of an LED of a brightness; eyes see half the light as more than half as bright."""
    share = (level / FULL) ** 0.6
    red, green, blue = (round(dark + (lit - dark) * share) for dark, lit in zip(DARK, LIT, strict=True))
    return red, green, blue


def as_hex(colour: Colour) -> str:
    """Return a colour as "#rrggbb"."""
    return "#{:02x}{:02x}{:02x}".format(*colour)
