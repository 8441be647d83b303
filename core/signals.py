"""Signals that end a run, from the first to the hundredth."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextlib.contextmanager
def ended_by_signals(
    stop: Callable[[], None], on_hangup: Callable[[], None], *, ignored_afterwards: bool
) -> Iterator[None]:
    """Call `stop` in the running loop for each signal inside of the returned context; in other threads do nothing.

    SIGHUP calls `on_hangup`.

    `ignored_afterwards` is for the end of a process: a signal that comes then must not make a failure of a good end.
    asyncio's own handlers cannot be used for that, since there is a moment of the default action when they go.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()

    def take(number: int, _frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(on_hangup if number == signal.SIGHUP else stop)

    awake, wake = socket.socketpair()
    awake.setblocking(False)
    wake.setblocking(False)
    # One that comes just before the loop waits would otherwise be seen at the end of the wait only.
    loop.add_reader(awake, lambda: awake.recv(4096))
    former_wake = signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
    former = {number: signal.signal(number, take) for number in SIGNALS}
    try:
        yield
    finally:
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN if ignored_afterwards else former[number] or signal.SIG_DFL)
        # Somebody may have put their own in its place meanwhile, as asyncio does for its signals.
        if (current := signal.set_wakeup_fd(former_wake)) != wake.fileno():
            signal.set_wakeup_fd(current)
        loop.remove_reader(awake)
        awake.close()
        wake.close()


__all__ = ["SIGNALS", "ended_by_signals"]
