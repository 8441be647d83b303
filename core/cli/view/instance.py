"""A running instance as the view sees it: through an INDI connection, whose it is makes no difference."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from core.cli.specs import printable
from core.cli.view.looks import NO_PROGRAM, Look, look_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from core.client import Client, ClientEvent

PRESS_SECONDS = 0.2
"""How long a key of the terminal, of which nobody says when it is let go, keeps a button pressed."""
ANSWER_SECONDS = 5.0


class RunningInstance:
    """Be the devices of a server, and what can be done with them."""

    def __init__(self, client: Client, where: str) -> None:
        self.where = where
        self._client = client
        self._presses: set[tuple[str, str]] = set()

    @property
    def connected(self) -> bool:
        """Return whether what is shown is true now."""
        return self._client.connected

    def looks(self) -> list[Look]:
        """Return what every device looks like now; those with LEDs first."""
        looks = [look_of(device) for device in self._client.devices.values()]
        return sorted(looks, key=lambda look: not look.rows)

    def observe(
        self, on_change: Callable[[], object], on_word: Callable[[str], object], on_end: Callable[[str], object]
    ) -> Callable[[], None]:
        """Tell what happens from now on until the returned function is called."""

        def take(event: ClientEvent) -> None:
            if event.kind == "disconnected":
                on_word(f"WARNING {event.message}")
            elif event.kind == "connected":
                on_word(f"INFO {self.where} is back")
            elif event.kind == "closed":
                on_end(event.message or "")
            elif event.message:
                who = event.device or "server"
                level = "ERROR " if event.state == "Alert" else ""
                on_word(printable(f"{level}{who}: {event.message}"))
            on_change()

        return self._client.observe(take)

    async def choose(self, device: str, program: str | None) -> None:
        """Run a program on a device, or none; raise ClientError with the reason if that is refused."""
        await self._client.set(device, "program", {program or NO_PROGRAM: True}, timeout=ANSWER_SECONDS)

    async def change_speed(self, device: str, factor: float) -> None:
        """Let programs run so many times faster than written; raise ClientError with the reason if that is refused."""
        await self._client.set(device, "program_speed", {"factor": factor}, timeout=ANSWER_SECONDS)

    async def press(self, device: str, button: str) -> None:
        """Press a button for a moment; raise ClientError with the reason if that is refused."""
        key = device, button
        if key in self._presses:
            return  # the keyboard repeats a key that is held
        self._presses.add(key)
        try:
            await self._client.set(device, "press", {button: True}, timeout=ANSWER_SECONDS)
            try:
                await asyncio.sleep(PRESS_SECONDS)
            finally:
                await self._client.set(device, "press", {button: False}, timeout=ANSWER_SECONDS, wait=False)
        finally:
            self._presses.discard(key)
