"""A server under attack with its watchers, and what an attacker does."""

from __future__ import annotations

import contextlib
import json
import os
import re
import resource
import select
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
CORECTL = Path(sys.executable).parent / "corectl"
ASK = b'<getProperties version="1.7"/>'
LATE = 0.5
"""After how many seconds a beat is late."""
WAKE_UPS = 3
"""How often a beat waits for a process to be woken: the server, the watcher, and the driver between two writes."""
MEMORY = 64 << 20
"""How much more memory than before may be held after an attack."""
SECONDS = 20.0
"""How long anything is waited for."""
PAGE = os.sysconf("SC_PAGE_SIZE")
TICKS = os.sysconf("SC_CLK_TCK")

CONFIGURATION = """
[device.climate]
plugin = "spi-sensor"
[transport.server]
port = 0
socket = "{socket}"
[transport.heart]
type = "driver"
command = "{python} {heartbeat}"
{more}
"""


def wait_until(holds: Callable[[], bool], what: str, seconds: float = SECONDS) -> None:
    """Return when the condition holds; fail with `what` if it does not in time."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"waited in vain: {what}"
        select.select([], [], [], 0.01)


def allowed(seconds: float, measured: dict[str, float]) -> float:
    """Return how long may last what takes so many seconds at most where the server has a CPU of its own."""
    return seconds * measured["slower"] + WAKE_UPS * measured["late"]


class Script:
    """Be one of the scripts of this folder as a process, which answers lines with lines."""

    def __init__(self, name: str, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, HERE / name, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def ask(self) -> None:
        """Ask what has been seen."""
        assert self.process.stdin is not None
        self.process.stdin.write(b"?\n")
        self.process.stdin.flush()

    def answer(self) -> Any:
        """Return what it says."""
        assert self.process.stdout is not None
        return json.loads(self.process.stdout.readline())

    def close(self) -> None:
        """End it."""
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                stream.close()


class Server:
    """Be a `corectl run` or `corectl serve` with a heartbeat, whose log is a file."""

    def __init__(self, folder: Path, *, more: str = "", descriptors: int | None = None, log: int | None = None) -> None:
        self.folder = folder
        self.socket_path = folder / "socket"
        text = CONFIGURATION.format(
            socket=self.socket_path, python=sys.executable, heartbeat=HERE / "heartbeat.py", more=more
        )
        (folder / "core.toml").write_text(text)
        self._start([str(CORECTL), "run", "--plain"], descriptors, log)
        self.port = int(self._found(folder / "out", r"INDI server on \S*?:(\d+)").group(1))

    def _start(self, command: list[str], descriptors: int | None, log: int | None) -> None:
        homes = dict.fromkeys(("HOME", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR", "XDG_STATE_HOME"), str(self.folder))
        limit = () if descriptors is None else (resource.RLIMIT_NOFILE, (descriptors, descriptors))
        with (self.folder / "out").open("wb") as out, (self.folder / "log").open("wb") as own_log:
            self.process = subprocess.Popen(
                command,
                cwd=self.folder,
                env={**os.environ, **homes},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=own_log if log is None else log,
                preexec_fn=(lambda: resource.setrlimit(*limit)) if limit else None,
            )

    def _found(self, path: Path, pattern: str) -> re.Match[str]:
        def found() -> bool:
            assert self.process.poll() is None, self.log()
            return re.search(pattern, path.read_text(errors="replace")) is not None

        wait_until(found, f"{pattern} in {path.name}")
        match = re.search(pattern, path.read_text(errors="replace"))
        assert match is not None
        return match

    @property
    def pid(self) -> int:
        """Return the process."""
        return self.process.pid

    def log(self) -> str:
        """Return all that it has logged."""
        return (self.folder / "log").read_text(errors="replace")

    def says(self, pattern: str, since: int = 0) -> None:
        """Wait until the log has a line like this, behind `since`; it is written after the deed."""
        wait_until(lambda: re.search(pattern, self.log()[since:]) is not None, f"{pattern} in the log")

    def memory(self) -> int:
        """Return how many bytes of memory it has."""
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * PAGE

    def cpu(self) -> float:
        """Return how many seconds of CPU it has used."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def descriptors(self) -> int:
        """Return how many descriptors it has open, its own files not counted, which it opens when it needs them."""
        count = 0
        for one in Path(f"/proc/{self.pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                count += not str(one.readlink()).startswith(str(self.folder))
        return count

    def client(self, first: bytes = ASK) -> Client:
        """Connect by TCP."""
        return Client(socket.create_connection(("127.0.0.1", self.port), SECONDS), first)

    def administrator(self, first: bytes = ASK) -> Client:
        """Connect by the Unix socket."""
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(SECONDS)
        connection.connect(str(self.socket_path))
        return Client(connection, first)

    def close(self) -> None:
        """End it."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(SECONDS)
            finally:
                self.process.kill()
                self.process.wait()


class FifoServer(Server):
    """Be a `corectl serve` that takes more drivers by a FIFO."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.fifo = folder / "fifo"
        os.mkfifo(self.fifo)
        heart = folder / "heart"
        heart.write_text(f"#!/bin/sh\nexec {sys.executable} {HERE / 'heartbeat.py'}\n")
        heart.chmod(0o755)
        self._start([str(CORECTL), "serve", "-v", "-p", "0", "-f", str(self.fifo), str(heart)], None, None)
        self.port = int(self._found(folder / "log", r"INDI server on \S*:(\d+)").group(1))

    def command(self, line: str) -> None:
        """Write a line to the FIFO."""
        with self.fifo.open("wb", buffering=0) as fifo:
            fifo.write(line.encode() + b"\n")


class Client:
    """Be an attacker, or whoever asks whether all is well."""

    def __init__(self, connection: socket.socket, first: bytes) -> None:
        self.socket = connection
        self.seen = b""
        if connection.family != socket.AF_UNIX:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if first:
            self.send(first)

    @property
    def name(self) -> str:
        """Return how the log names it."""
        return f"client 127.0.0.1 port {self.socket.getsockname()[1]}"

    def send(self, data: bytes) -> bool:
        """Send all of it, reading what comes meanwhile; return False if the server has closed."""
        rest = memoryview(data)
        deadline = time.monotonic() + SECONDS
        poll = select.poll()
        poll.register(self.socket, select.POLLIN | select.POLLOUT)
        while rest:
            ready = poll.poll(1000 * SECONDS)
            assert time.monotonic() < deadline, "the server takes no more"
            try:
                if ready and ready[0][1] & ~select.POLLOUT:
                    more = self.socket.recv(1 << 20, socket.MSG_DONTWAIT)
                    if not more:
                        return False
                    self.seen += more
                if ready and ready[0][1] & select.POLLOUT:
                    rest = rest[self.socket.send(rest[: 1 << 18], socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL) :]
            except BlockingIOError:
                pass
            except OSError:
                return False
        return True

    def drip(self, data: bytes, size: int) -> bool:
        """Send pieces of so many bytes, each a segment of its own."""
        return all(self.send(data[at : at + size]) for at in range(0, len(data), size))

    def push(self, data: bytes) -> int:
        """Send what goes at once and read nothing; return how much went."""
        sent = 0
        with contextlib.suppress(OSError):
            while sent < len(data):
                sent += self.socket.send(data[sent : sent + (1 << 16)], socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
        return sent

    def until(self, pattern: bytes) -> re.Match[bytes]:
        """Read until what has been seen fits, and forget what lies before the end of the match."""
        while (found := re.search(pattern, self.seen, re.DOTALL)) is None:
            data = self.socket.recv(1 << 20)
            assert data, f"the server closed before {pattern!r}; seen: {self.seen[-1000:]!r}"
            self.seen += data
        self.seen = self.seen[found.end() :]
        return found

    def until_closed(self) -> bytes:
        """Return all that comes before the server closes."""
        with contextlib.suppress(ConnectionError):
            while data := self.socket.recv(1 << 20):
                self.seen += data
        return self.seen

    def is_served(self, mark: bytes = b"still there") -> bool:
        """Return whether the server still answers here, and has done with all that came before."""
        if not self.send(b'<pingRequest uid="%s"/>' % mark):
            return False
        reply = b'<pingReply uid="%s"/>' % mark
        while reply not in self.seen:
            try:
                data = self.socket.recv(1 << 20)
            except ConnectionError:
                return False
            if not data:
                return False
            self.seen += data
        self.until(reply)
        return True

    def close(self) -> None:
        """Close."""
        self.socket.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Arena:
    """Be a server and its watchers."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self._watchers = [Script("watcher.py", str(server.port)) for _ in range(2)]
        self._idler = Script("idler.py")
        self._look()
        self._descriptors = server.descriptors()

    def _look(self) -> tuple[list[dict[str, Any]], float]:
        """Return what the watchers have seen, and after how many seconds a beat is late on this machine now."""
        for script in (*self._watchers, self._idler):
            script.ask()
        return [watcher.answer() for watcher in self._watchers], allowed(LATE, self._idler.answer())

    @contextlib.contextmanager
    def unharmed(self) -> Iterator[None]:
        """Let an attack happen inside, and see afterwards that nobody else has noticed it."""
        server = self.server
        memory, logged = server.memory(), len(server.log())
        yield
        assert server.process.poll() is None, f"the server has ended: {server.log()[-2000:]}"
        seen, late = self._look()
        for one in seen:
            assert not one["closed"], f"a watcher was cut off: {server.log()[logged:]}"
            assert not one["malformed"]
            assert one["missing"] == 0, f"{one['missing']} of {one['beats']} beats missing"
            assert one["late"] < late, f"{one['late']:.2f} s late, {late:.2f} s allowed on so busy a machine"
        assert "Traceback" not in server.log()[logged:]
        wait_until(lambda: server.memory() < memory + MEMORY, f"memory back to {memory >> 20} MiB", 10)

    def descriptors_are_back(self) -> None:
        """Wait until the server has no more open than at first: who closes its half is served for two seconds more."""
        most = self._descriptors
        wait_until(lambda: self.server.descriptors() <= most, f"descriptors back to {most}")

    def close(self) -> None:
        """End all."""
        for script in (*self._watchers, self._idler):
            script.close()
        self.server.close()
