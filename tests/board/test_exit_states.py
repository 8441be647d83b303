"""What the LEDs are left in at the end, on the wires of the kernel's chip, whatever the end was."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import gpiod
import pytest
from gpiod.line import Direction

from plugin_gpio_matrix.holding import holders
from tests.board.runs import CORECTL, Run, Start, configuration, wait_until
from tests.board.simulated_chips import SimulatedChip

LEDS = [4, 5, 6]
"""One that is off at the end, one that is on, and one that is kept."""

STATES = ('exit_state = { all = "off", r1c2 = "on", r1c3 = "keep" }', "hold = true")


@pytest.fixture(autouse=True)
def _no_holder_is_left() -> Iterator[None]:
    yield

    def ended() -> bool:
        for process in holders():
            os.kill(process, signal.SIGTERM)
        return not holders()

    wait_until(ended, "the holders to end")


def consumer(chip: SimulatedChip, line: int) -> str | None:
    with gpiod.Chip(str(chip.path)) as opened:
        info = opened.get_line_info(line)
    return info.consumer if info.used else None


def lit(start: Start, chip: SimulatedChip, *options: str, **more: object) -> Run:
    """Start a run that lights all LEDs with a program that never darkens them, and wait for that."""
    run = start(chip.label, *options, lines=[LEDS], program="heartbeat", **more)
    wait_until(lambda: set(chip.levels(LEDS).values()) == {1}, "all LEDs lit")
    return run


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_after_a_signal_a_holder_keeps_what_is_asked_for(
    board_chip: SimulatedChip, start: Start, number: signal.Signals
) -> None:
    run = lit(start, board_chip, *STATES)
    assert run.end(number) == 0
    held = re.search(r"panel: its lines are held by process (\d+); `kill \1` gives them back", run.rest())
    assert held is not None
    assert holders() == {int(held[1]): "core:panel"}
    # The program darkens its LEDs when it is cancelled, so that kept is dark here.
    assert board_chip.levels(LEDS) == {4: 0, 5: 1, 6: 0}
    assert consumer(board_chip, 5) == "core:panel"
    os.kill(int(held[1]), signal.SIGTERM)
    wait_until(lambda: consumer(board_chip, 5) is None, "the line to be free")
    # It belongs to the kernel now, and this chip returns it to its pull.
    assert board_chip.levels(LEDS) == {4: 0, 5: 0, 6: 0}


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_a_holder_sees_to_the_exit_states_where_the_run_cannot(
    board_chip: SimulatedChip, start: Start, number: signal.Signals
) -> None:
    run = lit(start, board_chip, *STATES)
    assert run.end(number) == -number
    wait_until(lambda: board_chip.levels(LEDS) == {4: 0, 5: 1, 6: 1}, "the exit states")
    assert list(holders().values()) == ["core:panel"]
    assert consumer(board_chip, 6) == "core:panel"


def test_with_all_off_a_holder_ends_when_it_has_put_them_out(board_chip: SimulatedChip, start: Start) -> None:
    for line in LEDS:
        board_chip.pull(line, "up")  # so that a line that is merely released is high
    try:
        run = start(board_chip.label, "hold = true", lines=[LEDS], program="heartbeat")
        wait_until(lambda: set(board_chip.levels(LEDS).values()) == {0}, "the LEDs dark")
        wait_until(lambda: set(board_chip.levels(LEDS).values()) == {1}, "the LEDs lit")
        assert run.end() == 0
        assert "its lines are held" not in run.rest()
        wait_until(lambda: consumer(board_chip, 5) is None, "the lines to be free")
        assert holders() == {}
    finally:
        for line in LEDS:
            board_chip.pull(line, "down")


def test_without_a_holder_the_lines_belong_to_the_kernel(board_chip: SimulatedChip, start: Start) -> None:
    run = lit(start, board_chip, 'exit_state = "on"')
    assert run.end() == 0
    assert board_chip.levels(LEDS) == {4: 0, 5: 0, 6: 0}
    assert consumer(board_chip, 5) is None


def test_after_sigkill_without_a_holder_nobody_sees_to_exit_states(board_chip: SimulatedChip, start: Start) -> None:
    run = lit(start, board_chip, 'exit_state = { all = "off", r1c3 = "on" }')
    for line in LEDS:
        board_chip.pull(line, "up")
    try:
        assert run.end(signal.SIGKILL) == -signal.SIGKILL
        wait_until(lambda: consumer(board_chip, 4) is None, "the lines to be free")
        # What the chip does with them: this one returns them to their pull, also those that were to be off.
        assert board_chip.levels(LEDS) == {4: 1, 5: 1, 6: 1}
    finally:
        for line in LEDS:
            board_chip.pull(line, "down")


def test_a_run_whose_output_nobody_reads_any_more_leaves_the_exit_states(
    board_chip: SimulatedChip, start: Start
) -> None:
    run = lit(start, board_chip, *STATES)
    assert run.process.stdout is not None
    run.process.stdout.close()  # as `corectl run | head -1` does
    run.end()
    assert board_chip.levels(LEDS) == {4: 0, 5: 1, 6: 0}


def test_the_next_run_takes_its_lines_over_from_the_holder(board_chip: SimulatedChip, start: Start) -> None:
    lit(start, board_chip, *STATES).end()
    (first,) = holders()
    run = start(board_chip.label, *STATES, lines=[LEDS], program="spiral")
    wait_until(lambda: board_chip.levels(LEDS) == {4: 1, 5: 0, 6: 0}, "the next run's program")
    assert "cannot be opened" not in run.said
    assert not Path(f"/proc/{first}").exists()
    run.end()
    (second,) = holders()
    assert second != first


def test_a_holder_of_another_matrix_is_left_alone(board_chip: SimulatedChip, start: Start) -> None:
    settings = gpiod.LineSettings(direction=Direction.OUTPUT)
    lit(start, board_chip, *STATES).end()
    (holder,) = holders()
    with gpiod.request_lines(str(board_chip.path), config={20: settings}, consumer="somebody"):
        start(board_chip.label, lines=[[20]]).says("line 20 of .* is held by 'somebody'")
    assert list(holders()) == [holder]


def test_after_the_end_of_its_input(board_chip: SimulatedChip, tmp_path: Path) -> None:
    (tmp_path / "core.toml").write_text(configuration(board_chip.label, *STATES, lines=[LEDS]))
    command: list[str | Path] = [CORECTL, "run", "--stdin", "panel"]
    run = subprocess.Popen(command, cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    try:
        wait_until(lambda: set(board_chip.levels(LEDS).values()) == {1}, "all LEDs lit")
        assert run.stdin is not None
        run.stdin.close()  # as indiserver does at its end
        assert run.wait(30) == 0
    finally:
        run.kill()
        run.wait()
    assert board_chip.levels(LEDS) == {4: 0, 5: 1, 6: 0}
    assert list(holders().values()) == ["core:panel"]


EXCEPTION = """
import asyncio
from core import Loop
from core.instance import Instance
from plugin_gpio_matrix.matrix import GpioMatrix

async def main():
    options = GpioMatrix.Options(chip="pinctrl-bcm2711", lines=[[4, 5, 6]],
        exit_state={"r1c2": "on", "r1c3": "keep"}, hold=True)
    matrix = GpioMatrix("panel", options)
    living = asyncio.create_task(Instance(matrix, "gpio-matrix").live())
    await asyncio.sleep(0.1)
    matrix.all.set(True)
    await asyncio.sleep(0.1)
    raise ValueError("a program of one's own fails")

Loop().run(main())
"""


def test_after_an_exception(board_chip: SimulatedChip) -> None:
    run = subprocess.run([sys.executable, "-c", EXCEPTION], capture_output=True, text=True, check=False, timeout=30)
    assert run.returncode == 1
    assert "ValueError: a program of one's own fails" in run.stderr
    assert board_chip.levels(LEDS) == {4: 0, 5: 1, 6: 1}
    assert list(holders().values()) == ["core:panel"]


def names() -> set[str]:
    return {path.read_text().strip() for path in Path("/proc").glob("[0-9]*/comm")}


def test_what_holds_is_told_by_its_name(board_chip: SimulatedChip, start: Start) -> None:
    run = lit(start, board_chip, *STATES)
    wait_until(lambda: "core-guard" in names(), "the guard")
    run.end()
    (holder,) = holders()
    wait_until(lambda: "core-holder" in names(), "the holder")
    assert os.getsid(holder) == holder
