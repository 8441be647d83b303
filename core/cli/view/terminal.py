"""What the view needs of a terminal, and how a terminal is put in order that was left in the middle of it."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import select
import termios
from typing import Any, TextIO

CURE = "pip install 'core[tui]'"

IN_ORDER = (
    "\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?1015l\x1b[?1016l"  # no mouse
    "\x1b[?1004l\x1b[?2004l\x1b[?2048l"  # no focus, no brackets around what is pasted, no word of sizes
    "\x1b[?7h\x1b[<u\x1b[0m\x1b[?1049l\x1b[?25h"  # wrapped lines, plain keys and colours, the main screen, a cursor
)
"""Undoes whatever Textual has switched on. On a terminal that is in order it moves the cursor to somewhere else."""


def why_not(stdin: TextIO | None, stdout: TextIO | None) -> str:
    """Return why the view cannot be shown here, with what cures it; "" where it can."""
    if importlib.util.find_spec("textual") is None:
        return f"Textual is not installed; to have it: {CURE}"
    if stdout is None or not stdout.isatty():
        return "stdout is no terminal; run it without a pipe"
    if stdin is None or not stdin.isatty():
        return "stdin is no terminal, so no key could be read; run it without < or |"
    if not can_move_cursor(stdout):
        return f"the terminal is of the type {os.environ.get('TERM', '')!r}; to have it: export TERM=xterm-256color"
    encoding = (stdout.encoding or "").lower().replace("-", "")
    if encoding != "utf8":
        return f"the terminal's encoding is {stdout.encoding}; to have it: export LC_ALL=C.UTF-8"
    return ""


def can_move_cursor(stream: TextIO | None) -> bool:
    """Return whether a stream is a terminal on which the cursor can be moved."""
    return stream is not None and stream.isatty() and os.environ.get("TERM", "") not in ("", "dumb", "unknown")


class TerminalState:
    """Be how a terminal was set, to set it so again."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._attributes: list[Any] | None = None
        with contextlib.suppress(termios.error):
            self._attributes = termios.tcgetattr(descriptor)

    def restore(self, *, left_behind: bool) -> None:
        """Put the terminal in order, its screen too if somebody has left that behind; not if it has gone."""
        with contextlib.suppress(OSError, termios.error):
            if os.tcgetpgrp(self._descriptor) != os.getpgrp():
                return  # from the background it would stop us
            if self._attributes is not None:
                termios.tcsetattr(self._descriptor, termios.TCSANOW, self._attributes)
            if left_behind:
                write_if_taken(self._descriptor, IN_ORDER)


def write_if_taken(descriptor: int, text: str) -> None:
    """Write a text, but no more of it than the reader takes at once."""
    data = text.encode(errors="backslashreplace")
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    with contextlib.suppress(OSError):
        while data and poll.poll(0):
            data = data[os.write(descriptor, data[: select.PIPE_BUF]) :]
