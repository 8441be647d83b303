"""The lines of a matrix driven by Blinka's digitalio as well: programs on its pins, and either after the other."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator
from typing import Any

import pytest

from core import programs as p
from core.testing import VirtualClock
from tests.board.runs import LINES, ROWS, Start, wait_until
from tests.board.simulated_chips import SimulatedChip

pytestmark = pytest.mark.usefixtures("no_leaks")


class Pin:
    """A pin of the header as an output that programs switch."""

    def __init__(self, line: int) -> None:
        import board
        import digitalio

        self.line = line
        self.io: Any = digitalio.DigitalInOut(getattr(board, f"D{line}"))
        self.io.switch_to_output(value=False)

    def set(self, value: bool) -> None:
        self.io.value = value


@contextlib.contextmanager
def pins(lines: list[int]) -> Iterator[list[Pin]]:
    with contextlib.ExitStack() as stack:
        taken = []
        for line in lines:
            taken.append(Pin(line))
            stack.callback(taken[-1].io.deinit)
        yield taken


@pytest.fixture(autouse=True)
def _blinka(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BLINKA_SKIP_DEPENDENCY_CHECK", "1")
    pytest.importorskip("adafruit_platformdetect", reason="Blinka could not be installed here")


def lit(chip: SimulatedChip) -> list[int]:
    return [line for line, level in chip.levels(LINES).items() if level]


def test_programs_blink_what_digitalio_drives(clock: VirtualClock, board_chip: SimulatedChip) -> None:
    seen: list[tuple[float, list[int]]] = []

    async def look() -> None:
        # Half-way between two changes.
        await p.sleep(0.05)()
        while True:
            seen.append((round(clock.seconds, 2), lit(board_chip)))
            await p.sleep(0.1)()

    with pins(LINES) as taken:
        walk, row = p.walk(taken[:5], 0.1), taken[10:15]
        clock.run(p.any(look, p.sequence(walk, p.any(p.on(row), p.sleep(0.1)), p.blink(row, 0.1, 1)))())
        assert lit(board_chip) == []
    shown = [[line] for line in ROWS[0]] + [ROWS[2], ROWS[2], []]
    assert seen == [(round(0.05 + 0.1 * turn, 2), leds) for turn, leds in enumerate(shown)]


def test_either_gives_the_lines_to_the_other(board_chip: SimulatedChip, start: Start) -> None:
    run = start(board_chip.label)
    wait_until(lambda: lit(board_chip) == LINES, "all LEDs lit")
    with pytest.raises(OSError, match="busy") as refused:
        Pin(LINES[0])
    assert refused.value.errno == errno.EBUSY
    assert run.end() == 0
    with pins(LINES) as taken:
        for pin in taken:
            pin.set(True)
        assert lit(board_chip) == LINES
        run = start(board_chip.label)
        run.says(rf"line {LINES[0]} of \S+ \(pinctrl-bcm2711\) is held by 'adafruit_blinka'; stop that, or use another")
        assert lit(board_chip) == LINES  # what is refused touches nothing
        for pin in taken:
            pin.set(False)
    wait_until(lambda: lit(board_chip) == LINES, "all LEDs lit by the run, which has tried again")


def test_both_read_the_same_of_a_button(board_chip: SimulatedChip) -> None:
    with pins([LINES[0]]) as (pin,):
        pin.io.switch_to_input()
        board_chip.pull(LINES[0], "up")
        assert pin.io.value is True
        board_chip.pull(LINES[0], "down")
        assert pin.io.value is False
