"""A terminal that hangs up and sends no signal, as to what was started from elsewhere: the view ends all the same."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import termios
import time
from pathlib import Path

import pytest

from tests.system.conftest import CORECTL, SECONDS, Start

pytestmark = pytest.mark.system


@pytest.mark.parametrize("options", ["run --view --port 0", "view :PORT", "view --plain :PORT"])
def test_a_terminal_that_hangs_up_without_a_signal_ends_the_view(options: str, start: Start, tmp_path: Path) -> None:
    if "PORT" in options:
        options = options.replace("PORT", str(start("--port", "0").port))
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (30, 100))
    environment = {**os.environ, "TERM": "xterm-256color", "LC_ALL": "C.UTF-8", "XDG_RUNTIME_DIR": str(tmp_path)}
    process = subprocess.Popen(
        [CORECTL, *options.split()],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        cwd=tmp_path,
        env={**environment, "XDG_CONFIG_HOME": str(tmp_path)},
        start_new_session=True,  # and so the terminal is not its own, and gives it no SIGHUP
    )
    os.close(theirs)
    try:
        _read_until(ours, "Flash all LEDs twice")
        os.close(ours)
        assert process.wait(SECONDS) == 0
    finally:
        process.kill()
        process.wait()


def test_a_pipe_that_nobody_reads_ends_the_view_before_there_is_something_to_say(start: Start, tmp_path: Path) -> None:
    run = start("--port", "0")
    process = subprocess.Popen(
        [CORECTL, "view", f":{run.port}"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=tmp_path,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        assert process.stdout.readline() == b"matrix: program heartbeat\n"
        process.stdout.close()
        assert process.wait(SECONDS) == 0
        assert process.stderr.read() == b"corectl: no view: stdout is no terminal; run it without a pipe\n"
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def _read_until(terminal: int, text: str) -> None:
    read, deadline = b"", time.monotonic() + SECONDS
    while text.encode() not in read:
        ready, _, _ = select.select([terminal], [], [], max(0.0, deadline - time.monotonic()))
        assert ready, f"{text!r} was not shown: {read!r}"
        read += os.read(terminal, 1 << 16)
