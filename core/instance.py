"""The life of one device: opened, run and closed; one that cannot be opened is tried again, ever more rarely."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Literal

from core.device import Device
from core.loop import Loop

_log = logging.getLogger("core.instance")

InstanceState = Literal["closed", "opening", "ready", "failed"]

FIRST_RETRY = 1.0
LAST_RETRY = 60.0
CLOSE_SECONDS = 0.5


class Instance:
    """Be a device with its life; `begin` is awaited whenever the device has become ready."""

    def __init__(self, device: Device, plugin: str, begin: Callable[[], Awaitable[None]] | None = None) -> None:
        self.device = device
        self.plugin = plugin
        self.state: InstanceState = "closed"
        self.cause = ""
        self._begin = begin

    async def live(self) -> None:
        """Open the device, run until cancelled, close it; nothing that it raises stops anybody else."""
        delay = FIRST_RETRY
        while True:
            try:
                if await self._open():
                    await asyncio.get_running_loop().create_future()
            finally:
                await asyncio.shield(self._close())
            await Loop.current().delay(delay)
            delay = min(2 * delay, LAST_RETRY)

    async def _open(self) -> bool:
        self.state = "opening"
        try:
            await self.device.open()
            self.device.start_ticks(Loop.current())
            if self._begin is not None:
                await self._begin()
        except Exception as error:
            known = isinstance(error, OSError | ValueError)
            if str(error) != self.cause:
                _log.error("%s %r cannot be opened: %s", self.plugin, self.device.name, error, exc_info=not known)
            self.state, self.cause = "failed", str(error)
            return False
        self.state, self.cause = "ready", ""
        return True

    async def _close(self) -> None:
        """End the device's work and close it, within its time."""
        failed = self.state == "failed"
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await self.device.end_work()
                await self.device.close()
        except TimeoutError:
            _log.error("%s %r took longer than %s s to close", self.plugin, self.device.name, CLOSE_SECONDS)
        except Exception:
            _log.exception("%s %r failed while closing", self.plugin, self.device.name)
        self.state = "failed" if failed else "closed"
