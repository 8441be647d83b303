"""Where code of plugins is called before a run: whatever it raises or prints, only the plugin pays for it."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator

from core.errors import CoreError, PluginError

__all__ = ["describe", "isolated", "said"]


@contextlib.contextmanager
def isolated() -> Iterator[None]:
    """Turn whatever is raised inside, SystemExit included, into a CoreError; only KeyboardInterrupt stays what it is.

    What Python code prints meanwhile goes to stderr, since stdout may be JSON or INDI. What C code or a child process
    writes to file descriptor 1 still gets there.
    """
    with contextlib.redirect_stdout(sys.stderr):
        try:
            yield
        except (CoreError, KeyboardInterrupt):
            raise
        except BaseException as error:  # a plugin may raise anything, and nobody else shall pay for it
            raise PluginError(describe(error)) from error


def describe(error: BaseException) -> str:
    """Return type and text of an error in one line."""
    try:
        text = " ".join(str(error).split())
    except Exception:  # its own __str__ is a plugin's code too
        text = ""
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def said(tell: Callable[[], object]) -> str:
    """Return the text for people that plugin code gives, or why there is none."""
    try:
        with isolated():
            text = tell()
    except CoreError as error:
        return f"(it cannot say what it is: {error})"
    return text if isinstance(text, str) else f"(it says {text!r} of itself)"
