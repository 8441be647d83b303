"""What a command waits for, said on the terminal once it takes longer than people like to wait in silence."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Iterator

SILENT_SECONDS = 1.0
"""How long nothing is said."""
AGAIN_SECONDS = 1.0
ERASED = "\r\x1b[K"


@contextlib.contextmanager
def waiting(what: str) -> Iterator[None]:
    """Say on stderr what is waited for and for how long, if it is for longer than a second; it is erased at the end.

    Nothing is said where stderr is no terminal. Inside, nobody else may write to the terminal.
    """
    if sys.stderr is None or not sys.stderr.isatty():
        yield
        return
    from core.cli.specs import printable
    from core.cli.view.terminal import can_move_cursor

    what, over = printable(what), threading.Event()
    work = _follow if can_move_cursor(sys.stderr) else _say_once
    thread = threading.Thread(target=work, args=(what, over), name="waiting", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _follow(what: str, over: threading.Event) -> None:
    """Write the line anew each second, and erase it."""
    if over.wait(SILENT_SECONDS):
        return
    seconds = SILENT_SECONDS
    while True:
        _write(ERASED + _fitting(f"{what} ... {seconds:.0f} s"))
        if over.wait(AGAIN_SECONDS):
            break
        seconds += AGAIN_SECONDS
    _write(ERASED)


def _say_once(what: str, over: threading.Event) -> None:
    if not over.wait(SILENT_SECONDS):
        _write(f"{what} ...\n")


def _fitting(text: str) -> str:
    """Return what of a text fits into one line, since only that line can be erased, with the ^C that may follow it."""
    try:
        columns = os.get_terminal_size(sys.stderr.fileno()).columns
    except OSError:  # it has gone
        return text
    return text[: max(columns - len("^C") - 1, 1)] if columns else text


def _write(text: str) -> None:
    from core.cli.view.terminal import write_if_taken

    # No more than the terminal takes: one that was stopped by Ctrl-S shall not hold the command.
    write_if_taken(sys.stderr.fileno(), text)
