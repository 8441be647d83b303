"""A real terminal for tests: a shell in tmux, with keys that are pressed and a screen that is read."""

from __future__ import annotations

import os
import re
import select
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.conftest import SECONDS, need

BIN = Path(sys.executable).parent


class Terminal:
    """Be a terminal of a size with a shell in it."""

    def __init__(self, directory: Path, columns: int, lines: int, **environment: str) -> None:
        self._tmux = [need("tmux"), "-S", str(directory / "tmux"), "-f", os.devnull]
        self._environment = {
            **{name: value for name, value in os.environ.items() if name not in ("TMUX", "COLORFGBG", "NO_COLOR")},
            "PATH": f"{BIN}:{os.environ['PATH']}",
            "LC_ALL": "C.UTF-8",
            "XDG_CONFIG_HOME": str(directory),
            "XDG_RUNTIME_DIR": str(directory),
            "ENV": "",
            **environment,
        }
        size = "-x", str(columns), "-y", str(lines)
        self._do("new-session", "-d", *size, "-c", str(directory), "/bin/bash --norc --noprofile")
        self.wait_for(r"[#$]\s*$")
        self._settings = self.settings()

    def _do(self, *command: str) -> str:
        done = subprocess.run(
            [*self._tmux, *command], env=self._environment, capture_output=True, text=True, timeout=SECONDS
        )
        assert done.returncode == 0, f"tmux {command}: {done.stderr}"
        return done.stdout

    def type(self, line: str) -> None:
        """Type a line and Enter."""
        self.write(line)
        self.press("Enter")

    def write(self, text: str) -> None:
        """Type a text."""
        self._do("send-keys", "-l", "--", text)

    def press(self, *keys: str) -> None:
        """Press keys by tmux's names for them."""
        self._do("send-keys", *keys)

    def resize(self, columns: int, lines: int) -> None:
        """Change the terminal's size."""
        self._do("resize-window", "-x", str(columns), "-y", str(lines))

    @property
    def screen(self) -> str:
        """Return what is to be seen."""
        return self._do("capture-pane", "-p")

    def wait_for(self, pattern: str) -> re.Match[str]:
        """Wait until the screen fits a pattern; ^ and $ are the ends of its lines."""
        deadline = time.monotonic() + SECONDS
        while True:
            screen = self.screen
            if found := re.search(pattern, screen, re.MULTILINE):
                return found
            assert time.monotonic() < deadline, f"waited in vain for {pattern!r}:\n{screen}"
            select.select([], [], [], 0.02)

    def settings(self) -> str:
        """Return how the shell's line is set; its size apart."""
        tty = self._do("display-message", "-p", "#{pane_tty}").strip()
        with Path(tty).open() as stream:
            done = subprocess.run(["stty", "-a"], stdin=stream, capture_output=True, text=True, check=True)
        return done.stdout.partition("\n")[2]

    def wait_for_order(self) -> None:
        """Wait until the terminal is as the shell has it at its prompt, or as a command gets it from the shell."""
        wanted = "alternate 0, cursor 1, mouse 0"
        form = "alternate #{alternate_on}, cursor #{cursor_flag}, mouse #{mouse_any_flag}"
        deadline = time.monotonic() + SECONDS
        while True:
            found, settings = self._do("display-message", "-p", form).strip(), self.settings()
            cooked = all(one in settings.split() for one in ("isig", "icanon", "iexten", "echo", "icrnl", "ixon"))
            if found == wanted and (cooked or settings == self._settings):
                return
            assert time.monotonic() < deadline, f"the terminal is out of order: {found}\n{settings}"
            select.select([], [], [], 0.02)

    def child_of_shell(self) -> int:
        """Return the id of the process that the shell has started."""
        shell = int(self._do("display-message", "-p", "#{pane_pid}"))
        return children(shell)[0]

    def close(self) -> None:
        """End the terminal and what runs in it."""
        subprocess.run([*self._tmux, "kill-server"], env=self._environment, capture_output=True, timeout=SECONDS)


def children(process: int) -> list[int]:
    """Return the ids of the processes that a process has started."""
    return [int(one) for one in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def command_line(process: int) -> str:
    """Return the words with which a process was started."""
    return shlex.join(Path(f"/proc/{process}/cmdline").read_text().split("\0")[:-1])


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    """Return a terminal of 80 columns and 24 lines."""
    made = Terminal(tmp_path, 80, 24)
    yield made
    made.close()
