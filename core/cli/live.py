"""The live view of a run: what the devices look like now, under the lines that have been said."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from core.cli.screen import PlainScreen
from core.loop import Loop
from core.program_device import ProgramDevice

if TYPE_CHECKING:
    from core.app import App
    from core.device import Device
    from core.properties import Event

FRAME_SECONDS = 0.05
LIT, DARK = "bold red", "bright_black"


class LiveScreen(PlainScreen):
    """Draw the pictures of the devices at the bottom of a terminal, at most 20 times a second."""

    def __init__(self) -> None:
        super().__init__(sys.stdout)
        self._console = Console()
        self._live: Live | None = None
        self._changed = asyncio.Event()
        encoding = (self._console.encoding or "").lower()
        self._lamps = "●·" if encoding.startswith("utf") else "#."

    def say(self, line: str) -> None:
        """Print a line above the view."""
        self._console.print(Text(line), highlight=False, soft_wrap=True)

    async def accompany(self, app: App) -> None:
        """Draw while the run lasts."""
        endings = [device.observe(self._take_note) for device in app.assembly.devices.values()]
        try:
            with Live(console=self._console, auto_refresh=False, transient=False) as live:
                try:
                    while True:
                        live.update(self.draw(app), refresh=True)
                        await Loop.current().delay(FRAME_SECONDS)
                        await self._changed.wait()
                        self._changed.clear()
                finally:
                    live.update(self.draw(app), refresh=True)
        finally:
            for end in endings:
                end()

    def _take_note(self, _event: Event) -> None:
        self._changed.set()

    def draw(self, app: App) -> RenderableType:
        """Return what the devices look like now."""
        parts: list[RenderableType] = []
        for instance in app.instances:
            parts += self._device(instance.device, instance.state, instance.cause)
        parts.append(Text("Ctrl-C ends", style="dim"))
        return Group(*parts)

    def _device(self, device: Device, state: str, cause: str) -> list[RenderableType]:
        title = Text.assemble("\n", (device.name, "bold"), "  ")
        if state != "ready":
            title.append(f"{state} {cause}", style="yellow")
        elif isinstance(device, ProgramDevice):
            name = device.running_program
            title.append(f"program {name}" if name else "no program", style="cyan")
            if name:
                title.append(f"  {device.programs[name].description}", style="dim")
        else:
            title.append(_values(device))
        rows = []
        for row in device.picture():
            line = Text("  ")
            for lamp in row:
                lit = lamp == "X"
                line.append(self._lamps[0 if lit else 1] + " ", style=LIT if lit else DARK)
            rows.append(line)
        return [title, *rows]


def _values(device: Device) -> str:
    """Return the numbers that the device shows, in one line."""
    from core.indi import format_number

    shown = []
    for vector in device.vectors.values():
        if vector.kind == "Number" and vector.perm == "ro":
            for name, member in vector.members.items():
                value = format_number(vector.values[name], member.format).strip()
                shown.append(f"{member.label or name} {value} {member.unit}".strip())
    return ", ".join(shown)
