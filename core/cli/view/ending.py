"""How the view ends by a signal, or by a terminal that goes: in order where that can be had, and in any case soon."""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import signal
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from textual.app import App

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
PATIENCE_SECONDS = 1.0
"""How long the view may take to put the terminal in order; one that takes no more bytes would hold it for ever."""


@contextlib.contextmanager
def ended_from_outside(view: App[Any]) -> Iterator[None]:
    """Let signals end the view inside of the returned context, and a terminal that hangs up, which Textual polls."""
    loop = asyncio.get_running_loop()

    def take(number: int, _frame: FrameType | None) -> None:
        threading.Thread(target=_end_later, args=(number,), name="end", daemon=True).start()
        loop.call_soon_threadsafe(view.exit)

    former = {number: signal.signal(number, take) for number in SIGNALS}
    # Nothing is left that could be put in order.
    when_hung_up(0, lambda: os._exit(0))
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


def when_hung_up(descriptor: int, act: Callable[[], object]) -> None:
    """Call `act`, in a thread of its own, when a terminal hangs up, or nobody reads a pipe any more.

    SIGHUP says so to the session that the terminal controls; who was started from elsewhere has to look. A pipe says so
    to who writes, and that may be long after.
    """

    def wait() -> None:
        poll = select.poll()
        poll.register(descriptor, 0)
        poll.poll()
        act()

    threading.Thread(target=wait, name="hang-up", daemon=True).start()


def _end_later(number: int) -> None:
    time.sleep(PATIENCE_SECONDS)
    os._exit(128 + number)
