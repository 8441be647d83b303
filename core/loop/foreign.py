"""The way onto an asyncio loop that is not ours: uvloop, or one that somebody else runs (Jupyter, uvicorn, pytest).

There the kernel's timer is a file like any other, so that deadlines are as exact as the loop's own file handling. What
such a loop does not tell is when it is about to wait: callbacks of `before_wait` run at the end of the next turn.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from typing import Any

from core.loop.agenda import Agenda
from core.loop.kernel_timer import KernelTimer

__all__ = ["ForeignLoop"]

_log = logging.getLogger("core.loop")


class ForeignLoop:
    """Run an agenda on any asyncio loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, agenda: Agenda, ended: Callable[[], None]) -> None:
        self._loop = loop
        self._agenda = agenda
        self._ended = ended
        self._callbacks: list[Callable[[], None]] = []
        self._handle: asyncio.TimerHandle | None = None
        self._timer: KernelTimer | None
        try:
            self._timer = KernelTimer()
            loop.add_reader(self._timer.descriptor, self._woken)
        except (OSError, NotImplementedError) as error:
            self._timer = None
            _log.info("no timerfd here (%s): deadlines are met as exactly as asyncio's only", error)
        agenda.earlier = self._arm
        agenda.turn_taken = self._turn_taken
        self._life = self._until_shutdown()
        self._noticed = False

    def notice_shutdown(self) -> None:
        """Have the loop tell when it ends; to be called while it runs."""
        if self._noticed:
            return
        self._noticed = True
        # Whoever ends a loop in order calls shutdown_asyncgens, which closes every generator that was begun.
        try:
            self._life.__anext__().send(None)
        except StopIteration:
            return

    def before_wait(self, callback: Callable[[], None]) -> None:
        """Run `callback` in the loop's next turn."""
        if not self._callbacks:
            self._loop.call_soon(self._run_callbacks)
        self._callbacks.append(callback)

    def close(self) -> None:
        """Let go of the loop."""
        self._agenda.earlier = self._agenda.turn_taken = None
        if self._timer is not None:
            if not self._loop.is_closed():
                self._loop.remove_reader(self._timer.descriptor)
            self._timer.close()
        if self._handle is not None:
            self._handle.cancel()

    async def _until_shutdown(self) -> AsyncGenerator[None, None]:
        try:
            yield
        finally:
            self._ended()

    def _run_callbacks(self) -> None:
        callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            try:
                callback()
            except Exception as error:
                context: dict[str, Any] = {"message": f"{callback!r} failed", "exception": error}
                self._loop.call_exception_handler(context)

    def _turn_taken(self) -> None:
        self._loop.call_soon(self._turn_over)

    def _turn_over(self) -> None:
        self._agenda.turn = None

    def _arm(self) -> None:
        first = self._agenda.wake_at(self._agenda.now())
        if self._timer is not None:
            self._timer.arm(first)
        else:
            if self._handle is not None:
                self._handle.cancel()
            delay = 0.0 if first is None else max(first - self._agenda.now(), 0) / 1e9
            self._handle = None if first is None else self._loop.call_later(delay, self._woken)

    def _woken(self) -> None:
        try:
            self._agenda.run_due()
        finally:
            self._arm()
