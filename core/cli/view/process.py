"""The view of a run in a process of its own, so that what it draws costs no tick and what it does ends nothing else.

It is an INDI client on a socket pair, and gets the terminal for itself: descriptors 1 and 2 of the run become a pipe,
whose lines it shows as the log. When it ends in order, the run ends; when it fails, the run gets the terminal back and
goes on with plain lines.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

from core.cli.view.terminal import TerminalState, write_if_taken
from core.loop import Loop
from core.plumbing import Connection
from core.transports.channel import StreamChannel
from core.transports.ends import SocketEnd

if TYPE_CHECKING:
    from core.app import App

END_SECONDS = 0.6
"""How long the view has to put the terminal in order after the run has ended; it is done for it afterwards."""
KILLED = 128
"""From this status on, a process did not end in its own way."""
POLL_SECONDS = 0.01
READ_SIZE = 1 << 16


class ViewProcess:
    """Be the process that shows a run. From `begin` to `close` the terminal is its own."""

    def __init__(self) -> None:
        self._ours, theirs = socket.socketpair()
        self._lines, pipe = os.pipe()
        self._terminal = TerminalState(0)
        self._kept = os.dup(1), os.dup(2)
        self._given = True
        command = [sys.executable, "-P", "-m", "core.cli.view.child", str(theirs.fileno()), str(self._lines)]
        # The mask is inherited: a Ctrl-C that comes while Python starts must not end it with a traceback.
        former = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            self._child = subprocess.Popen(command, pass_fds=(theirs.fileno(), self._lines))
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, former)
            theirs.close()
        os.set_blocking(self._lines, False)
        for stream, number in ((sys.stdout, 1), (sys.stderr, 2)):
            with contextlib.suppress(OSError):
                stream.flush()
            os.dup2(pipe, number)
        os.close(pipe)

    async def accompany(self, app: App) -> None:
        """Serve the view while the run lasts; end the run when the user has ended the view."""
        gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def end() -> None:
            if not gone.done():
                gone.set_result(None)

        socket_end = SocketEnd(self._ours)
        connection: Connection
        channel = StreamChannel(
            socket_end,
            socket_end,
            on_data=lambda data: connection.feed(data),
            on_end=end,
            on_lost=end,
            on_refused=lambda why: connection.refuse(why),
        )
        connection = Connection(app.router, channel, "the view")
        try:
            await gone
        finally:
            connection.close()
        deadline = asyncio.get_running_loop().time() + END_SECONDS
        while self._child.poll() is None and asyncio.get_running_loop().time() < deadline:
            await Loop.current().delay(POLL_SECONDS)
        if self._child.poll() == 0:
            app.stop()
            return
        self.close()
        print(f"the view has failed ({_told(self._child.returncode)}); the run goes on without it, Ctrl-C ends it")

    def close(self) -> None:
        """End the view if it has not ended yet, and take the terminal back."""
        if not self._given:
            return
        self._given = False
        self._ours.close()
        try:
            self._child.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        for number, kept in zip((1, 2), self._kept, strict=True):
            os.dup2(kept, number)
            os.close(kept)
        self._terminal.restore(left_behind=not 0 <= self._child.returncode < KILLED)
        # What has been said since the view ended, or what it had no time to show.
        with contextlib.suppress(BlockingIOError):
            while data := os.read(self._lines, READ_SIZE):
                write_if_taken(2, data.decode(errors="replace"))
        os.close(self._lines)


def _told(status: int | None) -> str:
    if status is None or status >= 0:
        return f"status {status}"
    with contextlib.suppress(ValueError):
        return signal.Signals(-status).name
    return f"signal {-status}"
