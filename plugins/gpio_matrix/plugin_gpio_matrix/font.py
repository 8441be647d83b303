"""A small font: capital letters, digits and signs, five rows high and one to five columns wide."""

from __future__ import annotations

__all__ = ["HEIGHT", "drawn_text"]

HEIGHT = 5
"""How many rows a letter has."""

_GLYPHS = {
    " ": "../../../../..",
    "A": ".X./X.X/XXX/X.X/X.X",
    "B": "XX./X.X/XX./X.X/XX.",
    "C": ".XX/X../X../X../.XX",
    "D": "XX./X.X/X.X/X.X/XX.",
    "E": "XXX/X../XX./X../XXX",
    "F": "XXX/X../XX./X../X..",
    "G": ".XX/X../X.X/X.X/.XX",
    "H": "X.X/X.X/XXX/X.X/X.X",
    "I": "XXX/.X./.X./.X./XXX",
    "J": "..X/..X/..X/X.X/.X.",
    "K": "X.X/X.X/XX./X.X/X.X",
    "L": "X../X../X../X../XXX",
    "M": "X...X/XX.XX/X.X.X/X...X/X...X",
    "N": "X..X/XX.X/X.XX/X..X/X..X",
    "O": ".X./X.X/X.X/X.X/.X.",
    "P": "XX./X.X/XX./X../X..",
    "Q": ".XX./X..X/X..X/X.X./.X.X",
    "R": "XX./X.X/XX./X.X/X.X",
    "S": ".XX/X../.X./..X/XX.",
    "T": "XXX/.X./.X./.X./.X.",
    "U": "X.X/X.X/X.X/X.X/XXX",
    "V": "X.X/X.X/X.X/X.X/.X.",
    "W": "X...X/X...X/X.X.X/XX.XX/X...X",
    "X": "X.X/X.X/.X./X.X/X.X",
    "Y": "X.X/X.X/.X./.X./.X.",
    "Z": "XXX/..X/.X./X../XXX",
    "Ä": "X.X/.../.X./XXX/X.X",
    "Ö": "X.X/.../.X./X.X/.X.",
    "Ü": "X.X/.../X.X/X.X/XXX",
    "0": "XXX/X.X/X.X/X.X/XXX",
    "1": ".X./XX./.X./.X./XXX",
    "2": "XX./..X/.X./X../XXX",
    "3": "XX./..X/.X./..X/XX.",
    "4": "X.X/X.X/XXX/..X/..X",
    "5": "XXX/X../XX./..X/XX.",
    "6": ".XX/X../XXX/X.X/XXX",
    "7": "XXX/..X/.X./.X./.X.",
    "8": "XXX/X.X/XXX/X.X/XXX",
    "9": "XXX/X.X/XXX/..X/XX.",
    ".": "././././X",
    ",": "../../../.X/X.",
    ":": "./X/./X/.",
    ";": "../.X/../.X/X.",
    "!": "X/X/X/./X",
    "?": "XX./..X/.X./.../.X.",
    "-": ".../.../XXX/.../...",
    "+": ".../.X./XXX/.X./...",
    "*": ".../X.X/.X./X.X/...",
    "/": "..X/..X/.X./X../X..",
    "\\": "X../X../.X./..X/..X",
    "=": ".../XXX/.../XXX/...",
    "_": ".../.../.../.../XXX",
    "'": "X/X/././.",
    '"': "X.X/X.X/.../.../...",
    "(": ".X/X./X./X./.X",
    ")": "X./.X/.X/.X/X.",
    "[": "XX/X./X./X./XX",
    "]": "XX/.X/.X/.X/XX",
    "<": "..X/.X./X../.X./..X",
    ">": "X../.X./..X/.X./X..",
    "#": ".X.X./XXXXX/.X.X./XXXXX/.X.X.",
    "%": "X.X/..X/.X./X../X.X",
    "&": ".X../X.X./.X../X.X./.X.X",
    "@": ".XXX./X...X/X.XX./X..../.XXX.",
    "$": ".XX/XX./.X./.XX/XX.",
    "°": ".X./X.X/.X./.../...",
    "♥": ".X.X./XXXXX/XXXXX/.XXX./..X..",
}

_UNKNOWN = "XXX/XXX/XXX/XXX/XXX"


def drawn_text(text: str) -> list[str]:
    """Return the picture of a text, five rows of "X" and "."; one dark column stands between two letters.

    Small letters are drawn as capitals, and a letter that the font does not have as a block.
    """
    glyphs = [_GLYPHS.get(one, _UNKNOWN).split("/") for one in text.upper()]
    return [".".join(glyph[row] for glyph in glyphs) for row in range(HEIGHT)]
