"""Feed: the way from the loop to the recorder's process: a queue that counts bytes, and the process itself.

Nothing here waits for the process: what does not fit into the queue is dropped, counted and told.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Callable
from pathlib import Path

import core
from core.recorder.protocol import (
    MESSAGE_BYTES,
    VALUE,
    VALUES,
    Report,
    Series,
    Settings,
    read_report,
    series_message,
    settings_message,
)

__all__ = ["Feed"]

_log = logging.getLogger("core.recorder")

GATHER_SECONDS = 0.05
"""How long values are gathered before they are sent."""
SOCKET_BUFFER = 1 << 20
"""How many bytes are asked of the kernel; net.core.wmem_max caps it."""
PACKET_BYTES = 1 << 18

# Isolated and without site-packages: it starts in 30 ms, and what is installed cannot disturb it.
_PROGRAM = "import sys; sys.path.insert(0, sys.argv[2]); from core.recorder.process import main; main(int(sys.argv[1]))"
_FOLDER = str(Path(core.__file__).parent.parent)


class Feed:
    """Hand values to a recorder's process; `limit` bounds the bytes that wait for it.

    `on_report` is called with each of its reports, `on_end` when it has ended unasked. Values may be given before
    `start`, and after the process has ended: they wait for the next one.
    """

    def __init__(
        self,
        name: str,
        *,
        limit: int,
        on_report: Callable[[Report], None],
        on_end: Callable[[], None],
    ) -> None:
        self.dropped = 0
        """How many values did not fit into the queue."""
        self.bytes = 0
        """How many bytes wait in it."""
        self._name = name
        self._limit = limit
        self._on_report = on_report
        self._on_end = on_end
        self._series: dict[int, Series] = {}
        self._gathered = bytearray()
        self._timer: asyncio.TimerHandle | None = None
        self._queue: deque[bytes] = deque()
        self._child: _Child | None = None

    def define(self, series: Series) -> None:
        """Tell the process what a number means, before the first value of it."""
        self._seal()
        self._series[series.number] = series
        self._enqueue(series_message(series))
        self._send()

    def add(self, number: int, when: int, value: float) -> None:
        """Hand over a value of a series, taken `when` nanoseconds after 1970 in UTC."""
        self._gathered += VALUE.pack(number, when, value)
        if len(self._gathered) >= MESSAGE_BYTES:
            self._flush()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(GATHER_SECONDS, self._flush)

    def start(self, settings: Settings) -> int:
        """Start the process and return its id; raise OSError if there cannot be one."""
        child = self._child = _Child(self._name, self._on_report, self._ended, self._send)
        # What the last one knew, this one has to be told again; what waits is older than nothing of it.
        for message in reversed([settings_message(settings), *map(series_message, self._series.values())]):
            self._queue.appendleft(message)
            self.bytes += len(message)
        self._send()
        return child.process

    def clear(self) -> None:
        """Forget the values that wait."""
        self._gathered.clear()
        self._queue.clear()
        self.bytes = 0

    async def close(self, seconds: float) -> bool:
        """End the process: it gets what waits, and has committed it when it ends.

        Return whether it has ended within `seconds`; if not, it ends by itself when its disk lets it.
        """
        self._seal()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        # Not ours any more: its end is asked for.
        child, self._child = self._child, None
        ended = True
        if child is not None:
            try:
                async with asyncio.timeout(seconds):
                    self._send(child)
                    while self._queue and not child.over.done():
                        await child.writable()
                        self._send(child)
                    child.finish()
                    await asyncio.shield(child.over)
            except TimeoutError:
                ended = False
            finally:
                child.close()
        self.clear()
        return ended

    def _flush(self) -> None:
        self._seal()
        self._send()

    def _seal(self) -> None:
        """Make a message of what has been gathered."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._gathered:
            if self.bytes + len(self._gathered) <= self._limit:
                self._enqueue(VALUES + self._gathered)
            else:
                self.dropped += len(self._gathered) // VALUE.size
            self._gathered.clear()

    def _enqueue(self, message: bytes) -> None:
        self._queue.append(message)
        self.bytes += len(message)

    def _send(self, child: _Child | None = None) -> None:
        child = child or self._child
        while self._queue and child is not None and child.send(self._queue[0]):
            self.bytes -= len(self._queue.popleft())

    def _ended(self, child: _Child) -> None:
        if child is self._child:
            self._child = None
            child.close()
            self._on_end()


class _Child:
    """Be the process, and our end of the socket to it."""

    def __init__(
        self,
        name: str,
        on_report: Callable[[Report], None],
        on_end: Callable[[_Child], None],
        on_writable: Callable[[], None],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self.over: asyncio.Future[None] = self._loop.create_future()
        """Done when the process has ended."""
        self._on_report = on_report
        self._on_end = on_end
        self._on_writable = on_writable
        self._waiting: asyncio.Future[None] | None = None
        self._writing = self._closed = False
        # For `ps`, and for whoever finds the database locked by it.
        title = f"recorder {name!r} of the run that is process {os.getpid()}"
        with contextlib.ExitStack() as ours, contextlib.ExitStack() as theirs:
            our_end, their_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            self._socket = ours.enter_context(our_end)
            theirs.enter_context(their_end)
            self._socket.setblocking(False)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SOCKET_BUFFER)
            reading, writing = os.pipe()
            ours.callback(os.close, reading)
            theirs.callback(os.close, writing)
            self._popen = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _PROGRAM, str(their_end.fileno()), _FOLDER, title],
                stdin=subprocess.DEVNULL,
                stdout=writing,
                stderr=writing,
                pass_fds=[their_end.fileno()],
                # Its own session: a Ctrl-C in our terminal is for us, and it learns of our end by the socket.
                start_new_session=True,
                cwd="/",
            )
            ours.callback(self._popen.wait)
            ours.callback(self._popen.kill)
            self._pidfd = os.pidfd_open(self._popen.pid)
            ours.pop_all()
        self.process = self._popen.pid
        from core.drivers.stderr_log import StderrLog  # here, because every listing of plugins imports this module

        self._stderr = StderrLog(name, reading)
        self._loop.add_reader(self._socket, self._readable)
        self._loop.add_reader(self._pidfd, self._gone)

    def send(self, message: bytes) -> bool:
        """Send a message; return False if it has to wait, and call `on_writable` when it need not."""
        try:
            self._socket.send(message)
        except (BlockingIOError, InterruptedError):
            if not self._writing:
                self._writing = True
                self._loop.add_writer(self._socket, self._can_write)
            return False
        except OSError:  # it has gone, and `_gone` is about to be called
            return False
        return True

    async def writable(self) -> None:
        """Wait until something can be sent, or the process has ended."""
        self._waiting = self._loop.create_future()
        await asyncio.wait({self._waiting, self.over}, return_when=asyncio.FIRST_COMPLETED)

    def finish(self) -> None:
        """Tell the process that nothing more comes."""
        with contextlib.suppress(OSError):  # it knows already, if it has ended
            self._socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Close our end; a process that has not ended does that by itself, and `_gone` buries it."""
        if self._closed:
            return
        self._closed = True
        self._loop.remove_reader(self._socket)
        self._loop.remove_writer(self._socket)
        self._socket.close()
        self._stderr.close()

    def _can_write(self) -> None:
        self._writing = False
        self._loop.remove_writer(self._socket)
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)
        self._on_writable()

    def _readable(self) -> None:
        try:
            message = self._socket.recv(PACKET_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            message = b""
        if message:
            self._on_report(read_report(message))
        else:
            self._loop.remove_reader(self._socket)

    def _gone(self) -> None:
        while not self._closed:  # what it has said last
            try:
                message = self._socket.recv(PACKET_BYTES)
            except ConnectionResetError:  # it has left something unread; its words come all the same
                continue
            except OSError:
                break
            if not message:
                break
            self._on_report(read_report(message))
        self._loop.remove_reader(self._pidfd)
        os.close(self._pidfd)
        status = self._popen.wait()
        if status:
            _log.error("the recorder's process has ended with status %d", status)
        self.over.set_result(None)
        self._on_end(self)
