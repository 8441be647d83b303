"""The life of one device: opened, run, closed; tried again, ever more rarely, if it cannot be opened or is lost."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Literal

from core import tick_statistics
from core.connection_switch import ConnectionSwitch
from core.device import BEING_OPENED, Device
from core.log.origin import INSTANCE
from core.loop import Loop
from core.properties import Event, State
from core.saved_settings import SavedSettings
from core.time_limit import TooLate, failure_of, run_within, start_contained

_log = logging.getLogger("core.instance")

InstanceState = Literal["closed", "opening", "ready", "failed", "disconnected"]

FIRST_RETRY = 1.0
LAST_RETRY = 60.0

# Together well below a second, in which a run has to have ended after a signal.
ABORT_SECONDS = 0.1
"""How long `open` has to end once it is cancelled."""
WORK_SECONDS = 0.3
"""How long the commands and tasks of a device have to clean up."""
CLOSE_SECONDS = 0.3
"""How long `close` has at least; what the tasks have left of their time is added."""
SAVE_SECONDS = 0.1
"""How long the disk has to take the last settings."""

_SHOWN: dict[InstanceState, State] = {
    "closed": "Idle",
    "opening": "Busy",
    "ready": "Ok",
    "failed": "Alert",
    "disconnected": "Idle",
}


async def _nothing() -> None:
    """Do nothing."""


class Instance:
    """Be a device with its life; `begin` is awaited whenever the device has become ready.

    Clients see the state as the property CONNECTION, by which they close the device and open it again.
    """

    def __init__(
        self,
        device: Device,
        plugin: str,
        begin: Callable[[], Awaitable[None]] | None = None,
        settings: SavedSettings | None = None,
    ) -> None:
        self.device = device
        self.plugin = plugin
        self.state: InstanceState = "closed"
        self.cause = ""
        self.close_failures: list[str] = []
        """What has gone wrong while it was closed, the last time."""
        self.begin = begin or _nothing
        self.end_commands: Callable[[], Awaitable[None]] = _nothing
        """Ends the commands that the device carries out, before it is closed under them."""
        self.on_state: Callable[[], None] = lambda: None
        """Is called whenever the state has changed."""
        self._retry_at: float | None = None
        self._wanted = True
        self._told = asyncio.Event()
        self._settings = settings
        self._switch = ConnectionSwitch(device, self._wish)
        self._opening: asyncio.Task[BaseException | None] | None = None
        device.observe(self._hear)

    @property
    def retry_seconds(self) -> float | None:
        """Return in how many seconds the device is tried again; None if nothing is waited for."""
        if self._retry_at is None:
            return None
        return max(self._retry_at - asyncio.get_running_loop().time(), 0.0)

    @property
    def unsaved(self) -> str:
        """Return why the settings of the device cannot be saved; empty if they can."""
        return self._settings.trouble if self._settings is not None else ""

    async def live(self) -> None:
        """Open the device, run until cancelled, close it; nothing that it raises stops anybody else.

        A device that a client disconnects is closed until one connects it; one that is lost is opened again.
        """
        INSTANCE.set(self.device.name)
        delay = FIRST_RETRY
        while True:
            self._told.clear()
            try:
                if await self._open():
                    delay = FIRST_RETRY
                    await self._told.wait()
                    if (error := self.device.lost_with) is not None:
                        self._told.clear()
                        self._fail(error, "has been lost")
            finally:
                await _whole(self._close())
            if self._wanted:
                await self._pause(delay)
                delay = min(2 * delay, LAST_RETRY)
            while not self._wanted:
                self._told.clear()
                self._show("disconnected", f"it is disconnected; set {self.device.name}.CONNECTION.CONNECT=On")
                await self._told.wait()
                delay = FIRST_RETRY

    def _wish(self, connected: bool) -> None:
        """Take what a client has chosen; a device that waits to be tried again is tried now."""
        if connected == self._wanted and not (connected and self.state == "failed"):
            return
        self._wanted = connected
        self._switch.show(connected=self.state == "ready", state="Busy")
        self._told.set()

    def _hear(self, event: Event) -> None:
        if event.kind == "lost":
            self._told.set()
        elif self.state == "ready" and self._settings is not None:
            self._settings.note(event)

    def _show(self, state: InstanceState, closed_because: str | None) -> None:
        """Be in a state; `closed_because` is what commands are refused with."""
        self.state = state
        self._switch.show(connected=state == "ready", state=_SHOWN[state])
        self.on_state()
        # Last, because commands that have come meanwhile are carried out now.
        self.device.closed_because = closed_because

    async def _open(self) -> bool:
        self.device.lost_with = None
        self._show("opening", BEING_OPENED)
        # A task of its own, so that one that swallows its cancellation is closed all the same.
        self._opening = start_contained(self._become_ready(), f"{self.device.name}: opening")
        told = asyncio.create_task(self._told.wait(), name=f"{self.device.name}: wishes")
        try:
            await asyncio.wait({self._opening, told}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            told.cancel()
        if not self._opening.done():  # a client has disconnected it, or it is lost already
            return False
        error = failure_of(self._opening)
        if error is None and self._opening.cancelled():
            error = asyncio.CancelledError("its opening was cancelled")
        if error is not None:
            self._fail(error, "cannot be opened")
            return False
        if self.cause:
            self.device.message(f"{self.device.name} could be opened")
        self.cause = ""
        # What clients have chosen meanwhile is carried out now, and overrules what the device begins with.
        self._show("ready", None)
        return True

    async def _become_ready(self) -> None:
        await self.device.open()
        self.device.start_ticks(Loop.current())
        self._show_statistics()
        await self.begin()
        if self._settings is not None:
            await self._settings.restore()

    def _fail(self, error: BaseException, what: str) -> None:
        cause = _cause(error)
        news = cause != self.cause
        self.cause = cause
        self._show("failed", cause)
        if not news:
            return
        known = isinstance(error, OSError | ValueError | SystemExit)
        _log.error("%s %r %s: %s", self.plugin, self.device.name, what, cause, exc_info=None if known else error)
        self.device.message(f"{self.device.name} {what}: {cause}", logged=False)

    async def _pause(self, seconds: float) -> None:
        """Wait until the device is to be tried again, or a client says what it wants."""
        self._retry_at = asyncio.get_running_loop().time() + seconds
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(self._retry_at):
                    await self._told.wait()
        finally:
            self._retry_at = None

    def _show_statistics(self) -> None:
        if self.device.tick_templates:
            tick_statistics.define(self.device)
            self.device.spawn(tick_statistics.keep_up(self.device), name=f"{self.device.name}: statistics of its tasks")

    async def _close(self) -> None:
        """End the device's work, then close it, each within a time of its own: `close` comes whatever was before."""
        failed = self.state == "failed"
        if not failed:
            self.device.closed_because = "it is being closed"
        self.close_failures = []
        name, opening = self.device.name, self._opening
        if opening is not None and not opening.done():
            opening.cancel()
            _, late = await asyncio.wait({opening}, timeout=ABORT_SECONDS)
            if late:
                self.close_failures.append("it does not stop opening")
                _log.error("%s %r does not stop opening", self.plugin, name)
        now = asyncio.get_running_loop().time
        began = now()
        commands = run_within(WORK_SECONDS, _awaited(self.end_commands), f"{name}: commands")
        work = run_within(WORK_SECONDS, self.device.end_work(), f"{name}: end_work")
        for error in await asyncio.gather(commands, work):
            self._tell("ending its tasks", error)
        left = max(WORK_SECONDS - (now() - began), 0)
        self._tell("closing", await run_within(CLOSE_SECONDS + left, self.device.close(), f"{name}: close"))
        if self._settings is not None:
            error = await run_within(SAVE_SECONDS, self._settings.save_what_is_left(), f"{name}: saving")
            self._tell("saving its settings", error)
        if failed:
            self._show("failed", self.device.closed_because)
        else:
            self._show("closed", self.device.closed_because)

    def _tell(self, doing: str, error: BaseException | None) -> None:
        if error is not None:
            self.close_failures.append(str(error) if isinstance(error, TooLate) else f"{doing}: {_cause(error)}")
        if isinstance(error, TooLate):
            _log.error("%s %r: %s", self.plugin, self.device.name, error)
        elif error is not None:
            _log.error("%s %r failed while %s: %s", self.plugin, self.device.name, doing, _cause(error), exc_info=error)


async def _awaited(work: Callable[[], Awaitable[None]]) -> None:
    await work()


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
