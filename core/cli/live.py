"""The live view of a run: what the devices look like now, under the lines that have been said."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, cast

from rich.console import Console, RenderableType
from rich.live import Live
from rich.text import Text

from core import tick_statistics
from core.cli.screen import PlainScreen
from core.cli.view.looks import Choice, Look
from core.cli.writer import Descriptor, Writer
from core.loop import Loop
from core.program_device import ProgramDevice

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import ConsoleOptions

    from core.app import App
    from core.device import Device
    from core.properties import Event

FRAME_SECONDS = 0.05
LIT, DARK = "bold red", "bright_black"
CLEARED = "\x1b[H\x1b[2J"


class LiveScreen(PlainScreen):
    """Draw the pictures of the devices at the bottom of a terminal, at most 20 times a second."""

    def __init__(self) -> None:
        self._changed = asyncio.Event()
        super().__init__(sys.stdout)
        self._lamps = lamps(self.descriptor.encoding)

    def make_writer(self) -> Writer[Any]:
        """Return what draws."""
        return Writer(LiveSink(self.descriptor), self.take_note_of_end)

    async def accompany(self, app: App) -> None:
        """Draw while the run lasts."""
        self.belong_to(app)
        endings = [device.observe(self._take_note) for device in app.assembly.devices.values()]
        try:
            while True:
                self.writer.show(self.draw(app))
                await Loop.current().delay(FRAME_SECONDS)
                await self._changed.wait()
                self._changed.clear()
        finally:
            self.writer.show(self.draw(app))
            for end in endings:
                end()

    def _take_note(self, _event: Event) -> None:
        self._changed.set()

    def draw(self, app: App) -> RenderableType:
        """Return what the devices look like now."""
        devices = [self._device(instance.device, instance.state, instance.cause) for instance in app.instances]
        return Picture(devices, Text("Ctrl-C ends", style="dim"))

    def _device(self, device: Device, state: str, cause: str) -> list[Text]:
        return drawn(_look(device, state, cause), self._lamps)


def lamps(encoding: str) -> str:
    """Return the characters for a lit LED and for a dark one."""
    return "●·" if encoding.lower().startswith("utf") else "#."


def drawn(look: Look, characters: str) -> list[Text]:
    """Return the title of a device, and its LEDs row by row."""
    title = Text.assemble((look.name, "bold"), "  ", no_wrap=True, overflow="ellipsis")
    if look.trouble:
        title.append(look.trouble, style="yellow")
    elif look.programs:
        title.append(f"program {look.program}" if look.program else "no program", style="cyan")
        if look.program:
            title.append(f"  {look.description}", style="dim")
    else:
        title.append(", ".join(look.values))
    rows = []
    for row in look.rows:
        line = Text("  ")
        for lamp in row:
            character = characters[lamp != "X"] if lamp != " " else " "
            line.append(character + " ", style=LIT if lamp == "X" else DARK)
        rows.append(line)
    return [title, *rows]


@dataclass
class Picture:
    """Be what is shown at one moment: for each device a title and its rows, and a hint below."""

    devices: list[list[Text]]
    hint: Text

    def __rich_console__(self, console: Console, _options: ConsoleOptions) -> Iterator[RenderableType]:
        """Leave out on a small terminal what is least needed: blank lines and the hint."""
        roomy = sum(len(device) + 1 for device in self.devices) + 1 < console.height
        for device in self.devices:
            if roomy:
                yield Text("")
            yield from device
        if roomy:
            yield self.hint


class LiveSink:
    """Write lines above a picture that stays at the bottom of the terminal."""

    def __init__(self, descriptor: Descriptor) -> None:
        self._file = descriptor
        self._console = Console(file=cast("IO[str]", descriptor))
        # Only one thread may write, so what is printed elsewhere must not come here by itself.
        self._live = Live(console=self._console, auto_refresh=False, redirect_stdout=False, redirect_stderr=False)
        self._size = self._console.size
        self._drawn: RenderableType | None = None

    def write_lines(self, lines: list[str]) -> None:
        """Write whole lines above the picture."""
        self._console.print(Text("\n".join(lines)), highlight=False, soft_wrap=True)

    def draw(self, frame: RenderableType) -> None:
        """Show a picture in place of the one before."""
        if frame is self._drawn and self._console.size == self._size:
            return
        if self._drawn is None:
            self._live.start()
        elif self._console.size != self._size:
            # The terminal has laid out anew what was there; where the old picture is now, nobody knows.
            self._file.write(CLEARED)
        self._size, self._drawn = self._console.size, frame
        self._live.update(frame, refresh=True)

    def end(self) -> None:
        """Leave the last picture, and give the cursor back."""
        self._live.stop()


def _look(device: Device, state: str, cause: str) -> Look:
    programs: tuple[Choice, ...] = ()
    running = None
    if isinstance(device, ProgramDevice):
        programs = tuple(Choice(name, one.description) for name, one in device.programs.items())
        running = device.running_program
    trouble = f"{state} {cause}" if state != "ready" else ""
    return Look(device.name, tuple(device.picture()), programs, running, (), _values(device), trouble)


def _values(device: Device) -> tuple[str, ...]:
    """Return the numbers that the device shows."""
    from core.indi import format_number

    shown = []
    for vector in device.vectors.values():
        if vector.kind == "Number" and vector.perm == "ro" and vector.group != tick_statistics.GROUP:
            for name, member in vector.members.items():
                value = format_number(vector.values[name], member.format).strip()
                shown.append(f"{member.label or name} {value} {member.unit}".strip())
    return tuple(shown)
