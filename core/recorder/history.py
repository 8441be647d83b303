"""What was recorded, read beside the recorder that goes on writing."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
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


_OUTLINE = """
    WITH kept(time, mean, low, high, count) AS (
        SELECT time, value, value, value, 1 FROM sample WHERE series = ?1 AND time >= ?2 AND time < ?3
        UNION ALL
        SELECT time, mean, low, high, count FROM minute WHERE series = ?1 AND time >= ?2 AND time < ?3
        UNION ALL
        SELECT time, mean, low, high, count FROM hour WHERE series = ?1 AND time >= ?2 AND time < ?3)
    SELECT ?2 + (time - ?2) / ?4 * ?4, sum(mean * count) / sum(count), min(low), max(high), sum(count)
    FROM kept GROUP BY 1 ORDER BY 1"""


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
            self._connection = self._connect("rw" if os.access(path, os.W_OK) else "ro")

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
        where = "WHERE series = ? AND time >= ? AND time < ? ORDER BY time"
        with self._explained(), self._snapshot():
            for table in _TABLES:
                query = f"SELECT time, mean, low, high, count FROM {table} {where}"  # noqa: S608 - one of our names
                found += self._connection.execute(query, span).fetchall()
            values = self._connection.execute(f"SELECT time, value FROM sample {where}", span).fetchall()  # noqa: S608 - ours
        points = [Point._make(row) for row in found]
        points += [Point(*row) for row in values]
        if found:  # where the clock was set back, the tables overlap
            points.sort()
        return points

    def extent(self, series: Series, since: int, until: int) -> tuple[int, int] | None:
        """Return when the first and the last value between two moments were taken, None if there is none."""
        found: list[int | None] = []
        with self._explained():
            for table in (*_TABLES, "sample"):
                query = f"SELECT min(time), max(time) FROM {table} WHERE series = ? AND time >= ? AND time < ?"  # noqa: S608 - ours
                found += self._connection.execute(query, (series.number, since, until)).fetchone()
        times = [at for at in found if at is not None]
        return (min(times), max(times)) if times else None

    def outline(self, series: Series, since: int, until: int, steps: int) -> list[Point]:
        """Return at most `steps` means, minima and maxima of equal times, as a plot needs them."""
        width = max(-(-(until - since) // steps), 1)
        with self._explained():
            rows = self._connection.execute(
                _OUTLINE,
                (series.number, since, until, width),
            ).fetchall()
        return [Point._make(row) for row in rows]

    def _connect(self, mode: str) -> sqlite3.Connection:
        uri = f"file:{quote(str(self.path.absolute()))}?mode={mode}"
        connection = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=BUSY_SECONDS)
        try:
            connection.execute("PRAGMA query_only = ON")
            (application,) = connection.execute("PRAGMA application_id").fetchone()
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if application != APPLICATION:
                raise HistoryError(f"{self.path} is no recording of core")
            if version > VERSION:
                raise HistoryError(f"{self.path} is of a newer version of core; pip install --upgrade core")
        except BaseException:
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
            elif code == sqlite3.SQLITE_CANTOPEN:
                cure = "may you read it, and write beside it?"
            elif code == sqlite3.SQLITE_BUSY:
                cure = "another program holds it"
            else:
                cure = "is the disk in order?"
            raise HistoryError(f"cannot read {self.path}: {error}; {cure}") from error


def matching(series: Sequence[Series], pattern: str) -> list[Series]:
    """Return the series that device.property.member means, as in a shell; what is left out stands for any.

    A name that is written as it stands means itself, whatever characters it has.
    """
    named = [one for one in series if f"{one.device}.{one.property}.{one.member}.".startswith(f"{pattern}.")]
    if named:
        return named
    selected = Selection([pattern])
    return [one for one in series if selected(one.device, one.property, one.member)]
