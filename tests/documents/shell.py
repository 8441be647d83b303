"""A shell that is typed into, in a network of its own: its ports are nobody else's, so examples use INDI's."""

from __future__ import annotations

import os
import re
import select
import shutil
import signal
import subprocess
import sys
import time
import venv
from pathlib import Path

from tests.empty_environment import WHEELHOUSE

BIN = Path(sys.executable).parent
SECONDS = 200.0
NETWORK = ("unshare", "--map-root-user", "--net")
"""A network with nothing in it but this shell and what it starts."""

HEEDING_CTRL_C = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
os.execvp("bash", ["bash", "-c", sys.argv[1]])
"""


def has_networks() -> bool:
    """Return whether a network of its own can be had here."""
    if shutil.which(NETWORK[0]) is None or shutil.which("ip") is None:
        return False
    return subprocess.run([*NETWORK, "ip", "link", "set", "lo", "up"], capture_output=True, check=False).returncode == 0


class Shell:
    """Be a bash in a folder, which is its home as well; with `empty` in an environment with nothing but pip."""

    def __init__(self, folder: Path, *, empty: bool = False) -> None:
        self.folder = folder
        programs = _empty_environment(folder / ".empty") if empty else BIN
        (folder / ".run").mkdir(mode=0o700)
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "PYTHON", "XDG_"))}
        path = os.pathsep.join(one for one in kept["PATH"].split(os.pathsep) if Path(one) != BIN)
        self._process = subprocess.Popen(
            [*NETWORK, "bash", "--norc", "--noprofile"],
            cwd=folder,
            env=kept
            | {
                "HOME": str(folder),
                "PATH": f"{programs}:{path}",
                "PIP_CONFIG_FILE": os.devnull,
                "PIP_DISABLE_PIP_VERSION_CHECK": "1",
                "PIP_FIND_LINKS": str(WHEELHOUSE),
                "PIP_NO_COMPILE": "1",
                "PIP_NO_INDEX": "1",
                "PYTHONUNBUFFERED": "1",
                "TERM": "dumb",
                "XDG_RUNTIME_DIR": str(folder / ".run"),
                "XDG_CONFIG_HOME": str(folder / ".config"),
                "XDG_STATE_HOME": str(folder / ".state"),
                "XDG_CACHE_HOME": str(folder / ".cache"),
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._going_on: list[tuple[str, Path]] = []
        self._commands = 0
        self.type("ip link set lo up")

    def type(self, command: str) -> tuple[int, str]:
        """Run a command; return its status and what it has said."""
        self._commands += 1
        mark = f"-- end of command {self._commands}: "
        self._write(f"{{ {command}\n}} </dev/null; status=$?; echo; echo '{mark}'$status\n")
        said = self._read(rf"\n{re.escape(mark)}(\d+)\n", command)
        text, status = re.split(rf"\n{re.escape(mark)}(\d+)\n", said)[:2]
        return int(status), text

    def start(self, command: str, until: str) -> None:
        """Start a command that goes on, and wait until it has said a text."""
        said = self.folder / f".said-{self._commands}"
        # A job of a shell without a terminal ignores Ctrl-C, unless it is said otherwise.
        heeding = f"{sys.executable} -c {_quoted(HEEDING_CTRL_C)} {_quoted('exec ' + command)}"
        said.touch()
        _, process = self.type(f"{heeding} >{said} 2>&1 & echo $!")
        self._going_on.append((process.strip(), said))
        deadline = time.monotonic() + SECONDS
        while until not in said.read_text():
            alive = self.type(f"kill -0 {process.strip()}")[0] == 0
            assert alive, f"{command} has ended: {said.read_text()}"
            assert time.monotonic() < deadline, f"{command} never said {until!r}, but {said.read_text()}"
            select.select([], [], [], 0.02)

    def end(self) -> None:
        """End what goes on as Ctrl-C does; it must end well."""
        for process, said in self._going_on:
            self.type(f"kill -INT {process}")
            status, _ = self.type(f"wait {process}")
            assert status in (0, 130), f"it ended with {status}: {said.read_text()}"
        self._going_on = []

    def close(self) -> None:
        """End everything."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self._process.pid, number)
                self._process.wait(5)
            except (ProcessLookupError, subprocess.TimeoutExpired):
                continue
        self._process.wait(5)
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()

    def _write(self, text: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(text.encode())
        self._process.stdin.flush()

    def _read(self, pattern: str, what: str) -> str:
        assert self._process.stdout is not None
        text, deadline = "\n", time.monotonic() + SECONDS
        while not re.search(pattern, text):
            ready, _, _ = select.select([self._process.stdout], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, f"{what} does not end; it has said {text}"
            data = os.read(self._process.stdout.fileno(), 65536)
            assert data, f"the shell has ended at {what}: {text}"
            text += data.decode(errors="replace")
        return text


def _empty_environment(folder: Path) -> Path:
    venv.create(folder, with_pip=False)
    pip = folder / "bin/pip"
    pip.write_text(f'#!/bin/sh\nexec {sys.executable} -m pip --python {folder}/bin/python "$@"\n')
    pip.chmod(0o755)
    return folder / "bin"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
