"""The life of one device: opened, run, closed; tried again, ever more rarely, if it cannot be opened or is lost."""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Literal

from core import tick_statistics
from core.device import BEING_OPENED, Device
from core.loop import Loop
from core.time_limit import TooLate, failure_of, run_within, start_contained

_log = logging.getLogger("core.instance")

InstanceState = Literal["closed", "opening", "ready", "failed"]

FIRST_RETRY = 1.0
LAST_RETRY = 60.0

# Together well below a second, in which a run has to have ended after a signal.
ABORT_SECONDS = 0.1
"""How long `open` has to end once it is cancelled."""
WORK_SECONDS = 0.3
"""How long the tasks of a device have to clean up."""
CLOSE_SECONDS = 0.3
"""How long `close` has at least; what the tasks have left of their time is added."""


class Instance:
    """Be a device with its life; `begin` is awaited whenever the device has become ready."""

    def __init__(self, device: Device, plugin: str, begin: Callable[[], Awaitable[None]] | None = None) -> None:
        self.device = device
        self.plugin = plugin
        self.state: InstanceState = "closed"
        self.cause = ""
        self._begin = begin
        self._opening: asyncio.Task[BaseException | None] | None = None

    async def live(self) -> None:
        """Open the device, run until cancelled, close it; nothing that it raises stops anybody else."""
        delay = FIRST_RETRY
        while True:
            lost: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()
            self.device.when_lost = functools.partial(_settle, lost)
            try:
                if await self._open():
                    delay = FIRST_RETRY
                    self._fail(await lost, "has been lost")
            finally:
                self.device.when_lost = None
                await _whole(self._close())
            await Loop.current().delay(delay)
            delay = min(2 * delay, LAST_RETRY)

    async def _open(self) -> bool:
        self.state = "opening"
        self.device.closed_because = BEING_OPENED
        # A task of its own, so that one that swallows its cancellation is closed all the same.
        self._opening = start_contained(self._become_ready(), f"{self.device.name}: opening")
        await asyncio.wait({self._opening})
        error = failure_of(self._opening)
        if error is None and self._opening.cancelled():
            error = asyncio.CancelledError("its opening was cancelled")
        if error is not None:
            self._fail(error)
            return False
        if self.cause:
            self.device.message(f"{self.device.name} could be opened")
        self.state, self.cause = "ready", ""
        # Last, because commands that have come meanwhile are carried out now, and they overrule what it begins with.
        self.device.closed_because = None
        return True

    async def _become_ready(self) -> None:
        await self.device.open()
        self.device.start_ticks(Loop.current())
        self._show_statistics()
        if self._begin is not None:
            await self._begin()
        # From here on it takes commands: what a client has chosen meanwhile comes after what it begins with.
        self.device.closed_because = None

    def _fail(self, error: BaseException, what: str = "cannot be opened") -> None:
        cause = _cause(error)
        self.state, self.device.closed_because = "failed", cause
        if cause == self.cause:
            return
        self.cause = cause
        known = isinstance(error, OSError | ValueError | SystemExit)
        _log.error("%s %r %s: %s", self.plugin, self.device.name, what, cause, exc_info=None if known else error)
        self.device.message(f"{self.device.name} {what}: {cause}")

    def _show_statistics(self) -> None:
        if self.device.tick_templates:
            tick_statistics.define(self.device)
            self.device.spawn(tick_statistics.keep_up(self.device), name=f"{self.device.name}: statistics of its tasks")

    async def _close(self) -> None:
        """End the device's work, then close it, each within a time of its own: `close` comes whatever was before."""
        failed = self.state == "failed"
        if not failed:
            self.device.closed_because = "it is being closed"
        name, opening = self.device.name, self._opening
        if opening is not None and not opening.done():
            opening.cancel()
            _, late = await asyncio.wait({opening}, timeout=ABORT_SECONDS)
            if late:
                _log.error("%s %r does not stop opening", self.plugin, name)
        now = asyncio.get_running_loop().time
        began = now()
        self._tell("ending its tasks", await run_within(WORK_SECONDS, self.device.end_work(), f"{name}: end_work"))
        left = max(WORK_SECONDS - (now() - began), 0)
        self._tell("closing", await run_within(CLOSE_SECONDS + left, self.device.close(), f"{name}: close"))
        self.state = "failed" if failed else "closed"

    def _tell(self, doing: str, error: BaseException | None) -> None:
        if isinstance(error, TooLate):
            _log.error("%s %r: %s", self.plugin, self.device.name, error)
        elif error is not None:
            _log.error("%s %r failed while %s: %s", self.plugin, self.device.name, doing, _cause(error), exc_info=error)


def _settle(lost: asyncio.Future[BaseException], error: BaseException) -> None:
    if not lost.done():
        lost.set_result(error)


async def _whole(work: Coroutine[Any, Any, None]) -> None:
    """Await work to its end, also if cancelled meanwhile, once or again; it has time limits of its own."""
    task = asyncio.create_task(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError as error:
            cancelled = error
    task.result()
    if cancelled is not None:
        raise cancelled


def _cause(error: BaseException) -> str:
    """Return a word about any error; many have no text."""
    if isinstance(error, SystemExit):
        return f"it called sys.exit({error.code!r})"
    return str(error) or type(error).__name__
