"""The recorder as a device: what it records of others, what it tells, and what becomes of its process."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import signal
import sqlite3
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from core import Device, DeviceUnavailable, Loop, Number, NumberVector, Snooped, Switch, SwitchVector, run_folders
from core.assembly import assemble
from core.config import parse
from core.plugins import discover
from core.recorder.location import default_file, found_file
from core.recorder.recorder import Recorder

PATIENCE = 20.0


class Climate(Device):
    """A sensor."""

    air = NumberVector("Air", members={"temperature": Number(unit="°C", format="%.2f"), "humidity": Number(unit="%")})
    sample_statistics = NumberVector("Statistics", members={"ticks": 0.0})
    heater = SwitchVector("Heater", members={"on": Switch(), "off": Switch(True)})


class Bench:
    """Be a recorder that watches a sensor."""

    def __init__(self, path: Path, **options: Any) -> None:
        self.climate = Climate("climate")
        self.recorder = Recorder("history", Recorder.Options(file=str(path), **options))
        self.messages: list[str] = []
        self.recorder.observe(lambda event: self.messages.append(event.message) if event.message else None)
        listener = self.recorder.watch(self.climate)
        assert listener is not None
        self.climate.observe(listener)

    @property
    def process(self) -> int:
        """Return the id of the recorder's process: our only child."""
        children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
        assert len(children) == 1
        return int(children[0])

    async def close(self) -> None:
        """End the recorder as an instance does."""
        await self.recorder.end_work()
        await self.recorder.close()

    async def until_written(self, count: float) -> None:
        """Wait until so many values have been written in this run."""
        await self.until(lambda: self.recorder.values["written"] == count)

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until something holds."""
        deadline = time.monotonic() + PATIENCE
        while not holds():
            assert time.monotonic() < deadline, f"waited in vain; it says {self.messages}, {self.recorder.summary()}"
            await asyncio.sleep(0.01)


def run(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    Loop().run(work())


def rows(path: Path) -> list[tuple[str, str, str, float]]:
    connection = sqlite3.connect(path)
    try:
        return connection.execute(
            "SELECT device, property, member, value FROM sample JOIN series ON id = series ORDER BY time, id"
        ).fetchall()
    finally:
        connection.close()


def test_numbers_that_change_are_recorded(tmp_path: Path) -> None:
    path = tmp_path / "history.db"

    async def work() -> None:
        bench = Bench(path)
        bench.climate.air.update(temperature=19.0)  # before it is open
        await bench.recorder.open()
        bench.climate.air.update(temperature=20.5, humidity=40.0)
        bench.climate.air.update(humidity=41.0)
        bench.climate.air.update(state="Alert", message="no answer")
        bench.climate.heater.choose("on")
        bench.climate.sample_statistics.update(ticks=5.0)
        await bench.close()

    run(work)
    assert rows(path) == [
        ("climate", "air", "temperature", 19.0),
        ("climate", "air", "temperature", 20.5),
        ("climate", "air", "humidity", 40.0),
        ("climate", "air", "humidity", 41.0),
    ]
    assert list(tmp_path.iterdir()) == [path]


def test_core_toml_says_what_is_recorded(tmp_path: Path) -> None:
    path = tmp_path / "history.db"

    async def work() -> None:
        bench = Bench(path, record=["climate.air", "*.sample_statistics.*"], skip=["*.humidity"])
        await bench.recorder.open()
        bench.climate.air.update(temperature=20.5, humidity=40.0)
        bench.climate.sample_statistics.update(ticks=5.0)
        await bench.close()

    run(work)
    assert [row[2] for row in rows(path)] == ["temperature", "ticks"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"keep": "soon"}, "'soon' is no length of time"),
        ({"keep_minutes": "-1d"}, '"forever"'),
        ({"record": ["climate..x"]}, "no pattern"),
    ],
)
def test_options_that_mean_nothing_are_refused(tmp_path: Path, options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Bench(tmp_path / "history.db", **options)


def test_devices_of_other_drivers_are_recorded_as_they_are_snooped(tmp_path: Path) -> None:
    path = tmp_path / "history.db"

    async def work() -> None:
        bench = Bench(path, snoop=["CCD Simulator"])
        await bench.recorder.open()
        assert ("CCD Simulator", None) in bench.recorder.snoops
        await bench.recorder.on_snoop(Snooped("defined", "CCD Simulator", "CCD_TEMPERATURE", {"T": 1.0}))
        await bench.recorder.on_snoop(Snooped("changed", "CCD Simulator", "CCD_TEMPERATURE", {"T": -10.0}))
        await bench.recorder.on_snoop(Snooped("changed", "CCD Simulator", "CONNECTION", {"CONNECT": True}))
        await bench.recorder.on_snoop(Snooped("changed", "climate", "air", {"temperature": 1.0}))  # watched already
        await bench.close()

    run(work)
    assert rows(path) == [("CCD Simulator", "CCD_TEMPERATURE", "T", -10.0)]


def test_a_client_can_stop_and_resume_it(tmp_path: Path) -> None:
    path = tmp_path / "history.db"

    async def work() -> None:
        bench = Bench(path)
        await bench.recorder.open()
        bench.recorder.closed_because = None
        await bench.recorder.take_new(bench.recorder.recording, {"off": True})
        bench.climate.air.update(temperature=1.0)
        await bench.recorder.take_new(bench.recorder.recording, {"on": True})
        bench.climate.air.update(temperature=2.0)
        await bench.close()

    run(work)
    assert [row[3] for row in rows(path)] == [2.0]


def test_it_tells_how_it_fares(tmp_path: Path) -> None:
    path = tmp_path / "history.db"

    async def work() -> None:
        bench = Bench(path, csv=str(tmp_path / "csv"))
        recorder = bench.recorder
        assert recorder.summary() == f"records to {path}"
        await recorder.open()
        assert recorder.files.values == {"database": str(path), "csv": str(tmp_path / "csv"), "damaged": ""}
        bench.climate.air.update(temperature=20.5, humidity=40.0)
        await bench.until(lambda: recorder.values["written"] == 2)
        assert recorder.values.values == {"written": 2, "dropped": 0, "waiting": 0, "series": 2}
        assert recorder.state.values == {"database": "Ok", "csv": "Ok"}
        assert recorder.storage["size"] > 0
        assert recorder.summary() == f"records to {path}, 2 values in this run"
        await bench.close()

    run(work)
    assert [file.suffix for file in (tmp_path / "csv").iterdir()] == [".csv"]


def test_trouble_with_the_disk_is_an_alert_until_it_is_over(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.write_text("a file in the place of the folder")

    async def work() -> None:
        bench = Bench(folder / "history.db")
        recorder = bench.recorder
        await recorder.open()
        assert (recorder.state.state, recorder.state["database"]) == ("Alert", "Alert")
        assert any(f"cannot write to {folder / 'history.db'}" in message for message in bench.messages)
        assert f"cannot write to {folder / 'history.db'}" in recorder.summary()
        bench.climate.air.update(temperature=1.0)
        await bench.until(lambda: recorder.values["waiting"] == 1)
        folder.unlink()
        await bench.until_written(1)
        assert (recorder.state.state, recorder.state["database"]) == ("Ok", "Ok")
        assert "cannot write" not in recorder.summary()
        await bench.close()

    run(work)
    assert [row[3] for row in rows(folder / "history.db")] == [1.0]


def test_a_damaged_file_is_told(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    path.write_text("no database " * 1000)

    async def work() -> None:
        bench = Bench(path)
        await bench.recorder.open()
        damaged = Path(bench.recorder.files["damaged"])
        assert any(f"was damaged; it has been set aside as {damaged}" in message for message in bench.messages)
        await bench.close()
        aside.append(damaged)

    aside: list[Path] = []
    run(work)
    assert "no database" in aside[0].read_text()


def test_a_file_that_is_not_ours_keeps_it_closed(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE precious(text)")
    connection.commit()
    connection.close()

    async def work() -> None:
        bench = Bench(path)
        with pytest.raises(DeviceUnavailable, match=r"history.db is a database of another program"):
            await bench.recorder.open()
        await bench.close()

    run(work)


def test_values_that_do_not_fit_are_counted_and_told_and_nobody_waits(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    count = 400_000  # far more than the buffers of the kernel and the queue hold

    async def work() -> None:
        bench = Bench(path, buffer=1 << 16)
        await bench.recorder.open()
        process = bench.process
        os.kill(process, signal.SIGSTOP)
        for value in range(count):
            bench.climate.air.update(temperature=float(value))
        await bench.until(lambda: bench.recorder.values.state == "Alert")
        assert any("values are being dropped" in message for message in bench.messages)
        os.kill(process, signal.SIGCONT)
        await bench.until(lambda: bench.recorder.values.state == "Ok")
        values = bench.recorder.values
        await bench.until(lambda: values["written"] + values["dropped"] == count)
        assert values["dropped"] > 0
        assert any("no more values are dropped" in message for message in bench.messages)
        await bench.close()
        assert len(rows(path)) == values["written"]

    run(work)


def test_a_process_that_is_killed_is_started_again(tmp_path: Path) -> None:
    path = tmp_path / "history.db"

    async def work() -> None:
        bench = Bench(path)
        await bench.recorder.open()
        bench.climate.air.update(temperature=1.0)
        await bench.until(lambda: bench.recorder.values["written"] == 1)
        os.kill(bench.process, signal.SIGKILL)
        await bench.until(lambda: bench.recorder.state.state == "Alert")
        assert any("its process has ended" in message for message in bench.messages)
        bench.climate.air.update(temperature=2.0)
        await bench.until(lambda: bench.recorder.values["written"] == 2)
        assert bench.recorder.state.state == "Ok"
        await bench.close()

    run(work)
    assert [row[3] for row in rows(path)] == [1.0, 2.0]


def test_it_can_be_opened_again(tmp_path: Path) -> None:
    path = tmp_path / "history.db"

    async def work() -> None:
        bench = Bench(path)
        for value in (1.0, 2.0, 3.0):
            await bench.recorder.open()
            bench.climate.air.update(temperature=value)
            await bench.until_written(value)
            await bench.close()

    run(work)
    assert [row[3] for row in rows(path)] == [1.0, 2.0, 3.0]


def test_each_run_has_a_folder_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert default_file("core", "a/b") == tmp_path / "core" / "core" / "a%2fb.db"
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_file("lab", "history") == tmp_path / ".local" / "share" / "core" / "lab" / "history.db"


def test_a_relative_path_begins_where_core_toml_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    config = parse({"device": {"history": {"plugin": "recorder", "file": "logs/h.db", "csv": "c"}}}, "core.toml")
    assembly = assemble(dataclasses.replace(config, path=tmp_path / "etc" / "core.toml"), discover())
    recorder = assembly.devices["history"]
    assert isinstance(recorder, Recorder)
    assert recorder.path == tmp_path / "etc" / "logs" / "h.db"
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    assert recorder.path == tmp_path / "state" / "logs" / "h.db"


def test_a_service_records_where_systemd_lets_it_and_is_found_there(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "own"))
    monkeypatch.setattr(run_folders, "SERVICES", tmp_path / "services")
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "services" / "lab"))
    there = default_file("lab", "history")
    assert there == tmp_path / "services" / "lab" / "history.db"
    monkeypatch.delenv("STATE_DIRECTORY")
    assert found_file("lab", "history") == default_file("lab", "history")
    there.parent.mkdir(parents=True)
    assert found_file("lab", "history") == there
    default_file("lab", "history").parent.mkdir(parents=True)
    assert found_file("lab", "history") == default_file("lab", "history")
