"""The matrix as a device: LEDs as switches, programs, and one call to the lines for each frame."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

import core
from core import ProgramDevice, Switch, SwitchVector, ValueRefused
from core.loop import Loop
from core.sim.unplugging import Simulation
from plugin_gpio_matrix.layout import Group, Layout, Led
from plugin_gpio_matrix.lines import SIMULATED, Lines, open_gpiod, simulated_chip

Line = Annotated[int, Meta(ge=0)] | Annotated[str, Meta(min_length=1)]
Row = Annotated[list[Line], Meta(min_length=1)]

PUBLISH_SECONDS = 0.05
"""The LEDs are told to observers and clients no more often than this."""


class GpioMatrix(ProgramDevice):
    """A matrix of LEDs, each on a line of its own."""

    kind = "matrix"
    leds = SwitchVector("LEDs", group="Matrix", rule="AnyOfMany", members={})

    class Options(core.Options):
        """The options of `[device.<name>]` with `plugin = "gpio-matrix"`."""

        chip: Annotated[str, Meta(description='GPIO chip by label, name or path, or "simulated"')] = SIMULATED
        lines: Annotated[
            list[Row], Meta(min_length=1, description="the line of each LED, row by row, by number or by name")
        ] = msgspec.field(default_factory=lambda: [list(range(5 * row, 5 * row + 5)) for row in range(5)])
        active_low: Annotated[bool, Meta(description="true where a LED shines while its line is low")] = False
        exit_state: Annotated[
            Literal["off", "on", "keep"], Meta(description="what the LEDs are left in at the end: off, on or keep")
        ] = "off"

    options: Options

    def __init__(self, name: str, options: Options | None = None) -> None:
        super().__init__(name, options)
        rows = self.options.lines
        flat = [line for row in rows for line in row]
        if twice := sorted({str(line) for line in flat if flat.count(line) > 1}):
            raise ValueError(f"lines: {', '.join(twice)} stands more than once; each LED has a line of its own")
        self._lines: Lines | None = None
        self._lit: dict[int, bool] = {}
        self._frame: dict[int, bool] = {}
        self._publishing: asyncio.TimerHandle | None = None
        # Until the lines are open, LEDs are known by their place alone; opening finds the offsets.
        self._arrange(
            [[index for index, _ in enumerate(row, start=sum(map(len, rows[:at])))] for at, row in enumerate(rows)]
        )
        self.leds.replace_members({led.name: Switch() for led in self.all})

    # What programs use

    @property
    def rows(self) -> tuple[Group, ...]:
        """Return the rows from top to bottom."""
        return self.layout.rows

    @property
    def columns(self) -> tuple[Group, ...]:
        """Return the columns from left to right."""
        return self.layout.columns

    @property
    def all(self) -> Group:
        """Return every LED, row by row."""
        return self.layout.all

    def row(self, number: int) -> Group:
        """Return a row, from 0."""
        return self.layout.row(number)

    def column(self, number: int) -> Group:
        """Return a column, from 0."""
        return self.layout.column(number)

    def get(self, row: int, column: int) -> Led:
        """Return one LED."""
        return self.layout.get(row, column)

    def ring(self, number: int) -> Group:
        """Return the ring `number` steps from the edge, clockwise."""
        return self.layout.ring(number)

    # What the house uses

    def outputs(self) -> Iterable[Led]:
        """Return every LED."""
        return self.all

    def settle(self) -> None:
        """Set the lines and tell the LEDs now, so that who asks next sees what is true."""
        self._flush()
        self._publish()

    def summary(self) -> str:
        """Say on what the LEDs are."""
        sizes = {len(row) for row in self.rows}
        size = f"{len(self.rows)}x{sizes.pop()}" if len(sizes) == 1 else f"{len(self.all)} LED"
        if self.options.chip == SIMULATED:
            return f"simulated {size} matrix"
        return f"{size} matrix on {self.options.chip}"

    def picture(self) -> Sequence[str]:
        """Return rows in which "X" is a lit LED and "." a dark one."""
        return ["".join("X" if self._lit[led.offset] else "." for led in row) for row in self.rows]

    def simulation(self) -> Simulation | None:
        """Return the simulated chip."""
        return getattr(self._lines, "chip", None)

    async def open(self) -> None:
        """Take the lines, all with one request; raise DeviceUnavailable with chip, line, holder and cure."""
        options = self.options
        consumer = f"core:{self.name}"
        if options.chip == SIMULATED:
            chip = simulated_chip(options.lines)
            offsets = [[int(line) for line in row] for row in options.lines]
            flat = [offset for row in offsets for offset in row]
            self._lines = chip.request_outputs(flat, consumer=consumer, active_low=options.active_low)
        else:
            self._lines, offsets = open_gpiod(
                options.chip, options.lines, consumer=consumer, active_low=options.active_low
            )
        self._arrange(offsets)
        self._publish()

    async def close(self) -> None:
        """Leave the LEDs in their exit state and give the lines back."""
        if self._publishing is not None:
            self._publishing.cancel()
            self._publishing = None
        lines, self._lines = self._lines, None
        self._frame.clear()
        if lines is None:
            return
        try:
            if self.options.exit_state != "keep":
                lit = self.options.exit_state == "on"
                self._lit = dict.fromkeys(self._lit, lit)
                lines.set_values(self._lit)
                self._publish()
        finally:
            lines.close()

    @leds.on_new
    async def set_leds(self, new: dict[str, bool]) -> None:
        """Light what a client has chosen, while no program runs."""
        self.refuse_while_running("LEDs")
        if self._lines is None:
            raise ValueRefused("the matrix is not open")
        places = {led.name: led for led in self.all}
        for name, on in new.items():
            places[name].set(on)

    def _arrange(self, offsets: Sequence[Sequence[int]]) -> None:
        self.layout = Layout(offsets, self._switch)
        self._lit = {led.offset: False for led in self.layout.all}
        self._frame = {}

    def _switch(self, offset: int, value: bool) -> None:
        """Take a change into the frame that goes out when the loop is about to wait."""
        if self._lines is None:
            return
        if not self._frame:
            Loop.current().before_wait(self._flush)
        self._frame[offset] = bool(value)

    def _flush(self) -> None:
        frame, self._frame = self._frame, {}
        changed = {offset: value for offset, value in frame.items() if self._lit[offset] is not value}
        if not changed or self._lines is None:
            return
        self._lit.update(changed)
        try:
            self._lines.set_values(changed)
        except OSError as error:
            self.report_failure(f"{self.name}: setting LEDs", error, self.leds)
            return
        if self._publishing is None:
            self._publish()
            self._publishing = asyncio.get_running_loop().call_later(PUBLISH_SECONDS, self._publish_again)

    def _publish_again(self) -> None:
        self._publishing = None
        if self._publish():
            self._publishing = asyncio.get_running_loop().call_later(PUBLISH_SECONDS, self._publish_again)

    def _publish(self) -> bool:
        """Tell which LEDs differ from what was told last; return whether any did."""
        told: dict[str, bool] = self.leds.values
        changed: dict[str, Any] = {
            led.name: self._lit[led.offset] for led in self.all if told[led.name] is not self._lit[led.offset]
        }
        if changed:
            self.leds.update(changed)
        return bool(changed)
