"""docs/blinking.md: each of its steps is a file, and what the LEDs do at which time is what the page tells."""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from core.testing import VirtualClock
from tests.documents.blocks import ROOT, blocks_of

PAGE = ROOT / "docs" / "blinking.md"
FOLDER = ROOT / "docs" / "blinking"
STEPS = sorted(FOLDER.glob("[01]*.py"))
DARK = "..... ..... ..... ..... ....."

Shown = list[tuple[float, str]]


@pytest.fixture(autouse=True)
def _stage(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    pytest.importorskip("gpiod", reason="the package gpiod is for Linux alone")
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(FOLDER))
    monkeypatch.setattr(sys, "argv", ["step.py"])
    yield
    for name in {"stage", "theatre"} - before:
        sys.modules.pop(name, None)


def shown_by(step: str, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch) -> Shown:
    """Run a step in virtual time; return what the LEDs showed from when on."""
    import stage  # type: ignore[import-not-found]

    shown: Shown = []

    def note(rows: list[str]) -> None:
        # The last of an instant is what is seen.
        now = round(clock.seconds, 3)
        if shown and shown[-1][0] == now:
            shown.pop()
        shown.append((now, " ".join(rows)))

    monkeypatch.setattr(stage, "draw", note)
    (path,) = FOLDER.glob(f"{step}_*.py")
    names: dict[str, Any] = runpy.run_path(str(path), run_name="step")
    clock.run(names["main"]())
    return shown


def flashes(interval: float, *pictures: str, start: float = 0.0) -> Shown:
    """Return each picture for an interval and darkness for another."""
    pairs = [one for picture in pictures for one in (picture, DARK)]
    return [(round(start + interval * at, 3), one) for at, one in enumerate(pairs)]


def row(number: int) -> str:
    return " ".join("XXXXX" if at == number else "....." for at in range(5))


def column(number: int) -> str:
    return " ".join(["".join("X" if at == number else "." for at in range(5))] * 5)


def test_there_are_ten_and_the_page_shows_every_one_as_it_is() -> None:
    assert [path.name[:2] for path in STEPS] == [f"{number:02}" for number in range(1, 11)]
    shown = {block.says["file"]: block.text for block in blocks_of(PAGE) if "file" in block.says}
    assert shown == {path.name: path.read_text() for path in sorted(FOLDER.glob("*.py"))}
    typed = [command for block in blocks_of(PAGE) for command, _ in block.commands if block.language == "console"]
    assert typed == [f"python {path.name}" for path in STEPS]
    headings = re.findall(r"^## (\d+)\.", PAGE.read_text(), re.MULTILINE)
    assert headings == [str(number) for number in range(1, 11)]


@pytest.mark.parametrize("step", STEPS[:2], ids=lambda step: str(step.stem))
def test_the_steps_without_a_loop(step: Path) -> None:
    done = subprocess.run([sys.executable, step], capture_output=True, text=True, check=True, timeout=60)
    (shown,) = [expected for block in blocks_of(PAGE) for command, expected in block.commands if step.name in command]
    assert done.stdout.splitlines() == shown
    assert done.stderr == ""


def test_tasks(clock: VirtualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = dict(shown_by("03", clock, monkeypatch))
    for number, interval, ntimes in ((0, 0.5, 1), (2, 0.3, 2), (4, 0.2, 3)):
        for time, picture in shown.items():
            turn = round(time / interval, 6) // 1
            assert (picture.split()[number] == "XXXXX") is (turn % 2 == 0 and turn < 2 * ntimes), time
    assert max(shown) == 1.0


def test_all(clock: VirtualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    widths = ["XXXXX", ".XXXX", "..XXX", "...XX", "....X", "....."]
    assert shown_by("04", clock, monkeypatch) == [
        (round(0.1 * at, 3), " ".join([w] * 5)) for at, w in enumerate(widths)
    ]
    assert clock.seconds == 1.0


def test_sequence(clock: VirtualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    outer = " ".join(["X...X"] * 5)
    down = flashes(0.1, *(row(number) for number in range(5)))
    assert shown_by("05", clock, monkeypatch) == [*down, *flashes(0.2, outer, outer, start=1.0)]


def test_forever(clock: VirtualClock, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    shown = shown_by("06", clock, monkeypatch)
    assert shown[:11] == flashes(0.1, *[row(0)] * 6)[:11]
    assert clock.seconds == 1.2
    assert capsys.readouterr().out.splitlines() == [
        "a coroutine runs once: cannot reuse already awaited coroutine",
        "a recipe runs as often as you like",
    ]


def test_program(clock: VirtualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    waves = [f"X...X {' '.join([wave] * 3)} X...X" for wave in (".X...", "..X..", "...X.")]
    assert shown_by("07", clock, monkeypatch) == flashes(0.1, *waves, *waves)


def test_programs(clock: VirtualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = [row(number) for number in range(5)] + [column(number) for number in (4, 3, 2, 1, 0)]
    lit = " ".join(["XXXXX"] * 5)
    once = [(round(0.1 * at, 3), step) for at, step in enumerate(steps)]
    once += flashes(0.1, lit, lit, start=1.0)
    assert shown_by("08", clock, monkeypatch) == once


def test_any_and_cancellation(
    clock: VirtualClock, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert shown_by("09", clock, monkeypatch) == [
        (0.0, row(2)),
        (0.3, DARK),
        (0.5, row(2)),
        (0.8, DARK),
        (1.0, row(0)),
        (1.3, row(0)),  # dark and lit again: the one has cleaned up before the other begins
        (1.4, DARK),
        (1.5, row(4)),
        (1.7, DARK),
    ]
    assert capsys.readouterr().out.splitlines() == [
        "dark again",
        "dark again",
        "one has failed, the other has ended: a wire is loose",
    ]


def test_goodbye_is_one_call_for_each_picture(
    clock: VirtualClock, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = shown_by("10", clock, monkeypatch)
    assert [time for time, _ in shown] == [0.0, 0.8, 1.0, 1.8, 2.0, 2.8, 3.0]
    assert shown[2][1] == ".X.X. .X.X. ..... ..... XXXXX"
    assert shown[-1][1] == DARK
    assert capsys.readouterr().out == "7 pictures, one call each\n"


def test_goodbye_is_a_plugin(clock: VirtualClock) -> None:
    names = runpy.run_path(str(FOLDER / "10_goodbye.py"), run_name="step")
    (program,) = names["core_register_programs"]()
    assert names["core_api"] == 1
    assert (program.name, [one.name for one in program.parameters]) == ("goodbye", ["seconds"])
