"""Record in a process that is killed at a random moment, again and again, into one file; say what was found.

Arguments: the file, how many times, and a seed. A fork instead of a new Python makes 200 times a matter of seconds.
"""

from __future__ import annotations

import json
import os
import random
import select
import signal
import socket
import sqlite3
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from core.recorder.process import Recording
from core.recorder.protocol import Series, Settings, read_report, series_message, values_message
from core.recorder.spans import SECOND

COMMIT = 2_000_000
"""Nanoseconds between commits, so that many fall into the life of each process."""
LONGEST = 0.03
"""Seconds until a process is killed at the latest."""
VALUES = 10


def record(file: Path, sock: socket.socket) -> None:
    """Be the process; it is killed."""
    Recording(sock, Settings(str(file), commit=COMMIT, keep=(60 * SECOND, None, None))).run()


def feed(sock: socket.socket, first: int, seconds: float) -> int:
    """Send values, numbered from `first`, for some time; return up to which number they were said to be committed."""
    deadline, at, written = time.monotonic() + seconds, first, 0
    sock.settimeout(0)
    sock.send(series_message(Series(1, "climate", "air", "temperature")))
    while time.monotonic() < deadline:
        try:
            sock.send(values_message((1, number * SECOND, float(number)) for number in range(at, at + VALUES)))
            at += VALUES
        except BlockingIOError:
            pass
        written = max(written, heard(sock))
    return first + written


def heard(sock: socket.socket) -> int:
    """Return how many values the process has said to have committed."""
    written = 0
    while True:
        try:
            message = sock.recv(1 << 16)
        except (BlockingIOError, ConnectionError):
            return written
        if not message:
            return written
        written = read_report(message).written


def rows(file: Path) -> tuple[str, Sequence[int]]:
    """Return what SQLite says of the file, and the numbers that are in it."""
    connection = sqlite3.connect(file)
    try:
        (said,) = connection.execute("PRAGMA integrity_check").fetchone()
        tables = connection.execute("SELECT name FROM sqlite_schema WHERE name = 'sample'").fetchall()
        found = connection.execute("SELECT time, value FROM sample ORDER BY time").fetchall() if tables else []
        condensed = connection.execute("SELECT coalesce(sum(count), 0) FROM minute").fetchone()[0] if tables else 0
    finally:
        connection.close()
    return said, [-1] * condensed + [time // SECOND if time == value * SECOND else -2 for time, value in found]


def main(file: Path, times: int, seed: int) -> None:
    """Kill, look, and go on where the recording has stopped."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    first, lost, wrong, restarts = 0, 0, [], 0
    for _ in range(times):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        process = os.fork()
        if process == 0:
            ours.close()
            try:
                record(file, theirs)
            finally:
                os._exit(1)
        theirs.close()
        # One in five dies while it opens the file.
        if chance.random() < 0.8:
            select.select([ours], [], [])
        promised = feed(ours, first, chance.uniform(0, LONGEST))
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
        promised = max(promised, first + heard(ours))
        ours.close()
        said, numbers = rows(file)
        whole = all(number in (-1, at) for at, number in enumerate(numbers))
        if said != "ok" or not whole or len(numbers) % VALUES:
            wrong.append(f"{said}, {len(numbers)} values")
        lost += len(numbers) < promised
        restarts += len(numbers) > first
        first = len(numbers)
    json.dump({"values": first, "lost": lost, "wrong": wrong, "fruitful": restarts}, sys.stdout)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
