"""The layout of a matrix: LEDs in rows, and the groups of them that programs use."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Led:
    """Be one LED; rows and columns count from 0."""

    row: int
    column: int
    offset: int
    switch: Callable[[int, bool], None]

    @property
    def name(self) -> str:
        """Return its name in INDI, "r1c1" for the LED at the top left."""
        return f"r{self.row + 1}c{self.column + 1}"

    def set(self, value: bool) -> None:
        """Light it or put it out, with all other changes of this instant."""
        self.switch(self.offset, value)


class Group(Sequence[Led]):
    """Be several LEDs that are switched together, in an order that `walk` and `cycle` follow."""

    def __init__(self, leds: Sequence[Led]) -> None:
        self._leds = tuple(leds)

    def __getitem__(self, index: int | slice) -> Led | Group:  # type: ignore[override]  # a slice is a group again
        """Return an LED, or of a slice a group."""
        return Group(self._leds[index]) if isinstance(index, slice) else self._leds[index]

    def __len__(self) -> int:
        """Return how many LEDs there are."""
        return len(self._leds)

    def __iter__(self) -> Iterator[Led]:
        """Walk over the LEDs."""
        return iter(self._leds)

    def set(self, value: bool) -> None:
        """Light all or put all out."""
        for led in self._leds:
            led.set(value)


class Layout:
    """Be LEDs in rows, which may be of different lengths."""

    def __init__(self, offsets: Sequence[Sequence[int]], switch: Callable[[int, bool], None]) -> None:
        self.rows = tuple(
            Group([Led(row, column, offset, switch) for column, offset in enumerate(line)])
            for row, line in enumerate(offsets)
        )
        width = max((len(row) for row in self.rows), default=0)
        self.columns = tuple(
            Group([led for row in self.rows for led in row if led.column == column]) for column in range(width)
        )
        self.all = Group([led for row in self.rows for led in row])

    def row(self, number: int) -> Group:
        """Return a row; negative numbers count from the bottom."""
        return self.rows[number]

    def column(self, number: int) -> Group:
        """Return a column; negative numbers count from the right."""
        return self.columns[number]

    def get(self, row: int, column: int) -> Led:
        """Return one LED; raise LookupError where there is none."""
        for led in self.rows[row]:
            if led.column == column:
                return led
        raise LookupError(f"there is no LED in row {row}, column {column}")

    def ring(self, number: int) -> Group:
        """Return the ring that is `number` steps from the edge, clockwise from its top left LED."""
        last_row, last_column = len(self.rows) - 1 - number, len(self.columns) - 1 - number
        if number < 0 or last_row < number or last_column < number:
            raise LookupError(f"there is no ring {number}")
        top = [(number, column) for column in range(number, last_column + 1)]
        right = [(row, last_column) for row in range(number + 1, last_row + 1)]
        bottom = [(last_row, column) for column in range(last_column - 1, number - 1, -1)] if last_row > number else []
        left = [(row, number) for row in range(last_row - 1, number, -1)] if last_column > number else []
        places = {(led.row, led.column): led for led in self.all}
        return Group([places[place] for place in (*top, *right, *bottom, *left) if place in places])
