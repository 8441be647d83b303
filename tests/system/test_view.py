"""The view in a real terminal: what it shows, what its keys do, and that the terminal is in order at every end."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.system.conftest import Start, wait_until
from tests.system.terminal import Terminal, children, command_line, terminal

__all__ = ["terminal"]

pytestmark = pytest.mark.system

LED = "▗▄▄▖"
TALKER = """
import os, sys
import core

core_api = 1

class Talker(core.Device):
    '''A device whose library writes where it likes.'''

    async def open(self):
        os.write(2, b"torn by a library\\n")
        os.system("echo torn by a child")
        print("printed by a plugin")

@core.hookimpl
def core_register_devices():
    return [Talker]
"""


def view_of(run: int) -> int:
    """Return the id of the process that shows a run."""
    (found,) = [one for one in children(run) if "core.cli.view.child" in command_line(one)]
    return found


def test_the_keys_start_and_stop_programs_and_ctrl_c_ends_it(terminal: Terminal) -> None:
    terminal.type("corectl run --view --port 0; echo status=$?")
    terminal.wait_for("▶ a heartbeat")
    terminal.wait_for("Wind one LED to the middle and back")
    assert terminal.screen.count(LED) == 25
    key = terminal.wait_for(r"  ([a-z]) spiral")[1]
    terminal.press(key)
    terminal.wait_for(f"▶ {key} spiral")
    terminal.wait_for("INFO program spiral on matrix")
    terminal.press("x")
    terminal.wait_for("no program runs")
    terminal.press("Tab")
    terminal.wait_for(r"Temperature.*\d")
    terminal.press("C-c")
    terminal.wait_for("^status=0$")
    terminal.wait_for_order()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_the_run_ends_both_and_leaves_the_terminal_in_order(terminal: Terminal, number: int) -> None:
    terminal.type("corectl run --view --port 0; echo status=$?")
    terminal.wait_for("▶ a heartbeat")
    run = terminal.child_of_shell()
    view = view_of(run)
    os.kill(run, number)
    terminal.wait_for("^status=0$")
    terminal.wait_for_order()
    assert not Path(f"/proc/{view}").exists()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_a_view_that_dies_leaves_the_run_and_the_terminal_in_order(terminal: Terminal, number: int) -> None:
    terminal.type("corectl run --view --port 0; echo status=$?")
    terminal.wait_for("▶ a heartbeat")
    os.kill(view_of(terminal.child_of_shell()), number)
    terminal.wait_for(rf"the view has failed \({signal.Signals(number).name}\); the run goes on without it")
    terminal.wait_for_order()
    terminal.press("C-c")
    terminal.wait_for("^.*status=0$")
    terminal.wait_for_order()


def test_a_run_that_is_killed_takes_its_view_with_it_and_leaves_the_terminal_in_order(terminal: Terminal) -> None:
    terminal.type("corectl run --view --port 0")
    terminal.wait_for("▶ a heartbeat")
    run = terminal.child_of_shell()
    view = view_of(run)
    os.kill(run, signal.SIGKILL)
    wait_until(lambda: not Path(f"/proc/{view}").exists(), "the end of the view")
    terminal.wait_for_order()
    terminal.type("echo all is 'well'")
    terminal.wait_for("^all is well$")


def test_a_run_that_cannot_begin_says_so_on_the_terminal(terminal: Terminal, start: Start) -> None:
    port = start("--port", "0").port
    terminal.type(f"corectl run --view --port {port}; echo status=$?")
    terminal.wait_for("^status=1$")
    terminal.wait_for(rf"corectl: port {port} on localhost is in use by corectl")
    terminal.wait_for_order()


def test_what_anybody_writes_to_the_terminal_is_a_line_of_the_log(terminal: Terminal, tmp_path: Path) -> None:
    (tmp_path / "talker.py").write_text(TALKER)
    information = tmp_path / "plugin_talker-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: plugin-talker\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text("[core.plugins]\ntalker = talker\n")
    (tmp_path / "core.toml").write_text(
        '[device.talker]\nplugin = "talker"\n[device.matrix]\nplugin = "gpio-matrix"\n[transport.server]\nport = 0\n'
    )
    terminal.type("PYTHONPATH=. corectl run --view")
    terminal.wait_for(LED)
    terminal.press("F3")  # the log alone
    for line in ("torn by a library", "torn by a child", "printed by a plugin"):
        terminal.wait_for(f"^│ {line} +│$")
    terminal.press("F3")
    terminal.wait_for(LED)
    assert terminal.screen.count(LED) == 25
    terminal.press("q")
    terminal.wait_for_order()


def test_ctrl_z_stops_the_run_with_its_view_and_fg_brings_both_back(terminal: Terminal) -> None:
    terminal.type("corectl run --view --port 0; echo status=$?")
    terminal.wait_for("▶ a heartbeat")
    terminal.press("C-z")
    terminal.wait_for(r"\[1\]\+ +Stopped")
    terminal.type("fg")
    terminal.wait_for("▶ a heartbeat")
    terminal.press("x")
    terminal.wait_for("no program runs")
    terminal.press("C-c")
    terminal.wait_for_order()


def test_a_running_instance_is_shown_through_its_port_and_waited_for(terminal: Terminal, start: Start) -> None:
    run = start("--port", "0")
    port = run.port
    terminal.type(f"corectl view localhost:{port}; echo status=$?")
    key = terminal.wait_for(r"  ([a-z]) spiral")[1]
    terminal.press(key)
    run.log.until("program spiral on matrix")
    terminal.wait_for(f"▶ {key} spiral")
    assert run.end() == 0
    terminal.wait_for("waiting for it to come back")
    start("--port", str(port))
    terminal.wait_for("▶ a heartbeat")
    terminal.wait_for(rf"\d\d:\d\d:\d\d INFO localhost:{port} is back")
    terminal.press("C-c")
    terminal.wait_for("^status=0$")
    terminal.wait_for_order()


def test_a_server_without_a_matrix_shows_what_it_measures_and_a_matrix_that_joins(
    terminal: Terminal, start: Start, tmp_path: Path
) -> None:
    (tmp_path / "core.toml").write_text('[device.climate]\nplugin = "spi-sensor"\n')
    run = start(str(tmp_path / "core.toml"), "--port", "0")
    terminal.type(f"corectl view localhost:{run.port}; echo status=$?")
    terminal.wait_for(r"Temperature.*\d")
    terminal.press("a", "1", "plus", "x", "Enter")  # nothing is there that they could do
    with (tmp_path / "core.toml").open("a") as file:
        file.write('[device.panel]\nplugin = "gpio-matrix"\nchip = "simulated"\n')
    assert run.corectl("reload").returncode == 0
    terminal.wait_for("panel    climate")
    terminal.press("Tab")
    terminal.wait_for(LED)
    terminal.press("C-c")
    terminal.wait_for("^status=0$")
    terminal.wait_for_order()


def test_the_view_follows_the_size_of_the_terminal(terminal: Terminal) -> None:
    terminal.type("corectl run --view --port 0")
    terminal.wait_for(LED)
    terminal.resize(160, 50)
    terminal.wait_for(" ██████  ██████ ")
    terminal.resize(40, 12)
    terminal.wait_for("● ● ● ● ●")
    terminal.press("q")
    terminal.wait_for_order()


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("TERM=dumb", "the terminal is of the type 'dumb'; to have it: export TERM=xterm-256color"),
        ("PYTHONIOENCODING=latin-1", r"the terminal's encoding is \S*8859-1; to have it: export LC_ALL=C\.UTF-8"),
    ],
)
def test_a_terminal_that_cannot_gets_the_plain_screen_and_a_sentence(
    terminal: Terminal, setting: str, said: str
) -> None:
    terminal.resize(120, 30)
    terminal.type(f"{setting} corectl run --view --port 0; echo status=$?")
    terminal.wait_for(f"^no view: {said}$")
    terminal.wait_for("program heartbeat")
    terminal.press("C-c")
    terminal.wait_for("status=0$")
    terminal.wait_for_order()


HIDE_TEXTUAL = """
from importlib.machinery import PathFinder
find = PathFinder.find_spec
PathFinder.find_spec = lambda name, *more: None if name.partition(".")[0] == "textual" else find(name, *more)
"""


def test_without_textual_the_plain_screen_follows_a_sentence_with_the_cure(
    terminal: Terminal, start: Start, tmp_path: Path
) -> None:
    (tmp_path / "sitecustomize.py").write_text(HIDE_TEXTUAL)
    cure = r"no view: Textual is not installed; to have it: pip install 'core\[tui\]'$"
    terminal.type(f"export PYTHONPATH={tmp_path}; clear; corectl run --view --port 0; echo status=$?")
    terminal.wait_for(f"^{cure}")
    terminal.wait_for("● ● ● ● ●")
    terminal.press("C-c")
    terminal.wait_for("status=0$")
    terminal.wait_for_order()
    run = start("--port", "0")
    terminal.type(f"clear; corectl view :{run.port}; echo status=$?")
    terminal.wait_for(f"^corectl: {cure}")
    terminal.wait_for("^matrix  program heartbeat  Flash all LEDs twice")
    terminal.press("C-c")
    terminal.wait_for("status=0$")
    terminal.wait_for_order()


def test_on_a_tiny_terminal_the_plain_picture_is_cut_and_goes_on(terminal: Terminal, start: Start) -> None:
    run = start("--port", "0")
    terminal.resize(20, 5)
    terminal.type(f"clear; corectl view --plain :{run.port}; echo status=$?")
    terminal.wait_for("^  ● ● ● ● ●$")
    terminal.resize(80, 24)
    terminal.wait_for("Ctrl-C ends$")
    terminal.wait_for("^  ● ● ● ● ●$")
    terminal.press("C-c")
    terminal.wait_for("status=0$")
    terminal.wait_for_order()


def test_plainly_asked_for_a_running_instance_is_drawn_plainly(terminal: Terminal, start: Start) -> None:
    run = start("--port", "0")
    terminal.type(f"corectl view --plain :{run.port}; echo status=$?")
    terminal.wait_for("^matrix  program heartbeat  Flash all LEDs twice")
    terminal.wait_for("● ● ● ● ●")
    terminal.press("C-c")
    terminal.wait_for("^.*status=0$")
    terminal.wait_for_order()


def test_nobody_who_listens_is_one_sentence(terminal: Terminal) -> None:
    terminal.type("clear; corectl view localhost:1; echo status=$?")
    terminal.wait_for("^corectl: no INDI server listens on localhost:1; start one there")
    terminal.wait_for("^status=1$")
    terminal.wait_for_order()
