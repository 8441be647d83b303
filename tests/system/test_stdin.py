"""A device as a driver on stdin and stdout: under Debian's indiserver, on a socket, on pipes, on files."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.conftest import CORECTL, SECONDS, Lines, getprop, need, setprop, wait_until

pytestmark = pytest.mark.system

DRIVER = CORECTL.parent / "indi_gpio_matrix"
ASK = b'<getProperties version="1.7"/>\n'
STOP = b'<newSwitchVector device="matrix" name="program"><oneSwitch name="none">On</oneSwitch></newSwitchVector>\n'
LIGHT_ONE = b'<newSwitchVector device="matrix" name="leds"><oneSwitch name="r4c2">On</oneSwitch></newSwitchVector>\n'
# Commands for two properties run side by side, so the program has to have ended first.
STOPPED = r'<oneText name="running"></oneText>'
LIT = r'<oneSwitch name="r4c2">On</oneSwitch>'


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {**os.environ, "XDG_CONFIG_HOME": str(tmp_path)}


@pytest.fixture
def indiserver(tmp_path: Path, environment: dict[str, str]) -> Iterator[int]:
    """Run Debian's indiserver with the matrix as its driver and yield its port."""
    program = need("indiserver")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    control = tmp_path / "indiserver.socket"
    server = subprocess.Popen(
        [program, "-p", str(port), "-u", str(control), "-v", DRIVER],
        cwd=tmp_path,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    assert server.stderr is not None
    Lines(server.stderr).until("listening to port|Listening")
    yield port
    server.terminate()
    server.wait(SECONDS)
    server.stderr.close()


def test_indiserver_runs_our_driver(indiserver: int) -> None:
    name = "matrix.program.heartbeat"
    wait_until(lambda: getprop(indiserver, name) == {name: "On"}, "the program behind indiserver")
    setprop(indiserver, "matrix.program.none=On")
    name = "matrix.program.none"
    wait_until(lambda: getprop(indiserver, name) == {name: "On"}, "no program behind indiserver")
    setprop(indiserver, "matrix.leds.r4c2=On")
    lit = "matrix.leds.r4c2"
    wait_until(lambda: getprop(indiserver, lit) == {lit: "On"}, "a single LED behind indiserver")


def test_one_socket_as_stdin_and_stdout(tmp_path: Path, environment: dict[str, str]) -> None:
    ours, theirs = socket.socketpair()
    with (
        ours,
        subprocess.Popen(
            [DRIVER], cwd=tmp_path, env=environment, stdin=theirs.fileno(), stdout=theirs.fileno()
        ) as driver,
    ):
        theirs.close()
        lines = Lines(ours)
        ours.sendall(ASK + STOP)
        lines.until(STOPPED)
        ours.sendall(LIGHT_ONE)
        lines.until(LIT)
        # The driver must end when its server is gone.
        ours.close()
        assert driver.wait(SECONDS) == 0


def test_a_pair_of_pipes(tmp_path: Path, environment: dict[str, str]) -> None:
    with subprocess.Popen(
        [DRIVER], cwd=tmp_path, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as driver:
        assert driver.stdin is not None
        assert driver.stdout is not None
        lines = Lines(driver.stdout)
        driver.stdin.write(ASK + STOP)
        driver.stdin.flush()
        lines.until(STOPPED)
        driver.stdin.write(LIGHT_ONE)
        driver.stdin.flush()
        lines.until(LIT)
        driver.stdin.close()
        assert driver.wait(SECONDS) == 0


def test_a_file(tmp_path: Path, environment: dict[str, str]) -> None:
    (tmp_path / "in").write_bytes(ASK)
    with (tmp_path / "in").open("rb") as source, (tmp_path / "out").open("wb") as sink:
        done = subprocess.run(
            [CORECTL, "run", "--stdin", "matrix"],
            cwd=tmp_path,
            env=environment,
            stdin=source,
            stdout=sink,
            timeout=SECONDS,
        )
    assert done.returncode == 0
    assert b'<defSwitchVector device="matrix" name="leds"' in (tmp_path / "out").read_bytes()


def test_what_plugins_print_does_not_reach_the_stream(tmp_path: Path, environment: dict[str, str]) -> None:
    (tmp_path / "loud.py").write_text(
        "import core\n"
        "core_api = 1\n"
        "print('printed at import')\n"
        "class Loud(core.Device):\n"
        "    '''A device that prints.'''\n"
        "    volume = core.NumberVector('Volume', members={'level': 11})\n"
        "    async def open(self):\n"
        "        print('printed while opening')\n"
        "@core.hookimpl\n"
        "def core_register_devices():\n"
        "    return [Loud]\n"
    )
    information = tmp_path / "loud-1.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: loud\nVersion: 1\n")
    (information / "entry_points.txt").write_text("[core.plugins]\nloud = loud\n")
    (tmp_path / "core.toml").write_text('[device.loud]\nplugin = "loud"\n')
    done = subprocess.run(
        [CORECTL, "run", "--stdin", "loud"],
        cwd=tmp_path,
        env={**environment, "PYTHONPATH": str(tmp_path)},
        input=ASK,
        capture_output=True,
        timeout=SECONDS,
    )
    assert done.returncode == 0
    assert b"printed" not in done.stdout
    assert b"printed at import" in done.stderr
    assert b"printed while opening" in done.stderr
    assert b'<defNumberVector device="loud" name="volume"' in done.stdout


def test_an_unknown_device_is_named(tmp_path: Path, environment: dict[str, str]) -> None:
    done = subprocess.run(
        [CORECTL, "run", "--stdin", "matrx"],
        cwd=tmp_path,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert done.returncode == 2
    assert "device 'matrx' is unknown, did you mean 'matrix'?" in done.stderr
    assert done.stdout == ""
