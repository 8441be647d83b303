"""What a run tells the service manager that has started it: that it is ready, how it is, and that it still turns.

The protocol is sd_notify's: lines of NAME=VALUE in one datagram to the Unix socket that NOTIFY_SOCKET names.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from core.loop import Loop

if TYPE_CHECKING:
    from core.app import App

__all__ = ["Notifier", "Supervision", "supervised"]

_log = logging.getLogger("core.supervision")

READY_SECONDS = 10.0
"""How long devices have to be opened until the run counts as ready without them."""


class Notifier:
    """Send to the socket that the environment names; without one, or where nobody listens, to nobody."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._address = _address(environment.get("NOTIFY_SOCKET", ""))
        self._socket: socket.socket | None = None
        if self._address is not None:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
            self._socket.setblocking(False)
        self.watchdog_seconds = _watchdog_seconds(environment)
        """How often the service manager wants to hear that the run still turns, at least; None if it does not."""

    @property
    def active(self) -> bool:
        """Return whether there is a service manager that listens."""
        return self._socket is not None

    def send(self, **values: str) -> None:
        """Say something; never waits."""
        if self._socket is None or self._address is None:
            return
        lines = "\n".join(f"{name}={' '.join(value.split())}" for name, value in values.items())
        try:
            self._socket.sendto(lines.encode(), self._address)
        except OSError as error:
            _log.debug("the service manager was not told %s: %s", lines, error)

    def close(self) -> None:
        """Say nothing more."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


class Supervision:
    """Keep the service manager informed about a run; pass `accompany` to the App as a companion."""

    def __init__(self, notifier: Notifier) -> None:
        self._notifier = notifier

    async def accompany(self, app: App) -> None:
        """Say when the run is ready, how its devices are, that the loop turns, and that it ends."""
        if not self._notifier.active:
            return
        news = asyncio.Event()
        former, app.on_state = app.on_state, news.set
        try:
            async with asyncio.TaskGroup() as group:
                # First of all, because opening devices may take longer than the watchdog waits.
                beating = group.create_task(self._beat())
                telling = group.create_task(self._tell(app, news))
                await app.stopping.wait()
                telling.cancel()
                self._notifier.send(STOPPING="1", STATUS="ending")
                # The end of a run has a limit of its own.
                beating.cancel()
        finally:
            app.on_state = former

    def reloading(self) -> None:
        """Say that a reload begins."""
        self._notifier.send(RELOADING="1", MONOTONIC_USEC=str(time.monotonic_ns() // 1000))

    def reloaded(self, how: str) -> None:
        """Say that a reload has ended, and how."""
        self._notifier.send(READY="1", STATUS=how)

    async def _tell(self, app: App, news: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            async with asyncio.timeout_at(began + READY_SECONDS):
                while any(one.state in ("closed", "opening") for one in app.instances):
                    news.clear()
                    await news.wait()
        except TimeoutError:
            _log.info("ready, though not all devices have been opened in %g s", READY_SECONDS)
        self._notifier.send(READY="1", STATUS=_summary(app))
        while True:
            news.clear()
            await news.wait()
            self._notifier.send(STATUS=_summary(app))

    async def _beat(self) -> None:
        if self._notifier.watchdog_seconds is None:
            return
        while True:
            self._notifier.send(WATCHDOG="1")
            await Loop.current().delay(self._notifier.watchdog_seconds / 2)


def supervised() -> bool:
    """Return whether systemd has started this process as a service: SIGHUP then means a reload, not a lost terminal."""
    return "NOTIFY_SOCKET" in os.environ or ("INVOCATION_ID" in os.environ and os.getppid() == 1)


def _summary(app: App) -> str:
    """Return in one line how the devices are."""
    ready = [one for one in app.instances if one.state == "ready"]
    others = [
        f"{one.device.name} {one.state}" + (f": {one.cause}" if one.state == "failed" else "")
        for one in app.instances
        if one.state != "ready"
    ]
    return "; ".join([f"{len(ready)} of {len(app.instances)} devices ready", *others])


def _address(text: str) -> str | None:
    """Return the address of a socket: a path, or "@" and an abstract name."""
    if text.startswith("@"):
        return "\0" + text[1:]
    return text if text.startswith("/") else None


def _watchdog_seconds(environment: Mapping[str, str]) -> float | None:
    """Return the watchdog's time if it is meant for this process, not for one that has started it."""
    try:
        microseconds = int(environment.get("WATCHDOG_USEC", ""))
        process = int(environment.get("WATCHDOG_PID", os.getpid()))
    except ValueError:
        return None
    return microseconds / 1e6 if microseconds > 0 and process == os.getpid() else None
