"""What commands end with, and that a pipe gets results alone: as docs/exit-statuses.md says."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
from pathlib import Path

import click
import pytest

from core.cli import OWN_COMMANDS, cli
from tests.system.conftest import CORECTL, SECONDS, Start, wait_until

pytestmark = pytest.mark.system

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs/exit-statuses.md").read_text()
CONFIGURATION = """
[device.matrix]
plugin = "gpio-matrix"
[transport.server]
port = 0
[transport.camera]
type = "driver"
command = "cat"
[transport.lost]
type = "driver"
command = "no-such-program"
"""


def shell(folder: Path, command: str) -> subprocess.CompletedProcess[str]:
    homes = dict.fromkeys(("HOME", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR", "XDG_STATE_HOME"), str(folder))
    return subprocess.run(
        ["/bin/sh", "-c", command],
        cwd=folder,
        env={**os.environ, **homes, "CORECTL": str(CORECTL)},
        capture_output=True,
        text=True,
        timeout=SECONDS * 3,
    )


@pytest.mark.parametrize(
    ("command", "status"),
    [
        ("list-plugins", 0),
        ("doctor --json", 0),
        ("init --json", 0),
        ("status --name nobody", 1),
        ("driver list --name nobody --json", 1),
        ("get --port 1", 1),
        ("list-plugins > /dev/full", 1),
        ("run missing.toml", 2),
        ("run bad.toml", 2),
        ("driver stopp x", 2),
        ("init --nothing", 2),
        ("list-plugins --hook nothing", 2),
        ("check-plugin nothing", 2),
    ],
)
def test_the_status_of_a_command(tmp_path: Path, command: str, status: int) -> None:
    (tmp_path / "bad.toml").write_text('[device.x]\nplugin = "telescope"\n')
    done = shell(tmp_path, f'"$CORECTL" {command}')
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr
    assert bool(done.stderr) == bool(status)
    assert f"\n| {status} |" in PAGE


@pytest.mark.parametrize(
    ("command", "status"),
    [
        ("list-plugins", 0),
        ("list-programs", 0),
        ("list-plugins --json", 0),
        ("init -", 0),
        ("doctor", 0),
        ("--help", 0),
        ("nothing", 2),
    ],
)
def test_a_reader_that_goes_away_is_no_error(tmp_path: Path, command: str, status: int) -> None:
    done = shell(tmp_path, f'{{ "$CORECTL" {command}; echo "status $?" >&2; }} | true')
    assert done.stderr.endswith(f"status {status}\n")
    assert "Traceback" not in done.stderr
    assert "Broken" not in done.stderr


def test_ctrl_c_ends_what_waits_with_130(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(SECONDS)
        get = subprocess.Popen([CORECTL, "get", "--port", str(silent.getsockname()[1])], stdout=subprocess.DEVNULL)
        try:
            connection, _ = silent.accept()
            with connection:
                connection.recv(1000)
                get.send_signal(signal.SIGINT)
                assert get.wait(SECONDS) == 130
        finally:
            get.kill()
            get.wait()


@pytest.mark.parametrize("command", ["watch", "run"])
def test_ctrl_c_is_the_end_of_what_goes_on_for_ever(start: Start, command: str) -> None:
    run = start(configuration=CONFIGURATION)
    if command == "watch":
        watch = subprocess.Popen([CORECTL, "watch", "--port", str(run.port)], stdout=subprocess.PIPE)
        assert watch.stdout is not None
        with watch.stdout:
            assert watch.stdout.readline()
            watch.send_signal(signal.SIGINT)
            assert watch.wait(SECONDS) == 0
    assert run.port
    assert run.end(signal.SIGINT) == 0


def test_the_drivers_of_a_run_are_listed(start: Start) -> None:
    run = start(configuration=CONFIGURATION)
    assert run.port

    def drivers() -> dict[str, dict[str, object]]:
        document = json.loads(run.corectl("driver", "list", "--json").stdout)
        assert document["version"] == 1
        return {one["name"]: one for one in document["drivers"]}

    wait_until(lambda: drivers()["camera"]["process"] is not None and bool(drivers()["lost"]["failures"]), "both")
    camera, lost = drivers()["camera"], drivers()["lost"]
    assert (camera["kind"], camera["command"], camera["starts"], camera["last_end"]) == ("driver", "cat", 1, "")
    assert (lost["process"], lost["starts"]) == (None, 0)
    assert "cannot be started" in str(lost["last_end"])
    shown = run.corectl("driver", "list").stdout
    assert re.search(rf"^camera +process {camera['process']} +1 +- +cat$", shown, re.MULTILINE)
    assert run.end() == 0


def test_init_says_as_json_what_it_would_write(tmp_path: Path) -> None:
    done = shell(tmp_path, '"$CORECTL" init --json')
    document = json.loads(done.stdout)
    assert document["version"] == 1
    assert document["core_toml"]["device"]["matrix"]["plugin"] == "gpio-matrix"
    assert not (tmp_path / "core.toml").exists()


def test_the_page_names_every_command_with_json() -> None:
    told = set(re.findall(r"`([a-z-]+(?: [a-z]+)?)`", PAGE.partition("These print stable JSON")[2]))

    def with_json(command: click.Command, words: str) -> set[str]:
        found = {words} if any("--json" in parameter.opts for parameter in command.params) else set()
        if isinstance(command, click.Group):
            context = click.Context(command)
            for name in command.list_commands(context):
                inner = command.get_command(context, name)
                assert inner is not None
                found |= with_json(inner, f"{words} {name}")
        return found

    context = click.Context(cli)
    commands = {name: cli.get_command(context, name) for name in OWN_COMMANDS}
    found = set().union(*(with_json(command, name) for name, command in commands.items() if command is not None))
    assert found - {"watch"} == told - {"version", "--json"}
