"""A recording after a power cut: at most what was not yet promised is missing, and the file is whole."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from core.recorder.protocol import Series
from core.recorder.retention import Retention
from core.recorder.spans import SECOND
from core.recorder.store import Store
from tests.recorded_disk import Disk, recorded_disk

SERIES = Series(1, "climate", "air", "temperature", "Temperature", "°C", "%.2f")
COMMITS, VALUES = 40, 25


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Disk:
    """Record a recording, with checkpoints and condensing in between, opened twice."""
    path = tmp_path_factory.mktemp("recorded") / "history.db"
    with recorded_disk() as recorded:
        for half in range(2):
            store = Store(path)
            # Otherwise it would take thousands of commits until the log begins anew.
            store.connection.execute("PRAGMA wal_autocheckpoint = 12")
            for commit in range(half * COMMITS, (half + 1) * COMMITS):
                store.begin([SERIES])
                store.add([(1, at * SECOND, float(at)) for at in range(commit * VALUES, (commit + 1) * VALUES)])
                store.commit()
                recorded.promise((commit + 1) * VALUES)
                if commit % 8 == 7:
                    now = (commit + 1) * VALUES * SECOND
                    assert Retention([90 * SECOND, None, None]).step(store.connection, now)
            store.close()
    return recorded


def check(folder: Path, files: dict[str, bytes], promised: int) -> None:
    """Look at what a power cut has left, then record on."""
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    path = folder / "history.db"
    store = Store(path)
    try:
        assert store.connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        times = [at for (at,) in store.connection.execute("SELECT time FROM sample ORDER BY time")]
        (condensed,) = store.connection.execute("SELECT coalesce(sum(count), 0) FROM minute").fetchone()
        count = condensed + len(times)
        assert count >= promised
        assert count % VALUES == 0  # whole transactions
        assert times == [at * SECOND for at in range(condensed, count)]
        store.begin([SERIES])
        store.add([(1, 10**6 * SECOND, 0.5)])
        store.commit()
    finally:
        store.close()


def test_the_writes_were_recorded(disk: Disk) -> None:
    names = {change.name for change in disk.changes}
    assert {"history.db", "history.db-wal"} <= names
    assert sum(change.kind == "sync" for change in disk.changes) >= 2 * COMMITS
    # Each commit was synced, and the log was copied into the database many times.
    assert sum(change.kind == "write" and change.name == "history.db" for change in disk.changes) > COMMITS


def test_what_is_on_the_disk_is_a_recording_after_each_write(disk: Disk, tmp_path: Path) -> None:
    cuts = range(len(disk.changes) + 1)
    for cut in cuts:
        check(tmp_path / str(cut), disk.left(cut, None, all_of_it=True), disk.promised(cut))
    assert len(cuts) > 300


def test_what_was_synced_is_a_recording_when_nothing_else_got_to_the_disk(disk: Disk, tmp_path: Path) -> None:
    cuts = range(len(disk.changes) + 1)
    for cut in cuts:
        check(tmp_path / str(cut), disk.left(cut, None), disk.promised(cut))
    assert len(cuts) > 300


@pytest.mark.parametrize("seed", range(4))
def test_writes_that_got_there_in_part_and_in_any_order_do_no_harm(disk: Disk, tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - no secret
    cuts = sorted(chance.sample(range(len(disk.changes) + 1), 150))
    for cut in cuts:
        check(tmp_path / str(cut), disk.left(cut, chance), disk.promised(cut))
    assert disk.promised(cuts[-1]) > 0


def test_a_log_cut_at_any_byte_loses_whole_transactions_only(tmp_path: Path) -> None:
    store = Store(tmp_path / "history.db")
    for commit in range(20):
        store.begin([SERIES])
        store.add([(1, at * SECOND, float(at)) for at in range(commit * VALUES, (commit + 1) * VALUES)])
        store.commit()
    database, log = ((tmp_path / name).read_bytes() for name in ("history.db", "history.db-wal"))
    store.close()
    found = []
    for number, length in enumerate(range(len(log), -1, -(len(log) // 200))):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "history.db").write_bytes(database)
        (folder / "history.db-wal").write_bytes(log[:length])
        opened = Store(folder / "history.db")
        (count,) = opened.connection.execute("SELECT count(*) FROM sample").fetchone()
        opened.close()
        assert count % VALUES == 0
        found.append(count)
    assert (found[0], found[-1]) == (20 * VALUES, 0)
    assert found == sorted(found, reverse=True)
