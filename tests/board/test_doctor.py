"""`corectl doctor` on the kernel's chips: who holds which lines, while a run has them and afterwards."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from typing import Any

import gpiod
from gpiod.line import Direction

from plugin_gpio_matrix.holding import holders
from tests.board.runs import CORECTL, Start, wait_until
from tests.board.simulated_chips import SimulatedChip


def told() -> dict[str, str]:
    """Return what doctor says of chips, and the cure."""
    done = subprocess.run([CORECTL, "doctor", "--json"], capture_output=True, text=True, check=False, timeout=60)
    checks: list[dict[str, Any]] = json.loads(done.stdout)["checks"]
    return {check["text"]: check["cure"] for check in checks if check["check"] == "GPIO chips"}


def test_lines_in_use_are_told_with_their_holders(board_chip: SimulatedChip, start: Start) -> None:
    chip = f"{board_chip.path}: pinctrl-bcm2711, 58 lines"
    found = told()
    assert f"{chip}, all of them free" in found
    assert any("sim-spi, 8 lines" in text and "held by 'spi0 CS0'" in text for text in found)
    settings = gpiod.LineSettings(direction=Direction.OUTPUT)
    with gpiod.request_lines(str(board_chip.path), config={17: settings}, consumer="somebody"):
        states = 'exit_state = "on"', "hold = true"
        run = start(board_chip.label, *states, lines=[[4, 5, 6], [8, 20]], program="heartbeat")
        wait_until(lambda: board_chip.level(4) == 1, "the LEDs to be lit")
        assert f"{chip}, 4 to 6, 8 and 20 held by 'core:panel', 17 held by 'somebody'" in told()
        assert run.end() == 0
        (process,) = holders()
        found = told()
        assert f"{chip}, 4 to 6, 8 and 20 held by 'core:panel', 17 held by 'somebody'" in found
        cure = found[f"process {process} keeps the lines of 'core:panel' after its run"]
        assert cure == f"kill {process} gives them back"
        os.kill(process, signal.SIGTERM)
        wait_until(lambda: not holders(), "the holder to end")
