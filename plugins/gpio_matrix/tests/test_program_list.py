"""Every program of the talks is here, and `corectl list-programs` tells what each does and can be told."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from plugin_gpio_matrix.programs import PROGRAMS

OF_THE_TALKS = {
    "all_directions",
    "blink_cols",
    "blink_rows",
    "cross",
    "kaa",
    "kaa_spiral",
    "mad_spiral",
    "mad_spiral_until_left_button",
    "matrix_on_off",
    "mickey",
    "raindrops",
    "smiley",
    "spiral",
    "squares",
    "the_nice_pattern",
}
MORE = {"breathe", "clock", "game_of_life", "heartbeat", "scroll_text"}


def test_all_of_them_are_listed_with_docstrings_and_settings() -> None:
    corectl = Path(sys.executable).parent / "corectl"
    done = subprocess.run([corectl, "list-programs", "--json"], capture_output=True, check=True, timeout=60)
    told = {one["name"]: one for one in json.loads(done.stdout)["programs"] if one["plugin"] == "gpio-matrix"}
    assert set(told) == OF_THE_TALKS | MORE
    for program in PROGRAMS:
        assert told[program.name]["description"] == program.description
        assert set(told[program.name]["settings"]) == {one.name for one in program.parameters}
