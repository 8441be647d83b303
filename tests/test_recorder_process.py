"""The recorder's process: killed at random, on a full disk, on files that are damaged or not ours."""

from __future__ import annotations

import csv
import json
import os
import select
import shutil
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core.recorder.process import Recording
from core.recorder.protocol import Report, Series, Settings, read_report, series_message, values_message
from core.recorder.spans import SECOND
from core.recorder.store import Store

ROOT = Path(__file__).parent.parent
AIR = Series(1, "climate", "air", "temperature", "Temperature", "°C", "%.2f")
PATIENCE = 30.0


class Recorded:
    """Be a recording in a thread of the test, and the end of the socket that a run would have."""

    def __init__(self, settings: Settings) -> None:
        self.sock, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._theirs = theirs
        self.report = Report()
        self.sock.send(series_message(AIR))  # before it can have ended: one that is refused does that at once
        self._thread = threading.Thread(target=self._run, args=(settings,))
        self._thread.start()

    def _run(self, settings: Settings) -> None:
        with self._theirs:
            Recording(self._theirs, settings).run()

    def until(self, holds: Callable[[Report], bool]) -> Report:
        """Return the first report of which something holds."""
        deadline = time.monotonic() + PATIENCE
        while not holds(self.report):
            ready, _, _ = select.select([self.sock], [], [], deadline - time.monotonic())
            assert ready, f"waited in vain; the last was {self.report}"
            try:
                message = self.sock.recv(1 << 18)
            except ConnectionResetError:  # it has left something unread; what it has said comes all the same
                continue
            assert message, f"it has ended; the last was {self.report}"
            self.report = read_report(message)
        return self.report

    def send(self, *values: float) -> None:
        """Send values of one second each."""
        self.sock.send(values_message((1, at * SECOND, value) for at, value in enumerate(values)))

    def end(self) -> None:
        """End it as a run ends."""
        self.sock.shutdown(socket.SHUT_WR)
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()
        self.sock.close()


Start = Callable[..., Recorded]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Return a function that starts a recording into a file; what it has started is ended."""
    started: list[Recorded] = []

    def begin(name: str = "history.db", csv_folder: str = "") -> Recorded:
        folder = str(tmp_path / csv_folder) if csv_folder else ""
        started.append(Recorded(Settings(str(tmp_path / name), folder, commit=10_000_000)))
        return started[-1]

    yield begin
    for one in started:
        if one.sock.fileno() >= 0:
            one.end()


def values(path: Path) -> list[tuple[int, float]]:
    connection = sqlite3.connect(path)
    try:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return connection.execute("SELECT time, value FROM sample ORDER BY time").fetchall()
    finally:
        connection.close()


def test_values_are_committed_and_reported(start: Start, tmp_path: Path) -> None:
    recording = start()
    recording.send(1.5, 2.5)
    report = recording.until(lambda report: report.written == 2)
    assert (report.database.state, report.waiting, report.dropped) == ("Ok", 0, 0)
    assert report.file_bytes > 0
    assert values(tmp_path / "history.db") == [(0, 1.5), (SECOND, 2.5)]


def test_what_has_come_is_committed_when_the_run_has_gone(start: Start, tmp_path: Path) -> None:
    recording = start()
    recording.send(*range(100))
    recording.end()
    assert len(values(tmp_path / "history.db")) == 100
    assert sorted(path.name for path in tmp_path.iterdir()) == ["history.db"]


def test_a_second_recording_is_refused_and_the_first_goes_on(start: Start, tmp_path: Path) -> None:
    first = start()
    first.until(lambda report: report.ready)
    second = start()
    refused = second.until(lambda report: bool(report.refused)).refused
    assert f"history.db is being recorded to by process {os.getpid()}; " in refused
    first.send(1.0)
    first.until(lambda report: report.written == 1)


def test_a_database_of_another_program_is_left_alone(start: Start, tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "history.db")
    connection.execute("CREATE TABLE precious(text)")
    connection.commit()
    connection.close()
    before = (tmp_path / "history.db").read_bytes()
    assert "another program" in start().until(lambda report: bool(report.refused)).refused
    assert (tmp_path / "history.db").read_bytes() == before


def test_a_database_of_a_newer_version_is_left_alone(start: Start, tmp_path: Path) -> None:
    store = Store(tmp_path / "history.db")
    store.connection.execute("PRAGMA user_version = 9")
    store.close()
    assert "newer version" in start().until(lambda report: bool(report.refused)).refused


def filled(path: Path, count: int = 5000) -> bytes:
    """Make a recording with some pages, and return what it is."""
    store = Store(path)
    store.begin([AIR])
    store.add([(1, at * SECOND, float(at)) for at in range(count)])
    store.commit()
    store.close()
    return path.read_bytes()


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "its first bytes are others": lambda content: b"\x00" * 64 + content[64:],
    "it is something else": lambda _: b"a text, and no database\n" * 1000,
    "pages in the middle are zero": lambda content: content[:8192] + bytes(16384) + content[24576:],
    "its end is missing": lambda content: content[: len(content) // 2],
    "bits have changed": lambda content: content[:20000] + bytes(byte ^ 0x55 for byte in content[20000:]),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_set_aside_and_a_new_one_begun(start: Start, tmp_path: Path, damage: str) -> None:
    path = tmp_path / "history.db"
    damaged = DAMAGES[damage](filled(path))
    path.write_bytes(damaged)
    recording = start()
    recording.send(7.0)
    report = recording.until(lambda report: report.written == 1)
    (aside,) = report.set_aside
    assert Path(aside).read_bytes() == damaged
    assert report.database.state == "Ok"
    assert values(path) == [(0, 7.0)]


def test_a_file_that_is_damaged_while_it_is_recorded_is_set_aside_too(start: Start, tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    count = 200_000  # more than SQLite keeps in memory: what it has there, it does not read again
    filled(path, count)
    recording = start()
    recording.until(lambda report: report.ready)
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (path.stat().st_size - 4096))
    recording.sock.send(values_message((1, at * SECOND, -1.0) for at in range(0, count, 200)))
    report = recording.until(lambda report: report.written == 1000)
    assert [Path(aside).exists() for aside in report.set_aside] == [True]
    recording.end()
    assert len(values(path)) == 1000


def test_a_file_that_is_deleted_is_begun_anew(start: Start, tmp_path: Path) -> None:
    recording = start()
    recording.send(1.0)
    recording.until(lambda report: report.written == 1)
    for path in tmp_path.iterdir():
        path.unlink()
    recording.send(2.0)
    recording.until(lambda report: report.written == 2)
    recording.send(3.0)
    recording.until(lambda report: report.written == 3)
    recording.end()
    assert values(tmp_path / "history.db")[-1] == (0, 3.0)


def test_a_folder_that_cannot_be_made_is_an_alert_until_it_can(start: Start, tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file where the folder should be")
    recording = start("data/history.db")
    alert = recording.until(lambda report: report.database.state == "Alert").database.text
    assert str(tmp_path / "data" / "history.db") in alert
    recording.send(1.0)
    (tmp_path / "data").unlink()
    recording.until(lambda report: report.written == 1)
    assert values(tmp_path / "data" / "history.db") == [(0, 1.0)]


def test_csv_files_have_the_values_too_and_their_trouble_is_their_own(start: Start, tmp_path: Path) -> None:
    (tmp_path / "card").write_text("no card in the slot")
    recording = start(csv_folder="card")
    recording.send(1.25)
    report = recording.until(lambda report: report.csv.state == "Alert" and report.written == 1)
    assert report.database.state == "Ok"
    (tmp_path / "card").unlink()
    recording.until(lambda report: report.csv.state == "Ok")
    recording.send(2.5)
    recording.end()
    (file,) = (tmp_path / "card").iterdir()
    assert file.name == "1970-01-01.csv"
    assert list(csv.reader(file.read_text().splitlines())) == [
        ["time", "device", "property", "member", "value"],
        ["1970-01-01T00:00:00.000000Z", "climate", "air", "temperature", "1.25"],
        ["1970-01-01T00:00:00.000000Z", "climate", "air", "temperature", "2.5"],
    ]


def test_a_line_that_a_power_cut_has_torn_is_cut_off(start: Start, tmp_path: Path) -> None:
    (tmp_path / "csv").mkdir()
    file = tmp_path / "csv" / "1970-01-01.csv"
    whole = "time,device,property,member,value\r\n1970-01-01T00:00:00.000000Z,climate,air,temperature,1.0\r\n"
    file.write_text(whole + "1970-01-01T00:00:01.0000", newline="")
    recording = start(csv_folder="csv")
    recording.send(3.0)
    recording.end()
    assert file.read_bytes().decode() == whole + "1970-01-01T00:00:00.000000Z,climate,air,temperature,3.0\r\n"


def test_it_may_be_killed_200_times(tmp_path: Path) -> None:
    command: list[str | Path] = [
        sys.executable,
        ROOT / "tests" / "killed_recordings.py",
        tmp_path / "history.db",
        "200",
        "1",
    ]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    found = json.loads(done.stdout)
    assert found["wrong"] == []
    assert found["lost"] == 0
    # Most lived long enough to commit something.
    assert found["fruitful"] > 50
    assert found["values"] > 1000


def test_a_full_disk_is_an_alert_and_recording_goes_on_when_there_is_room(tmp_path: Path) -> None:
    unshare = shutil.which("unshare")
    if unshare is None:
        pytest.skip("unshare is not installed (Debian: apt-get install util-linux)")
    own = [unshare, "--user", "--map-root-user", "--mount"]
    if subprocess.run([*own, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this kernel lets this user make no namespace to mount a small disk in")
    command: list[str | Path] = [*own, sys.executable, ROOT / "tests" / "full_disk.py", tmp_path]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    found = json.loads(done.stdout)
    assert "full" in found["alert"]
    assert "recording goes on as soon as there is room" in found["alert"]
    assert found["waiting"] > 0
    assert found["rows"] == found["csv_lines"] == found["sent"]
    assert (found["dropped"], found["check"]) == (0, "ok")
