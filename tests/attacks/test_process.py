"""What may be done to the process itself: its log, its signals, its port, its control socket, its FIFO."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.attacks.arena import ASK, CORECTL, HERE, SECONDS, Arena, FifoServer, Script, Server, allowed, wait_until
from tests.attacks.test_drivers import make_driver, processes_with

pytestmark = pytest.mark.system

END_SECONDS = 2.0
"""Within how many seconds of SIGTERM all is over, however busy it is."""
NONSENSE = b"".join(
    b'<foo%d/><setTextVector device="heart" name="q%d" state="Ok"/>' % (number, number) for number in range(3000)
)

FLOOD = "write(define())\nmark()\nwhile True: write(set_text(b'x' * 99) * 100)"
PERIOD = b'<newNumberVector device="climate" name="sampling"><oneNumber name="period">1</oneNumber></newNumberVector>'


@pytest.fixture
def started(tmp_path: Path) -> Iterator[list[Server]]:
    """Return a list of servers that will have ended afterwards."""
    servers: list[Server] = []
    yield servers
    for server in servers:
        server.process.kill()
        server.process.wait()


def ends_in_time(server: Server) -> bool:
    """End it by SIGTERM; return whether that took no longer than it may on this machine now."""
    idler = Script("idler.py")
    try:
        began = time.monotonic()
        server.process.terminate()
        status = server.process.wait(SECONDS)
        lasted = time.monotonic() - began
        idler.ask()
        return status == 0 and lasted < allowed(END_SECONDS, idler.answer())
    finally:
        idler.close()


def test_a_stderr_pipe_that_nobody_reads_delays_nobody(folder: Path, started: list[Server]) -> None:
    unread, pipe = os.pipe()
    try:
        server = Server(folder, log=pipe)
        started.append(server)
        arena = Arena(server)
        with arena.unharmed(), server.client(b"") as client:
            client.send(NONSENSE)
            assert client.is_served()
        assert ends_in_time(server)
        arena.close()
    finally:
        os.close(unread)
        os.close(pipe)


def test_a_log_on_a_full_disk_delays_nobody(folder: Path, started: list[Server]) -> None:
    with Path("/dev/full").open("wb", buffering=0) as full:
        server = Server(folder, log=full.fileno())
        started.append(server)
        arena = Arena(server)
        with arena.unharmed(), server.client(b"") as client:
            client.send(NONSENSE)
            assert client.is_served()
        assert ends_in_time(server)
        arena.close()


def test_a_closed_stderr_delays_nobody(folder: Path, started: list[Server]) -> None:
    unread, pipe = os.pipe()
    server = Server(folder, log=pipe)
    started.append(server)
    os.close(unread)
    os.close(pipe)
    with server.client(b"") as client:
        client.send(NONSENSE)
        assert client.is_served()
    assert ends_in_time(server)


def busy_client(server: Server, stop: threading.Event) -> None:
    """Keep it busy with questions and commands until it closes."""
    with contextlib.suppress(OSError, AssertionError), server.client(b"") as client:
        while not stop.is_set() and client.send(ASK + PERIOD * 20):
            pass


def test_it_ends_in_time_while_clients_and_a_driver_flood_it(folder: Path, started: list[Server]) -> None:
    driver = make_driver(folder, FLOOD)
    server = Server(folder, more=f'[transport.evil]\ntype = "driver"\ncommand = "{driver}"\n')
    started.append(server)
    stop = threading.Event()
    threads = [threading.Thread(target=busy_client, args=(server, stop)) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        wait_until(Path(f"{driver}.done").exists, "the flood to begin")
        wait_until(lambda: server.cpu() > 1.5, "it to be busy")
        assert ends_in_time(server)
    finally:
        stop.set()
        server.process.kill()
        for thread in threads:
            thread.join()
    assert not processes_with(driver)


def test_descriptors_used_up_stop_nothing_for_long(folder: Path, started: list[Server]) -> None:
    server = Server(folder, descriptors=48)
    started.append(server)
    with contextlib.ExitStack() as crowd:
        for _ in range(120):
            crowd.enter_context(socket.create_connection(("127.0.0.1", server.port), SECONDS))
        server.says("cannot be accepted")
        before = server.cpu()
        select.select([], [], [], 1)  # a second of nothing, in which nothing is done
        assert server.cpu() - before < 0.5
    with server.client(b"") as client:
        assert client.is_served()
    server.says("heart: started")
    assert ends_in_time(server)
    assert "Traceback" not in server.log()


def test_it_ends_in_time_with_a_driver_that_ignores_signals(folder: Path, started: list[Server]) -> None:
    driver = make_driver(folder, "signal.signal(signal.SIGTERM, signal.SIG_IGN)\nwrite(define())\nmark()\nwait()")
    server = Server(folder, more=f'[transport.evil]\ntype = "driver"\ncommand = "{driver}"\n')
    started.append(server)
    wait_until(Path(f"{driver}.done").exists, "the driver")
    assert ends_in_time(server)
    assert not processes_with(driver)


def test_nothing_stays_after_sigkill(folder: Path, started: list[Server]) -> None:
    forks = "write(define())\nif os.fork() == 0:\n    os.setsid()\nmark()\nwait()"
    driver = make_driver(folder, forks)
    server = Server(folder, more=f'[transport.evil]\ntype = "driver"\ncommand = "{driver}"\n')
    started.append(server)
    wait_until(Path(f"{driver}.done").exists, "the driver")
    assert processes_with(driver)
    server.process.kill()
    server.process.wait()
    wait_until(lambda: not processes_with(driver), "its drivers to end")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_twenty_times_ends_it_once(folder: Path, started: list[Server], number: signal.Signals) -> None:
    server = Server(folder)
    started.append(server)
    for _ in range(20):
        server.process.send_signal(number)
    assert server.process.wait(SECONDS) in (0, -number, 128 + number)
    assert "Traceback" not in server.log()


@pytest.mark.parametrize("command", ["run", "serve"])
def test_a_port_in_use_is_said_and_is_an_error(folder: Path, command: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        text = f'[device.climate]\nplugin = "spi-sensor"\n[transport.server]\nport = {port}\n'
        (folder / "core.toml").write_text(text)
        words = ["run", "--plain"] if command == "run" else ["serve", "-p", str(port), str(HERE / "heartbeat.py")]
        done = subprocess.run(
            [CORECTL, *words],
            cwd=folder,
            env={**os.environ, "XDG_RUNTIME_DIR": str(folder), "XDG_CONFIG_HOME": str(folder)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
    assert done.returncode not in (0, None)
    assert str(port) in done.stderr
    assert "Traceback" not in done.stderr


CONTROL_RUBBISH = {
    "no JSON": b"hello\n",
    "half a line": b'{"command": ',
    "NULs": b"\0" * 10_000 + b"\n",
    "a list": b"[1, 2]\n",
    "a number": b"1e999\n",
    "nothing": b"\n\n\n",
    "a command that is none": b'{"do": "explode"}\n',
    "a command of another type": b'{"do": {"a": []}}\n{"do": null}\n{"do": ["status"]}\n',
    "words of other types": b"".join(
        b'{"do": "%s", "device": %s, "name": %s, "program": %s, "action": %s, "driver": %s, "set": %s, "level": %s}\n'
        % (command, *[value] * 7)
        for command in (b"driver start", b"driver stop", b"driver restart", b"program list", b"program start", b"log")
        for value in (b"null", b"1", b"[]", b"{}", b"true", b'"' + b"x" * 1000 + b'"')
    ),
    "deep nesting": b"[" * 100_000 + b"\n",
    "a line without end": b'{"command": "' + b"x" * 4_000_000,
    "a million lines": b"{}\n" * 100_000,
    "bytes that are no text": bytes(range(128, 256)) + b"\n",
}


@pytest.mark.parametrize("name", CONTROL_RUBBISH)
def test_rubbish_on_the_control_socket_harms_nobody(server: Server, name: str) -> None:
    path = next(server.folder.glob("core/*.sock"))
    with socket.socket(socket.AF_UNIX) as control:
        control.settimeout(SECONDS)
        control.connect(str(path))
        try:
            control.sendall(CONTROL_RUBBISH[name])
            control.shutdown(socket.SHUT_WR)
            while control.recv(1 << 16):
                pass
        except OSError:
            pass
    status = subprocess.run(
        [CORECTL, "status", "--json"],
        cwd=server.folder,
        env={**os.environ, "XDG_RUNTIME_DIR": str(server.folder)},
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert status.returncode == 0, status.stderr
    assert json.loads(status.stdout)


def test_the_control_socket_serves_others_while_one_says_nothing(server: Server) -> None:
    path = next(server.folder.glob("core/*.sock"))
    silent = [socket.socket(socket.AF_UNIX) for _ in range(100)]
    try:
        for one in silent:
            one.settimeout(SECONDS)
            one.connect(str(path))
        status = subprocess.run(
            [CORECTL, "status"],
            cwd=server.folder,
            env={**os.environ, "XDG_RUNTIME_DIR": str(server.folder)},
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
        assert status.returncode == 0, status.stderr
    finally:
        for one in silent:
            one.close()


FIFO_RUBBISH = {
    "no command": "explode",
    "start of nothing": "start",
    "start of what is not there": "start /nonexistent/driver",
    "start of a folder": "start /",
    "start of what is no program": "start /etc/passwd",
    "stop of what does not run": "stop nobody",
    "quotes without end": 'start "abc',
    "a line of 100,000 characters": "start " + "x" * 100_000,
    "control characters": "start \x01\x02\x1b[2J",
    "an address that is none": "start nobody@256.256.256.256:99999999",
    "a shell's words": "start $(touch hacked); touch hacked",
}


@pytest.mark.parametrize("name", FIFO_RUBBISH)
def test_rubbish_in_the_fifo_harms_nobody(drivers: Arena, name: str) -> None:
    server = drivers.server
    assert isinstance(server, FifoServer)
    logged = len(server.log())
    with drivers.unharmed():
        server.command(FIFO_RUBBISH[name])
        wait_until(lambda: len(server.log()) > logged, "a word in the log")
    assert not (server.folder / "hacked").exists()


def test_bytes_that_are_no_text_in_the_fifo(drivers: Arena) -> None:
    server = drivers.server
    assert isinstance(server, FifoServer)
    logged = len(server.log())
    with drivers.unharmed(), server.fifo.open("wb", buffering=0) as fifo:
        fifo.write(bytes(range(128, 256)) * 20 + b"\n")
        wait_until(lambda: len(server.log()) > logged, "a word in the log")
