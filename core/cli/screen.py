"""Where a run says what happens: plain lines. Nothing here ever waits for who reads it."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, TextIO

from core.cli.writer import Descriptor, PlainSink, Writer

if TYPE_CHECKING:
    from core.app import App


class PlainScreen:
    """Print plain lines, one for each thing that happens; no escape codes.

    When the reader has gone the run ends, as by a pipe's end, unless it `outlives_reader`.
    """

    outlives_reader = False

    def __init__(self, stream: TextIO | None) -> None:
        self.stream = stream
        self.descriptor = Descriptor(stream)
        self.writer = self.make_writer()
        self._running: tuple[asyncio.AbstractEventLoop, App] | None = None
        self._gone = False

    def make_writer(self) -> Writer[Any]:
        """Return what writes the lines."""
        return Writer(PlainSink(self.descriptor), self.take_note_of_end)

    def say(self, line: str) -> None:
        """Print a line."""
        self.writer.put(line)

    async def accompany(self, app: App) -> None:
        """Do what the screen does while the run lasts."""
        self.belong_to(app)
        await asyncio.get_running_loop().create_future()

    def belong_to(self, app: App) -> None:
        """End this run when the reader has gone, if that is meant."""
        if self.outlives_reader:
            return
        self._running = asyncio.get_running_loop(), app
        if self._gone:
            app.stop()

    def take_note_of_end(self) -> None:
        """Print no more, and end the run, because the reader has gone; called in the writer's thread."""
        self._gone = True
        self.descriptor.forget()
        if self._running is not None:
            loop, app = self._running
            with contextlib.suppress(RuntimeError):  # the run has ended by itself
                loop.call_soon_threadsafe(app.stop)

    def close(self) -> bool:
        """Print what is left, within a moment; return whether all has been printed."""
        if self.writer.close():
            return True
        self.descriptor.let_go_on()
        return self.writer.close()
