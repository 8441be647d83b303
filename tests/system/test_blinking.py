"""A step of docs/blinking.md in a real terminal: the LEDs are drawn in place, above what is printed."""

from __future__ import annotations

import pytest

from tests.documents.blocks import ROOT
from tests.system.terminal import Terminal, terminal

__all__ = ["terminal"]

pytestmark = pytest.mark.system
FOLDER = ROOT / "docs" / "blinking"


def test_leds_in_place_and_ctrl_c(terminal: Terminal) -> None:
    terminal.type(f"python {FOLDER}/09_any.py")
    terminal.wait_for(r"(?s)one has failed, the other has ended: a wire is loose\s*$")
    rows = terminal.screen.splitlines()
    assert rows[1:6] == [" · · · · ·"] * 5
    assert rows[7:10] == ["dark again", "dark again", "one has failed, the other has ended: a wire is loose"]
    terminal.type(f"clear; python {FOLDER}/06_forever.py")
    terminal.wait_for(r"^ ● ● ● ● ●$")
    terminal.press("C-c")
    terminal.wait_for(r"^KeyboardInterrupt$")
    terminal.wait_for_order()
