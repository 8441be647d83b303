"""What core.toml may say of a matrix, and the wiring that follows from it."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

import core
from core.program_device import IfBusyOption
from core.sim.inputs import InputWiring
from plugin_gpio_matrix.chips import SIMULATED
from plugin_gpio_matrix.exit_states import ExitStates
from plugin_gpio_matrix.wiring import Bias, ButtonWiring, Drive, Line, Milliseconds, OutputWiring, Row, Wiring

__all__ = ["SIMULATED_BUTTONS", "Options"]

SIMULATED_BUTTONS = ("left", "right")
"""The buttons that a simulated matrix has unless it is told otherwise."""


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
    drive: Annotated[Drive, Meta(description="how LEDs are driven: push-pull, open-drain or open-source")] = "push-pull"
    bias: Annotated[Bias, Meta(description="bias of the LEDs' lines: as-is, disabled, pull-up or pull-down")] = "as-is"
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

    def wiring(self) -> Wiring:
        """Return which lines are taken, and how."""
        buttons: dict[str, Line | ButtonWiring] | None = self.buttons
        if buttons is None:
            numbers = [line for row in self.lines for line in row if isinstance(line, int)]
            first = max(numbers, default=-1) + 1
            buttons = {}
            if self.chip == SIMULATED:
                buttons.update((name, first + at) for at, name in enumerate(SIMULATED_BUTTONS))
        wired: dict[str, tuple[int | str, InputWiring]] = {}
        for name, given in buttons.items():
            button = given if isinstance(given, ButtonWiring) else ButtonWiring(line=given)
            debounce = self.debounce if button.debounce is None else button.debounce
            wired[name] = (
                button.line,
                InputWiring(
                    active_low=self.button_active_low if button.active_low is None else button.active_low,
                    bias=self.button_bias if button.bias is None else button.bias,
                    debounce=debounce / 1000,
                ),
            )
        output = OutputWiring(active_low=self.active_low, drive=self.drive, bias=self.bias)
        return Wiring(self.lines, output, wired)
