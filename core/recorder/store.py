"""The database: values in SQLite, so that a power cut loses what has not been committed, and nothing else.

Write-ahead log and synchronous=FULL: a commit has returned only when the kernel says that the log is on the disk. One
process writes; readers come and go without waiting for it.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import sqlite3
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from core.lock_holder import lock_holder
from core.recorder.protocol import Series

APPLICATION = 0x636F7265
"""Marks a database as ours: PRAGMA application_id, "core"."""
VERSION = 1

CHECK_SECONDS = 1.0
"""How long a database is checked when it is opened; a large one only as far as one gets."""
CHECK_STEPS = 20_000
BUSY_SECONDS = 5.0

SCHEMA = (
    """CREATE TABLE IF NOT EXISTS series(
        id INTEGER PRIMARY KEY, device TEXT NOT NULL, property TEXT NOT NULL, member TEXT NOT NULL,
        label TEXT NOT NULL, unit TEXT NOT NULL, format TEXT NOT NULL, UNIQUE(device, property, member))""",
    # Clustered by series and time: what is asked for lies together, and nothing is stored twice.
    """CREATE TABLE IF NOT EXISTS sample(
        series INTEGER NOT NULL, time INTEGER NOT NULL, value REAL NOT NULL,
        PRIMARY KEY(series, time)) WITHOUT ROWID""",
    *(
        f"""CREATE TABLE IF NOT EXISTS {table}(
        series INTEGER NOT NULL, time INTEGER NOT NULL, count INTEGER NOT NULL,
        mean REAL NOT NULL, low REAL NOT NULL, high REAL NOT NULL,
        PRIMARY KEY(series, time)) WITHOUT ROWID"""
        for table in ("minute", "hour")
    ),
    f"PRAGMA application_id = {APPLICATION}",
    f"PRAGMA user_version = {VERSION}",
)

DEFINE = """INSERT INTO series(device, property, member, label, unit, format) VALUES(?, ?, ?, ?, ?, ?)
    ON CONFLICT(device, property, member) DO UPDATE SET label=excluded.label, unit=excluded.unit, format=excluded.format
    RETURNING id"""


class Refused(Exception):  # noqa: N818 - reads as what happened
    """Report a file that is not ours to write."""


class Damaged(Exception):  # noqa: N818 - reads as what happened
    """Report a database that is damaged; it has been closed."""


class Store:
    """Write to the database at `path`, which is made if there is none.

    Raises Refused if somebody else records there or the file is something else, Damaged if it cannot be read, and
    OSError or sqlite3.Error if it cannot be written. `idle` is called while another process is waited for, and says
    for how much longer by what it returns.
    """

    def __init__(self, path: Path, idle: Callable[[], bool] = lambda: False) -> None:
        self.path = path
        self.connection: sqlite3.Connection
        self._ids: dict[int, int] = {}
        self._open = False
        path.parent.mkdir(parents=True, exist_ok=True)
        # A lock of its own, on its own descriptor: SQLite's would be lost if this one were closed before.
        self._lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            _lock(self._lock, path, idle)
            self._connect()
        except BaseException:
            os.close(self._lock)
            raise

    def _connect(self) -> None:
        self.connection = sqlite3.connect(self.path, isolation_level=None, timeout=BUSY_SECONDS)
        self._open = True
        try:
            self._refuse_strangers()
            # A new database is turned to WAL under a rollback journal. Were its removal not on the disk before the
            # first commit is, a power cut would bring it back, and it would turn the database back and lose the log.
            self.connection.execute("PRAGMA synchronous = EXTRA")
            self.connection.execute("PRAGMA journal_mode = WAL")
            self.connection.execute("PRAGMA synchronous = FULL")
            self._check()
            self.connection.execute("BEGIN IMMEDIATE")
            for statement in SCHEMA:
                self.connection.execute(statement)
            self.connection.execute("COMMIT")
        except sqlite3.DatabaseError as error:
            self._disconnect()
            raise_damaged(error)
            raise
        except BaseException:
            self._disconnect()
            raise

    def _refuse_strangers(self) -> None:
        (application,) = self.connection.execute("PRAGMA application_id").fetchone()
        (version,) = self.connection.execute("PRAGMA user_version").fetchone()
        (tables,) = self.connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        if tables and application != APPLICATION:
            raise Refused(f"{self.path} is a database of another program; give another file")
        if version > VERSION:
            raise Refused(f"{self.path} is of a newer version of core ({version}, this one writes {VERSION})")

    def _check(self) -> None:
        """Raise DatabaseError if a part of the file that can be looked at in a second is damaged."""
        deadline = time.monotonic() + CHECK_SECONDS
        self.connection.set_progress_handler(lambda: time.monotonic() > deadline, CHECK_STEPS)
        try:
            (found,) = self.connection.execute("PRAGMA quick_check(1)").fetchone()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
                raise
        else:
            if found != "ok":
                self._disconnect()
                raise Damaged(str(found))
        finally:
            if self._open:
                self.connection.set_progress_handler(None, 0)

    def begin(self, series: Sequence[Series]) -> None:
        """Begin a transaction if there is none, and make the series known that are not yet."""
        if not self.connection.in_transaction:
            self.connection.execute("BEGIN IMMEDIATE")
        for one in series:
            if one.number not in self._ids:
                named = (one.device, one.property, one.member, one.label, one.unit, one.format)
                (self._ids[one.number],) = self.connection.execute(DEFINE, named).fetchone()

    def redefine(self, number: int) -> None:
        """Have a series written again with the next transaction: what it means has changed."""
        self._ids.pop(number, None)

    def add(self, values: Sequence[tuple[int, int, float]]) -> None:
        """Add values (series, nanoseconds, value) to the transaction; of two at one time the later one counts."""
        ids = self._ids
        rows = [(ids[number], when, value) for number, when, value in values]
        self.connection.executemany("INSERT OR REPLACE INTO sample VALUES(?, ?, ?)", rows)

    def commit(self) -> None:
        """End the transaction; when this returns the values are on the disk."""
        self.connection.execute("COMMIT")

    def roll_back(self) -> None:
        """Give up what is not committed."""
        self._ids.clear()
        if self.connection.in_transaction:
            with contextlib.suppress(sqlite3.Error):  # what it cannot roll back, it has rolled back already
                self.connection.rollback()

    @property
    def present(self) -> bool:
        """Return whether the file that is written is still the one at its path."""
        try:
            there, ours = self.path.stat(), os.fstat(self._lock)
        except OSError:
            return False
        return (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino)

    @property
    def size(self) -> int:
        """Return the length of the file in bytes."""
        return os.fstat(self._lock).st_size

    def close(self) -> None:
        """Give up what is not committed, and close the file."""
        self._disconnect()
        os.close(self._lock)

    def _disconnect(self) -> None:
        if self._open:
            self._open = False
            self._ids.clear()
            with contextlib.suppress(sqlite3.Error):  # the file may be beyond all that
                self.connection.rollback()
            with contextlib.suppress(sqlite3.Error):
                self.connection.close()


def raise_damaged(error: sqlite3.Error) -> None:
    """Raise Damaged if that is what an error of SQLite means."""
    if code_of(error) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        raise Damaged(str(error)) from error


def code_of(error: sqlite3.Error) -> int:
    """Return SQLite's primary result code of an error, 0 if it has none."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def set_aside(path: Path) -> Path:
    """Give a damaged database another name, beside what belongs to it, and return that; nothing is deleted."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    number = 0
    while True:
        suffix = f".damaged-{stamp}" + (f"-{number}" if number else "")
        aside = path.with_name(path.name + suffix)
        if not aside.exists():
            break
        number += 1
    # The log first: SQLite deletes one whose database is not there.
    for ending in ("-wal", "-shm", ""):
        with contextlib.suppress(FileNotFoundError):
            path.with_name(path.name + ending).rename(aside.with_name(aside.name + ending))
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return aside


def _lock(descriptor: int, path: Path, idle: Callable[[], bool]) -> None:
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                raise
            if not idle():
                raise Refused(
                    f"{path} is being recorded to by {lock_holder(descriptor)}; give another file, or end that one"
                ) from None
        else:
            return
