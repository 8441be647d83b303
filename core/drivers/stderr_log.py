"""What drivers write to stderr, as lines of our log: bounded in number, length, memory and time."""

from __future__ import annotations

import asyncio
import logging
import os
import re

from core.drivers.rate_limit import RateLimit
from core.loop import Loop

__all__ = ["LineLog", "StderrLog"]

LONGEST = 2048
"""How many bytes of a line are logged."""

AT_ONCE = 200
"""How many lines are logged in one go."""

PER_SECOND = 20.0
"""How many lines are logged in a second, on average."""

REPORT_SECONDS = 5.0
"""After how many seconds it is said how many lines were not logged."""

READ_SIZE = 1 << 16
PAUSE = 0.01
"""For how many seconds a pipe is left alone that was full: who floods it waits, and nobody else."""

# As systemd takes it from programs: a line that begins with its priority.
_PRIORITY = re.compile(r"<([0-7])>")
_LEVELS = (*[logging.CRITICAL] * 3, logging.ERROR, logging.WARNING, logging.INFO, logging.INFO, logging.DEBUG)

# Terminals obey some of them.
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]")


class LineLog:
    """Log lines that arrive in pieces of any size, with a name; drop what is too much, count it and say it."""

    def __init__(self, name: str) -> None:
        self.lines = 0
        """How many lines were logged."""
        self.dropped = 0
        """How many lines were not."""
        self._name = name
        self._log = logging.getLogger(f"core.driver.{name}")
        self._loop = asyncio.get_running_loop()
        self._limit = RateLimit(Loop.current().now, at_once=AT_ONCE, per_second=PER_SECOND)
        self._partial = bytearray()
        self._reported = 0
        self._report_timer: asyncio.TimerHandle | None = None

    def feed(self, data: bytes) -> None:
        """Take what has come."""
        begin = 0
        while (end := data.find(b"\n", begin)) != -1:
            if not self._limit.take():
                # Nothing is made of what is not logged: a flood costs a search for its line ends.
                self._drop(data.count(b"\n", begin))
                begin = data.rfind(b"\n") + 1
                self._partial.clear()
                break
            self._partial += data[begin : min(end, begin + LONGEST + 1)]
            self._emit()
            begin = end + 1
        room = LONGEST + 1 - len(self._partial)
        self._partial += data[begin : begin + max(room, 0)]

    def flush(self) -> None:
        """Log what has come without the end of its line, and say what was dropped."""
        if self._partial:
            if self._limit.take():
                self._emit()
            else:
                self._partial.clear()
                self._drop(1)
        if self._report_timer is not None:
            self._report_timer.cancel()
            self._report_timer = None
        self._report()

    def _emit(self) -> None:
        line = bytes(self._partial[:LONGEST]).removesuffix(b"\r").decode(errors="backslashreplace")
        cut = " ..." if len(self._partial) > LONGEST else ""
        self._partial.clear()
        self.lines += 1
        level = logging.INFO
        if (priority := _PRIORITY.match(line)) is not None:
            level, line = _LEVELS[int(priority[1])], line[priority.end() :]
        self._log.log(level, "%s: %s%s", self._name, _CONTROL.sub(_visible, line), cut)

    def _drop(self, lines: int) -> None:
        self.dropped += lines
        if self._report_timer is None:
            self._report_timer = self._loop.call_later(REPORT_SECONDS, self._report_later)

    def _report_later(self) -> None:
        self._report_timer = None
        self._report()

    def _report(self) -> None:
        if self.dropped > self._reported:
            count, self._reported = self.dropped - self._reported, self.dropped
            self._log.warning("%s: %d lines of its stderr were dropped, it writes too many", self._name, count)


class StderrLog:
    """Read a pipe to its end without blocking, and log its lines."""

    def __init__(self, log: LineLog | str, descriptor: int) -> None:
        self.lines = LineLog(log) if isinstance(log, str) else log
        self._descriptor = descriptor
        self._loop = asyncio.get_running_loop()
        self._pausing = not Loop.current().virtual
        self._resume_timer: asyncio.TimerHandle | None = None
        self._open = True
        os.set_blocking(descriptor, False)
        self._loop.add_reader(descriptor, self._readable)

    def close(self) -> None:
        """Log what lies in the pipe, and close it."""
        if self._open:
            # At most what a pipe holds: another process may still write to it.
            self._read()
            self._close()

    def _readable(self) -> None:
        if self._read() == READ_SIZE and self._pausing:
            self._loop.remove_reader(self._descriptor)
            self._resume_timer = self._loop.call_later(PAUSE, self._resume)

    def _read(self) -> int:
        try:
            data = os.read(self._descriptor, READ_SIZE)
        except (BlockingIOError, InterruptedError):
            return 0
        if data:
            self.lines.feed(data)
        else:
            self._close()
        return len(data)

    def _resume(self) -> None:
        self._resume_timer = None
        self._loop.add_reader(self._descriptor, self._readable)

    def _close(self) -> None:
        if self._open:
            self._open = False
            if self._resume_timer is not None:
                self._resume_timer.cancel()
            self._loop.remove_reader(self._descriptor)
            os.close(self._descriptor)
            self.lines.flush()


def _visible(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode()
