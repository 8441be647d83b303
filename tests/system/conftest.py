"""A run of `corectl` as a process of its own, and the real INDI programs beside it."""

from __future__ import annotations

import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import pytest

CORECTL = Path(sys.executable).parent / "corectl"
SECONDS = 20.0
"""How long anything is waited for; what is waited for comes within a fraction of it."""

CONFIGURATION = """
[device.matrix]
plugin = "gpio-matrix"
[device.climate]
plugin = "spi-sensor"
[program.heartbeat]
device = "matrix"
"""
"""A matrix that blinks and a sensor, for those who look at both."""


def need(program: str) -> str:
    """Return the path of a real program, or skip the test with the reason."""
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"{program} is not installed (Debian: apt-get install indi-bin)")
    return found


def wait_until(holds: Callable[[], bool], what: str) -> None:
    """Return when the condition holds; fail with `what` if it does not in time."""
    deadline = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < deadline, f"waited in vain: {what}"
        select.select([], [], [], 0.01)


class Readable(Protocol):
    """Be something with a descriptor: a pipe or a socket."""

    def fileno(self) -> int: ...


class Lines:
    """Read the lines of a stream as they come."""

    def __init__(self, stream: Readable) -> None:
        self._stream = stream
        self.all: list[str] = []
        self._rest = ""

    def until(self, pattern: str) -> re.Match[str]:
        """Return the match of the first line, old or new, that fits."""
        for line in self.all:
            if found := re.search(pattern, line):
                return found
        deadline = time.monotonic() + SECONDS
        while True:
            ready, _, _ = select.select([self._stream], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, f"no line like {pattern!r} came; there were {self.all}"
            data = os.read(self._stream.fileno(), 65536)
            assert data, f"the stream ended without a line like {pattern!r}; there were {self.all}"
            *lines, self._rest = (self._rest + data.decode()).split("\n")
            for number, line in enumerate(lines):
                self.all.append(line)
                if found := re.search(pattern, line):
                    self.all += lines[number + 1 :]
                    return found


class Run:
    """Be a `corectl run` in a directory of its own."""

    def __init__(self, directory: Path, *arguments: str, configuration: str = "", **environment: str) -> None:
        self.directory = directory
        if configuration:
            (directory / "core.toml").write_text(configuration)
        homes = dict.fromkeys(("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR", "XDG_STATE_HOME"), str(directory))
        self.environment = {**os.environ, **homes, **environment}
        self.process = subprocess.Popen(
            [CORECTL, "run", *arguments],
            cwd=directory,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        self.output = Lines(self.process.stdout)
        self.log = Lines(self.process.stderr)

    @property
    def port(self) -> int:
        """Return the port of the INDI server, once it listens."""
        return int(self.output.until(r"INDI (?:server|driver \w+) on \S*:(\d+)").group(1))

    def corectl(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run another `corectl` beside it, which finds it."""
        return subprocess.run(
            [CORECTL, *arguments],
            cwd=self.directory,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )

    def end(self, number: int = signal.SIGTERM) -> int:
        """End it by a signal and return its exit status."""
        self.process.send_signal(number)
        return self.process.wait(SECONDS)

    def close(self) -> None:
        """Make sure that it has ended."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()


Start = Callable[..., Run]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Return a function that starts `corectl run`; all that it started has ended afterwards."""
    runs: list[Run] = []

    def started(*arguments: str, configuration: str = "", **environment: str) -> Run:
        runs.append(Run(tmp_path, *arguments, configuration=configuration, **environment))
        return runs[-1]

    yield started
    for run in runs:
        run.close()


class Process:
    """Be a server with its stderr."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        assert process.stderr is not None
        self.log = Lines(process.stderr)

    @property
    def port(self) -> int:
        """Return the port of the INDI server, once it listens."""
        return int(self.log.until(r"INDI server on \S*:(\d+)").group(1))

    def driver_process(self, name: str) -> int:
        """Return the process of a driver, once it has been started."""
        return int(self.log.until(rf"{name}: started, process (\d+)").group(1))


Serve = Callable[..., Process]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return the directory of the servers of this test."""
    (tmp_path / "run").mkdir()
    return tmp_path


@pytest.fixture
def serve(home: Path) -> Iterator[Serve]:
    """Return a function that starts a server; all that it started has ended afterwards."""
    processes: list[subprocess.Popen[bytes]] = []

    def started(*arguments: str | Path, program: Path = CORECTL, command: str = "serve") -> Process:
        for argument in arguments:
            if str(argument).startswith("indi_"):
                need(str(argument))
        environment = {**os.environ, "HOME": str(home), "XDG_RUNTIME_DIR": str(home / "run")}
        words = [program, command] if command else [program]
        processes.append(
            subprocess.Popen(
                [*words, *arguments], cwd=home, env=environment, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE
            )
        )
        return Process(processes[-1])

    yield started
    for process in processes:
        process.terminate()
        try:
            process.wait(SECONDS)
        finally:
            process.kill()
            process.wait()
            assert process.stderr is not None
            process.stderr.close()


def free_port() -> int:
    """Return a TCP port on which nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def indiserver(serve: Serve, home: Path, *drivers: str | Path) -> int:
    """Start Debian's indiserver and return its port."""
    port = free_port()
    program = Path(need("indiserver"))
    server = serve("-v", "-p", str(port), "-u", str(home / "indiserver"), *drivers, program=program, command="")
    server.log.until("listening to port|Listening")
    return port


def connect(port: int, device: str) -> None:
    """Connect a device of libindi to its simulated hardware."""
    name = f"{device}.CONNECTION.CONNECT"

    def connected() -> bool:
        # indi_setprop gives up after two seconds, which a driver on a busy machine may need to define its properties.
        setprop(port, f"{name}=On")
        return getprop(port, name) == {name: "On"}

    wait_until(connected, f"{device} to be connected")


def getprop(port: int, *specs: str) -> dict[str, str]:
    """Return what Debian's indi_getprop prints, as a dict; values are those of the moment."""
    done = subprocess.run(
        [need("indi_getprop"), "-p", str(port), "-t", "1", *specs], capture_output=True, text=True, timeout=SECONDS
    )
    return dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)


def setprop(port: int, *specs: str) -> subprocess.CompletedProcess[str]:
    """Run Debian's indi_setprop."""
    return subprocess.run(
        [need("indi_setprop"), "-p", str(port), *specs], capture_output=True, text=True, timeout=SECONDS
    )


class RawClient:
    """Be a client that sees every byte."""

    def __init__(self, port: int, first: bytes = b'<getProperties version="1.7"/>') -> None:
        self.socket = socket.create_connection(("localhost", port), SECONDS)
        self.seen = b""
        self.send(first)

    def send(self, data: bytes) -> None:
        """Send bytes."""
        self.socket.sendall(data)

    def until(self, pattern: bytes) -> re.Match[bytes]:
        """Read until what has been seen fits, and forget what lies before the end of the match."""
        while True:
            if found := re.search(pattern, self.seen, re.DOTALL):
                self.seen = self.seen[found.end() :]
                return found
            data = self.socket.recv(65536)
            assert data, f"the server closed before {pattern!r}; seen: {self.seen!r}"
            self.seen += data

    def close(self) -> None:
        """Close the connection."""
        self.socket.close()

    def __enter__(self) -> RawClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
