"""Output from a thread of its own: whoever says something never waits for who reads it.

A terminal can be stopped by Ctrl-S and a pipe can be left unread; then a write waits for ever, and on the thread of the
loop everything would stand still with it: LEDs, clients, signals.
"""

from __future__ import annotations

import contextlib
import os
import select
import termios
import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, Protocol, TextIO, TypeVar

QUEUE_CHARACTERS = 1 << 20
"""How much may wait to be written; what comes then is lost, and counted."""
END_SECONDS = 0.15
"""How long the end waits for what is still to be written."""
RESIZE_SECONDS = 0.5
BATCH = 500

Frame = TypeVar("Frame")
F = TypeVar("F", contravariant=True)


def _lost(count: int) -> str:
    return f"({count} lines are lost: nobody has read them in time)"


class Sink(Protocol[F]):
    """Be where output goes; all methods may block, and are called in the writer's thread."""

    def write_lines(self, lines: list[str]) -> None:
        """Write whole lines."""

    def draw(self, frame: F) -> None:
        """Show a picture in place of the one before."""

    def end(self) -> None:
        """Leave everything in order."""


class Writer(Generic[Frame]):
    """Write lines, in their order, and of many frames the newest.

    `on_gone` is called once, in the thread, when nobody is left who could read; `lost` makes the line that stands for
    those that were lost.
    """

    def __init__(
        self,
        sink: Sink[Frame],
        on_gone: Callable[[], None] = lambda: None,
        lost: Callable[[int], str] = _lost,
    ) -> None:
        self._sink = sink
        self._on_gone = on_gone
        self._lost_line = lost
        self._something = threading.Condition()
        self._lines: deque[str] = deque()
        self._waiting = 0
        self._lost = 0
        self._frame: Frame | None = None
        self._ending = False
        self._gone = False
        self._thread: threading.Thread | None = None
        self._ended = threading.Event()

    def put(self, line: str) -> None:
        """Have a line written; one for which there is no room any more is lost."""
        with self._something:
            if self._gone or self._waiting + len(line) > QUEUE_CHARACTERS:
                self._lost += 1
                return
            self._waiting += len(line) + 1
            self._lines.append(line)
            self._begin()

    def show(self, frame: Frame) -> None:
        """Have a frame drawn, unless a newer one comes first."""
        with self._something:
            self._frame = frame
            self._begin()

    def finish(self) -> None:
        """Take the end in hand: write what is left."""
        with self._something:
            self._ending = True
            self._something.notify()

    def close(self) -> bool:
        """Write what is left, but give it no more than END_SECONDS; return whether all has been written."""
        self.finish()
        # Not by joining it, which a thread refuses whose start Ctrl-C has interrupted.
        return self._thread is None or self._ended.wait(END_SECONDS)

    def _begin(self) -> None:
        if self._thread is None:
            # Daemon: the interpreter does not wait for it, since it may hang in a write for ever.
            self._thread = threading.Thread(target=self._work, name="output", daemon=True)
            self._thread.start()
        self._something.notify()

    def _work(self) -> None:
        try:
            self._write()
        finally:
            self._ended.set()

    def _write(self) -> None:
        shown: Frame | None = None
        while True:
            with self._something:
                if not (self._lines or self._frame is not None or self._ending):
                    self._something.wait(RESIZE_SECONDS if shown is not None else None)
                lines = [self._lines.popleft() for _ in range(min(len(self._lines), BATCH))]
                self._waiting -= sum(map(len, lines)) + len(lines)
                if self._lost and not self._lines and not self._gone:
                    lines.append(self._lost_line(self._lost))
                    self._lost = 0
                frame, self._frame = self._frame, None
                over = self._ending and not self._lines
            if lines:
                self._try(lambda lines=lines: self._sink.write_lines(lines))  # type: ignore[misc]
            shown = frame if frame is not None else shown
            if shown is not None:
                self._try(lambda shown=shown: self._sink.draw(shown))  # type: ignore[misc]
            if over:
                self._try(self._sink.end)
                return

    def _try(self, act: Callable[[], None]) -> None:
        if self._gone:
            return
        try:
            act()
        except BrokenPipeError:
            self._gone = True
            self._on_gone()
        except (OSError, ValueError):
            pass  # a full disk, a terminal that has gone: there is nowhere to say it


class Descriptor:
    """Be a text file on a descriptor that has nothing in Python's own buffers, and fails for no character.

    Python's streams would be locked by the thread that hangs in them, and the interpreter could not end.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self.number = _number(stream)
        self.encoding = getattr(stream, "encoding", None) or "utf-8"
        self._buffer: list[str] = []

    def write(self, text: str) -> int:
        """Keep text until `flush`."""
        self._buffer.append(text)
        return len(text)

    def flush(self) -> None:
        """Write what has been kept, and wait until it has been taken."""
        data = "".join(self._buffer).encode(self.encoding, "backslashreplace")
        self._buffer.clear()
        while data and self.number is not None:
            try:
                data = data[os.write(self.number, data) :]
            except BlockingIOError:  # somebody who shares the terminal has made it non-blocking
                select.select([], [self.number], [])

    def isatty(self) -> bool:
        """Return whether it is a terminal."""
        return self.number is not None and os.isatty(self.number)

    def same_as(self, other: Descriptor) -> bool:
        """Return whether both lead to the same file, so that only one thread keeps lines in order."""
        if self.number is None or other.number is None:
            return False
        with contextlib.suppress(OSError):
            return os.path.samestat(os.fstat(self.number), os.fstat(other.number))
        return False

    def forget(self) -> None:
        """Write to nowhere from now on, Python's own stream too, which would fail once more at its end."""
        if self.number is not None:
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, self.number)
            os.close(null)

    def let_go_on(self) -> None:
        """Let a terminal of ours that was stopped by Ctrl-S go on, as Ctrl-Q does."""
        number = self.number
        with contextlib.suppress(OSError, termios.error):
            # In the background this would stop the process.
            if number is not None and os.tcgetpgrp(number) == os.getpgrp():
                # Linux undoes by TCOON only what TCOOFF has done, and with that Ctrl-S too.
                termios.tcflow(number, termios.TCOOFF)
                termios.tcflow(number, termios.TCOON)


class PlainSink:
    """Write plain lines."""

    def __init__(self, descriptor: Descriptor) -> None:
        self._descriptor = descriptor

    def write_lines(self, lines: list[str]) -> None:
        """Write whole lines."""
        self._descriptor.write("".join(line + "\n" for line in lines))
        self._descriptor.flush()

    def draw(self, frame: object) -> None:
        """Show nothing: there is no place for pictures."""

    def end(self) -> None:
        """Have nothing to put in order."""


def _number(stream: TextIO | None) -> int | None:
    if stream is None:
        return None
    try:
        return stream.fileno()
    except (OSError, ValueError):  # closed, or not a file at all
        return None


__all__ = ["Descriptor", "PlainSink", "Sink", "Writer"]
