"""How the view ends by a signal: in order where that goes, and in any case soon."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from types import FrameType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from textual.app import App

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
PATIENCE_SECONDS = 1.0
"""How long the view may take to put the terminal in order; one that takes no more bytes would hold it for ever."""


@contextlib.contextmanager
def ended_by_signals(view: App[Any]) -> Iterator[None]:
    """Let signals end the view inside of the returned context."""
    loop = asyncio.get_running_loop()

    def take(number: int, _frame: FrameType | None) -> None:
        threading.Thread(target=_end_later, args=(number,), name="end", daemon=True).start()
        loop.call_soon_threadsafe(view.exit)

    former = {number: signal.signal(number, take) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


def _end_later(number: int) -> None:
    time.sleep(PATIENCE_SECONDS)
    os._exit(128 + number)
