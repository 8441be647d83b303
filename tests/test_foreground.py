"""tools/foreground.py: the keys of a terminal reach the program alone, and make lives to see it end well."""

from __future__ import annotations

import contextlib
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

TOOL = Path(__file__).parent.parent / "tools/foreground.py"
PROGRAM = """
import signal, sys
handled = {signal.SIGINT, signal.SIGTERM, signal.SIGCONT}
signal.pthread_sigmask(signal.SIG_BLOCK, handled)
print("running", flush=True)
while (number := signal.sigwait(handled)) == signal.SIGCONT:
    print("running again", flush=True)
print("got", number.name, flush=True)
sys.exit(int(sys.argv[1]))
"""
RUN = (sys.executable, str(TOOL), sys.executable, "-c", PROGRAM)


class Terminal:
    """A session with a terminal of its own, in which a shell stands for make."""

    def __init__(self, script: str, *arguments: str) -> None:
        self.master, slave = pty.openpty()
        command = ["setsid", "--ctty", "sh", "-c", script, "sh", *arguments]
        self.shell = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave)
        os.close(slave)
        self.shown = ""

    def wait_for(self, text: str) -> None:
        """Read what the terminal shows up to a text."""
        while text not in self.shown:
            try:
                self.shown += os.read(self.master, 4096).decode()
            except OSError:  # EIO: nobody has the other side open any more
                pytest.fail(f"{text!r} is not in {self.shown!r}")

    def press(self, key: bytes) -> None:
        """Press a key."""
        os.write(self.master, key)

    def close(self) -> None:
        """Hang up: whatever still runs gets SIGHUP."""
        os.close(self.master)
        try:
            self.shell.wait(timeout=10)
        finally:
            self.shell.kill()


Opened = Callable[[str], Terminal]


@pytest.fixture
def opened() -> Iterator[Opened]:
    """Open terminals for scripts that call the tool as "$@", and hang up whatever the test does."""
    with contextlib.ExitStack() as stack:

        def open_one(script: str) -> Terminal:
            terminal = Terminal(script, *RUN)
            stack.callback(terminal.close)
            return terminal

        yield open_one


def test_ctrl_c_ends_the_program_but_not_its_caller(opened: Opened) -> None:
    terminal = opened('"$@" 0; echo "status $?"; stty -g >/dev/null && echo "terminal is ours again"')
    terminal.wait_for("running")
    terminal.press(b"\x03")
    terminal.wait_for("terminal is ours again")
    assert "got SIGINT" in terminal.shown
    assert "status 0" in terminal.shown


def test_a_termination_is_passed_on(opened: Opened) -> None:
    terminal = opened('exec "$@" 5')
    terminal.wait_for("running")
    terminal.shell.terminate()
    terminal.wait_for("got SIGTERM")
    assert terminal.shell.wait(timeout=10) == 5


def test_a_stop_is_passed_on_to_the_caller(opened: Opened) -> None:
    terminal = opened('set -m; "$@" 0; echo "stopped $?"; fg; echo "ended $?"')
    terminal.wait_for("running")
    terminal.press(b"\x1a")
    terminal.wait_for("running again")
    terminal.press(b"\x03")
    terminal.wait_for("ended 0")
    assert "stopped 148" in terminal.shown  # 128 + SIGTSTP


def test_without_a_terminal_the_program_takes_the_place_of_the_tool() -> None:
    command = [*RUN, "7"]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "running\n"
        process.send_signal(signal.SIGTERM)
        assert process.stdout.read() == "got SIGTERM\n"
    assert process.returncode == 7
