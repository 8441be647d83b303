"""The recorder's process: reads what the run sends, and commits once a second.

A process of its own, because a thread that writes 100,000 rows a second makes the ticks of a run late. It ends when its
run does, however that ends: then the socket says so, and what has come is committed.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

from core.recorder.protocol import SERIES, VALUES, Part, Report, Series, Settings, read_series, read_settings
from core.recorder.protocol import report_message as packed_report
from core.recorder.sinks import CsvSink, DatabaseSink, Sink
from core.recorder.spans import SECOND
from core.recorder.store import Refused

PACKET_BYTES = 1 << 18
NICENESS = 5
LOCK_SECONDS = 3.0
"""How long a predecessor may take to end."""
TIDY_SECONDS = 0.05
"""How long it is tidied up after a commit."""
IDLE_SECONDS = 60
"""After how much time without values it is tidied up all the same."""


class Recording:
    """Carry out what a run says on `sock`, until its end; `clock` is monotonic, in nanoseconds."""

    def __init__(
        self,
        sock: socket.socket,
        settings: Settings,
        *,
        clock: Callable[[], int] = time.monotonic_ns,
        today: Callable[[], int] = time.time_ns,
    ) -> None:
        self._sock = sock
        self._settings = settings
        self._clock = clock
        self._today = today
        self._series: dict[int, Series] = {}
        path = Path(settings.file)
        self._database = DatabaseSink(path, self._series, settings.buffer, settings.keep, _Patience().waits_on)
        self._csv = CsvSink(Path(settings.csv), self._series, settings.buffer) if settings.csv else None
        self._commit_at: int | None = None
        self._reported: Report | None = None

    def run(self) -> None:
        """Record until the run has ended."""
        try:
            self._commit()
            while self._receive():
                if (due := self._due) is not None and self._clock() >= due:
                    self._commit()
            self._commit(last=True)
        except Refused as refusal:
            self._report(refused=str(refusal))
        finally:
            self._database.close()
            if self._csv is not None:
                self._csv.close()

    def _receive(self) -> bool:
        """Wait for the next message, or until something is due; return False at the end."""
        due = self._due
        left = IDLE_SECONDS * SECOND if due is None else max(due - self._clock(), 0)
        ready, _, _ = select.select([self._sock], [], [], left / SECOND)
        if not ready:
            if due is None:
                self._tidy()
            return True
        try:
            message = self._sock.recv(PACKET_BYTES)
        except ConnectionError:
            return False
        self._take(message[:1], message[1:])
        return bool(message)

    def _take(self, kind: bytes, body: bytes) -> None:
        if kind == VALUES:
            self._database.take(body)
            if self._csv is not None:
                self._csv.take(body)
            if self._commit_at is None:
                self._commit_at = self._clock() + self._settings.commit
            elif self._database.bytes > self._settings.buffer // 2 and self._database.retry_at is None:
                self._commit()
        elif kind == SERIES:
            series = read_series(body)
            self._series[series.number] = series
            self._database.redefine(series.number)

    @property
    def _sinks(self) -> list[Sink]:
        return [self._database, *([self._csv] if self._csv is not None else [])]

    @property
    def _due(self) -> int | None:
        retries = [sink.retry_at for sink in self._sinks]
        return min((at for at in (self._commit_at, *retries) if at is not None), default=None)

    def _commit(self, *, last: bool = False) -> None:
        self._commit_at = None
        for sink in self._sinks:
            sink.commit(self._clock(), last=last)
        self._report()
        if not last:
            self._tidy()

    def _tidy(self) -> None:
        deadline = self._clock() + int(TIDY_SECONDS * SECOND)
        while self._database.tidy(self._today()) and self._clock() < deadline:
            pass

    def _report(self, refused: str = "") -> None:
        database = self._database
        report = Report(
            ready=True,
            written=database.written,
            dropped=database.dropped,
            waiting=database.waiting,
            file_bytes=database.file_bytes,
            database=database.part,
            csv=self._csv.part if self._csv is not None else Part(),
            set_aside=database.set_aside,
            refused=refused,
        )
        if report == self._reported:
            return
        try:
            self._sock.send(packed_report(report), socket.MSG_DONTWAIT)
        except OSError:  # the run reads none, or is over; the next report tells everything again
            return
        self._reported = report


class _Patience:
    """Wait for a predecessor that still has the file."""

    def __init__(self) -> None:
        self._deadline: float | None = None

    def waits_on(self) -> bool:
        """Wait a little; return whether there is time left."""
        if self._deadline is None:
            self._deadline = time.monotonic() + LOCK_SECONDS
        time.sleep(0.02)
        return time.monotonic() < self._deadline


def main(descriptor: int) -> None:
    """Record what comes on the socket `descriptor`."""
    # The end of the run is the only one that counts; a service's SIGTERM and a terminal's Ctrl-C reach everybody.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    os.nice(NICENESS)
    with socket.socket(fileno=descriptor) as sock:
        first = sock.recv(PACKET_BYTES)
        if first:
            Recording(sock, read_settings(first[1:])).run()


if __name__ == "__main__":
    main(int(sys.argv[1]))
