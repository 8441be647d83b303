"""Runs of `corectl` on the kernel's chips, each a process of its own."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

CORECTL = Path(sys.executable).parent / "corectl"
SECONDS = 30.0
"""How long anything is waited for; what is waited for comes within a fraction of it."""

ROWS = [[4, 5, 6, 7, 8], [9, 10, 11, 12, 13], [16, 17, 18, 19, 20], [21, 22, 23, 24, 25], [26, 27, 15, 0, 1]]
LINES = [line for row in ROWS for line in row]


def wait_until(holds: Callable[[], bool], what: str) -> None:
    """Return when the condition holds; fail with `what` if it does not in time."""
    deadline = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < deadline, f"waited in vain: {what}"
        select.select([], [], [], 0.002)


class Run:
    """Be `corectl run` in a folder of its own, with what it says on stderr."""

    def __init__(self, folder: Path, configuration: str, *, under: tuple[str, ...] = ()) -> None:
        (folder / "core.toml").write_text(configuration)
        self.process = subprocess.Popen(
            [*under, CORECTL, "run", "--port", "0"],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
        )
        self.said = ""

    def says(self, pattern: str) -> re.Match[str]:
        """Wait until it has said on stderr what fits the pattern, and return the match."""
        assert self.process.stderr is not None
        deadline = time.monotonic() + SECONDS
        while not (found := re.search(pattern, self.said)):
            ready, _, _ = select.select([self.process.stderr], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, f"it did not say {pattern!r}, but {self.said}"
            data = os.read(self.process.stderr.fileno(), 65536)
            assert data, f"it ended without {pattern!r}, and said {self.said}"
            self.said += data.decode()
        return found

    def is_ready(self, device: str) -> None:
        """Wait until a device is open, as a client sees it."""
        assert self.process.stdout is not None
        while not (
            found := re.search(r"INDI server on localhost:(\d+)", line := self.process.stdout.readline().decode())
        ):
            assert line, "it ended without an INDI server"
        ask = [CORECTL, "get", "--port", found[1], f"{device}.CONNECTION.CONNECT"]
        wait_until(lambda: subprocess.run(ask, capture_output=True).stdout.endswith(b"=On\n"), f"{device} to be open")

    def rest(self) -> str:
        """Return all that it has said on stderr, after its end."""
        assert self.process.stderr is not None
        # Not to its end, because what it has left behind may have it open.
        os.set_blocking(self.process.stderr.fileno(), False)
        self.said += (self.process.stderr.read() or b"").decode()
        return self.said

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and return the exit status."""
        self.process.send_signal(number)
        return self.process.wait(SECONDS)

    def stop(self) -> None:
        """End it however it is, at the end of a test."""
        self.process.kill()
        self.process.communicate()


Start = Callable[..., Run]


def configuration(chip: str, *options: str, lines: object = ROWS, program: str = "heartbeat") -> str:
    """Return a core.toml with one matrix `panel` on a chip, and the program that it begins with, if any."""
    text = f'[device.panel]\nplugin = "gpio-matrix"\nchip = "{chip}"\nlines = {lines}\n' + "\n".join(options) + "\n"
    return text + (f'[program.{program}]\ndevice = "panel"\n' if program else "")
