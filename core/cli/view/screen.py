"""The view as an application of Textual: a device beside its programs, and the log below."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable, Coroutine
from typing import Any, ClassVar

from rich.text import Text
from textual import events
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.widgets import OptionList, Static

from core.cli.specs import printable
from core.cli.view.instance import RunningInstance
from core.cli.view.looks import Look
from core.cli.view.panels import (
    BUTTON_KEYS,
    FASTER_KEYS,
    PROGRAM_KEYS,
    QUIT_KEY,
    SLOWER_KEYS,
    STOP_KEY,
    DevicePanel,
    LogPanel,
    ProgramList,
)
from core.client import ClientError

REDRAW_SECONDS = 0.04
DARK, LIGHT = "textual-dark", "textual-light"
NARROW, LOW = 60, 18
"""Below so many columns the programs stand under the device; below so many lines there is no log."""


class ViewApp(App[str]):
    """Show a running instance until it ends or Ctrl-C comes; then `return_value` is why, or None.

    With `stays`, it waits for an instance that goes away, and shows what that says as log lines; without, those come
    by `say`.
    """

    TITLE = "core"
    ENABLE_COMMAND_PALETTE = False
    ALLOW_SELECT = False
    CSS = """
    Screen { background: $background; }
    #title { height: 1; padding: 0 1; background: $panel; color: $text; }
    #keys { height: 1; padding: 0 1; background: $panel; color: $text; }
    #main { height: 1fr; }
    #device { width: 32; height: 1fr; }
    #programs { width: 1fr; height: 1fr; }
    #log { height: 7; }
    .lost #lamps { opacity: 40%; }
    .narrow #main { layout: vertical; }
    .idle #programs, .narrow.low #programs { display: none; }
    .low #log { display: none; }
    .logged #main { display: none; }
    .logged #log { display: block; height: 1fr; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(STOP_KEY, "stop"),
        Binding("tab", "next_device(1)", priority=True),
        Binding("shift+tab", "next_device(-1)", priority=True),
        Binding("f2", "change_theme"),
        Binding("f3", "show_log"),
        # Textual would only say how to quit.
        Binding(f"ctrl+c,{QUIT_KEY},ctrl+q", "quit", priority=True),
        Binding("ctrl+z", "suspend_process", priority=True),
    ]

    def __init__(self, instance: RunningInstance, *, stays: bool) -> None:
        super().__init__()
        self.theme = theme_of(os.environ.get("COLORFGBG", ""))
        self._instance = instance
        self._stays = stays
        self._looks: list[Look] = []
        self._chosen = ""
        self._redrawing = False
        self._lines: tuple[Text, Text] | None = None
        self._arranged: object = None
        self._end_observing: Callable[[], None] = lambda: None
        self._title = Static(id="title")
        self._device = DevicePanel()
        self._programs = ProgramList()
        self._log_panel = LogPanel()
        self._keys = Static(id="keys")

    def compose(self) -> ComposeResult:
        """Return the parts."""
        yield self._title
        with Horizontal(id="main"):
            yield self._device
            yield self._programs
        yield self._log_panel
        yield self._keys

    def on_mount(self) -> None:
        """Begin to follow the instance."""
        self._programs.focus()
        # What the client calls runs in its task; only by a message of its own is it Textual's turn.
        self._end_observing = self._instance.observe(
            self._take_note,
            (lambda line: self.call_later(self.say, f"{time.strftime('%H:%M:%S')} {line}"))
            if self._stays
            else lambda _: None,
            lambda reason: self.call_later(self.exit, reason),
        )
        self._redraw()

    def on_unmount(self) -> None:
        """Follow it no more."""
        self._end_observing()

    def say(self, line: str) -> None:
        """Show a line in the log."""
        self._log_panel.say(line)

    def on_resize(self, event: events.Resize) -> None:
        """Leave out what there is no room for."""
        self.screen.set_class(event.size.width < NARROW, "narrow")
        self.screen.set_class(event.size.height < LOW, "low")
        self._arrange()

    def on_key(self, event: events.Key) -> None:
        """Start programs by letters, press buttons by digits, and change the speed."""
        key = event.character or ""
        look = self._look
        if look is None or len(key) != 1:
            return
        if key in FASTER_KEYS + SLOWER_KEYS and look.speed is not None:
            factor = look.speed.next(1 if key in FASTER_KEYS else -1)
            self._do("speed", self._instance.change_speed(look.name, factor))
        elif key in PROGRAM_KEYS and (name := self._programs.name_at(PROGRAM_KEYS.index(key))) is not None:
            self._programs.highlighted = PROGRAM_KEYS.index(key)  # so that it is seen where the list is long
            self._do(f"program {name}", self._instance.choose(look.name, name))
        elif key in BUTTON_KEYS and BUTTON_KEYS.index(key) < len(look.buttons):
            button = look.buttons[BUTTON_KEYS.index(key)]
            if button.pressable:
                self._do(f"button {button.name}", self._instance.press(look.name, button.name))
            else:
                self.notify(
                    "it is not a simulated one; a finger has to do it", title=f"button {button.name}", markup=False
                )

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Start the program that Enter or a click has chosen."""
        name = self._programs.name_at(event.option_index)
        if name is not None and self._look is not None:
            self._do(f"program {name}", self._instance.choose(self._look.name, name))

    def action_stop(self) -> None:
        """End the program that runs."""
        if self._look is not None and self._look.programs:
            self._do("stop", self._instance.choose(self._look.name, None))

    def action_next_device(self, step: int) -> None:
        """Show the next device, or the one before."""
        names = [look.name for look in self._looks]
        if names:
            place = names.index(self._chosen) if self._chosen in names else 0
            self.action_device(names[(place + step) % len(names)])

    def action_device(self, name: str) -> None:
        """Show a device."""
        self._chosen = name
        self._redraw()

    def action_change_theme(self) -> None:
        """Change between light and dark."""
        self.theme = LIGHT if self.theme == DARK else DARK

    def action_show_log(self) -> None:
        """Give the log all the room, or take it back."""
        large = not self.screen.has_class("logged")
        self.screen.set_class(large, "logged")
        (self._log_panel if large else self._programs).focus()

    def action_suspend_process(self) -> None:
        """Stop as Ctrl-Z does: not this process alone, but all that belongs to the command."""
        if self._driver is not None and self._driver.can_suspend:
            # The terminal first, since the shell takes it as soon as the others have stopped.
            with self.suspend():
                os.killpg(os.getpgrp(), signal.SIGTSTP)

    @property
    def _look(self) -> Look | None:
        return next((look for look in self._looks if look.name == self._chosen), None)

    def _do(self, what: str, work: Coroutine[Any, Any, None]) -> None:
        self.run_worker(self._tried(what, work), group="commands", exit_on_error=False)

    async def _tried(self, what: str, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except ClientError as error:
            self.notify(printable(str(error)), title=what, severity="error", markup=False)

    def _take_note(self) -> None:
        if not self._redrawing:
            self._redrawing = True
            asyncio.get_running_loop().call_later(REDRAW_SECONDS, self.call_later, self._redraw)

    def _redraw(self) -> None:
        self._redrawing = False
        self._looks = self._instance.looks()
        look = self._look
        if look is None and self._looks:
            look = self._looks[0]
            self._chosen = look.name
        self.screen.set_class(not self._instance.connected, "lost")
        # Texts and sizes only where they differ: each costs a new layout, and LEDs change many times a second.
        if (lines := (self._heading(), _keys(self._looks, look))) != self._lines:
            self._lines = lines
            self._title.update(lines[0])
            self._keys.update(lines[1])
        if look is not None:
            self._device.show(look)
            self._programs.show(look)
            self.screen.set_class(not look.programs, "idle")
            self._arrange()

    def _heading(self) -> Text:
        text = Text(no_wrap=True, overflow="ellipsis")
        text.append("core ", style="bold")
        text.append(printable(self._instance.where))
        if not self._instance.connected:
            text.append("  waiting for it to come back", style="bold red")
        for look in self._looks if len(self._looks) > 1 else ():
            style = "reverse" if look.name == self._chosen else ""
            text.append("  ")
            text.append(f" {printable(look.name)} ", style=style)
        return text

    def _arrange(self) -> None:
        """Give the device two fifths of the width, up to three where its LEDs need that."""
        look, width = self._look, self.size.width
        if look is None:
            return
        columns = max(map(len, look.rows), default=0)
        if (arranged := (self.size, columns, len(look.rows), bool(look.programs))) == self._arranged:
            return
        self._arranged = arranged
        device = self._device
        if width < NARROW:
            device.styles.width = "1fr"
            low = self.size.height < LOW or not look.programs
            device.styles.height = "1fr" if low else max(len(look.rows) + 4, self.size.height * 2 // 5)
            return
        device.styles.height = "1fr"
        needed = next((columns * one + 4 for one in (4, 2, 1) if columns * one + 4 <= width * 3 // 5), width * 3 // 5)
        device.styles.width = max(needed, width * 2 // 5) if look.programs else "1fr"


def _keys(looks: list[Look], shown: Look | None) -> Text:
    """Return what the keys do, of those that do something."""
    # First what has to be known also where the line is cut.
    keys = [("Ctrl-C", "end")]
    if shown is not None and shown.programs:
        keys += [("a-z", "run"), (STOP_KEY, "stop")]
    if shown is not None and any(button.pressable for button in shown.buttons):
        keys.append(("1-9", "press"))
    if shown is not None and shown.speed is not None:
        keys.append((f"{FASTER_KEYS[0]} {SLOWER_KEYS[0]}", "speed"))
    if len(looks) > 1:
        keys.append(("Tab", "device"))
    text = Text(no_wrap=True, overflow="ellipsis")
    for key, does in (*keys, ("F3", "log"), ("F2", "light or dark")):
        text.append(key, style="bold").append(f" {does}   ", style="dim")
    return text


def theme_of(colours: str) -> str:
    """Return the theme for a terminal that says its colours as COLORFGBG, "15;0" say; dark where it does not."""
    return LIGHT if colours.rpartition(";")[2] in ("7", "15") else DARK
