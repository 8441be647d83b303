"""Where a run says what happens: plain lines, and the log among them."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from types import TracebackType

    from core.app import App


class PlainScreen:
    """Print plain lines, one for each thing that happens; no escape codes."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._app: App | None = None
        self._broken = False

    def say(self, line: str) -> None:
        """Print a line; when the reader has gone, end the run as a pipe's end does."""
        if self._broken:
            return
        try:
            self._stream.write(line + "\n")
            self._stream.flush()
        except BrokenPipeError:
            self._broken = True
            # Python would fail once more when it flushes at its end.
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, self._stream.fileno())
            os.close(null)
            if self._app is not None:
                self._app.stop()

    async def accompany(self, app: App) -> None:
        """Do what the screen does while the run lasts."""
        self._app = app
        if self._broken:
            app.stop()
        await asyncio.get_running_loop().create_future()


class LogLines:
    """Bring the log to a screen while a run lasts: to stderr, or with the lines of a live view."""

    def __init__(self, screen: PlainScreen, level: str, *, own_lines: bool) -> None:
        self._handler: logging.Handler = _ScreenHandler(screen) if own_lines else logging.StreamHandler(sys.stderr)
        self._handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%H:%M:%S"))
        self._level = level.upper()
        self._log = logging.getLogger("core")

    def __enter__(self) -> None:
        """Begin."""
        self._log.addHandler(self._handler)
        self._log.setLevel(self._level)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End."""
        self._log.removeHandler(self._handler)


class _ScreenHandler(logging.Handler):
    def __init__(self, screen: PlainScreen) -> None:
        super().__init__()
        self._screen = screen

    def emit(self, record: logging.LogRecord) -> None:
        self._screen.say(self.format(record))
