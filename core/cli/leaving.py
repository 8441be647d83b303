"""The very end of a process that has run plugins: it ends, whatever they have left behind."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from core.app import App
    from core.cli.run_log import LogLines

PATIENCE_SECONDS = 0.4
"""How long threads and atexit functions of plugins have until the process ends without them."""


def leave(app: App, lines: LogLines) -> None:
    """End the process of a run with its status; return if Python may end it in its own way, with status 0."""
    status = app.exit_status
    if app.unended:
        # Python would wait for threads, and asyncio complain of tasks, that have been named already.
        if not lines.stuck:
            _flush()
        os._exit(status)
    threading.Thread(target=_end_later, args=(status,), name="end", daemon=True).start()
    if status:
        raise SystemExit(status)


def _end_later(status: int) -> None:
    time.sleep(PATIENCE_SECONDS)
    os._exit(status)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            with contextlib.suppress(OSError, ValueError):  # nobody can be told
                stream.flush()
