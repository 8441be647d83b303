"""What was recorded, read beside the recorder that goes on writing."""

from __future__ import annotations

import contextlib
import gc
import os
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from core.errors import CoreError
from core.recorder.protocol import Series
from core.recorder.selection import Selection
from core.recorder.store import APPLICATION, VERSION, code_of

__all__ = ["History", "HistoryError", "HistoryMissing", "Point", "Recorded", "matching"]

BUSY_SECONDS = 5.0

_TABLES = ("hour", "minute")

_STEPS = {
    "sample": "count(*), avg(value), min(value), max(value)",
    "minute": "sum(count), sum(mean * count) / sum(count), min(low), max(high)",
    "hour": "sum(count), sum(mean * count) / sum(count), min(low), max(high)",
}
"""What the rows of a table that lie in one step become."""


class HistoryError(CoreError, ValueError):
    """Report a recording that cannot be read."""


class HistoryMissing(HistoryError):  # noqa: N818 - reads as what happened
    """Report a recording that does not exist."""


class Point(NamedTuple):
    """Be a value at a time in nanoseconds since 1970, or the mean of the values of a time that begins then.

    `low`, `high` and `samples`, how many they were, are None for a single value.
    """

    time: int
    value: float
    low: float | None = None
    high: float | None = None
    samples: int | None = None


@dataclass(frozen=True)
class Recorded:
    """Tell of a series when its first and last value were taken, and what the last was; None if there are none."""

    series: Series
    first: int | None
    last: int | None
    value: float | None


class History:
    """Read the database at `path`; use it in a `with`.

    Raises HistoryMissing if there is none, and HistoryError if it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.exists():
            raise HistoryMissing(
                f'there is no recording at {path}; a [device.history] with plugin = "recorder" in core.toml makes one'
            )
        with self._explained():
            # Who may write is given a connection that could: only such a one takes its auxiliary files away again.
            self._connection = self._connect("rw" if os.access(path, os.W_OK) else self._reading())

    def __enter__(self) -> History:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def series(self) -> list[Series]:
        """Return what has been recorded, by name."""
        with self._explained():
            rows = self._connection.execute(
                "SELECT id, device, property, member, label, unit, format FROM series ORDER BY device, property, id"
            ).fetchall()
        return [Series(*row) for row in rows]

    def recorded(self, series: Series) -> Recorded:
        """Return when a series begins and ends."""
        first: int | None = None
        with self._explained():
            for table in (*_TABLES, "sample"):
                if first is None:
                    query = f"SELECT min(time) FROM {table} WHERE series = ?"  # noqa: S608 - one of our names
                    (first,) = self._connection.execute(query, (series.number,)).fetchone()
            for table, column in (("sample", "value"), ("minute", "mean"), ("hour", "mean")):
                query = f"SELECT time, {column} FROM {table} WHERE series = ? ORDER BY time DESC LIMIT 1"  # noqa: S608 - ours
                if (newest := self._connection.execute(query, (series.number,)).fetchone()) is not None:
                    return Recorded(series, first, *newest)
        return Recorded(series, None, None, None)

    def points(self, series: Series, since: int, until: int) -> list[Point]:
        """Return what is kept of a series from `since` to before `until`: hours, then minutes, then values."""
        span = (series.number, since, until)
        found: list[tuple[int, float, float | None, float | None, int | None]] = []
        with self._explained(), self._snapshot():
            for table in _TABLES:
                query = f"SELECT time, mean, low, high, count {_within(table)} ORDER BY time"
                found += self._connection.execute(query, span).fetchall()
            query = f"SELECT time, value {_within('sample')} ORDER BY time"
            values = self._connection.execute(query, span).fetchall()
        points = [Point._make(row) for row in found]
        points += [Point(*row) for row in values]
        if found:  # where the clock was set back, the tables overlap
            points.sort(key=itemgetter(0))
        return points

    def values(self, series: Series, since: int, until: int) -> list[tuple[int, float]]:
        """Return times and values as `points` does, means for what has been condensed; in a third of its time."""
        span = (series.number, since, until)
        found: list[tuple[int, float]] = []
        with self._explained(), self._snapshot(), _uncollected():
            for table in (*_TABLES, "sample"):
                column = "value" if table == "sample" else "mean"
                query = f"SELECT time, {column} {_within(table)} ORDER BY time"
                rows = self._connection.execute(query, span).fetchall()
                overlap = bool(found and rows and rows[0][0] < found[-1][0])
                found += rows
                if overlap:  # the clock was set back
                    found.sort(key=itemgetter(0))
        return found

    def extent(self, series: Series, since: int, until: int) -> tuple[int, int] | None:
        """Return when the first and the last value between two moments were taken, None if there is none."""
        with self._explained():
            found = [self._bounds(table, (series.number, since, until)) for table in _STEPS]
        bounds = [one for one in found if one is not None]
        return (min(first for first, _ in bounds), max(last for _, last in bounds)) if bounds else None

    def outline(self, series: Series, since: int, until: int, steps: int) -> list[Point]:
        """Return at most `steps` means, minima and maxima of equal times, as a plot needs them."""
        width = max(-(-(until - since) // steps), 1)
        found: dict[int, tuple[int, float, float, float]] = {}
        with self._explained(), self._snapshot():
            for table, aggregate in _STEPS.items():
                bounds = self._bounds(table, (series.number, since, until))
                if bounds is None:
                    continue
                first, last = bounds
                # One look a step: it takes half as long as GROUP BY, which sorts what lies in order.
                query = f"SELECT {aggregate} {_within(table)}"
                for begin in range(first - (first - since) % width, last + 1, width):
                    end = min(begin + width, until)
                    row = self._connection.execute(query, (series.number, begin, end)).fetchone()
                    if row[0]:
                        found[begin] = _joined(found[begin], row) if begin in found else row
        return [Point(at, mean, low, high, count) for at, (count, mean, low, high) in sorted(found.items())]

    def _bounds(self, table: str, span: tuple[int, int, int]) -> tuple[int, int] | None:
        """Return the times of the first and the last row of a table within a span; None if there is none."""
        # Two queries: one for both would look at every row between them.
        queries = [f"SELECT time {_within(table)} ORDER BY time {order} LIMIT 1" for order in ("ASC", "DESC")]
        first, last = [self._connection.execute(query, span).fetchone() for query in queries]
        return (first[0], last[0]) if first is not None and last is not None else None

    def _reading(self) -> str:
        """Return the mode for one who may not write."""
        # Without a log nobody records, and all is in the file; SQLite would make a log, which this user may not.
        return "ro" if self.path.with_name(f"{self.path.name}-wal").exists() else "ro&immutable=1"

    def _connect(self, mode: str) -> sqlite3.Connection:
        uri = f"file:{quote(str(self.path.absolute()))}?mode={mode}"
        connection = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=BUSY_SECONDS)
        try:
            connection.execute("PRAGMA query_only = ON")
            # First, since a recorder may make all of it between these questions, in one transaction.
            (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
            (application,) = connection.execute("PRAGMA application_id").fetchone()
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if not tables and application == 0:  # a recorder is making it just now, or was killed while it did
                raise HistoryMissing(f"there is no recording at {self.path} yet: it has only been begun")
            if application != APPLICATION:
                raise HistoryError(f"{self.path} is no recording of core")
            if version > VERSION:
                raise HistoryError(f"{self.path} is of a newer version of core; pip install --upgrade core")
        except BaseException:  # whatever it was, the connection is nobody's then
            connection.close()
            raise
        return connection

    @contextlib.contextmanager
    def _snapshot(self) -> Iterator[None]:
        """Read from one moment: what moves from table to table meanwhile is seen once."""
        self._connection.execute("BEGIN")
        try:
            yield
        finally:
            if self._connection.in_transaction:
                self._connection.execute("COMMIT")

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            code = code_of(error)
            if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
                cure = "a recorder that is started on it sets it aside; what can be saved: sqlite3 FILE .recover"
            elif code in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY):
                cure = "may you read it, and write beside it?"
            elif code == sqlite3.SQLITE_BUSY:
                cure = "another program holds it"
            else:
                cure = "is the disk in order?"
            raise HistoryError(f"cannot read {self.path}: {error}; {cure}") from error


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """Look for no garbage meanwhile: among a day's values there is none, and the search takes a third of the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _within(table: str) -> str:
    """Return what chooses rows of one of our tables: of a series, from a moment to before another."""
    return f"FROM {table} WHERE series = ? AND time >= ? AND time < ?"


def _joined(
    one: tuple[int, float, float, float], other: tuple[int, float, float, float]
) -> tuple[int, float, float, float]:
    """Return count, mean, minimum and maximum of both."""
    count = one[0] + other[0]
    mean = (one[0] * one[1] + other[0] * other[1]) / count
    return count, mean, min(one[2], other[2]), max(one[3], other[3])


def matching(series: Sequence[Series], pattern: str) -> list[Series]:
    """Return the series that device.property.member means, as in a shell; what is left out stands for any.

    A name that is written as it stands means itself, whatever characters it has.
    """
    named = [one for one in series if f"{one.device}.{one.property}.{one.member}.".startswith(f"{pattern}.")]
    if named:
        return named
    selected = Selection([pattern])
    return [one for one in series if selected(one.device, one.property, one.member)]
