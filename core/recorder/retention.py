"""Retention: old values become minutes, old minutes become hours, old hours go; each step is one transaction.

What is in one table is in no other, so a reader puts them one behind another, and a power cut counts nothing twice.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from core.recorder.spans import UNITS

MINUTE, HOUR = UNITS["m"], UNITS["h"]

STEP_VALUES = 20_000
"""About how many rows one step moves, so that values that arrive meanwhile do not wait long."""

# Within one bucket the two may meet: the clock was set back, or the values came late.
_MERGE = """ON CONFLICT(series, time) DO UPDATE SET
    mean = (mean * count + excluded.mean * excluded.count) / (count + excluded.count),
    count = count + excluded.count, low = min(low, excluded.low), high = max(high, excluded.high)"""

_MOVES = (
    ("sample", MINUTE, "minute", "count(*), avg(value), min(value), max(value)"),
    ("minute", HOUR, "hour", "sum(count), sum(mean * count) / sum(count), min(low), max(high)"),
    ("hour", HOUR, None, ""),
)


class Retention:
    """Keep values, minutes and hours for as long as `keep` says, in nanoseconds, None for ever."""

    def __init__(self, keep: Sequence[int | None]) -> None:
        self._keep = tuple(keep)

    def step(self, connection: sqlite3.Connection, now: int) -> bool:
        """Move some of what is too old at `now`, in one transaction; return whether there may be more."""
        for (table, width, target, aggregate), keep in zip(_MOVES, self._keep, strict=True):
            if keep is None:
                continue
            until = (now - keep) // width * width
            # Sees one row a series: the first of each lies in front.
            oldest = connection.execute(
                f"SELECT id, (SELECT min(time) FROM {table} WHERE series = id) AS first FROM series "  # noqa: S608 - ours
                "WHERE first < ? ORDER BY first LIMIT 1",
                (until,),
            ).fetchone()
            if oldest is not None:
                _move(connection, table, width, target, aggregate, oldest, until)
                return True
        return False


def _move(
    connection: sqlite3.Connection,
    table: str,
    width: int,
    target: str | None,
    aggregate: str,
    oldest: tuple[int, int],
    until: int,
) -> None:
    series, first = oldest
    # Up to the end of the bucket in which the last row of this step lies.
    last = connection.execute(
        f"SELECT time FROM {table} WHERE series = ? AND time < ? ORDER BY time LIMIT 1 OFFSET ?",  # noqa: S608 - ours
        (series, until, STEP_VALUES),
    ).fetchone()
    end = until if last is None else max(last[0] // width, first // width + 1) * width
    connection.execute("BEGIN IMMEDIATE")
    try:
        if target is not None:
            connection.execute(
                f"INSERT INTO {target} SELECT series, time - time % {width}, {aggregate} FROM {table} "  # noqa: S608 - ours
                f"WHERE series = ? AND time < ? GROUP BY 2 {_MERGE}",
                (series, end),
            )
        connection.execute(f"DELETE FROM {table} WHERE series = ? AND time < ?", (series, end))  # noqa: S608 - ours
        connection.execute("COMMIT")
    except BaseException:  # whatever it was, half of it is not to stay
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
