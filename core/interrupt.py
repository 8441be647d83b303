"""Ctrl-C while a command is being made ready: kept where Python loses it.

What a signal raises within a callback of a weak reference, a `__del__` or the C code of some libraries is dropped
there, and importing calls thousands of those. Nothing would then end what begins afterwards.
"""

from __future__ import annotations

import signal
from types import FrameType


class _KeptInterrupt:
    """Raise KeyboardInterrupt for a signal as Python does, and remember that it came."""

    def __init__(self) -> None:
        self.came = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        self.came = True
        signal.default_int_handler(number, frame)


def keep_interrupts() -> None:
    """Remember a Ctrl-C from now on until `heed_interrupt`; in the main thread, unless Python does not take them."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _KeptInterrupt())


def heed_interrupt() -> None:
    """Give Ctrl-C back to Python, whose handler asyncio looks for; raise KeyboardInterrupt if one came before."""
    kept = signal.getsignal(signal.SIGINT)
    if isinstance(kept, _KeptInterrupt):
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if kept.came:
            raise KeyboardInterrupt


__all__ = ["heed_interrupt", "keep_interrupts"]
