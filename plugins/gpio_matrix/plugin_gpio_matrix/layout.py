"""The layout of a matrix: LEDs in rows, and the groups of them that programs use."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, overload

if TYPE_CHECKING:
    from plugin_gpio_matrix.buttons import Button

__all__ = ["LIT", "Group", "Led", "Matrix", "rows_of_leds"]

LIT = "X"
"""What a lit LED is in a picture; anything else is dark."""

M = TypeVar("M", bound="Matrix")


@dataclass(frozen=True, eq=False, slots=True)
class Led:
    """Be one LED; rows and columns count from 0, `number` is the same wherever it is looked at from."""

    row: int
    column: int
    number: int
    switch: Callable[[int, bool], None]

    @property
    def name(self) -> str:
        """Return its name in INDI, "r1c1" for the LED at the top left."""
        return f"r{self.row + 1}c{self.column + 1}"

    def set(self, value: bool) -> None:
        """Light it or put it out, with all other changes of this instant."""
        self.switch(self.number, value)

    def moved(self, rows: int, columns: int) -> Led:
        """Return the same LED at another place."""
        return Led(self.row + rows, self.column + columns, self.number, self.switch)


class Group(Sequence[Led]):
    """Be several LEDs that are switched together, in an order that `walk` and `cycle` follow."""

    def __init__(self, leds: Iterable[Led]) -> None:
        self._leds = tuple(leds)

    @overload
    def __getitem__(self, index: int) -> Led: ...
    @overload
    def __getitem__(self, index: slice) -> Group: ...
    def __getitem__(self, index: int | slice) -> Led | Group:
        """Return an LED, or of a slice a group."""
        return Group(self._leds[index]) if isinstance(index, slice) else self._leds[index]

    def __len__(self) -> int:
        """Return how many LEDs there are."""
        return len(self._leds)

    def __iter__(self) -> Iterator[Led]:
        """Walk over the LEDs."""
        return iter(self._leds)

    def __add__(self, other: Iterable[Led]) -> Group:
        """Return the LEDs of both, each once, in their order."""
        return Group({(led.number, led.switch): led for led in (*self._leds, *other)}.values())

    @property
    def reversed(self) -> Group:
        """Return the same LEDs in the opposite order; any number of programs may walk over it, any number of times."""
        return Group(self._leds[::-1])

    def set(self, value: bool) -> None:
        """Light all or put all out."""
        for led in self._leds:
            led.set(value)

    def __repr__(self) -> str:
        return f"<{' '.join(led.name for led in self._leds) or 'no LED'}>"


class Matrix:
    """Be LEDs in rows and columns, with gaps where there are none: a whole matrix, a part of one, or several together.

    Programs act on it, and need not know which of these it is. Rows may be of different lengths.
    """

    rows: tuple[Group, ...]
    """The rows from top to bottom, each from left to right."""
    columns: tuple[Group, ...]
    """The columns from left to right, each from top to bottom."""
    all: Group
    """Every LED, row by row."""
    buttons: Mapping[str, Button]
    """The buttons by name."""

    def __init__(self, leds: Iterable[Led], buttons: Mapping[str, Any] | None = None) -> None:
        self.lay_out(leds)
        self.buttons = buttons or {}

    def lay_out(self, leds: Iterable[Led]) -> None:
        """Take the LEDs; their places say which rows and columns there are."""
        self.all = Group(sorted(leds, key=lambda led: (led.row, led.column)))
        self._places = {(led.row, led.column): led for led in self.all}
        height = max((led.row for led in self.all), default=-1) + 1
        width = max((led.column for led in self.all), default=-1) + 1
        self.rows = tuple(Group([led for led in self.all if led.row == row]) for row in range(height))
        self.columns = tuple(Group([led for led in self.all if led.column == column]) for column in range(width))

    @property
    def size(self) -> tuple[int, int]:
        """Return the number of rows and the number of columns."""
        return len(self.rows), len(self.columns)

    def row(self, number: int) -> Group:
        """Return a row; negative numbers count from the bottom."""
        return self.rows[number]

    def column(self, number: int) -> Group:
        """Return a column; negative numbers count from the right."""
        return self.columns[number]

    def get(self, row: int, column: int) -> Led:
        """Return one LED; raise LookupError where there is none."""
        led = self.find(row, column)
        if led is None:
            raise LookupError(f"there is no LED in row {row}, column {column}")
        return led

    def find(self, row: int, column: int) -> Led | None:
        """Return one LED, or None where there is none; negative numbers count from the bottom and the right."""
        height, width = self.size
        return self._places.get((row + height if row < 0 else row, column + width if column < 0 else column))

    def at(self, places: Iterable[tuple[int, int]]) -> Group:
        """Return the LEDs at these rows and columns, in this order; places without one are left out."""
        return Group([led for row, column in places if (led := self.find(row, column)) is not None])

    @overload
    def __getitem__(self, index: int) -> Group: ...
    @overload
    def __getitem__(self, index: tuple[int, int]) -> Led: ...
    @overload
    def __getitem__(self, index: slice | tuple[slice, slice | int] | tuple[int, slice]) -> Matrix: ...
    def __getitem__(self, index: Any) -> Group | Led | Matrix:
        """Return a row, `[row, column]` an LED, and with slices a part: `[1:3]`, `[:, 0]`, `[1:-1, ::2]`.

        A part counts its rows and columns from 0; a step closes up what it leaves out.
        """
        if isinstance(index, int):
            return self.row(index)
        rows, columns = index if isinstance(index, tuple) else (index, slice(None))
        if isinstance(rows, int) and isinstance(columns, int):
            return self.get(rows, columns)
        height, width = self.size
        chosen_rows, chosen_columns = _chosen(rows, height), _chosen(columns, width)
        leds = []
        for new_row, row in enumerate(chosen_rows):
            for new_column, column in enumerate(chosen_columns):
                if (led := self.find(row, column)) is not None:
                    leds.append(led.moved(new_row - row, new_column - column))
        return Matrix(leds, self.buttons)

    def part(self, leds: Iterable[Led]) -> Matrix:
        """Return some of the LEDs as a matrix, at their places relative to each other."""
        listed = tuple(leds)
        top, left = min((led.row for led in listed), default=0), min((led.column for led in listed), default=0)
        return Matrix([led.moved(-top, -left) for led in listed], self.buttons)

    def ring(self, number: int) -> Group:
        """Return the ring that is `number` steps from the edge, clockwise from its top left LED."""
        height, width = self.size
        last_row, last_column = height - 1 - number, width - 1 - number
        if number < 0 or last_row < number or last_column < number:
            raise LookupError(f"there is no ring {number}")
        top = [(number, column) for column in range(number, last_column + 1)]
        right = [(row, last_column) for row in range(number + 1, last_row + 1)]
        bottom = [(last_row, column) for column in range(last_column - 1, number - 1, -1)] if last_row > number else []
        left = [(row, number) for row in range(last_row - 1, number, -1)] if last_column > number else []
        return self.at((*top, *right, *bottom, *left))

    @property
    def rings(self) -> tuple[Group, ...]:
        """Return all rings from the edge to the middle, those without an LED left out."""
        number = (min(self.size) + 1) // 2
        return tuple(ring for ring in map(self.ring, range(number)) if ring)

    @property
    def diagonals(self) -> tuple[Group, ...]:
        """Return what falls to the right, from the lower left corner to the upper right, each from its top."""
        height, width = self.size
        lines = [[(row, row + shift) for row in range(max(0, -shift), height)] for shift in range(1 - height, width)]
        return tuple(group for line in lines if (group := self.at(one for one in line if one[1] < width)))

    @property
    def antidiagonals(self) -> tuple[Group, ...]:
        """Return what falls to the left, from the upper left corner to the lower right, each from its top."""
        height, width = self.size
        lines = [
            [(row, total - row) for row in range(min(total, height - 1) + 1)] for total in range(height + width - 1)
        ]
        return tuple(group for line in lines if (group := self.at(one for one in line if one[1] < width)))

    def drawn(self, picture: Sequence[str], row: int = 0, column: int = 0) -> Group:
        """Return the LEDs under the "X" of a picture whose top left corner lies at a row and column, below 0 too.

        A picture is a list of strings, such as ["X.X", ".X."]; what lies outside of the matrix is left out.
        """
        height, width = self.size
        places = [
            (row + down, column + right)
            for down, line in enumerate(picture)
            for right, one in enumerate(line)
            if one == LIT and 0 <= row + down < height and 0 <= column + right < width
        ]
        return self.at(places)

    def beside(self, other: Matrix) -> Matrix:
        """Return this matrix and another one on its right as one, with the buttons of both."""
        return Matrix(
            [*self.all, *(led.moved(0, self.size[1]) for led in other.all)], {**other.buttons, **self.buttons}
        )

    def above(self, other: Matrix) -> Matrix:
        """Return this matrix and another one below it as one, with the buttons of both."""
        return Matrix(
            [*self.all, *(led.moved(self.size[0], 0) for led in other.all)], {**other.buttons, **self.buttons}
        )


def rows_of_leds(lengths: Sequence[int], switch: Callable[[int, bool], None]) -> list[Led]:
    """Return the LEDs of rows of these lengths, numbered from 0 row by row."""
    places = [(row, column) for row, length in enumerate(lengths) for column in range(length)]
    return [Led(row, column, number, switch) for number, (row, column) in enumerate(places)]


def _chosen(index: int | slice, length: int) -> Sequence[int]:
    if isinstance(index, slice):
        return range(length)[index]
    return [range(length)[index]]
