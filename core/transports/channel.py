"""A peer's bytes in and out on the loop: read when there is something, written once a turn, never waiting."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from core.loop import Loop
from core.loop.event_loop import CoreEventLoop
from core.plumbing.attachments import Attachments
from core.transports.ends import SEND, Sink, SocketEnd, Source, StdinEnd, StrayDescriptorsError

_log = logging.getLogger("core.transport")

IOV_MAX = 1024
"""How many buffers one system call takes on Linux."""

SMALL = 1 << 16
"""Up to how many bytes the rest of a buffer is copied, so that it does not hold the whole."""

LINGER = 2.0
"""For how many seconds a peer is still written to that has closed its half."""
PARTING = 1.0
"""For how many seconds a peer that is disconnected may read why."""


def _nobody() -> None:
    """Be told and do nothing."""


def _forget(_data: bytes) -> None:
    """Take what comes and do nothing."""


def _disregard(_why: str) -> None:
    """Be told why and do nothing."""


@dataclass(slots=True)
class _Attached:
    data: bytes
    attachments: Attachments


class StreamChannel:
    """Join a source and a sink (one socket, two pipes, files) to a connection.

    `on_data` gets what arrives, `on_end` is called once when nothing more can arrive, `on_lost` once when nothing more
    can be sent either. `on_refused` is told why nothing more is taken from the peer, and parts from it.
    """

    def __init__(
        self,
        source: Source,
        sink: Sink,
        *,
        on_data: Callable[[bytes], None],
        on_end: Callable[[], None],
        on_lost: Callable[[], None],
        on_refused: Callable[[str], None],
    ) -> None:
        self._source = source
        self._sink = sink
        self._one_end: bool = sink is source  # type: ignore[comparison-overlap]
        self._on_data = on_data
        self._on_end = on_end
        self._on_lost = on_lost
        self._on_refused = on_refused
        self._queue: deque[bytes | memoryview | _Attached] = deque()
        self._unix = sink if isinstance(sink, SocketEnd) and sink.passes_descriptors else None
        self._send_one = sink.send if isinstance(sink, SocketEnd) else None
        self._stdin = sink if isinstance(sink, StdinEnd) else None
        self.pending = 0
        """How many bytes the kernel has not taken yet."""
        self._loop = asyncio.get_running_loop()
        core_loop = self._loop if isinstance(self._loop, CoreEventLoop) else None
        self._before_wait = core_loop.waiting.before_wait if core_loop is not None else Loop.current().before_wait
        self._flush_asked = False
        self._writing = False
        self._reading = False
        self._at_end = False
        self._closed = False
        self._parting = False
        self._drained: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._progressed: Callable[[], None] = _nobody
        self._blocked: Callable[[], None] = _nobody
        if self._stdin is not None:
            self._loop.add_reader(self._stdin.fileno(), self._stdin_readable)
        self.resume()

    @property
    def passes_descriptors(self) -> bool:
        """Return whether descriptors can be sent with bytes: on a Unix socket."""
        return self._unix is not None

    @property
    def unconfirmed(self) -> int:
        """Return how many of the bytes that our kernel has taken have not reached the peer's."""
        return self._sink.unconfirmed() if isinstance(self._sink, SocketEnd) and not self._closed else 0

    def take_descriptor(self) -> int | None:
        """Return the next descriptor that has come with the bytes, now the caller's; None if there is none."""
        received = self._source.received if isinstance(self._source, SocketEnd) else None
        return received.popleft() if received else None

    def send(self, data: bytes, attachments: Attachments | None = None) -> None:
        """Queue bytes; they go out together with all others of this turn."""
        if self._closed or self._parting or not data:
            return
        self._queue.append(data if attachments is None else _Attached(data, attachments))
        self.pending += len(data)
        if not self._flush_asked and not self._writing:
            self._flush_asked = True
            self._before_wait(self._flush_turn)

    def watch(self, progressed: Callable[[], None], blocked: Callable[[], None]) -> None:
        """Call `progressed` when the kernel has taken something, `blocked` when it takes no more for now."""
        self._progressed = progressed
        self._blocked = blocked

    def pause(self) -> None:
        """Read no more until `resume`."""
        if self._reading:
            self._reading = False
            if self._source.selectable:
                self._loop.remove_reader(self._source.fileno())

    def resume(self) -> None:
        """Read again."""
        if not self._reading and not self._at_end and not self._closed:
            self._reading = True
            if self._source.selectable:
                if isinstance(self._loop, CoreEventLoop):
                    self._loop.add_quick_reader(self._source.fileno(), self._readable)
                else:
                    self._loop.add_reader(self._source.fileno(), self._readable)
            else:
                self._loop.call_soon(self._read_on)

    async def drain(self) -> None:
        """Wait until everything queued has been taken by the kernel, or nothing can be sent any more."""
        if self._queue and not self._closed:
            self._drained = self._drained or self._loop.create_future()
            await asyncio.shield(self._drained)

    def close(self) -> None:
        """Send what goes at once, and end."""
        if self._closed:
            return
        if self._queue:
            self._flush()
        self._finish()

    def part(self) -> None:
        """Send what goes at once and end, but so that the peer can read it all.

        A socket that is closed while something lies unread in it takes what was sent last away from its peer: so what
        still comes is read and forgotten, for a moment.
        """
        if self._queue and not self._closed:
            self._flush()
        if self._closed or self._parting:
            return
        if not isinstance(self._sink, SocketEnd) or self._at_end or self._queue:
            self._finish()
            return
        self._parting = True
        self._on_data = _forget
        self._on_end = self._finish
        self._sink.shutdown()
        self._timer = self._loop.call_later(PARTING, self._finish)
        self.resume()

    def _finish(self) -> None:
        if self._closed:
            return
        self.pause()
        self._closed = True
        if self._writing:
            self._writing = False
            self._loop.remove_writer(self._sink.fileno())
        if self._stdin is not None:
            self._look_at_stdin_no_more()
        if self._timer is not None:
            self._timer.cancel()
        self._queue.clear()
        self.pending = 0
        self._tell_drained()
        self._source.close()
        if not self._one_end:
            self._sink.close()
        on_lost = self._on_lost
        # Who is called holds this as well: a circle, and all that is in it, would stay until Python looks for circles.
        self._on_data = _forget
        self._on_end = self._on_lost = self._progressed = self._blocked = _nobody
        self._on_refused = _disregard
        on_lost()

    def _readable(self) -> None:
        try:
            data = self._source.read()
        except (BlockingIOError, InterruptedError):
            return
        except StrayDescriptorsError as error:
            if self._parting:
                self._finish()
            else:
                self._on_refused(str(error))
            return
        except OSError as error:
            _log.debug("reading ended: %s", error)
            self._finish()
            return
        if data:
            if self._stdin is not None:
                self._look_at_stdin_no_more()
            self._on_data(data)
            return
        self.pause()
        self._at_end = True
        # It may have closed its half only, so it is still served; but one that has gone does not keep its place.
        if not self._parting:
            self._timer = self._loop.call_later(LINGER, self.close)
        self._on_end()

    def _look_at_stdin_no_more(self) -> StdinEnd | None:
        stdin, self._stdin = self._stdin, None
        if stdin is not None:
            self._loop.remove_reader(stdin.fileno())
        return stdin

    def _stdin_readable(self) -> None:
        """Read from a driver's stdin from now on, if that is where it speaks first; otherwise it has closed it."""
        stdin = self._look_at_stdin_no_more()
        if stdin is not None and stdin.is_spoken_on():
            reading = self._reading
            self.pause()
            self._source.close()
            self._source = stdin
            self._one_end = True
            if reading:
                self.resume()

    def _read_on(self) -> None:
        """Read a file piece by piece, with a turn for everybody else between the pieces."""
        if self._reading and not self._closed:
            self._readable()
            if self._reading:
                self._loop.call_soon(self._read_on)

    def _flush_turn(self) -> None:
        self._flush_asked = False
        queue = self._queue
        # Most turns have one thing to say, and the kernel takes it as a whole.
        if len(queue) == 1 and self._send_one is not None and isinstance(data := queue[0], bytes):
            try:
                written = self._send_one(data, SEND)
            except OSError:
                self._flush()  # which meets the same, and knows what to do
                return
            self.pending -= written
            if written == len(data):
                queue.clear()
                self._progressed()
                if self._drained is not None:
                    self._tell_drained()
                return
            self._keep_from(written)
        self._flush()

    def _keep_from(self, written: int) -> None:
        """Take off the queue what has been written."""
        queue = self._queue
        while written:
            first = queue[0]
            content = first.data if isinstance(first, _Attached) else first
            if written < len(content):
                # The descriptors have gone with the first byte.
                rest = memoryview(content)[written:]
                # A few bytes that wait do not hold all that was sent.
                queue[0] = rest if len(rest) > SMALL else bytes(rest)
                break
            written -= len(content)
            queue.popleft()

    def _flush(self) -> None:
        if self._closed:
            return
        queue = self._queue
        try:
            while queue:
                written = self._write(queue[0])
                self.pending -= written
                self._keep_from(written)
        except (BlockingIOError, InterruptedError):
            if not self._writing:
                self._writing = True
                self._loop.add_writer(self._sink.fileno(), self._flush)
                self._blocked()
            self._progressed()
            return
        except OSError as error:
            _log.debug("writing ended: %s", error)
            if not isinstance(self._sink, StdinEnd) or self._one_end:
                self._finish()
                return
            # A driver that hears no more may speak on, and its end is seen by what it says.
            queue.clear()
            self.pending = 0
        if self._writing:
            self._writing = False
            self._loop.remove_writer(self._sink.fileno())
        self._progressed()
        self._tell_drained()

    def _write(self, first: bytes | memoryview | _Attached) -> int:
        """Write the first of the queue, and all that can go with it in one call."""
        if isinstance(first, _Attached):
            if self._unix is None:
                raise OSError("descriptors cannot be sent here")
            return self._unix.write_with(first.data, first.attachments.descriptors)
        if len(self._queue) == 1:
            return self._sink.write((first,))
        buffers = []
        for item in itertools.islice(self._queue, IOV_MAX):
            if isinstance(item, _Attached):
                break
            buffers.append(item)
        return self._sink.write(buffers)

    def _tell_drained(self) -> None:
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)
        self._drained = None
