"""What a matrix shows and takes over INDI: LEDs, the frame as text, buttons, statistics."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Sequence

from core import (
    Light,
    LightVector,
    Number,
    NumberVector,
    ProgramDevice,
    Switch,
    SwitchVector,
    Text,
    TextVector,
    ValueRefused,
)
from core.properties.members import State
from plugin_gpio_matrix.buttons import Button, Edge
from plugin_gpio_matrix.frames import Frames
from plugin_gpio_matrix.layout import LIT, Matrix
from plugin_gpio_matrix.options import Options
from plugin_gpio_matrix.publishing import Publisher

__all__ = ["MatrixProperties"]

DARK = "."
STATISTICS_SECONDS = 0.5
"""The statistics change with every frame, and are told more rarely."""

_COUNT = "%.0f"
_PICTURE = "rows of X and ., between /"


class MatrixProperties(ProgramDevice, Matrix):
    """Tell what the LEDs and buttons are, as they change but not too often, and do what clients set."""

    leds = SwitchVector("LEDs", group="Matrix", rule="AnyOfMany", members={})
    frame = TextVector("Frame", group="Matrix", perm="rw", members={"picture": Text(label=_PICTURE)})
    button_lights = LightVector("Buttons", name="buttons", group="Matrix", members={})
    press = SwitchVector("Press a button", group="Matrix", rule="AnyOfMany", members={})
    statistics = NumberVector(
        "Statistics",
        group="Matrix",
        members={
            "frames": Number(format=_COUNT, label="frames shown, one call each"),
            "changes": Number(format=_COUNT, label="LEDs switched"),
            "running": Number(format=_COUNT, label="programs that run"),
            "waiting": Number(format=_COUNT, label="programs that wait"),
            "presses": Number(format=_COUNT, label="presses of buttons"),
            "overflows": Number(format=_COUNT, label="edges of buttons lost"),
        },
    )

    buttons: dict[str, Button]
    options: Options

    def _define(self, frames: Frames) -> None:
        """Give the vectors their members, now that LEDs and buttons are known."""
        self.frames = frames
        self._listeners_of_frames: list[Callable[[], None]] = []
        self._publisher = Publisher(self._publish)
        self._counting = Publisher(self._publish_statistics, STATISTICS_SECONDS)
        self._moved: set[str] = set()
        self.leds.replace_members(
            {led.name: Switch(label=f"row {led.row + 1}, column {led.column + 1}") for led in self.all}
        )
        self.frame.replace_members({"picture": Text("/".join(self.picture()), label=_PICTURE)})
        if self.buttons:
            self.button_lights.replace_members({name: Light(label=f"button {name}") for name in self.buttons})
        else:
            self.delete(self.button_lights)
        simulated = [name for name, button in self.buttons.items() if button.simulated]
        if simulated:
            self.press.replace_members({name: Switch(label=f"press {name}") for name in simulated})
        else:
            self.delete(self.press)
        for name, button in self.buttons.items():
            moved = functools.partial(self._button_moved, name)
            button.on_press(moved)
            button.on_release(moved)

    def picture(self) -> Sequence[str]:
        """Return rows in which "X" is a lit LED and "." a dark one."""
        lit = self.frames.lit
        return ["".join(LIT if lit[led.number] else DARK for led in row) for row in self.rows]

    def on_frame(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call `listener` after each frame, when `picture` is the new one; call what is returned to end that."""
        self._listeners_of_frames.append(listener)
        return lambda: self._listeners_of_frames.remove(listener)

    @leds.on_new
    async def set_leds(self, new: dict[str, bool]) -> None:
        """Light what a client has chosen, while no program has one of these LEDs."""
        async with self.in_turn():
            self._set(new, "LEDs")

    @frame.on_new
    async def set_frame(self, new: dict[str, str]) -> None:
        """Show a picture that a client has sent, while no program runs: rows of "X" and ".", between "/" or lines."""
        rows = re.split(r"[/\n]", new["picture"].strip())
        lengths = [len(row) for row in self.rows]
        if [len(row) for row in rows] != lengths or set("".join(rows)) - {LIT, DARK}:
            example = "/".join(DARK * length for length in lengths)
            raise ValueRefused(
                f"frame: {new['picture']!r} is no picture of this matrix; one is {example} with X for lit"
            )
        pairs = zip(self.all, "".join(rows), strict=True)
        async with self.in_turn():
            self._set({led.name: one == LIT for led, one in pairs}, "the frame")
            self.frame.update(picture="/".join(rows))

    @press.on_new
    async def press_buttons(self, new: dict[str, bool]) -> None:
        """Press simulated buttons, or let them go."""
        for name, on in new.items():
            if on is not self.press[name]:
                (self.buttons[name].press if on else self.buttons[name].release)()

    def _set(self, new: dict[str, bool], what: str) -> None:
        places = {led.name: led for led in self.all}
        self.refuse_while_running(what, [places[name].number for name in new])
        for name, on in new.items():
            places[name].set(on)

    def _frame_shown(self) -> None:
        self._publisher.soon()
        self._counting.soon()
        for listener in tuple(self._listeners_of_frames):
            listener()

    def _button_moved(self, name: str, _edge: Edge) -> None:
        self._moved.add(name)
        self._publisher.soon()
        self._counting.soon()

    def _publish(self) -> bool:
        """Tell what differs from what was told last; return whether anything did."""
        news = False
        lit, told = self.frames.lit, self.leds.values
        if changed := {led.name: lit[led.number] for led in self.all if told[led.name] is not lit[led.number]}:
            self.leds.update(changed)
            news = True
        if (picture := "/".join(self.picture())) != self.frame["picture"]:
            self.frame.update(picture=picture)
            news = True
        for name in self.buttons:
            pressed = self.buttons[name].pressed
            light: State = "Ok" if pressed else "Idle"
            if self.button_lights[name] != light:
                self.button_lights.update({name: light})
                news = True
            # Only after an edge: until a simulated button has been still for its time, it has not moved.
            if name in self._moved and name in self.press.values and self.press[name] is not pressed:
                self.press.update({name: pressed})
                news = True
        self._moved.clear()
        return news

    def _publish_statistics(self) -> bool:
        values = {
            "frames": float(self.frames.calls),
            "changes": float(self.frames.changes),
            "running": float(len(self.running)),
            "waiting": float(len(self.waiting)),
            "presses": float(sum(button.presses for button in self.buttons.values())),
            "overflows": float(sum(button.overflows for button in self.buttons.values())),
        }
        if values == self.statistics.values:
            return False
        self.statistics.update(values)
        return True
