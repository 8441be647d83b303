"""SimulatedLeds: LEDs on simulated lines, for programs under test, and assertions on what LEDs show."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from core.device import Device
from core.errors import DeviceUnavailable
from core.program_device import ProgramDevice
from core.sim.lines import SimulatedChip, SimulatedOutputs

__all__ = ["LED_SIZE", "Picture", "SimulatedLed", "SimulatedLeds", "assert_shows", "shown_on_lines"]

LED_SIZE = (5, 5)
"""Rows and columns where a test does not say."""


@dataclass(frozen=True)
class Picture:
    """Be what LEDs showed from `seconds` on: rows of "X" (lit) and "." (dark)."""

    seconds: float
    rows: tuple[str, ...]


class SimulatedLed:
    """Be one LED on a simulated line."""

    def __init__(self, owner: SimulatedLeds, row: int, column: int, line: int) -> None:
        self.row = row
        self.column = column
        self.line = line
        self._owner = owner

    def set(self, value: bool) -> None:
        """Light it or put it out."""
        self._owner.switch([self.line], value)


class LedGroup(Sequence[SimulatedLed]):
    """Be several LEDs that are switched together."""

    def __init__(self, owner: SimulatedLeds, leds: Iterable[SimulatedLed]) -> None:
        self._owner = owner
        self._leds = tuple(leds)

    def __getitem__(self, index: int | slice) -> SimulatedLed | LedGroup:  # type: ignore[override]  # a slice is a group
        """Return an LED, or of a slice a group."""
        return LedGroup(self._owner, self._leds[index]) if isinstance(index, slice) else self._leds[index]

    def __len__(self) -> int:
        """Return how many LEDs there are."""
        return len(self._leds)

    def __iter__(self) -> Iterator[SimulatedLed]:
        """Walk over the LEDs."""
        return iter(self._leds)

    def set(self, value: bool) -> None:
        """Light all or put all out."""
        self._owner.switch([led.line for led in self._leds], value)


class SimulatedLeds(ProgramDevice):
    """Be LEDs in rows on the lines of a simulated chip, for tests of programs.

    It has what programs use of a matrix: `all`, `rows`, `columns`, `row(n)`, `column(n)`, `get(row, column)`. Lines are
    set at once, so that a test sees what a program does in the turn in which it does it. `history` keeps every picture.
    """

    def __init__(self, name: str = "leds", *, rows: int = LED_SIZE[0], columns: int = LED_SIZE[1]) -> None:
        super().__init__(name)
        self.chip = SimulatedChip("simulated", rows * columns)
        self.history: list[Picture] = []
        self._lines: SimulatedOutputs | None = None
        table = [[SimulatedLed(self, row, column, row * columns + column) for column in range(columns)]
                 for row in range(rows)]  # fmt: skip
        self.rows = tuple(LedGroup(self, row) for row in table)
        self.columns = tuple(LedGroup(self, column) for column in zip(*table, strict=True))
        self.all = LedGroup(self, [led for row in table for led in row])

    def row(self, number: int) -> LedGroup:
        """Return a row, from 0."""
        return self.rows[number]

    def column(self, number: int) -> LedGroup:
        """Return a column, from 0."""
        return self.columns[number]

    def get(self, row: int, column: int) -> SimulatedLed:
        """Return one LED; rows and columns count from 0."""
        led = self.rows[row][column]
        if isinstance(led, LedGroup):
            raise TypeError("rows and columns are numbers")
        return led

    async def open(self) -> None:
        """Take the lines."""
        self._lines = self.chip.request_outputs(range(len(self.chip.levels)), consumer=f"core:{self.name}")
        self._lines.watch(self._unplugged)
        self.history.append(Picture(_now(), tuple(self.picture())))

    async def close(self) -> None:
        """Put all out and give the lines back."""
        if self._lines is not None:
            self.switch(range(len(self.chip.levels)), False)
            self._lines.close()
            self._lines = None

    def outputs(self) -> Iterable[SimulatedLed]:
        """Return every LED."""
        return self.all

    def picture(self) -> Sequence[str]:
        """Return what the lines are."""
        return shown_on_lines(self.chip, [[led.line for led in row] for row in self.rows])

    def switch(self, lines: Iterable[int], value: bool) -> None:
        """Set lines, in one call, and keep what is shown then."""
        if self._lines is None:
            return
        self._lines.set_values(dict.fromkeys(lines, value))
        now, rows = _now(), tuple(self.picture())
        # What is there for no time at all is not shown.
        if self.history and self.history[-1].seconds == now:
            self.history.pop()
        if not self.history or self.history[-1].rows != rows:
            self.history.append(Picture(now, rows))

    def _unplugged(self) -> None:
        self._lines = None
        try:
            self.chip.check_present()
        except DeviceUnavailable as error:
            self.lose(error)

    # Assertions

    def assert_shows(self, *rows: str) -> None:
        """Raise AssertionError unless the LEDs show these rows of "X" and "." now."""
        assert_shows(self, *rows)

    def assert_showed(self, *pictures: str | Sequence[str]) -> None:
        """Raise AssertionError unless these pictures were shown, in this order, one right after the other.

        A picture of several rows is a sequence of them, or one text with "/" between them.
        """
        wanted = [tuple(one.split("/")) if isinstance(one, str) else tuple(one) for one in pictures]
        shown = [picture.rows for picture in self.history]
        if not any(shown[at : at + len(wanted)] == wanted for at in range(len(shown) - len(wanted) + 1)):
            raise AssertionError(
                f"{self.name} never showed {_line(wanted)}; it showed "
                + ", ".join(f"{'/'.join(one.rows)} at {one.seconds:g} s" for one in self.history[-50:])
            )


def assert_shows(device: Device, *rows: str) -> None:
    """Raise AssertionError unless a device with a picture shows these rows of "X" (lit) and "." (dark) now."""
    shown = tuple(device.picture())
    if shown != rows:
        raise AssertionError(f"{device.name} shows {_line([shown])}, not {_line([rows])}")


def shown_on_lines(chip: SimulatedChip, rows: Sequence[Sequence[int]], *, active_low: bool = False) -> list[str]:
    """Return what LEDs on the lines of a simulated chip show, by the physical levels; `rows` are numbers of lines."""
    return ["".join("X" if chip.levels[line] is not active_low else "." for line in row) for row in rows]


def _line(pictures: Sequence[Sequence[str]]) -> str:
    return ", ".join("/".join(rows) or "nothing" for rows in pictures)


def _now() -> float:
    return asyncio.get_running_loop().time()
