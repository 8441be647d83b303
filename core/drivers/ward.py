"""Ward: one driver process as its guardian reports it, from the order to the end of its last descendant."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
from typing import Any

from core.drivers.guardian import GRACE, receive_with

__all__ = ["Ward", "settled"]

_log = logging.getLogger("core.driver")

OVERDUE = GRACE + 1.0
"""After how many seconds a guardian that should have ended its driver is killed, which ends the driver too."""

HOPELESS = 1.0
"""For how many seconds more a process is waited for that not even SIGKILL ends: one that hangs in the kernel."""


class Ward:
    """Hear about one driver, and end it.

    `started` becomes the process id, or None if the driver could not be started; `ended` becomes why it ended or could
    not be started, at once when it has; `gone` is done when nothing of it is left. All three are done in bounded time
    after `end`.
    """

    def __init__(self, name: str, control: socket.socket) -> None:
        self._name = name
        self._control = control
        self._loop = asyncio.get_running_loop()
        self.started: asyncio.Future[int | None] = self._loop.create_future()
        self.ended: asyncio.Future[str] = self._loop.create_future()
        self.gone: asyncio.Future[None] = self._loop.create_future()
        self.unusable = False
        """Whether it could not be started for a reason that lasts: there is no such program, say."""
        self._guardian: int | None = None
        self._driver: int | None = None
        self._ending = False
        self._deadline: asyncio.TimerHandle | None = None
        self._loop.add_reader(control.fileno(), self._heard)

    def end(self) -> None:
        """Have the driver ended with all that it has started: SIGTERM, after 0.5 s SIGKILL."""
        if not self._ending and not self.gone.done():
            self._ending = True
            # The guardian may have gone in this moment; then the end of its side is about to be heard.
            with contextlib.suppress(OSError):
                self._control.shutdown(socket.SHUT_WR)
            if self._guardian is not None:
                _send(self._guardian, signal.SIGCONT)  # a driver may have stopped it
            self._expect_end()

    def _expect_end(self) -> None:
        if self._deadline is None:
            self._deadline = self._loop.call_later(OVERDUE, self._overdue)

    def _heard(self) -> None:
        try:
            data, descriptors = receive_with(self._control, 8192)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            _log.debug("%s: its guardian cannot be heard: %s", self._name, error)
            data, descriptors = b"", []
        word, _, rest = data.partition(b" ")
        if word == b"guardian":
            self._guardian = descriptors[0] if descriptors else None
        elif word == b"started":
            self._driver = descriptors[0] if descriptors else None
            self._set_started(int(rest))
        elif word in (b"failed", b"unusable"):
            self.unusable = word == b"unusable"
            self._set_ended(rest.decode(errors="replace"))
        elif word == b"ended":
            self._set_ended(_described(int(rest)))
            self._expect_end()
        else:
            self._guardian_has_ended()

    def _set_started(self, process: int | None) -> None:
        if not self.started.done():
            self.started.set_result(process)

    def _set_ended(self, why: str) -> None:
        self._set_started(None)
        if not self.ended.done():
            self.ended.set_result(why)

    def _guardian_has_ended(self) -> None:
        self._loop.remove_reader(self._control.fileno())
        self._control.close()
        if self.ended.done() or self._driver is None:
            self._set_ended("its guardian process could not be started, or was killed")
            self._finish()
            return
        # The kernel kills a driver whose guardian is gone, unless it has executed a program with privileges.
        _kill(self._driver)
        self._expect_end()
        self._loop.add_reader(self._driver, self._driver_has_ended)

    def _driver_has_ended(self) -> None:
        self._set_ended("killed, because its guardian process was")
        self._finish()

    def _overdue(self) -> None:
        self._deadline = self._loop.call_later(HOPELESS, self._give_up)
        _log.warning("%s: its guardian process does not end it and is killed", self._name)
        for process in (self._guardian, self._driver):
            if process is not None:
                _kill(process)

    def _give_up(self) -> None:
        _log.error("%s: process %s cannot be ended, it is left behind", self._name, self.started.result())
        self._set_ended("it cannot be ended")
        self._finish()

    def _finish(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        if self._control.fileno() != -1:
            self._loop.remove_reader(self._control.fileno())
            self._control.close()
        if self._driver is not None:
            self._loop.remove_reader(self._driver)
        for process in (self._guardian, self._driver):
            if process is not None:
                os.close(process)
        self._guardian = self._driver = None
        if not self.gone.done():
            self.gone.set_result(None)


async def settled(future: asyncio.Future[Any]) -> None:
    """Wait for a future that is sure to be done soon, whoever cancels; the cancellation is raised afterwards."""
    cancelled: asyncio.CancelledError | None = None
    while not future.done():
        try:
            await asyncio.wait([future])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled


def _kill(process: int) -> None:
    _send(process, signal.SIGKILL)


def _send(process: int, number: int) -> None:
    with contextlib.suppress(OSError):  # it has ended already, or runs as somebody else
        signal.pidfd_send_signal(process, number)


def _described(status: int) -> str:
    """Return a wait status in words."""
    code = os.waitstatus_to_exitcode(status)
    if code >= 0:
        return f"exit status {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"
