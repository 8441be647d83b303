"""What LEDs cost: the system calls by which lines are set, counted by strace on the kernel's chip."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.board.simulated_chips import SimulatedChip

PERIODS = [200 + 50 * number for number in range(25)]
"""Milliseconds for which each of 25 LEDs shines, and is dark."""

MILLISECONDS = 2975
ROUNDS = 8

PROGRAM = f"""
import asyncio
from core import Loop, programs as p
from core.instance import Instance
from plugin_gpio_matrix.matrix import GpioMatrix

async def main():
    options = GpioMatrix.Options(chip="pinctrl-bcm2711", lines=[list(range(row, row + 5)) for row in range(0, 25, 5)])
    matrix = GpioMatrix("panel", options)
    known = asyncio.Event()
    matrix.observe(lambda event: known.set() if event.kind == "opened" else None)
    living = asyncio.create_task(Instance(matrix, "gpio-matrix").live())
    await known.wait()
    blinks = [p.blink(led, period / 1000) for led, period in zip(matrix.all, {PERIODS})]
    await p.timeout(p.all(*blinks), {MILLISECONDS / 1000})()
    await asyncio.sleep(0.01)
    print(matrix.frames.calls)
    living.cancel()
    await asyncio.wait([living])

Loop().run(main())
"""

GET_LINES = re.compile(r"ioctl\(\d+, GPIO_V2_GET_LINE_IOCTL\b|ioctl\(\d+, _IOC\(\w+\|\w+, 0xb4, 0x7,")
SET_VALUES = re.compile(r"ioctl\(\d+, GPIO_V2_LINE_SET_VALUES_IOCTL\b|ioctl\(\d+, _IOC\(\w+\|\w+, 0xb4, 0xf,")


def test_25_leds_with_25_periods_cost_a_call_for_each_instant(board_chip: SimulatedChip, tmp_path: Path) -> None:
    assert board_chip.levels(range(25)) == dict.fromkeys(range(25), 0)
    instants = {turn * period for period in PERIODS for turn in range(100) if turn * period < MILLISECONDS}
    expected = len(instants) + 1  # and all dark at the end
    for _ in range(ROUNDS):
        trace = tmp_path / "trace"
        command = ["strace", "-f", "-e", "trace=ioctl", "-o", str(trace), sys.executable, "-c", PROGRAM]
        run = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
        frames = int(run.stdout)
        calls = trace.read_text()
        assert len(GET_LINES.findall(calls)) == 1
        # The last one is that of the exit state.
        assert len(SET_VALUES.findall(calls)) == frames + 1
        # It differs only where the machine stood still so long that two instants became one, or the end a second one.
        if frames == expected:
            return
    raise AssertionError(f"{frames} calls, where {expected} were expected, in the last of {ROUNDS} rounds")
