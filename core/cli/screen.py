"""Where a run says what happens: plain lines, and the log among them. Nothing here ever waits for who reads it."""

from __future__ import annotations

import asyncio
import contextlib
import io
import logging
import sys
from typing import TYPE_CHECKING, Any, TextIO

from core.cli.writer import Descriptor, PlainSink, Writer

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from core.app import App


class PlainScreen:
    """Print plain lines, one for each thing that happens; no escape codes."""

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
        """Print a line; when the reader has gone, the run ends, as by a pipe's end."""
        self.writer.put(line)

    async def accompany(self, app: App) -> None:
        """Do what the screen does while the run lasts."""
        self.belong_to(app)
        await asyncio.get_running_loop().create_future()

    def belong_to(self, app: App) -> None:
        """End this run when the reader has gone."""
        self._running = asyncio.get_running_loop(), app
        if self._gone:
            app.stop()

    def take_note_of_end(self) -> None:
        """End the run, because the reader has gone; called in the writer's thread."""
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


class LogLines:
    """Bring the log and what plugins print to a screen while a run lasts, or to stderr beside a plain one.

    At its end everything is out, or nobody reads it: then `stuck` is true, and nothing may wait for the streams.
    """

    def __init__(
        self, screen: PlainScreen, level: str, *, own_lines: bool, formatter: logging.Formatter | None = None
    ) -> None:
        self.stuck = False
        self._screen = screen
        self._beside: Writer[Any] | None = None
        if not own_lines:
            errors = Descriptor(sys.stderr)
            if not errors.same_as(screen.descriptor):
                self._beside = Writer(PlainSink(errors), errors.forget)
        self._say = screen.say if self._beside is None else self._beside.put
        self._handler = _LineHandler(self._say)
        plain = logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%H:%M:%S")
        self._handler.setFormatter(formatter or plain)
        self._level = level.upper()
        self._streams = contextlib.ExitStack()

    def __enter__(self) -> LogLines:
        """Begin."""
        # The root, because what asyncio and other libraries log would be written by Python's last resort, which waits.
        logging.getLogger().addHandler(self._handler)
        logging.getLogger("core").setLevel(self._level)
        screen = self._screen
        if sys.stdout is not None and sys.stdout is not screen.stream:
            self._streams.enter_context(contextlib.redirect_stdout(Printed(sys.stdout, self._say)))
        elif sys.stdout is not None:
            self._streams.enter_context(contextlib.redirect_stdout(Printed(sys.stdout, screen.say)))
        if sys.stderr is not None:
            self._streams.enter_context(contextlib.redirect_stderr(Printed(sys.stderr, self._say)))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End."""
        logging.getLogger().removeHandler(self._handler)
        self._streams.close()
        all_out = [self._screen.close(), self._beside is None or self._beside.close()]
        self.stuck = not all(all_out)


class Printed(io.TextIOBase):
    """Stand in for stdout or stderr: what somebody prints becomes lines, and whoever prints does not wait."""

    def __init__(self, stream: TextIO, say: Callable[[str], None]) -> None:
        self._stream = stream
        self._say = say
        self._rest = ""

    def write(self, text: str) -> int:
        """Say the lines that are whole."""
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            self._say(line)
        return len(text)

    def fileno(self) -> int:
        """Return the descriptor of the stream itself, for child processes."""
        return self._stream.fileno()

    def isatty(self) -> bool:
        """Return whether the stream itself is a terminal."""
        return self._stream.isatty()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class _LineHandler(logging.Handler):
    def __init__(self, say: Callable[[str], None]) -> None:
        super().__init__()
        self._put = say

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = self.format(record)
        except Exception as error:  # a call with the wrong arguments; logging's own report would wait for stderr
            line = f"{record.levelname} {record.msg!r} cannot be formatted: {error} ({record.pathname}:{record.lineno})"
        self._put(line)
