"""A link named `indiserver` to corectl, where scripts and programs of others expect Debian's indiserver."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.system.conftest import (
    CORECTL,
    SECONDS,
    Process,
    RawClient,
    Serve,
    free_port,
    getprop,
    need,
    wait_until,
)

pytestmark = pytest.mark.system

FOCUSER, TELESCOPE = "indi_simulator_focus", "indi_simulator_telescope"
PEERS = Path(__file__).parents[2] / "build" / "peers" / "bin"
"""Where `make peers` installs programs of others."""


@pytest.fixture
def link(home: Path) -> Path:
    """Return a link named indiserver."""
    (home / "bin").mkdir()
    link = home / "bin" / "indiserver"
    link.symlink_to(CORECTL)
    return link


@pytest.fixture
def fifo(home: Path) -> Path:
    """Return a FIFO."""
    path = home / "fifo"
    os.mkfifo(path)
    return path


def focuser(port: int) -> dict[str, str]:
    return getprop(port, "Focuser Simulator.CONNECTION.CONNECT")


def test_it_is_one_with_its_defaults(serve: Serve, link: Path) -> None:
    server = serve("-v", "-p", str(port := free_port()), TELESCOPE, program=link, command="")
    # The default Unix socket is one for the whole machine: another server may have it now.
    server.log.until(rf"INDI server on \*:{port}")
    unix = [line for line in server.log.all if "@/tmp/indiserver" in line]
    assert re.search(rf"\*:{port} and @/tmp/indiserver$|@/tmp/indiserver belongs to another server", unix[0])
    with socket.create_connection(("127.0.0.2", port), SECONDS) as elsewhere:  # all interfaces
        elsewhere.sendall(b'<getProperties version="1.7"/>')
        assert elsewhere.recv(100)
    # What pkill and others look for.
    assert Path(f"/proc/{server.process.pid}/comm").read_text() == "indiserver\n"


def test_two_of_them_on_one_machine(serve: Serve, link: Path) -> None:
    servers = [serve("-p", str(free_port()), TELESCOPE, program=link, command="") for _ in range(2)]
    for server in servers:
        server.log.until(r"INDI server on \*")
    with RawClient(int(servers[1].log.until(r"INDI server on \*:(\d+)").group(1))) as client:
        client.until(rb"<defSwitchVector")


def test_a_script_as_kstars_does_it(serve: Serve, link: Path, fifo: Path) -> None:
    with os.fdopen(os.open(fifo, os.O_RDWR), "wb", buffering=0) as control:  # kept open all the time
        port = free_port()
        server = serve("-v", "-p", str(port), "-m", "300", "-r", "0", "-f", str(fifo), program=link, command="")
        server.log.until(rf"INDI server on \*:{port}")

        def say(line: str) -> None:
            control.write(f"{line}\n".encode())

        with RawClient(port) as client:
            say(f'start {need(FOCUSER)} -n "Focuser 1"')
            client.until(rb"<def\w+Vector\s+device=.Focuser 1")
            # It crashes: KStars looks for these very words, and starts it again if its user wants that.
            os.kill(server.driver_process("Focuser 1"), signal.SIGKILL)
            server.log.until(rf"Driver {need(FOCUSER)}: Terminated after #0 restarts")
            client.until(rb'<delProperty device="Focuser 1"/>')
            say(f'start {need(FOCUSER)} -n "Focuser 1"')
            client.until(rb"<def\w+Vector\s+device=.Focuser 1")
            say(f'stop {need(FOCUSER)} -n "Focuser 1"')
            client.until(rb'<delProperty device="Focuser 1"/>')
            # With a FIFO it waits for more, however many have ended.
            say(f"start {need(TELESCOPE)}")
            client.until(rb"<def\w+Vector\s+device=.Telescope Simulator")
        server.process.terminate()
        assert server.process.wait(SECONDS) == 0


def test_a_shell_script(serve: Serve, link: Path, fifo: Path, home: Path) -> None:
    need(FOCUSER)
    port = free_port()
    script = f"""
        indiserver -v -p {port} -m 100 -f {fifo} > {home}/log 2>&1 &
        server=$!
        echo "start {FOCUSER}" > {fifo}
        read go
        echo "stop {FOCUSER}" > {fifo}
        read go
        kill $server
        wait $server
        echo "ended $?"
    """
    environment = {**os.environ, "PATH": f"{link.parent}:{os.environ['PATH']}", "XDG_RUNTIME_DIR": str(home)}
    with subprocess.Popen(
        ["sh", "-c", script], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as shell:
        assert shell.stdin is not None
        try:
            wait_until(lambda: focuser(port) != {}, "the focuser to be there")
            shell.stdin.write("go\n")
            shell.stdin.flush()
            wait_until(lambda: focuser(port) == {}, "the focuser to be gone")
        finally:
            output, _ = shell.communicate("go\ngo\n", SECONDS)
    assert output == "ended 0\n"


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (("-r", "0", "false"), 1),
        (("-r", "-3", "false"), 1),
        (("-r", "1", "false", "true"), 1),
        (("-vr", "0", "false"), 1),
        (("-r", "0", "no_such_driver"), 1),
        ((), 2),
        (("-x",), 2),
        (("-p",), 2),
    ],
)
def test_exit_statuses_are_debians(
    serve: Serve, link: Path, home: Path, arguments: tuple[str, ...], status: int
) -> None:
    debian = shutil.which("indiserver")
    for program in [link, *([Path(debian)] if debian else [])]:
        where = ("-p", str(free_port()), "-u", str(home / "socket")) if arguments and arguments[0] != "-p" else ()
        server = serve(*where, *arguments, program=program, command="")
        assert server.process.wait(SECONDS) == status, program


def test_zero_megabytes_means_that_streams_are_never_dropped(serve: Serve, home: Path) -> None:
    # A driver of frames that are read only when all have been sent.
    frames, size = 40, 300_000
    driver = home / "frames"
    driver.write_text(f"""#!/bin/sh
        read question
        echo '<defBLOBVector device="d" name="b" state="Ok" perm="ro"><defBLOB name="f"/></defBLOBVector>'
        while read line; do case $line in *go*) break;; esac; done
        body=$(head -c {size} /dev/zero | base64 -w 72)
        for frame in $(seq {frames}); do
            echo '<setBLOBVector device="d" name="b" state="Ok"><oneBLOB name="f" size="{size}" format=".stream">'
            echo "$body</oneBLOB></setBLOBVector>"
        done
        echo '<message device="d" message="all sent"/>'
        cat > /dev/null
    """)
    driver.chmod(0o755)
    counts: dict[str, int] = {}
    for limit in ("0", "1"):
        port = serve("-p", "0", "-d", limit, str(driver)).port
        with RawClient(port) as slow, RawClient(port) as quick:
            slow.until(rb"<defBLOBVector")
            quick.until(rb"<defBLOBVector")
            slow.send(b'<enableBLOB device="d">Also</enableBLOB><pingRequest uid="1"/>')
            slow.until(b'<pingReply uid="1"/>')
            quick.send(b'<newTextVector device="d" name="go"><oneText name="x">go</oneText></newTextVector>\n')
            quick.until(rb"all sent")
            received = slow.seen
            while b"all sent" not in received[-200:]:
                received += slow.socket.recv(1 << 20)
            counts[limit] = received.count(b"<setBLOBVector")
    assert counts["0"] == frames
    assert counts["1"] < frames


class WebManager:
    """Be an INDI Web Manager with its HTTP interface."""

    def __init__(self, port: int, process: Process) -> None:
        self.port = port
        self.process = process

    def ask(self, path: str, data: object = None, *, method: str = "GET") -> Any:
        """Return what it answers."""
        body = None if data is None else json.dumps(data).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/api/{path.replace(' ', '%20')}",
            body,
            {"Content-Type": "application/json"},
            method=method,
        )
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:  # noqa: S310 - always http
            return json.load(answer)

    def answers(self) -> bool:
        """Return whether it has begun."""
        try:
            self.ask("info/version")
        except (urllib.error.URLError, ConnectionError):
            return False
        return True


@pytest.fixture
def manager(serve: Serve, link: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[WebManager]:
    """Start the INDI Web Manager in an environment where indiserver is ours."""
    program = PEERS / "indi-web"
    if not program.exists():
        pytest.skip("indiweb is not installed (make peers)")
    need(TELESCOPE)
    monkeypatch.setenv("PATH", f"{link.parent}:{os.environ['PATH']}")
    port = free_port()
    process = serve(
        *("--host", "127.0.0.1", "--port", str(port), "--fifo", str(home / "fifo"), "--conf", str(home)),
        program=program,
        command="",
    )
    manager = WebManager(port, process)
    wait_until(manager.answers, "the INDI Web Manager to answer")
    yield manager
    manager.ask("server/stop", method="POST")


def test_the_indi_web_manager(manager: WebManager) -> None:
    port = free_port()
    manager.ask("profiles/Ours", method="POST")
    manager.ask("profiles/Ours", {"port": port, "autostart": 0, "autoconnect": 0}, method="PUT")
    drivers = [{"label": "Telescope Simulator"}, {"label": "Focuser Simulator"}]
    manager.ask("profiles/Ours/drivers", drivers, method="POST")
    manager.ask("server/start/Ours", method="POST")
    assert manager.ask("server/status") == [{"status": "True", "active_profile": "Ours"}]
    assert {one["label"] for one in manager.ask("server/drivers")} == {"Telescope Simulator", "Focuser Simulator"}
    mount = "Telescope Simulator.CONNECTION.CONNECT"

    def there(name: str) -> bool:
        return getprop(port, name) != {}

    wait_until(lambda: there(mount) and focuser(port) != {}, "both drivers")
    manager.ask("drivers/stop/Focuser Simulator", method="POST")
    wait_until(lambda: focuser(port) == {}, "the focuser to be gone")
    manager.ask("drivers/restart/Telescope Simulator", method="POST")
    manager.ask("drivers/start/Focuser Simulator", method="POST")
    wait_until(lambda: there(mount) and focuser(port) != {}, "both drivers again")
    manager.ask("server/stop", method="POST")
    assert manager.ask("server/status")[0]["status"] == "False"
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", port), SECONDS)
