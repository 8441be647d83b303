"""Ctrl-C while a command is being made ready: kept where Python loses it.

What a signal raises within a callback of a weak reference, a `__del__` or the C code of some libraries is dropped
there, and importing calls thousands of those. Nothing would then end what begins afterwards.
"""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType


class KeptInterrupt:
    """Raise KeyboardInterrupt for a signal as Python does, and remember that it came."""

    def __init__(self) -> None:
        self.came = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Do what is done for a signal."""
        self.came = True
        signal.default_int_handler(number, frame)


def keep_interrupts() -> KeptInterrupt:
    """Remember a Ctrl-C from now on until `heeding_interrupts`, in the main thread, unless Python ignores it."""
    kept = KeptInterrupt()
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, kept)
    return kept


@contextlib.contextmanager
def heeding_interrupts() -> Iterator[None]:
    """Leave Ctrl-C to asyncio, which runs inside; raise KeyboardInterrupt for one that came before, or just then."""
    from asyncio import CancelledError

    kept = signal.getsignal(signal.SIGINT)
    if isinstance(kept, KeptInterrupt):
        signal.signal(signal.SIGINT, signal.default_int_handler)  # asyncio looks for it before it takes its place
        if kept.came:
            raise KeyboardInterrupt
    try:
        yield
    except CancelledError:
        # How asyncio tells of one that comes in the moment in which it begins to listen.
        raise KeyboardInterrupt from None


__all__ = ["KeptInterrupt", "heeding_interrupts", "keep_interrupts"]
