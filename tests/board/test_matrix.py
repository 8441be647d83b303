"""The matrix plugin on the kernel's own chip: what it says of the LEDs is on the wires."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import gpiod
import pytest
from gpiod.line import Direction

from tests.board.simulated_chips import SimulatedChip

CORECTL = Path(sys.executable).parent / "corectl"
ROWS = [[4, 5, 6, 7, 8], [9, 10, 11, 12, 13], [16, 17, 18, 19, 20], [21, 22, 23, 24, 25], [26, 27, 15, 0, 1]]
LINES = [line for row in ROWS for line in row]

Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Return a function that runs a matrix on a chip, with a program."""
    runs: list[subprocess.Popen[bytes]] = []

    def started(chip: str, *options: str, lines: object = ROWS, program: str = "heartbeat") -> subprocess.Popen[bytes]:
        more = "\n".join(options)
        (tmp_path / "core.toml").write_text(
            f'[device.panel]\nplugin = "gpio-matrix"\nchip = "{chip}"\nlines = {lines}\n{more}\n'
            f'[program.{program}]\ndevice = "panel"\n'
        )
        runs.append(
            subprocess.Popen(
                [CORECTL, "run", "--port", "0"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE
            )
        )
        return runs[-1]

    yield started
    for run in runs:
        run.kill()
        run.communicate()


def wait_until(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline, f"waited in vain: {what}"
        os.sched_yield()


def lit(chip: SimulatedChip) -> set[int]:
    return {line for line, level in chip.levels(LINES).items() if level}


@pytest.mark.parametrize("how", ["label", "name", "path"])
def test_a_program_blinks_on_the_wires(board_chip: SimulatedChip, start: Start, how: str) -> None:
    run = start({"label": board_chip.label, "name": board_chip.name, "path": str(board_chip.path)}[how])
    wait_until(lambda: lit(board_chip) == set(LINES), "all LEDs lit")
    with gpiod.Chip(str(board_chip.path)) as chip:
        assert {chip.get_line_info(line).consumer for line in LINES} == {"core:panel"}
    wait_until(lambda: not lit(board_chip), "all LEDs dark")
    wait_until(lambda: lit(board_chip) == set(LINES), "all LEDs lit again")
    run.send_signal(signal.SIGTERM)
    assert run.wait(30) == 0
    assert not lit(board_chip)
    with gpiod.Chip(str(board_chip.path)) as chip:
        assert not any(chip.get_line_info(line).used for line in LINES)


def test_a_spiral_lights_one_led_after_another(board_chip: SimulatedChip, start: Start) -> None:
    start(board_chip.label, program="spiral")
    for line in (4, 5, 6, 7, 8, 13, 20):  # along the top and down the right side
        wait_until(lambda line=line: lit(board_chip) == {line}, f"line {line} alone to be lit")  # type: ignore[misc]


def test_active_low(board_chip: SimulatedChip, start: Start) -> None:
    start(board_chip.label, "active_low = true")
    wait_until(lambda: lit(board_chip) == set(LINES), "dark LEDs, their lines high")
    wait_until(lambda: not lit(board_chip), "lit LEDs, their lines low")


def test_lines_by_name(spi_chip: SimulatedChip, start: Start) -> None:
    # The lines of the buses are taken; this one is free in the device tree and has a name.
    names = [spi_chip.label, '[["LOOP_SCLK"]]']
    run = start(names[0], lines=names[1])
    assert run.stderr is not None
    # It is held by the bus, which is what the plugin has to say.
    line = b""
    while b"cannot be opened" not in line:
        line = run.stderr.readline()
        assert line, "the log ended"
    assert b"line 6 of" in line
    assert b"is held by" in line


def test_a_line_that_somebody_holds_is_named_with_its_holder(board_chip: SimulatedChip, start: Start) -> None:
    settings = gpiod.LineSettings(direction=Direction.OUTPUT)
    with gpiod.request_lines(str(board_chip.path), config={17: settings}, consumer="somebody"):
        run = start(board_chip.label)
        assert run.stderr is not None
        line = b""
        while b"cannot be opened" not in line:
            line = run.stderr.readline()
            assert line, "the log ended"
        assert b"gpio-matrix 'panel' cannot be opened" in line
        assert b"line 17 of" in line
        assert b"(pinctrl-bcm2711) is held by 'somebody'" in line
    # It is tried again, and the line is free now.
    wait_until(lambda: lit(board_chip) == set(LINES), "all LEDs lit")


@pytest.mark.parametrize(
    ("chip", "lines", "why"),
    [
        ("no-such-chip", ROWS, b"there is no GPIO chip 'no-such-chip', but .*pinctrl-bcm2711"),
        ("/dev/null", ROWS, b"/dev/null cannot be opened"),
        ("pinctrl-bcm2711", [[58]], b"line 58 is beyond .*, which has lines 0 to 57"),
        ("pinctrl-bcm2711", '[["NOT_THERE"]]', b"no line named 'NOT_THERE'"),
    ],
)
def test_what_cannot_be_opened_says_why(start: Start, chip: str, lines: object, why: bytes) -> None:
    import re

    run = start(chip, lines=lines)
    assert run.stderr is not None
    line = b""
    while b"cannot be opened" not in line:
        line = run.stderr.readline()
        assert line, "the log ended"
    assert re.search(why, line), line
