"""Where values go, each with its own buffer and its own trouble: the database, and the CSV files.

A sink that cannot write keeps what comes until its buffer is full, counts what it has to give up, and tries again and
again; nothing but a damaged file makes it go on elsewhere.
"""

from __future__ import annotations

import os
import sqlite3
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path

from core.recorder.csv_log import CsvLog
from core.recorder.protocol import VALUE, Part, Series, read_values
from core.recorder.retention import Retention
from core.recorder.spans import SECOND
from core.recorder.store import Damaged, Store, code_of, raise_damaged, set_aside

FIRST_RETRY, LAST_RETRY = SECOND, 10 * SECOND
"""How long after a failure it is tried again, in nanoseconds: at first, and at most."""


NEARLY_FULL = 1 << 20
"""With how many free bytes the lack of room is taken for the cause."""


class Sink(ABC):
    """Take values, and write them in transactions."""

    def __init__(self, series: Mapping[int, Series], limit: int) -> None:
        self.part = Part()
        self.written = 0
        self.dropped = 0
        self.bytes = 0
        """How many bytes wait."""
        self._series = series
        self._limit = limit
        self._bodies: deque[bytes] = deque()
        self._delay = 0
        self._retry_at = 0

    @property
    def waiting(self) -> int:
        """Return how many values wait."""
        return self.bytes // VALUE.size

    @property
    def retry_at(self) -> int | None:
        """Return when it is tried again, on the clock that `commit` is told; None while all is well."""
        return self._retry_at if self._delay else None

    def take(self, body: bytes) -> None:
        """Take packed values; drop and count them where the buffer is full."""
        if self._delay and self.bytes + len(body) > self._limit:
            self.dropped += len(body) // VALUE.size
            return
        self._bodies.append(body)
        self.bytes += len(body)

    def commit(self, now: int, *, last: bool = False) -> None:
        """Write what waits, unless it has failed and is not to be tried again yet; `now` in nanoseconds."""
        if self._delay and now < self._retry_at and not last:
            return
        try:
            self.write(self._bodies)
        except (OSError, sqlite3.Error, Damaged) as error:
            self._delay = min(2 * self._delay, LAST_RETRY) or FIRST_RETRY
            self._retry_at = now + self._delay
            self.part = Part("Alert", self.cope(error))
            return
        self.written += self.waiting
        self._bodies.clear()
        self.bytes = self._delay = 0
        self.part = Part("Ok")

    @abstractmethod
    def write(self, bodies: deque[bytes]) -> None:
        """Write all that waits, and return when it is on the disk."""

    @abstractmethod
    def cope(self, error: Exception) -> str:
        """Be ready for the next attempt, and return what is wrong."""

    @abstractmethod
    def close(self) -> None:
        """Close the file; what is not written is lost."""


class DatabaseSink(Sink):
    """Write values to SQLite; raise Refused, at the first `commit`, for a file that is not ours to write."""

    def __init__(
        self,
        path: Path,
        series: Mapping[int, Series],
        limit: int,
        keep: tuple[int | None, ...],
        idle: Callable[[], bool] = lambda: False,
    ) -> None:
        super().__init__(series, limit)
        self.set_aside: tuple[str, ...] = ()
        self._path = path
        self._retention = Retention(keep)
        self._idle = idle
        self._store: Store | None = None
        self._added = 0

    @property
    def file_bytes(self) -> int:
        """Return the length of the database."""
        return self._store.size if self._store is not None else 0

    def take(self, body: bytes) -> None:
        """Take packed values; they are inserted at once, so that a commit has less to do."""
        super().take(body)
        if self.retry_at is None and self._store is not None and self._added == len(self._bodies) - 1:
            try:
                self._insert(self._store, body)
            except sqlite3.Error:  # `commit` will meet it again, and say so
                self._close_store()

    def redefine(self, number: int) -> None:
        """Take note that a series means something else now."""
        if self._store is not None:
            self._store.redefine(number)

    def write(self, bodies: deque[bytes]) -> None:
        """Commit what waits; begin a new file if ours has been taken away or is damaged."""
        if self._store is not None and not self._store.present:
            self._close_store()
        try:
            self._commit(bodies)
        except Damaged:
            self._close_store()
            self.set_aside += (str(set_aside(self._path)),)
            self._commit(bodies)

    def _commit(self, bodies: deque[bytes]) -> None:
        try:
            if self._store is None:
                self._store = Store(self._path, self._idle)
            if bodies:
                for body in list(bodies)[self._added :]:
                    self._insert(self._store, body)
                self._store.commit()
            self._added = 0
        except sqlite3.DatabaseError as error:
            raise_damaged(error)
            raise

    def tidy(self, now: int) -> bool:
        """Move or delete some of what is too old at `now`, nanoseconds since 1970; return whether there may be more."""
        if self._store is None or self.retry_at is not None or self._added:
            return False
        try:
            return self._retention.step(self._store.connection, now)
        except sqlite3.Error:  # the next commit meets it too, and says so
            return False

    def cope(self, error: Exception) -> str:
        """Roll back, and open the file anew next time unless the disk is merely full."""
        full = isinstance(error, sqlite3.Error) and code_of(error) == sqlite3.SQLITE_FULL
        if full and self._store is not None:
            self._added = 0
            self._store.roll_back()
        else:
            self._close_store()
        return failure(self._path, error)

    def close(self) -> None:
        """Close the database."""
        self._close_store()

    def _insert(self, store: Store, body: bytes) -> None:
        store.begin(tuple(self._series.values()))
        store.add(read_values(body))
        self._added += 1

    def _close_store(self) -> None:
        self._added = 0
        if self._store is not None:
            store, self._store = self._store, None
            store.close()


class CsvSink(Sink):
    """Write values to CSV files."""

    def __init__(self, folder: Path, series: Mapping[int, Series], limit: int) -> None:
        super().__init__(series, limit)
        self._folder = folder
        self._log = CsvLog(folder)

    def write(self, bodies: deque[bytes]) -> None:
        """Append the values; what has been written is not written again should the disk become full."""
        if not bodies:
            self._folder.mkdir(parents=True, exist_ok=True)
            return
        self._log.write(self._series, read_values(b"".join(bodies)))

    def cope(self, error: Exception) -> str:
        """Close the file: the card may have been changed."""
        self._log.close()
        return failure(self._folder, error)

    def close(self) -> None:
        """Close the file."""
        self._log.close()


def failure(path: Path, error: Exception) -> str:
    """Return what is wrong, and what cures it, in one sentence."""
    reason = (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
    cure = "it is tried again and again"
    try:
        there = os.statvfs(path if path.exists() else path.parent)
    except OSError:
        pass
    else:
        if there.f_bavail * there.f_frsize < NEARLY_FULL:
            cure = "recording goes on as soon as there is room"
    return f"cannot write to {path}: {reason}; {cure}"
