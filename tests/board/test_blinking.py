"""The steps of docs/blinking.md with real lines: each lights LEDs on the kernel's chip and leaves them dark."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.board.runs import LINES, wait_until
from tests.board.simulated_chips import SimulatedChip

FOLDER = Path(__file__).parent.parent.parent / "docs" / "blinking"
SECONDS = 60


@pytest.mark.parametrize("step", sorted(FOLDER.glob("[01]*.py")), ids=lambda step: str(step.stem))
def test_a_step(step: Path, board_chip: SimulatedChip) -> None:
    process = subprocess.Popen(
        [sys.executable, step, str(board_chip.path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        wait_until(lambda: any(board_chip.levels(LINES).values()), "an LED to be lit")
        said, errors = process.communicate(timeout=SECONDS)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 0, errors
    assert "....." not in said  # nothing is drawn
    assert not any(board_chip.levels(LINES).values())
