"""The parts of the view's screen: the device with its LEDs and buttons, the programs, the log."""

from __future__ import annotations

import string
from collections.abc import Sequence
from typing import ClassVar

from rich.markup import escape
from rich.segment import Segment
from rich.style import Style
from rich.table import Table
from rich.text import Text
from textual.containers import Vertical
from textual.strip import Strip
from textual.widget import Widget
from textual.widgets import OptionList, RichLog, Static
from textual.widgets.option_list import Option

from core.cli.specs import printable
from core.cli.view.lamps import Shade, Sprite, drawn, fitting
from core.cli.view.looks import Button, Choice, Look

STOP_KEY, QUIT_KEY = "x", "q"
FASTER_KEYS, SLOWER_KEYS = "+=", "-_"
"""With and without Shift, whatever the keyboard."""
PROGRAM_KEYS = "".join(letter for letter in string.ascii_lowercase if letter not in STOP_KEY + QUIT_KEY)
BUTTON_KEYS = "123456789"
LOG_LINES = 2000
NO_BREAK = "\xa0"


class Lamps(Widget):
    """Be the LEDs of a device, as large as they fit; or its values where it has none."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"lamps--lit", "lamps--dark", "lamps--value"}
    DEFAULT_CSS = """
    Lamps { height: 1fr; min-height: 3; }
    Lamps > .lamps--lit { color: #ff3b30; }
    Lamps > .lamps--dark { color: #47201f; }
    Lamps > .lamps--value { color: $text; }
    Lamps:light > .lamps--lit { color: #d70015; }
    Lamps:light > .lamps--dark { color: #e0c9c7; }
    """

    def __init__(self) -> None:
        super().__init__(id="lamps")
        self._look = Look("")
        self._lines: list[Strip] = []
        self._drawn_for: object = None

    def show(self, look: Look) -> None:
        """Show a device."""
        if (look.rows, look.values) != (self._look.rows, self._look.values):
            self._look = look
            self.refresh()

    def render_line(self, y: int) -> Strip:
        """Return a line; all of them are made anew when something has changed."""
        room = self.size
        drawn_for = (self._look, room, self.app.theme)
        if drawn_for != self._drawn_for:
            self._lines = self._made(room.width, room.height)
            self._drawn_for = drawn_for
        return self._lines[y] if y < len(self._lines) else Strip.blank(room.width, self.rich_style)

    def _made(self, width: int, height: int) -> list[Strip]:
        rows, base = self._look.rows, self.rich_style
        if not rows:
            style = self.get_component_rich_style("lamps--value")
            strips = [Strip([Segment(value, style)]) for value in self._look.values]
            return [strip.adjust_cell_length(width, base) for strip in strips]
        sprite = fitting(rows, width, height)
        styles = self._styles(base)
        pieces = drawn(rows, sprite, colours=not self.app.no_color)
        left = " " * max((width - _width(rows, sprite)) // 2, 0)
        above = max((height - len(pieces)) // 2, 0)
        strips = [
            Strip([Segment(left, base), *(Segment(text, styles[shade]) for text, shade in line)]) for line in pieces
        ]
        blank = Strip.blank(width, base)
        return [blank] * above + [strip.adjust_cell_length(width, base) for strip in strips]

    def _styles(self, base: Style) -> dict[Shade, Style]:
        lit, dark = (self.get_component_rich_style(f"lamps--{name}") for name in ("lit", "dark"))
        return {
            "lit": lit,
            "dark": dark,
            "none": base,
            "lit on dark": Style(color=lit.color, bgcolor=dark.color),
            "dark on lit": Style(color=dark.color, bgcolor=lit.color),
            "lit on none": lit,
            "dark on none": dark,
        }


class DevicePanel(Vertical):
    """Be one device: its LEDs, what it does, and its buttons."""

    DEFAULT_CSS = """
    DevicePanel { border: round $foreground 35%; border-title-color: $text; padding: 0 1; }
    DevicePanel #doing { height: auto; max-height: 3; text-align: center; }
    DevicePanel #buttons { height: auto; max-height: 4; }
    """

    def __init__(self) -> None:
        self._lamps = Lamps()
        self._doing = Static(id="doing")
        self._buttons = Static(id="buttons")
        super().__init__(self._lamps, self._doing, self._buttons, id="device")
        self._look: Look | None = None

    def show(self, look: Look) -> None:
        """Show a device."""
        self._lamps.show(look)
        before, self._look = self._look, look
        if before is None or _told(before) != _told(look):
            self.border_title = escape(printable(look.name))
            self._doing.update(_doing(look))
        if before is None or before.buttons != look.buttons:
            self._buttons.update(_buttons(look.buttons))
            self._buttons.display = bool(look.buttons)


class ProgramList(OptionList):
    """Be the programs of a device, each with its key and what it does."""

    DEFAULT_CSS = """
    ProgramList { border: round $foreground 35%; border-title-color: $text; padding: 0 1; background: $background; }
    ProgramList:focus { border: round $accent; background-tint: transparent; }
    ProgramList { scrollbar-size-vertical: 1; }
    ProgramList > .option-list--option-highlighted, ProgramList:focus > .option-list--option-highlighted {
        background: $foreground 12%; color: $text; text-style: none;
    }
    """

    def __init__(self) -> None:
        super().__init__(id="programs")
        self.border_title = "programs"
        self._shown: tuple[tuple[Choice, ...], str | None] = (), None

    def show(self, look: Look) -> None:
        """Show the programs of a device, and which of them runs."""
        programs, running = self._shown
        if (programs, running) == (look.programs, look.program):
            return
        self._shown = look.programs, look.program
        if programs != look.programs:
            self.clear_options()
            self.add_options([Option(_program(number, one, look.program)) for number, one in enumerate(look.programs)])
            names = [one.name for one in look.programs]
            if names:
                self.highlighted = names.index(look.program) if look.program in names else 0
            return
        for number, one in enumerate(look.programs):
            if one.name in (running, look.program):
                self.replace_option_prompt_at_index(number, _program(number, one, look.program))

    def name_at(self, number: int) -> str | None:
        """Return the name of a program by its place, None where there is none."""
        programs = self._shown[0]
        return programs[number].name if 0 <= number < len(programs) else None


class LogPanel(RichLog):
    """Be the newest lines of the log."""

    DEFAULT_CSS = """
    LogPanel { border: round $foreground 35%; border-title-color: $text; padding: 0 1; background: $background; }
    LogPanel { scrollbar-size-vertical: 1; }
    LogPanel:focus { border: round $accent; background-tint: transparent; }
    """

    def __init__(self) -> None:
        super().__init__(id="log", max_lines=LOG_LINES, wrap=True, min_width=0)
        self.border_title = "log"

    def say(self, line: str) -> None:
        """Show a line more."""
        style = ""
        if "ERROR " in line or "CRITICAL " in line:
            style = "bold red"
        elif "WARNING " in line:
            style = "yellow"
        self.write(Text(printable(line.rstrip("\n")), style=style))


def _width(rows: Sequence[str], sprite: Sprite | None) -> int:
    return max(map(len, rows), default=0) * (sprite.width if sprite is not None else 1)


def _told(look: Look) -> object:
    """Return what is said of a device beside its LEDs and buttons."""
    return look.name, look.program, look.trouble, look.programs, look.speed


def _doing(look: Look) -> Text:
    if look.trouble:
        return Text(look.trouble, style="bold red")
    if look.program is not None:
        speed = f" {look.speed.factor:g}x" if look.speed is not None and look.speed.factor != 1 else ""
        return Text.assemble(("▶ ", "bold green"), (printable(look.program), "bold"), (speed, "bold cyan"))
    return Text("no program runs" if look.programs else "", style="dim")


def _program(number: int, program: Choice, running: str | None) -> Table:
    runs = program.name == running
    key = PROGRAM_KEYS[number] if number < len(PROGRAM_KEYS) else ""
    table = Table.grid(padding=(0, 1), expand=True)
    table.add_column(width=1)
    table.add_column(width=1)
    table.add_column(ratio=1)
    name = Text(printable(program.name), style="bold green" if runs else "bold")
    table.add_row(Text("▶" if runs else "", style="bold green"), Text(key, style="bold cyan"), name)
    if program.description:
        table.add_row("", "", Text(program.description, style="dim"))
    return table


def _buttons(buttons: Sequence[Button]) -> Text:
    text = Text(justify="center")
    for number, button in enumerate(buttons):
        if number:
            text.append("   ")
        label = button.label.replace(" ", NO_BREAK)
        if button.pressable and number < len(BUTTON_KEYS):
            text.append(f"{BUTTON_KEYS[number]}{NO_BREAK}", style="bold cyan")
        text.append(f"{NO_BREAK}{label}{NO_BREAK}", style="reverse bold" if button.pressed else "underline")
    return text
