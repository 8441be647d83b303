"""Guardianship: the one chief guardian process that an event loop has while any driver runs."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from core.drivers import guardian
from core.drivers.descriptor_limit import original_descriptor_limit
from core.drivers.stderr_log import StderrLog
from core.drivers.stdio import Stdio
from core.drivers.ward import Ward, settled

__all__ = ["Guardianship"]

_log = logging.getLogger("core.driver")

SOCKET_BUFFER = 1 << 22
"""How many bytes are asked of the kernel for a driver's sockets, in each direction; net.core.wmem_max caps it."""

PATIENCE = 2.0
"""For how many seconds the chief guardian may go on after its last driver, before it is killed."""


class Guardianship:
    """Start drivers by the chief guardian, which is started for the first and ended after the last user."""

    _of_loop: ClassVar[dict[asyncio.AbstractEventLoop, Guardianship]] = {}

    def __init__(self) -> None:
        self._users = 0
        self._chief: _Chief | None = None

    @classmethod
    @contextlib.asynccontextmanager
    async def shared(cls) -> AsyncIterator[Guardianship]:
        """Use the guardianship of the running loop; the last user ends it, and waits for that."""
        loop = asyncio.get_running_loop()
        mine = cls._of_loop.setdefault(loop, cls())
        mine._users += 1
        try:
            yield mine
        finally:
            mine._users -= 1
            if mine._users == 0:
                del cls._of_loop[loop]
                if mine._chief is not None:
                    await mine._chief.end()

    def start(self, name: str, command: Sequence[str], environment: Mapping[str, str]) -> tuple[Ward, Stdio, int]:
        """Order a driver; return its ward, our ends of its stdin and stdout, and the end of its stderr to read.

        Raises OSError if we have no descriptors, processes or memory left.
        """
        if self._chief is None or self._chief.over:
            self._chief = _Chief()
        with contextlib.ExitStack() as ours, contextlib.ExitStack() as theirs:
            control, their_control = _pair(socket.SOCK_SEQPACKET, ours, theirs)
            stdin, their_stdin = _pair(socket.SOCK_STREAM, ours, theirs)
            stdout, their_stdout = _pair(socket.SOCK_STREAM, ours, theirs)
            for each in (stdin, their_stdin, stdout, their_stdout):
                each.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SOCKET_BUFFER)
            reading, writing = os.pipe()
            ours.callback(os.close, reading)
            theirs.callback(os.close, writing)
            # Of any length, unlike a message: environments may be large.
            order = os.memfd_create("driver")
            theirs.callback(os.close, order)
            with os.fdopen(os.dup(order), "wb") as file:
                file.write(
                    guardian.written(
                        [os.fsencode(word) for word in command],
                        [os.fsencode(f"{key}={value}") for key, value in environment.items()],
                        original_descriptor_limit(),
                    )
                )
            os.lseek(order, 0, os.SEEK_SET)
            self._chief.give([their_control.fileno(), order, their_stdin.fileno(), their_stdout.fileno(), writing])
            ward = Ward(name, control)
            ours.pop_all()
        return ward, Stdio(stdin, stdout), reading


class _Chief:
    """Be the process to which orders are given; it ends when they do."""

    def __init__(self) -> None:
        self.over = False
        self._loop = asyncio.get_running_loop()
        self._gone: asyncio.Future[None] = self._loop.create_future()
        with contextlib.ExitStack() as ours, contextlib.ExitStack() as theirs:
            self._orders, their_orders = _pair(socket.SOCK_SEQPACKET, ours, theirs)
            reading, writing = os.pipe()
            ours.callback(os.close, reading)
            theirs.callback(os.close, writing)
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(Path(guardian.__file__)), str(os.getpid())],
                stdin=their_orders.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=writing,
                start_new_session=True,
            )
            ours.callback(self._process.wait)
            ours.callback(self._process.kill)
            self._pidfd = os.pidfd_open(self._process.pid)
            ours.pop_all()
        self._stderr = StderrLog("guardian", reading)
        self._loop.add_reader(self._pidfd, self._ended)

    def give(self, order: list[int]) -> None:
        """Have a driver started; the descriptors are the driver's guardian's afterwards."""
        guardian.send_with(self._orders, b"start", order)

    async def end(self) -> None:
        """Give no more orders, and wait until the process has ended."""
        if not self.over:
            self.over = True
            self._orders.close()
            self._process.send_signal(signal.SIGCONT)  # a driver may have stopped it
            impatience = self._loop.call_later(PATIENCE, self._process.kill)
            try:
                await settled(self._gone)
            finally:
                impatience.cancel()

    def _ended(self) -> None:
        self._loop.remove_reader(self._pidfd)
        os.close(self._pidfd)
        status = self._process.wait()
        if not self.over:
            _log.error("the guardian process of the drivers has ended (%d); the next driver gets a new one", status)
            self.over = True
            self._orders.close()
        self._stderr.close()
        self._gone.set_result(None)


def _pair(kind: int, ours: contextlib.ExitStack, theirs: contextlib.ExitStack) -> tuple[socket.socket, socket.socket]:
    """Return a pair of connected sockets, each closed with its stack."""
    one, other = socket.socketpair(socket.AF_UNIX, kind)
    return ours.enter_context(one), theirs.enter_context(other)
