"""Regions of a matrix by name, as core.toml, the command line and INDI name them; rows and columns count from 1."""

from __future__ import annotations

import re
from collections.abc import Iterable

from core.errors import ProgramError
from plugin_gpio_matrix.layout import Led, Matrix

__all__ = ["SYNTAX", "leds_named"]

SYNTAX = '"all", "row 1", "rows 1-2", "column 3", "columns 2-4", "ring 1", "r1c1", "r1c1-r3c3", joined by "+"'

_LINES = re.compile(r"(row|column|ring)s?\s*(\d+)(?:\s*-\s*(\d+))?")
_BLOCK = re.compile(r"r(\d+)c(\d+)(?:\s*-\s*r(\d+)c(\d+))?")


def leds_named(matrix: Matrix, name: str) -> list[Led]:
    """Return the LEDs of a region; raise ProgramError if it is none or has none."""
    found: dict[int, Led] = {}
    for term in name.lower().split("+"):
        leds = tuple(_leds(matrix, term.strip(), name))
        if not leds:
            raise ProgramError(f"region {name!r}: there is no LED in {term.strip()!r}; {_extent(matrix)}")
        found.update((led.number, led) for led in leds)
    return list(found.values())


def _leds(matrix: Matrix, term: str, name: str) -> Iterable[Led]:
    if term == "all":
        return matrix.all
    if lines := _LINES.fullmatch(term):
        kind, first, last = lines.group(1), int(lines.group(2)), int(lines.group(3) or lines.group(2))
        groups = {"row": matrix.rows, "column": matrix.columns, "ring": matrix.rings}[kind]
        if not 1 <= first <= last <= len(groups):
            raise ProgramError(f"region {name!r}: there is no {term!r}; {_extent(matrix)}")
        return [led for group in groups[first - 1 : last] for led in group]
    if block := _BLOCK.fullmatch(term):
        top, left = int(block.group(1)), int(block.group(2))
        bottom, right = int(block.group(3) or top), int(block.group(4) or left)
        return [led for led in matrix.all if top <= led.row + 1 <= bottom and left <= led.column + 1 <= right]
    raise ProgramError(f"{name!r} is no region; one is {SYNTAX}")


def _extent(matrix: Matrix) -> str:
    rows, columns = matrix.size
    return f"the matrix has {rows} rows, {columns} columns and {len(matrix.rings)} rings"
