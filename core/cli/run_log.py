"""The log of a run: where each line goes while the run lasts. Nothing here ever waits for who reads or stores it."""

from __future__ import annotations

import contextlib
import io
import logging
import sys
from functools import partial
from typing import TYPE_CHECKING, Any, TextIO

from core.cli.writer import Descriptor, PlainSink, Writer
from core.deprecation import deprecations_told
from core.log.formats import JsonFormatter, LineHandler, PlainFormatter, lost_lines
from core.log.origin import Origins
from core.log.selection import Selection

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from core.cli.screen import PlainScreen
    from core.log.settings import LogSettings

__all__ = ["LogLines"]

_log = logging.getLogger("core.deprecation")


class LogLines:
    """Bring the log, and what plugins print, to people, to a file and to the journal while a run lasts.

    People find it on the screen with `own_lines`, otherwise on stderr beside it. `for_people` keeps it plain there
    whatever the settings say; `formatter` overrules them too. At its end everything is out, or nobody takes it: then
    `stuck` is true, and nothing may wait for the streams.
    """

    def __init__(
        self,
        screen: PlainScreen,
        settings: LogSettings,
        *,
        run: str = "core",
        own_lines: bool = False,
        for_people: bool = False,
        formatter: logging.Formatter | None = None,
        origins: Origins | None = None,
    ) -> None:
        self.stuck = False
        self._screen = screen
        self._run = run
        self._for_people = for_people
        self._formatter = formatter
        self._selection = Selection(settings, origins or Origins())
        errors = Descriptor(sys.stderr)
        self._errors = errors.number
        self._beside: Writer[Any] | None = None
        if not own_lines and not errors.same_as(screen.descriptor):
            self._beside = Writer(PlainSink(errors), errors.forget, self._lost_line)
        self._handlers: list[LineHandler] = []
        self._people: LineHandler | None = None
        self._files: list[LineHandler] = []
        self._writers: list[Writer[Any]] = []
        self._levels: dict[str, int] = {}
        self._streams = contextlib.ExitStack()

    def __enter__(self) -> LogLines:
        """Begin."""
        self._begin()
        for name, stream in (("stdout", sys.stdout), ("stderr", sys.stderr)):
            if stream is None:
                continue
            redirect: Callable[[Any], Any] = (
                contextlib.redirect_stdout if name == "stdout" else contextlib.redirect_stderr
            )
            to_screen = name == "stdout" and stream is self._screen.stream
            self._streams.enter_context(redirect(Printed(stream, partial(self._tell, name, to_screen=to_screen))))
        self._streams.enter_context(deprecations_told(_log.warning, once=True))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End."""
        self._leave_loggers()
        self._streams.close()
        beside = [] if self._beside is None else [self._beside]
        for writer in (*beside, *self._writers):
            writer.finish()
        all_out = [self._screen.close(), *(writer.close() for writer in (*beside, *self._writers))]
        self.stuck = not all(all_out)

    def apply(self, settings: LogSettings) -> None:
        """Go on with other settings."""
        if settings == self._selection.settings:
            return
        former, self._writers = self._writers, []
        self._leave_loggers()
        self._selection.settings = settings
        self._begin()
        for writer in former:  # what was said before still gets to where it was to go
            writer.finish()

    def know(self, origins: Origins) -> None:
        """Tell lines by other instances from now on."""
        self._selection.origins = origins

    def say(self, line: str) -> None:
        """Say something of the run itself, whatever the level is."""
        self._tell("core.run", line, to_screen=True, always=True)

    def _tell(self, name: str, line: str, *, to_screen: bool, always: bool = False) -> None:
        """Take a line that nobody has logged; where a program reads the log it becomes a part of that."""
        record = logging.LogRecord(name, logging.INFO, "", 0, "%s", (line,), None)
        wanted = self._selection.filter(record) or always
        if wanted:
            for handler in self._files:
                handler.emit(record)
        if to_screen and self._beside is not None:
            self._screen.say(line)
        elif self._people is not None and isinstance(self._people.formatter, JsonFormatter):
            self._people.emit(record)
        elif self._people is not None or not wanted:  # else it is in the journal, where this way leads too
            self._put(line)

    def _put(self, line: str) -> None:
        """Bring a line to where people find the log."""
        (self._screen.say if self._beside is None else self._beside.put)(line)

    def _begin(self) -> None:
        settings = self._selection.settings
        self._files = []
        if settings.file is not None:
            self._files.append(self._to_file(settings))
        to_journal = self._journal_wanted()
        if to_journal:
            self._files.append(self._to_journal())
        self._people = None
        if not (to_journal and self._reaches_journal()):
            self._people = LineHandler(self._put, self._for_screen())
        self._handlers = [*self._files, *([self._people] if self._people is not None else [])]
        for handler in self._handlers:
            handler.addFilter(self._selection)
            # The root, because what asyncio and other libraries log would be written by Python's last resort, which
            # waits.
            logging.getLogger().addHandler(handler)
        ours = dict.fromkeys(("core", *self._selection.origins.packages), self._selection.lowest)
        for name, level in {"": self._selection.lowest_of_others, **ours}.items():
            self._levels.setdefault(name, logging.getLogger(name).level)
            logging.getLogger(name).setLevel(level)

    def _leave_loggers(self) -> None:
        for handler in self._handlers:
            logging.getLogger().removeHandler(handler)
        self._handlers = []
        for name, level in self._levels.items():
            logging.getLogger(name).setLevel(level)
        self._levels = {}

    def _to_file(self, settings: LogSettings) -> LineHandler:
        from core.log.file import LogFile

        if settings.file is None:
            raise ValueError("there is no log file")
        formatter = JsonFormatter(self._run) if settings.json else PlainFormatter(dated=True)
        lost = _lost_by(formatter)
        sink = LogFile(settings.file, settings.file_bytes, settings.files_kept, say=self._warn, lost=lost)
        return self._handler(sink, formatter)

    def _to_journal(self) -> LineHandler:
        from core.log.journal import Journal

        return self._handler(Journal(say=self._warn), JsonFormatter(self._run))

    def _handler(self, sink: Any, formatter: logging.Formatter) -> LineHandler:
        writer: Writer[Any] = Writer(sink, lost=_lost_by(formatter))
        self._writers.append(writer)
        return LineHandler(writer.put, formatter)

    def _for_screen(self) -> logging.Formatter:
        if self._formatter is not None:
            return self._formatter
        as_json = self._selection.settings.json and not self._for_people
        return JsonFormatter(self._run) if as_json else PlainFormatter()

    def _lost_line(self, count: int) -> str:
        return self._for_screen().format(lost_lines(count))

    def _journal_wanted(self) -> bool:
        from core.log.journal import SOCKET

        wanted = self._selection.settings.journal
        return bool(wanted) if wanted != "auto" else self._reaches_journal() and SOCKET.exists()

    def _reaches_journal(self) -> bool:
        from core.log.journal import leads_to_journal

        return leads_to_journal(self._errors)

    def _warn(self, text: str) -> None:
        """Say what a file cannot take, called in its thread."""
        record = logging.LogRecord("core.log", logging.WARNING, "", 0, text, None, None)
        if self._people is not None:
            self._people.emit(record)
        else:
            self._put(text)


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


def _lost_by(formatter: logging.Formatter) -> Callable[[int], str]:
    return lambda count: formatter.format(lost_lines(count))
