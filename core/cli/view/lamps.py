"""LEDs as characters: as large as the room allows, from eight columns a LED to half a character."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Shade = Literal["lit", "dark", "none", "lit on dark", "dark on lit", "lit on none", "dark on none"]
"""How a piece of text is coloured; "on" where the lower half of the characters belongs to another LED."""

Piece = tuple[str, Shade]
_SHADES: dict[str, Literal["lit", "dark", "none"]] = {"X": "lit", ".": "dark", " ": "none"}


@dataclass(frozen=True, slots=True)
class Sprite:
    """Be the shape of one LED: its lines of characters, and those of a dark one where there are no colours."""

    lines: tuple[str, ...]
    colourless: tuple[str, ...]

    @property
    def width(self) -> int:
        """Return how many columns it takes."""
        return len(self.lines[0])

    @property
    def height(self) -> int:
        """Return how many lines it takes."""
        return len(self.lines)


SPRITES = (
    Sprite(("  ▄▄▄▄  ", " ██████ ", " ██████ ", "  ▀▀▀▀  "), ("        ", "   ▗▖   ", "   ▝▘   ", "        ")),
    Sprite((" ▗▄▄▖ ", " ████ ", " ▝▀▀▘ "), ("      ", "  ▗▖  ", "      ")),
    Sprite(("▗▄▄▖", "▝▀▀▘"), (" ▗▖ ", "    ")),
    Sprite(("● ",), ("· ",)),
)
"""The shapes, the largest first; each is about as wide as high, since characters are twice as high as wide."""


def fitting(rows: Sequence[str], width: int, height: int) -> Sprite | None:
    """Return the largest shape in which the LEDs fit; None if half a character has to do for each."""
    columns = max(map(len, rows), default=0)
    for sprite in SPRITES:
        if columns * sprite.width <= width and len(rows) * sprite.height <= height:
            return sprite
    return None


def drawn(rows: Sequence[str], sprite: Sprite | None, *, colours: bool = True) -> list[list[Piece]]:
    """Return the lines of LEDs in a shape; without colours a dark one is told by its form."""
    if sprite is None:
        return _halves(rows) if colours else [[("".join("●·"[lamp != "X"] for lamp in row), "none")] for row in rows]
    lines: list[list[Piece]] = []
    for row in rows:
        for number in range(sprite.height):
            line: list[Piece] = []
            for lamp in row:
                shade = _SHADES[lamp]
                shape = sprite.lines if shade == "lit" or colours else sprite.colourless
                line.append((shape[number] if shade != "none" else " " * sprite.width, shade))
            lines.append(line)
    return lines


def _halves(rows: Sequence[str]) -> list[list[Piece]]:
    lines: list[list[Piece]] = []
    for upper, lower in zip(rows[::2], [*rows[1::2], ""], strict=False):
        width = max(len(upper), len(lower))
        pairs = zip(upper.ljust(width), lower.ljust(width), strict=True)
        lines.append([_half(_SHADES[above], _SHADES[below]) for above, below in pairs])
    return lines


def _half(above: Literal["lit", "dark", "none"], below: Literal["lit", "dark", "none"]) -> Piece:
    if above == below:
        return ("█" if above != "none" else " "), above
    if above == "lit":
        return ("▀", "lit on dark") if below == "dark" else ("▀", "lit on none")
    if above == "dark":
        return ("▀", "dark on lit") if below == "lit" else ("▀", "dark on none")
    return ("▄", "lit on none") if below == "lit" else ("▄", "dark on none")
