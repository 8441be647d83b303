"""A command that takes long says on its terminal what it waits for, and takes that away again; a pipe hears nothing."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.conftest import CORECTL
from tests.system.terminal import Terminal, terminal

__all__ = ["terminal"]

pytestmark = pytest.mark.system

SLOW_PLUGIN = """
import time
until = time.monotonic() + {seconds}
while time.monotonic() < until:
    pass
core_api = 1
"""


@pytest.fixture
def silent() -> Iterator[int]:
    """Return the port of a server that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def install_slow_plugin(folder: Path, seconds: float) -> None:
    (folder / "slow.py").write_text(SLOW_PLUGIN.format(seconds=seconds))
    information = folder / "plugin_slow-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: plugin-slow\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text("[core.plugins]\nslow = slow\n")


def test_what_is_waited_for_is_said_and_erased(terminal: Terminal, silent: int) -> None:
    terminal.type(f"clear; corectl set --port {silent} --timeout 4 a.b.c=1; echo status=$?")
    terminal.wait_for(rf"^waiting until localhost:{silent} has done it \.\.\. [1-4] s$")
    terminal.wait_for("^status=1$")
    assert "has done it ..." not in terminal.screen
    assert "corectl: " in terminal.screen


def test_ctrl_c_erases_it(terminal: Terminal, silent: int) -> None:
    terminal.type(f"clear; corectl get --port {silent} --timeout 60; echo status=$?")
    terminal.wait_for(rf"^asking localhost:{silent} \.\.\. \d+ s$")
    terminal.press("C-c")
    terminal.wait_for("status=130$")
    assert "asking" not in terminal.screen
    terminal.wait_for_order()


def test_it_takes_one_line_of_a_narrow_terminal(terminal: Terminal, silent: int) -> None:
    terminal.resize(20, 5)
    terminal.type(f"clear; corectl get --port {silent} --timeout 60")
    terminal.wait_for(r"^asking localhost:\d*$")
    terminal.press("C-c")
    terminal.wait_for(r"[#$]\s*$")
    assert "asking" not in terminal.screen


def test_a_terminal_without_cursor_gets_one_line(terminal: Terminal, silent: int) -> None:
    terminal.type(f"clear; TERM=dumb corectl get --port {silent} --timeout 3; echo status=$?")
    terminal.wait_for("^status=1$")
    assert terminal.screen.count(f"asking localhost:{silent} ...") == 1


def test_a_plugin_that_takes_long_to_import_is_no_silence(terminal: Terminal, tmp_path: Path) -> None:
    install_slow_plugin(tmp_path, 3)
    terminal.type(f"clear; PYTHONPATH={tmp_path} corectl list-plugins; echo status=$?")
    terminal.wait_for(r"^importing plugins \.\.\. \d s$")
    terminal.wait_for("^status=0$")
    assert "importing" not in terminal.screen


def test_a_pipe_hears_nothing(silent: int, tmp_path: Path) -> None:
    install_slow_plugin(tmp_path, 1.5)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}
    for arguments in ("list-plugins",), ("get", "--port", str(silent), "--timeout", "2"):
        done = subprocess.run([CORECTL, *arguments], env=environment, capture_output=True, text=True, timeout=60)
        assert "..." not in done.stderr
        assert "\x1b" not in done.stdout + done.stderr
