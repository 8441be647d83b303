"""The matrix as a device: LEDs as switches, programs, and one call to the lines for each frame."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Iterable, Sequence
from typing import Annotated, Any

import msgspec
from msgspec import Meta

import core
from core import ProgramDevice, Switch, SwitchVector, ValueRefused
from core.loop import Loop
from core.program_device import IfBusyOption
from core.sim.inputs import InputWiring
from core.sim.unplugging import Simulation
from plugin_gpio_matrix.buttons import Button
from plugin_gpio_matrix.chips import SIMULATED
from plugin_gpio_matrix.exit_states import ExitState, ExitStates, exit_states
from plugin_gpio_matrix.holding import Holder
from plugin_gpio_matrix.layout import Group, Layout, Led
from plugin_gpio_matrix.lines import Lines, OpenLines, chip_gone, simulated_chip, take_lines
from plugin_gpio_matrix.wiring import Bias, ButtonWiring, Drive, Line, Milliseconds, OutputWiring, Row, Wiring

PUBLISH_SECONDS = 0.05
"""The LEDs are told to observers and clients no more often than this."""

SIMULATED_BUTTONS = ("left", "right")
"""The buttons that a simulated matrix has unless it is told otherwise."""


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
            ExitStates,
            Meta(
                description="what the LEDs are left in at the end: off, on or keep, "
                'or a table by LED, as in { all = "off", r1c1 = "keep" }'
            ),
        ] = "off"
        hold: Annotated[
            bool,
            Meta(
                description="true for a small process that holds the lines after the end, so that on and keep last; "
                "false leaves them to the kernel"
            ),
        ] = False
        drive: Annotated[Drive, Meta(description="how LEDs are driven: push-pull, open-drain or open-source")] = (
            "push-pull"
        )
        bias: Annotated[Bias, Meta(description="bias of the LEDs' lines: as-is, disabled, pull-up or pull-down")] = (
            "as-is"
        )
        buttons: Annotated[
            dict[Annotated[str, Meta(min_length=1)], Line | ButtonWiring] | None,
            Meta(
                description="the line of each button by its name, as in { left = 5, right = 6 }, or a table with line, "
                "active_low, bias and debounce; left out, a simulated matrix has the buttons left and right"
            ),
        ] = None
        button_active_low: Annotated[
            bool, Meta(description="true where buttons connect their line to ground, as most do")
        ] = True
        button_bias: Annotated[
            Bias, Meta(description="bias of the buttons' lines: as-is, disabled, pull-up or pull-down")
        ] = "pull-up"
        debounce: Annotated[
            Milliseconds, Meta(description="for how many milliseconds a button has to be still, 0 for none")
        ] = 10
        if_busy: IfBusyOption = "take-over"

    options: Options

    def __init__(self, name: str, options: Options | None = None) -> None:
        super().__init__(name, options)
        rows = self.options.lines
        self.wiring = self._wired(self.options)
        used = [str(line) for line in self.wiring.all_lines]
        if twice := sorted({line for line in used if used.count(line) > 1}):
            raise ValueError(
                f"lines: {', '.join(twice)} stands more than once; each LED and button has a line of its own"
            )
        self.buttons = {
            name: Button(name, self, simulated=self.options.chip == SIMULATED) for name in self.wiring.buttons
        }
        self._holder: Holder | None = None
        # The same through all openings, as a chip on a desk.
        self._simulated = simulated_chip(self.wiring) if self.options.chip == SIMULATED else None
        self._open_lines: OpenLines | None = None
        self._lines: Lines | None = None
        self._lit: dict[int, bool] = {}
        self._frame: dict[int, bool] = {}
        self._publishing: asyncio.TimerHandle | None = None
        # Until the lines are open, LEDs are known by their place alone; opening finds the offsets.
        self._arrange(
            [[index for index, _ in enumerate(row, start=sum(map(len, rows[:at])))] for at, row in enumerate(rows)]
        )
        self._exit_states_by_name = exit_states(self.options.exit_state, [led.name for led in self.all])
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
        return self._simulated

    async def open(self) -> None:
        """Take the lines, all with one request; raise DeviceUnavailable with chip, line, holder and cure."""
        opened = self._open_lines = await take_lines(
            self._simulated or self.options.chip, self.wiring, consumer=self._consumer
        )
        self._lines = opened.outputs
        self._arrange(opened.leds)
        opened.outputs.watch(self._chip_has_gone)
        if self.options.hold and opened.request is not None:
            self._holder = Holder(*opened.request, self._exit_states(), self._consumer)
        if opened.inputs is not None:
            pressed = opened.inputs.get_values()
            for name, offset in opened.buttons.items():
                self.buttons[name].connect(opened.inputs, offset, pressed[offset])
            opened.inputs.watch(self._read_buttons)
        self._publish()

    async def close(self) -> None:
        """Leave the LEDs in their exit state and give the lines back."""
        if self._publishing is not None:
            self._publishing.cancel()
            self._publishing = None
        for button in self.buttons.values():
            button.disconnect()
        opened, self._open_lines = self._open_lines, None
        lines, self._lines = self._lines, None
        self._frame.clear()
        if opened is None:
            return
        try:
            if lines is not None:
                final = {offset: state == "on" for offset, state in self._exit_states().items() if state != "keep"}
                self._lit.update(final)
                if final:
                    lines.set_values(final)
                self._publish()
        finally:
            opened.close()
            holder, self._holder = self._holder, None
            if holder is not None and (told := holder.leave(lost=lines is None)):
                self.message(f"{self.name}: {told}")

    @leds.on_new
    async def set_leds(self, new: dict[str, bool]) -> None:
        """Light what a client has chosen, while no program runs."""
        self.refuse_while_running("LEDs")
        if self._lines is None:
            raise ValueRefused("the matrix is not open")
        places = {led.name: led for led in self.all}
        for name, on in new.items():
            places[name].set(on)

    @property
    def _consumer(self) -> str:
        return f"core:{self.name}"

    def _exit_states(self) -> dict[int, ExitState]:
        return {led.offset: self._exit_states_by_name[led.name] for led in self.all}

    @staticmethod
    def _wired(options: Options) -> Wiring:
        buttons: dict[str, Line | ButtonWiring] | None = options.buttons
        if buttons is None:
            numbers = [line for row in options.lines for line in row if isinstance(line, int)]
            first = max(numbers, default=-1) + 1
            buttons = {}
            if options.chip == SIMULATED:
                buttons.update((name, first + at) for at, name in enumerate(SIMULATED_BUTTONS))
        wired: dict[str, tuple[int | str, InputWiring]] = {}
        for name, given in buttons.items():
            button = given if isinstance(given, ButtonWiring) else ButtonWiring(line=given)
            debounce = options.debounce if button.debounce is None else button.debounce
            wired[name] = (
                button.line,
                InputWiring(
                    active_low=options.button_active_low if button.active_low is None else button.active_low,
                    bias=options.button_bias if button.bias is None else button.bias,
                    debounce=debounce / 1000,
                ),
            )
        output = OutputWiring(active_low=options.active_low, drive=options.drive, bias=options.bias)
        return Wiring(options.lines, output, wired)

    def _read_buttons(self) -> None:
        opened = self._open_lines
        if opened is None or opened.inputs is None:
            return
        try:
            edges = opened.inputs.read_edges()
        except OSError as error:
            self._lose(error)
            return
        names = {offset: name for name, offset in opened.buttons.items()}
        for edge in edges:
            self.buttons[names[edge.offset]].take(edge)

    def _chip_has_gone(self) -> None:
        if self._open_lines is not None:
            self._lose(chip_gone(self._open_lines.title))

    def _lose(self, error: OSError) -> None:
        """Give up lines that fail: the device is closed, and opened again when the chip is back."""
        if self._lines is not None:
            self._lines = None
            self.lose(error)

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
            if error.errno == errno.ENODEV:
                self._lose(error)
            else:
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
