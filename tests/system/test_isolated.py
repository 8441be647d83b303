"""`isolate = true`: an instance in a process of its own, which may die or hang and stops nobody else."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core import Router, isolation
from core.assembly import assemble
from core.config import Config, Table
from core.errors import ConfigError
from core.isolation import IsolatedInstance
from core.loop import Loop
from core.plugins import discover
from tests.system.conftest import CORECTL, SECONDS, RawClient, Start, wait_until

pytestmark = pytest.mark.system

FRAGILE = '''
import ctypes, os, time
from core import Device, NumberVector, Switch, SwitchVector, every, hookimpl

core_api = 1

class Fragile(Device):
    """Die in every way there is."""
    ways = SwitchVector("Ways", perm="rw", rule="AtMostOne", members={
        way: Switch(False) for way in ("abort", "exit", "segfault", "loop")})
    heard = NumberVector("Heard", members={"beats": 0})
    def __init__(self, name, options=None):
        super().__init__(name, options)
        self.snoop("steady", "beat")
    async def on_snoop(self, news):
        if "count" in news.values:
            self.heard.update(beats=news.values["count"])
    @ways.on_new
    async def go(self, new):
        if new.get("abort"):
            os.abort()
        if new.get("exit"):
            os._exit(3)
        if new.get("segfault"):
            ctypes.string_at(0)
        while new.get("loop"):
            pass

class Absent(Device):
    """Not be there."""
    async def open(self):
        self.log.error("first\\nsecond")
        raise OSError("there is no such device")

class Steady(Device):
    """Count."""
    beat = NumberVector("Beat", members={"count": 0})
    @every(50)
    async def count(self):
        self.beat.update(count=self.beat["count"] + 1)

@hookimpl
def core_register_devices():
    return [Fragile, Absent, Steady]
'''

CONFIGURATION = """
[device.fragile]
plugin = "fragile"
type = "fragile"
isolate = true
[device.steady]
plugin = "fragile"
type = "steady"
"""

DEFINED = rb'<defSwitchVector device="fragile" name="ways"'
GONE = rb'<delProperty device="fragile"/>'
COUNT = re.compile(rb'<oneNumber name="count">(\d+)</oneNumber>')


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Install the plugin `fragile` for the runs of this test."""
    metadata = tmp_path / "plugin_fragile-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: plugin-fragile\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[core.plugins]\nfragile = fragile\n")
    (tmp_path / "fragile.py").write_text(FRAGILE)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))


def corectl(directory: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(directory)}
    return subprocess.run(
        [CORECTL, *words], env=environment, capture_output=True, text=True, timeout=SECONDS, check=False
    )


def status(directory: Path) -> dict[str, dict[str, Any]]:
    """Return what `corectl status` says of each device."""
    done = corectl(directory, "status", "--json")
    if "no run named" in done.stderr:
        return {}  # not yet
    assert done.returncode == 0, done.stderr
    return {one["name"]: one for one in json.loads(done.stdout)["devices"]}


def wait_for_state(directory: Path, name: str, state: str) -> dict[str, Any]:
    found: dict[str, Any] = {}

    def reached() -> bool:
        found.update(status(directory).get(name, {}))
        return found.get("state") == state

    wait_until(reached, f"{name} to be {state}")
    return found


def choose(way: str) -> bytes:
    return (
        f'<newSwitchVector device="fragile" name="ways"><oneSwitch name="{way}">On</oneSwitch></newSwitchVector>'
    ).encode()


@pytest.mark.usefixtures("plugin")
@pytest.mark.parametrize(
    ("way", "why"),
    [
        ("abort", "killed by SIGABRT"),
        ("exit", "exit status 3"),
        ("segfault", "killed by SIGSEGV"),
    ],
)
def test_it_dies_alone_and_is_started_again_with_growing_delay(start: Start, way: str, why: str) -> None:
    run = start("--port", "0", configuration=CONFIGURATION)
    with RawClient(run.port) as watcher, RawClient(run.port) as client:
        for delay in ("0.1", "0.2"):
            client.until(DEFINED)
            client.send(choose(way))
            run.log.until(rf"WARNING fragile: (?:its connection has ended; )?{why}; it is started again in {delay} s")
            client.until(GONE)
        client.until(DEFINED)
        count = int(COUNT.findall(client.until(rb'name="beat"[^>]*>\s*' + COUNT.pattern).group())[0])
        seen = [0]
        while seen[-1] < count:
            seen.append(int(watcher.until(COUNT.pattern).group(1)))
    # The other instance has not missed a beat, and its clients none of them.
    assert seen[2:] == list(range(seen[2], seen[2] + len(seen) - 2))


THIEF = """
import os, select
while True:
    if select.select([0], [], [], 0.005)[0] and not os.read(0, 65536):
        break
    for names in b'device="fragile" name="stolen"', b'device="thief" name="own"':
        os.write(1, b'<defTextVector ' + names + b' state="Ok" perm="ro"><defText name="a"/></defTextVector>')
"""


@pytest.mark.usefixtures("plugin")
def test_its_name_is_kept_for_it_while_it_is_started_again(start: Start, tmp_path: Path) -> None:
    (tmp_path / "thief.py").write_text(THIEF)
    thief = f"[transport.thief]\ntype = 'driver'\ncommand = '{sys.executable} {tmp_path}/thief.py'\n"
    run = start("--plain", configuration=f"{CONFIGURATION}{thief}[transport.server]\nport = 0\n")
    with RawClient(run.port) as client:
        for _ in range(2):
            assert b"stolen" not in client.until(rb"^.*?" + DEFINED).group()
            client.send(choose("abort"))
            assert b"stolen" not in client.until(rb"^.*?" + GONE).group()
            # The thief is alive and tries it all the time.
            client.until(rb'<defTextVector device="thief"')
        assert b"stolen" not in client.until(rb"^.*?" + DEFINED).group()
    run.log.until("driver thief sent something of 'fragile', which is an instance of this run")


@pytest.mark.usefixtures("plugin")
@pytest.mark.parametrize("way", ["loop", "SIGSTOP"])
def test_it_hangs_alone(start: Start, tmp_path: Path, way: str) -> None:
    run = start("--port", "0", configuration=CONFIGURATION)
    port = run.port
    with RawClient(port) as client:
        client.until(DEFINED)
        process = wait_for_state(tmp_path, "fragile", "ready")["process"]
        if way == "loop":
            client.send(choose("loop"))
        else:
            os.kill(process, signal.SIGSTOP)
        with RawClient(port) as other:
            for number in range(100):
                other.send(choose("exit") + f'<pingRequest uid="{number}"/>'.encode())
                other.until(f'<pingReply uid="{number}"/>'.encode())
            first = int(other.until(COUNT.pattern).group(1))
            assert int(other.until(COUNT.pattern).group(1)) == first + 1
        assert status(tmp_path)["steady"]["state"] == "ready"
        # The administrator need not wait until it is noticed.
        assert corectl(tmp_path, "driver", "restart", "fragile").returncode == 0
        client.until(GONE)
        client.until(DEFINED)
    assert wait_for_state(tmp_path, "fragile", "ready")["process"] != process
    assert run.end() == 0
    assert not Path(f"/proc/{process}").exists()


@pytest.mark.usefixtures("plugin")
def test_it_snoops_and_is_snooped_as_any_other(start: Start) -> None:
    run = start("--port", "0", configuration=CONFIGURATION)
    with RawClient(run.port) as client:
        client.until(rb'<setNumberVector device="fragile" name="heard"[^>]*>\s*<oneNumber name="beats">[1-9]')


@pytest.mark.usefixtures("plugin")
def test_nothing_of_it_is_left_when_the_run_is_killed(start: Start, tmp_path: Path) -> None:
    run = start("--port", "0", configuration=CONFIGURATION)
    process = wait_for_state(tmp_path, "fragile", "ready")["process"]
    assert process != run.process.pid
    run.end(signal.SIGKILL)
    wait_until(lambda: not Path(f"/proc/{process}").exists(), "the isolated instance to end")


@pytest.mark.usefixtures("plugin")
def test_why_it_cannot_be_opened_is_told_here(start: Start, tmp_path: Path) -> None:
    configuration = CONFIGURATION.replace('"fragile"\nisolate', '"absent"\nisolate')
    run = start("--port", "0", configuration=configuration)
    found = wait_for_state(tmp_path, "fragile", "failed")
    assert found["cause"] == "there is no such device"
    # Its log comes with its levels, each line of a longer text too.
    run.log.until("ERROR fragile: first")
    run.log.until("ERROR fragile: second")
    assert f"there is no such device (process {found['process']})" in corectl(tmp_path, "status").stdout


def test_programs_run_there(start: Start, tmp_path: Path) -> None:
    configuration = (
        '[device.matrix]\nplugin = "gpio-matrix"\nisolate = true\n[device.climate]\nplugin = "spi-sensor"\n'
        '[program.twinkle]\nprogram = "heartbeat"\n'
    )
    run = start("--port", "0", configuration=configuration)
    with RawClient(run.port) as client:
        client.until(rb'<setSwitchVector device="matrix" name="leds"')
        wait_until(lambda: status(tmp_path)["matrix"]["program"] == "heartbeat", "the program of core.toml to run")
        assert corectl(tmp_path, "program", "start", "matrix", "spiral").returncode == 0
        wait_until(lambda: status(tmp_path)["matrix"]["program"] == "spiral", "the other program to run")
        refused = corectl(tmp_path, "program", "start", "matrix", "nonsense")
        assert (refused.returncode, "no program 'nonsense'" in refused.stderr) == (1, True)
    process = status(tmp_path)["matrix"]["process"]
    socket = tmp_path / "core" / f"core.{process}.sock"
    assert socket.exists()
    os.kill(process, signal.SIGKILL)
    run.log.until("WARNING matrix: .*killed by SIGKILL")
    wait_until(lambda: not socket.exists(), "what it left behind to be removed")


def test_a_mistake_that_only_its_own_code_finds_is_told_and_stops_nobody_else(start: Start, tmp_path: Path) -> None:
    configuration = (
        '[device.matrix]\nplugin = "gpio-matrix"\nisolate = true\nlines = [[1, 1]]\n'
        '[device.climate]\nplugin = "spi-sensor"\n'
    )
    run = start("--port", "0", configuration=configuration)
    run.log.until(r"ERROR matrix: .*core.toml: \[device.matrix\]: lines: 1 stands more than once")
    assert wait_for_state(tmp_path, "matrix", "failed")["cause"].endswith("exit status 1")
    assert status(tmp_path)["climate"]["state"] == "ready"


def test_alone_on_stdin_it_needs_no_further_process(tmp_path: Path) -> None:
    (tmp_path / "core.toml").write_text('[device.climate]\nplugin = "spi-sensor"\nisolate = true\n')
    with subprocess.Popen(
        [CORECTL, "run", "--stdin", "climate"], cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b'<getProperties version="1.7"/>')
        process.stdin.flush()
        assert b'device="climate"' in process.stdout.readline()
        assert Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text() == ""
        process.stdin.close()
        assert process.wait(SECONDS) == 0


@pytest.mark.parametrize(
    ("keys", "others", "why"),
    [
        ({"isolate": "yes"}, (), "isolate is 'yes'; true or false is needed"),
        ({"isolate": True, "lines": 3}, (), "lines is 3: expected"),
        ({"isolate": True, "liness": 3}, (), "liness is unknown, did you mean lines"),
        ({"isolate": True}, (Table("program", "spirall", {}),), "program 'spirall' is unknown, did you mean 'spiral'"),
        ({"isolate": True}, (Table("program", "spiral", {"interval": "x"}),), "interval is 'x': expected"),
        ({"isolate": True}, (Table("transport", "panel", {"type": "server"}),), "has this name; choose another"),
        ({"isolate": True}, (Table("transport", "port", {"device": "pannel"}),), "'pannel' is unknown, did you mean"),
    ],
    ids=["no bool", "wrong type", "unknown key", "unknown program", "wrong setting", "name taken", "unknown device"],
)
def test_mistakes_in_core_toml_are_found_before_it_starts(
    keys: dict[str, Any], others: tuple[Table, ...], why: str
) -> None:
    panel = Table("device", "panel", {"plugin": "gpio-matrix", **keys})
    with pytest.raises(ConfigError, match=re.escape(why)):
        assemble(Config(tables=(panel, *others)), discover())


def test_what_hangs_is_noticed_named_and_started_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(isolation, "PING_SECONDS", 0.1)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    table = Table("device", "climate", {"plugin": "spi-sensor", "isolate": True})
    assembly = assemble(Config(tables=(table,)), discover())
    (instance,) = assembly.transports
    assert isinstance(instance, IsolatedInstance)
    states: list[tuple[str, str]] = [instance.state]

    async def until(holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(SECONDS):
            while not holds():
                await Loop.current().delay(0.01)

    async def main() -> None:
        await instance.open(Router())
        running = asyncio.create_task(instance.run())
        await until(lambda: instance.state == ("ready", ""))
        process = instance.process
        assert process is not None
        os.kill(process, signal.SIGSTOP)
        await until(lambda: instance.state[0] == "failed")
        states.append(instance.state)
        await until(lambda: instance.process is not None and instance.process != process)
        await until(lambda: instance.state == ("ready", ""))
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
        await instance.close()

    Loop().run(main())
    assert states[0] == ("opening", "")
    assert re.fullmatch(r"it has not answered for 0\.\d+ s", states[1][1])
    assert "spi-sensor 'climate' does not answer: it hangs, or its plugin blocks" in caplog.text
    assert re.search(r"climate: it has not answered for 1\.2 s; .*; it is started again", caplog.text)
