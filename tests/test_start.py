"""How `corectl` begins: what is imported for what, and Ctrl-C while it still begins."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

import core
from core import builtin
from core.late_class import loaded
from core.recorder import plugin as recorder

CORECTL = Path(sys.executable).parent / "corectl"

HARDWARE = {"board", "busio", "digitalio", "gpiod", "spidev"}
SCREENS = {"PIL", "rich", "textual"}
RUN_ONLY = {
    "core.recorder.recorder",
    "core.app",
    "core.assembly",
    "core.drivers.child",
    "core.transports.channel",
    "urllib.request",
}

TELL = "import atexit, sys; atexit.register(lambda: print(*sorted(sys.modules), file=sys.stderr))\n"


def imported(site: Path, *arguments: str) -> set[str]:
    """Return the modules that a real `corectl` has imported when it ends."""
    (site / "sitecustomize.py").write_text(TELL)
    done = subprocess.run(
        [sys.executable, str(CORECTL), *arguments],
        env={"PYTHONPATH": str(site), "HOME": str(site), "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"},
        cwd=site,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return set(done.stderr.splitlines()[-1].split())


def test_the_version_is_said_without_importing_anything_for_it(tmp_path: Path) -> None:
    own = {name for name in imported(tmp_path, "--version") if name.startswith("core")}
    assert own == {"core", "core.start", "core.version"}


def test_the_version_is_that_of_the_distribution() -> None:
    assert core.__version__ == version("core")


@pytest.mark.parametrize(
    "arguments",
    [
        ("--help",),
        ("list-plugins",),
        ("list-programs", "--json"),
        ("init", "-"),
        ("completion", "zsh"),
        ("new-plugin", "thermo", "--kind", "device"),
        ("history", "--help"),
        ("view", "--help"),
        ("run", "--stdin", "matrix"),
        ("record", "spiral", "a.svg"),
        ("record", "spiral", "a.cast"),
    ],
    ids=" ".join,
)
def test_what_only_looks_imports_no_hardware_library_and_no_screen(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    modules = imported(tmp_path, *arguments)
    assert "core.cli" in modules
    assert modules & (HARDWARE | SCREENS) == set()


def test_listing_plugins_imports_nothing_that_only_a_run_needs(tmp_path: Path) -> None:
    modules = imported(tmp_path, "list-plugins")
    assert "plugin_gpio_matrix" in modules
    assert modules & (HARDWARE | SCREENS | RUN_ONLY) == set()


def test_each_transport_and_device_of_our_own_is_what_its_name_says() -> None:
    for late in (*builtin.core_register_transports(), *recorder.core_register_devices()):
        assert loaded(late).kind == late.kind


INTERRUPTED_WHILE_IMPORTING = """
import os, signal, sys
class Interrupt:
    def find_spec(self, name, path=None, target=None):
        if name == "core.cli":
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Interrupt())
sys.argv = ["corectl", "list-plugins"]
from core.start import main
main()
"""


def test_ctrl_c_while_it_begins_is_no_traceback() -> None:
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED_WHILE_IMPORTING], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")
