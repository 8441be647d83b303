"""Old values become minutes, minutes become hours; nothing is counted twice or lost."""

from __future__ import annotations

import contextlib
import functools
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.recorder.history import History, HistoryError, HistoryMissing, Point
from core.recorder.protocol import Series
from core.recorder.retention import Retention
from core.recorder.spans import SECOND, UNITS, parse_keep, parse_span
from core.recorder.store import Store

MINUTE, HOUR = UNITS["m"], UNITS["h"]
AIR = Series(1, "climate", "air", "temperature", "Temperature", "°C", "%.2f")
START = 1_700_000_000 // 3600 * HOUR // SECOND * SECOND


def fill(path: Path, values: list[tuple[int, float]]) -> Store:
    store = Store(path)
    store.begin([AIR])
    store.add([(1, at, value) for at, value in values])
    store.commit()
    return store


def tidy(store: Store, retention: Retention, now: int) -> None:
    steps = 0
    while retention.step(store.connection, now):
        steps += 1
        assert steps < 1000


def test_values_become_minutes_and_hours_and_go(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    count = 4 * 3600
    store = fill(path, [(START + at * SECOND, float(at % 60)) for at in range(count)])
    tidy(store, Retention([HOUR, 2 * HOUR, 3 * HOUR]), START + 4 * HOUR)
    store.close()
    with History(path) as history:
        (air,) = history.series()
        points = history.points(air, START, START + 5 * HOUR)
    # The first hour is gone; the second is one row, the third sixty, and the fourth is as it was.
    assert points[0] == Point(START + HOUR, 29.5, 0.0, 59.0, 3600)
    assert points[1] == Point(START + 2 * HOUR, 29.5, 0.0, 59.0, 60)
    assert len(points) == 1 + 60 + 3600
    assert points[-1] == Point(START + (count - 1) * SECOND, 59.0)
    assert [point.time for point in points] == sorted(point.time for point in points)


def test_what_is_kept_for_ever_stays(tmp_path: Path) -> None:
    store = fill(tmp_path / "history.db", [(at * SECOND, 1.0) for at in range(100)])
    assert not Retention([None, None, None]).step(store.connection, START)
    store.close()


@given(
    values=st.lists(
        st.tuples(st.integers(0, 3 * HOUR), st.floats(-1e6, 1e6)), min_size=1, max_size=60, unique_by=lambda one: one[0]
    ),
    late=st.lists(st.tuples(st.integers(0, HOUR), st.floats(-1e6, 1e6)), max_size=10, unique_by=lambda one: one[0]),
)
def test_condensing_keeps_count_mean_and_extremes(
    tmp_path_factory: pytest.TempPathFactory, values: list[tuple[int, float]], late: list[tuple[int, float]]
) -> None:
    path = tmp_path_factory.mktemp("history") / "history.db"
    store = fill(path, values)
    tidy(store, Retention([MINUTE, HOUR, None]), 4 * HOUR)
    # The clock was set back: these fall into minutes and hours that have been condensed already.
    late = [one for one in late if one[0] not in {at for at, _ in values}]
    store.begin([AIR])
    store.add([(1, at, value) for at, value in late])
    store.commit()
    with History(path) as history:
        (air,) = history.series()
        points = history.points(air, 0, 10 * HOUR)
        assert history.values(air, 0, 10 * HOUR) == [(point.time, point.value) for point in points]
        outline = history.outline(air, 0, 10 * HOUR, 7)
    assert sum(point.samples or 1 for point in outline) == len(values) + len(late)
    assert [point.time for point in outline] == sorted(
        {point.time // (10 * HOUR // 7 + 1) * (10 * HOUR // 7 + 1) for point in points}
    )
    tidy(store, Retention([MINUTE, HOUR, None]), 6 * HOUR)
    store.close()
    everything = [value for _, value in (*values, *late)]
    with History(path) as history:
        (air,) = history.series()
        points = history.points(air, 0, 10 * HOUR)
        (all_in_one,) = history.outline(air, 0, 10 * HOUR, 1)
    assert sum(point.samples or 1 for point in points) == len(everything) == all_in_one.samples
    assert all_in_one.value == pytest.approx(sum(everything) / len(everything), rel=1e-6, abs=1e-6)
    assert (all_in_one.low, all_in_one.high) == (min(everything), max(everything))


def test_a_clock_that_was_set_back_confuses_no_reader(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    store = fill(path, [(START, 5.0), (START + MINUTE, 6.0)])
    tidy(store, Retention([MINUTE, None, None]), START + HOUR)
    store.begin([AIR])
    store.add([(1, START, 5.0)])  # at the begin of that minute, and equal to its mean
    store.commit()
    store.close()
    with History(path) as history:
        (air,) = history.series()
        assert [point.samples for point in history.points(air, 0, START + HOUR)] == [1, None, 1]
        assert history.values(air, 0, START + HOUR) == [(START, 5.0), (START, 5.0), (START + MINUTE, 6.0)]


def test_an_outline_has_as_many_steps_as_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    fill(path, [(START + at * SECOND, float(at)) for at in range(1000)]).close()
    with History(path) as history:
        (air,) = history.series()
        outline = history.outline(air, START, START + 1000 * SECOND, 10)
    assert [point.samples for point in outline] == [100] * 10
    assert [(point.low, point.high) for point in outline] == [(100.0 * n, 100.0 * n + 99) for n in range(10)]


def test_the_first_and_the_last_are_found(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    store = fill(path, [(START, 1.0), (START + MINUTE, 2.0)])
    tidy(store, Retention([HOUR, HOUR, None]), START + 3 * HOUR)
    store.begin([AIR])
    store.add([(1, START + 3 * HOUR, 7.0)])
    store.commit()
    store.close()
    with History(path) as history:
        (air,) = history.series()
        recorded = history.recorded(air)
        extent = history.extent(air, 0, START + 10 * HOUR)
        assert history.extent(air, 0, 1) is None
    assert (recorded.first, recorded.last, recorded.value) == (START, START + 3 * HOUR, 7.0)
    assert extent == (START, START + 3 * HOUR)


def test_it_is_read_while_it_is_written_and_nothing_is_left_behind(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    store = fill(path, [(START, 1.0)])
    with History(path) as history:
        (air,) = history.series()
        store.begin([AIR])
        store.add([(1, START + SECOND, 2.0)])
        assert len(history.points(air, 0, START + HOUR)) == 1
        store.commit()
        assert len(history.points(air, 0, START + HOUR)) == 2
    store.close()
    with History(path) as history:
        assert len(history.series()) == 1
    assert list(tmp_path.iterdir()) == [path]


def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(HistoryMissing, match="there is no recording at"):
        History(tmp_path / "history.db")
    (tmp_path / "text.db").write_text("no database " * 100)
    with pytest.raises(HistoryError, match=r"cannot read .*not a database"):
        History(tmp_path / "text.db")
    (tmp_path / "empty.db").touch()
    with pytest.raises(HistoryMissing, match="it has only been begun"):
        History(tmp_path / "empty.db")
    with contextlib.closing(sqlite3.connect(tmp_path / "foreign.db")) as foreign:
        foreign.execute("CREATE TABLE something (one)")
    with pytest.raises(HistoryError, match="no recording of core"):
        History(tmp_path / "foreign.db")


def test_a_recording_that_is_made_while_it_is_looked_at_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "history.db"
    path.touch()
    made: list[Store] = []
    asked: list[str] = []

    class Interrupted(sqlite3.Connection):
        """Let a recorder make all of it between the first question and the second."""

        def execute(self, sql: str, *arguments: Any) -> sqlite3.Cursor:
            asked.append(sql)
            if len(asked) == 3:
                monkeypatch.undo()
                made.append(Store(path))
            return super().execute(sql, *arguments)

    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", functools.partial(connect, factory=Interrupted))
    with History(path) as history:
        assert history.series() == []
    made[0].close()


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("1h30m", 5400),
        ("7 d", 7 * 86400),
        ("1y", 365 * 86400),
        ("1.5h", 5400),
        ("2W", 14 * 86400),
        ("5min", 300),
    ],
)
def test_spans(text: str, seconds: int) -> None:
    assert parse_span(text) == seconds * SECOND
    assert parse_keep(text) == seconds * SECOND


@pytest.mark.parametrize("text", ["", "1", "h", "-1h", "1 fortnight", "0s", "1h 30", "9999999y"])
def test_what_is_no_span(text: str) -> None:
    with pytest.raises(ValueError, match="no length of time"):
        parse_span(text)
    assert parse_keep("forever") is None
