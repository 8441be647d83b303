"""`corectl history`, as somebody at a terminal or in a script meets it."""

from __future__ import annotations

import csv
import json
import math
import os
import re
import sqlite3
import subprocess
import sys
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import pytest
from lxml import etree

from core.cli.charts import Curve, panels, stretches, time_ticks, value_ticks
from core.cli.moments import parse_moment
from core.cli.svg_chart import svg_chart
from core.cli.terminal_chart import terminal_chart
from core.recorder.history import Point
from core.recorder.protocol import Series
from core.recorder.spans import SECOND, UNITS
from core.recorder.store import Store
from tests.system.terminal import Terminal

CORECTL = Path(sys.executable).parent / "corectl"
SVG = "{http://www.w3.org/2000/svg}"
NOON = int(datetime(2026, 11, 21, 12, 0).astimezone().timestamp()) * SECOND


def history(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "XDG_DATA_HOME": str(folder),
        "XDG_CONFIG_HOME": str(folder),
        "TZ": "UTC",
        "PYTHONIOENCODING": "utf-8",
    }
    return subprocess.run(
        [CORECTL, "history", *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """Return a folder with ten minutes of a sensor where a recorder writes by itself."""
    store = Store(tmp_path / "core" / "core" / "history.db")
    units = {"temperature": "°C", "humidity": "%"}
    series = [
        Series(number, "climate", "air", member, member.title(), unit, "%.2f")
        for number, (member, unit) in enumerate(units.items(), 1)
    ]
    store.begin([*series, Series(3, "CCD Simulator", "CCD_TEMPERATURE", "CCD_TEMPERATURE_VALUE")])
    began = 1_800_000_000 * SECOND
    for at in range(600):
        store.add([(1, began + at * SECOND, 20 + math.sin(at / 60)), (2, began + at * SECOND, 40.5)])
    store.add([(3, began, -10.0)])
    store.commit()
    store.close()
    return tmp_path


SPAN = ("--since", "2027-01-15T08:00:00Z", "--until", "2027-01-15T09:00:00Z")
"""The hour in which the recording was made."""


def test_without_a_spec_everything_is_listed(recording: Path) -> None:
    done = history(recording)
    assert done.returncode == 0
    head, ccd, temperature, humidity = done.stdout.splitlines()
    assert head.split("  ")[0] == "recorded"
    assert ccd.startswith("CCD Simulator.CCD_TEMPERATURE.CCD_TEMPERATURE_VALUE")
    assert temperature.split()[:2] == ["climate.air.temperature", "°C"]
    assert humidity.split()[-1] == "40.50"
    assert "2027-01-15 08:00:00.000" in humidity


def test_the_list_may_be_of_one_device(recording: Path) -> None:
    lines = history(recording, "--device", "climate").stdout.splitlines()
    assert [line.split()[0] for line in lines[1:]] == ["climate.air.temperature", "climate.air.humidity"]
    document = json.loads(history(recording, "--device", "CCD Simulator", "--json").stdout)
    assert [one["property"] for one in document["series"]] == ["CCD_TEMPERATURE"]


@pytest.mark.parametrize("name", ["panel [2]", "a.b", "what?", "*"])
def test_a_name_means_itself_whatever_it_is_made_of(tmp_path: Path, name: str) -> None:
    store = Store(tmp_path / "odd.db")
    store.begin([Series(1, name, "air", "t"), Series(2, "plain", "air", "t")])
    store.add([(1, 1_800_000_000 * SECOND, 1.0), (2, 1_800_000_000 * SECOND, 2.0)])
    store.commit()
    store.close()
    done = history(tmp_path, f"{name}.air", "--csv", "--file", "odd.db", *SPAN)
    assert done.stdout.splitlines() == ["time,t", "2027-01-15T08:00:00.000000Z,1.0"]


@pytest.mark.system
def test_a_terminal_shows_whole_names_and_draws_values(recording: Path) -> None:
    terminal = Terminal(recording, 60, 40, XDG_DATA_HOME=str(recording), TZ="UTC")
    try:
        terminal.type("corectl history")
        terminal.wait_for("climate.air.temperature")
        assert "…" not in terminal.screen
        terminal.type("clear; corectl history climate.air " + " ".join(SPAN))
        terminal.wait_for("temperature: 19.00 to 21.00 °C, mean 20.1., 600 values")
        assert re.search("[⠁-⣿]", terminal.screen)
        assert max(map(len, terminal.screen.splitlines())) <= 60
    finally:
        terminal.close()


def test_a_pipe_gets_a_table(recording: Path) -> None:
    done = history(recording, "climate.air", *SPAN)
    lines = done.stdout.splitlines()
    assert lines[0].split("  ")[0] == "time"
    assert "temperature (°C)" in lines[0]
    assert lines[1].split() == ["2027-01-15", "08:00:00.000", "20.00", "40.50"]
    assert len(lines) == 601


def test_csv_and_json_have_the_same_values(recording: Path) -> None:
    rows = list(csv.DictReader(history(recording, "climate.air", "--csv", *SPAN).stdout.splitlines()))
    document = json.loads(history(recording, "climate.air", "--json", *SPAN).stdout)
    assert document["version"] == 1
    assert [one["member"] for one in document["series"]] == ["temperature", "humidity"]
    assert [(row["time"], float(row["temperature"])) for row in rows] == [
        (point["time"], point["value"]) for point in document["series"][0]["points"]
    ]
    assert rows[1]["time"] == "2027-01-15T08:00:01.000000Z"
    assert len(rows) == 600


def test_the_list_is_to_be_had_as_json_and_csv(recording: Path) -> None:
    document = json.loads(history(recording, "--json").stdout)
    assert {one["device"] for one in document["series"]} == {"climate", "CCD Simulator"}
    assert document["series"][2]["value"] == 40.5
    assert len(list(csv.DictReader(history(recording, "--csv").stdout.splitlines()))) == 3


def test_a_plot_goes_to_a_file(recording: Path) -> None:
    done = history(recording, "climate", "--plot", "out.svg", *SPAN)
    assert done.stdout == "out.svg is written\n"
    root = etree.parse(recording / "out.svg").getroot()
    texts = {text.text for text in root.iter(f"{SVG}text")}
    assert {"temperature (°C)", "humidity (%)"} <= texts
    assert any(text is not None and text.startswith("climate, 2027-01-15 08:00:00") for text in texts)
    assert len(list(root.iter(f"{SVG}polyline"))) == 2


def test_it_looks_where_core_toml_says(recording: Path) -> None:
    (recording / "core" / "core" / "history.db").rename(recording / "elsewhere.db")
    (recording / "core.toml").write_text('[device.log]\nplugin = "recorder"\nfile = "elsewhere.db"\n')
    assert "climate.air.humidity" in history(recording).stdout
    # From elsewhere too: a relative path begins where core.toml is.
    (recording / "inner").mkdir()
    (recording / "core.toml").rename(recording / "inner" / "core.toml")
    (recording / "elsewhere.db").rename(recording / "inner" / "elsewhere.db")
    (recording / "core").rename(recording / "gone")
    (recording / "inner").rename(recording / "core")  # $XDG_CONFIG_HOME/core
    assert "climate.air.humidity" in history(recording).stdout
    (recording / "core" / "core.toml").rename(recording / "core.toml")
    (recording / "core" / "elsewhere.db").rename(recording / "elsewhere.db")
    with (recording / "core.toml").open("a") as file:
        file.write('[device.second]\nplugin = "recorder"\n')
    done = history(recording)
    assert done.returncode == 2
    assert "several recorders; choose with --file: log in elsewhere.db, second in " in done.stderr
    assert "climate.air.humidity" in history(recording, "--file", "elsewhere.db").stdout


def test_a_recording_that_is_being_made_just_now_is_none_yet(tmp_path: Path) -> None:
    sqlite3.connect(tmp_path / "new.db").execute("PRAGMA journal_mode = WAL").connection.close()
    done = history(tmp_path, "--file", "new.db")
    assert (done.returncode, done.stdout) == (1, "")
    assert "there is no recording at new.db yet: it has only been begun" in done.stderr


@pytest.mark.parametrize("goes_on", [False, True])
def test_who_may_only_read_can_read(recording: Path, goes_on: bool) -> None:
    path = recording / "core" / "core" / "history.db"
    store = Store(path) if goes_on else None
    for one in (*path.parent.iterdir(), path.parent):
        one.chmod(0o555 if one.is_dir() else 0o444)
    try:
        # Without the privileges of root, should these tests have them.
        done = subprocess.run(
            ["unshare", "--user", CORECTL, "history", "--file", path, "--json"],
            capture_output=True,
            text=True,
            check=False,
            cwd=recording,
        )
    finally:
        path.parent.chmod(0o755)
        if store is not None:
            store.close()
    if done.stderr.startswith("unshare: "):
        pytest.skip(f"this kernel lets this user make no namespace: {done.stderr}")
    assert (done.returncode, done.stderr) == (0, "")
    assert len(json.loads(done.stdout)["series"]) == 3


def test_each_run_has_a_history_of_its_own(recording: Path) -> None:
    (recording / "core.toml").write_text('[core]\nname = "lab"\n[device.history]\nplugin = "recorder"\n')
    missing = recording / "core" / "lab" / "history.db"
    assert f"there is no recording at {missing}; " in history(recording).stderr
    missing.parent.mkdir()
    (recording / "core" / "core" / "history.db").rename(missing)
    assert "climate.air.humidity" in history(recording).stdout


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("climat.air", "--since", "1h"), 2, "did you mean climate.air?"),
        (("climate.air.temprature",), 2, "did you mean climate.air.temperature?"),
        (("xyzzy",), 2, "`corectl history` lists what there is"),
        (("climate..x",), 2, "write device.property.member"),
        (("climate", "--since", "soon"), 2, "'soon' is no moment; write"),
        (("climate", "--since", "2026-13-01"), 2, "'2026-13-01' is no moment"),
        (("climate", "--since", "1h", "--until", "2h"), 2, "--since is not before --until"),
        (("climate", "--csv", "--plot", "x.svg"), 2, "exclude each other"),
        (("climate", "--plot", "x.png"), 2, "in .svg, not 'x.png'"),
        (("--plot", "x.svg"), 2, "--plot needs a SPEC"),
        (("--device", "climat"), 2, "nothing was recorded of a device 'climat'; did you mean climate?"),
        (("--device", "xyzzy"), 2, "there is CCD Simulator, climate"),
        (("climate", "--device", "climate"), 2, "for its values give a SPEC alone"),
        (
            ("climate", "--since", "1970-01-01", "--until", "1970-01-02"),
            1,
            "the last value is of 2027-01-15 08:09:59.000",
        ),
        (("climate", "--plot", "no/x.svg", *SPAN), 1, "no/x.svg cannot be written: No such file"),
        (("--file", "nothing.db"), 1, "there is no recording at nothing.db; a [device.history]"),
    ],
)
def test_what_is_wrong_is_one_sentence(recording: Path, arguments: tuple[str, ...], status: int, said: str) -> None:
    done = history(recording, *arguments)
    assert done.returncode == status
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_nothing_recorded_yet_is_no_failure(tmp_path: Path) -> None:
    Store(tmp_path / "empty.db").close()
    done = history(tmp_path, "--file", "empty.db")
    assert (done.returncode, done.stdout) == (0, "empty.db is empty: nothing has been recorded yet\n")
    assert "nothing has been recorded yet" in history(tmp_path, "climate", "--file", "empty.db").stderr


@pytest.mark.parametrize(
    ("text", "back"),
    [
        ("now", 0),
        ("1h", UNITS["h"]),
        ("1h30m", UNITS["h"] * 3 // 2),
        ("today", 12 * UNITS["h"]),
        ("yesterday", 36 * UNITS["h"]),
        ("10:30", UNITS["h"] * 3 // 2),
        ("9:00", 3 * UNITS["h"]),
        ("13:00", 23 * UNITS["h"]),
        ("2026-11-20", 36 * UNITS["h"]),
        ("2026-11-21 11:59", UNITS["m"]),
        ("2026-11-21T11:59:59", SECOND),
    ],
)
def test_moments(text: str, back: int) -> None:
    assert parse_moment(text, NOON) == NOON - back


@pytest.mark.parametrize("text", ["", "soon", "25:00", "2026-02-30", "1 parsec", "0h", "9999999999y", "10:", ":"])
def test_what_is_no_moment(text: str) -> None:
    with pytest.raises(ValueError, match="write"):
        parse_moment(text, NOON)


def curve(name: str, unit: str, *values: float, step: int = SECOND) -> Curve:
    return Curve(name, unit, [Point(NOON + at * step, value) for at, value in enumerate(values)])


def test_curves_of_one_unit_share_a_panel() -> None:
    curves = [curve("a", "°C", 1.0), curve("x", "", 1.0), curve("b", "°C", 2.0), curve("y", "", 1000.0)]
    assert [panel.title for panel in panels(curves)] == ["a, b (°C)", "x", "y"]


def test_no_line_crosses_a_gap() -> None:
    points = [Point(NOON + at * SECOND, 1.0) for at in (0, 1, 2, 60, 61, 62)]
    assert [len(part) for part in stretches(points)] == [3, 3]
    assert stretches([]) == []
    root = etree.fromstring(svg_chart([Curve("a", "", points)], NOON, NOON + 100 * SECOND, "a").encode())
    assert len(list(root.iter(f"{SVG}polyline"))) == 2


def test_ticks_are_even() -> None:
    ticks = time_ticks(NOON - 50 * UNITS["m"], NOON + 50 * UNITS["m"], 6)
    assert len(ticks) == 3
    assert {later - tick for tick, later in pairwise(ticks)} == {30 * UNITS["m"]}
    assert NOON in ticks
    assert value_ticks(0.1, 0.99, 5) == pytest.approx([0.2, 0.4, 0.6, 0.8])


@pytest.mark.parametrize("width", [40, 80, 133])
def test_a_terminal_chart_fits_and_shows_the_values(width: int) -> None:
    text = terminal_chart(
        [curve("flat", "", *[5.0] * 30), curve("ramp", "V", *range(30))], NOON, NOON + 30 * SECOND, width
    )
    lines = text.splitlines()
    assert max(map(len, lines)) <= width
    assert {"flat", "ramp (V)"} <= set(lines)
    assert any(char not in "⠀ " and "⠀" <= char <= "⣿" for char in text)
    assert text.isprintable() or "\x1b" not in text


def test_minima_and_maxima_are_a_band(recording: Path) -> None:
    condensed = [Point(NOON + at * UNITS["h"], 5.0, 4.0, 6.0, 3600) for at in range(10)]
    root = etree.fromstring(svg_chart([Curve("a", "V", condensed)], NOON, NOON + 10 * UNITS["h"], "<a & b>").encode())
    assert len(list(root.iter(f"{SVG}polygon"))) == 1
    assert "<a & b>" in {text.text for text in root.iter(f"{SVG}text")}
