"""The life of a run and of its devices, as users see it with INDI's own programs and with systemd's protocol."""

from __future__ import annotations

import json
import signal
import socket
from pathlib import Path
from typing import Any

import pytest

from tests.plugin_site import Site
from tests.system.conftest import RawClient, Run, Start, getprop, setprop, wait_until

pytestmark = pytest.mark.system

TWO = """
[device.matrix]
plugin = "gpio-matrix"
[device.climate]
plugin = "spi-sensor"
[program.heartbeat]
device = "matrix"
"""


def devices(run: Run) -> dict[str, dict[str, Any]]:
    """Return what `corectl status` says of the devices."""
    return {one["name"]: one for one in json.loads(run.corectl("status", "--json").stdout)["devices"]}


def test_indi_programs_disconnect_a_device_and_connect_it(start: Start) -> None:
    run = start("--port", "0", configuration=TWO)
    port = run.port
    wait_until(lambda: getprop(port, "climate.CONNECTION._STATE") == {"climate.CONNECTION._STATE": "Ok"}, "Ok")
    assert setprop(port, "climate.CONNECTION.DISCONNECT=On").returncode == 0
    off = {"climate.CONNECTION.CONNECT": "Off", "climate.CONNECTION.DISCONNECT": "On"}
    wait_until(lambda: getprop(port, "climate.CONNECTION.*") == off, "the switch goes Off")
    assert devices(run)["climate"]["state"] == "disconnected"
    assert devices(run)["matrix"]["state"] == "ready"
    with RawClient(port) as client:
        client.send(b'<newNumberVector device="climate" name="sampling"><oneNumber name="period">5</oneNumber>')
        client.send(b"</newNumberVector>")
        client.until(rb'name="sampling" state="Alert"[^>]*it is disconnected; set climate.CONNECTION.CONNECT=On')
    assert setprop(port, "climate.CONNECTION.CONNECT=On").returncode == 0
    wait_until(lambda: devices(run)["climate"]["state"] == "ready", "it is connected again")
    assert run.end() == 0


def test_an_absent_device_is_shown_and_stops_nobody(start: Start) -> None:
    run = start(
        "--port", "0", configuration=TWO + '[device.panel]\nplugin = "gpio-matrix"\nchip = "none"\nlines=[[1]]\n'
    )
    run.log.until("gpio-matrix 'panel' cannot be opened")
    assert getprop(run.port, "panel.CONNECTION._STATE") == {"panel.CONNECTION._STATE": "Alert"}
    panel = devices(run)["panel"]
    assert panel["state"] == "failed"
    assert float(panel["retry_seconds"]) <= 60
    assert ", next try in " in run.corectl("status").stdout
    doctor = run.corectl("doctor")
    assert doctor.returncode == 1
    assert "FAILED run: gpio-matrix 'panel': " in doctor.stdout
    assert f"ok     run: core runs (process {run.process.pid}), 2 of 3 devices ready" in doctor.stdout
    assert "ok     port: 7624" in doctor.stdout or "port: 7624 is in use by " in doctor.stdout
    assert devices(run)["matrix"]["state"] == "ready"
    assert run.end() == 0


STICK = '''
from pathlib import Path
from core import Device, DeviceUnavailable, NumberVector, hookimpl

core_api = 1

class Stick(Device):
    """A device that may be plugged in later."""
    level = NumberVector("Level", perm="rw", members={"value": 0.0})
    async def open(self):
        if not Path("stick").exists():
            raise DeviceUnavailable("there is no stick here; plug it in")

@hookimpl
def core_register_devices():
    return [Stick]
'''


def test_a_device_that_is_absent_at_the_start_joins_when_it_appears(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Site(tmp_path).install("stick", "stick", STICK, module="plugin_stick")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    run = start("--port", "0", configuration=TWO + '[device.usb]\nplugin = "stick"\n')
    with RawClient(run.port) as client:
        client.until(rb'device="usb" name="CONNECTION"[^>]* state="Alert"')
        assert "there is no stick here; plug it in" in devices(run)["usb"]["cause"]
        client.send(b'<newNumberVector device="usb" name="level"><oneNumber name="value">3</oneNumber>')
        client.send(b"</newNumberVector>")
        client.until(rb'device="usb" name="level" state="Alert"[^>]*there is no stick here')
        (tmp_path / "stick").touch()
        # By itself, though nobody asks for it.
        client.until(rb'device="usb" name="CONNECTION" state="Ok".*?<oneSwitch name="CONNECT">\s*On')
        client.send(b'<newNumberVector device="usb" name="level"><oneNumber name="value">4</oneNumber>')
        client.send(b"</newNumberVector>")
        client.until(rb'device="usb" name="level" state="Ok"[^>]*>\s*<oneNumber name="value">\s*4')
    assert {one["state"] for one in devices(run).values()} == {"ready"}
    assert run.end() == 0


def test_status_says_that_settings_cannot_be_saved_until_they_can(start: Start, tmp_path: Path) -> None:
    folder = tmp_path / "core" / "core"
    folder.parent.mkdir()
    folder.write_text("a file in the place of the folder")
    run = start("--port", "0", configuration=TWO)
    assert setprop(run.port, "climate.sampling.period=7").returncode == 0
    wait_until(lambda: "its settings cannot be saved" in run.corectl("status").stdout, "status says so")
    folder.unlink()
    # It would be tried again by itself, after some seconds.
    assert setprop(run.port, "climate.CONFIG_PROCESS.CONFIG_SAVE=On").returncode == 0
    wait_until(lambda: (folder / "climate.json").exists(), "they are saved")
    wait_until(lambda: devices(run)["climate"]["unsaved"] == "", "status does not say so any more")
    assert run.end() == 0


def period(run: Run) -> str:
    """Return in how many seconds the sensor measures."""
    return getprop(run.port, "climate.sampling.period")["climate.sampling.period"]


def test_settings_survive_a_restart(start: Start) -> None:
    run = start("--port", "0", configuration=TWO)
    assert setprop(run.port, "climate.sampling.period=7").returncode == 0
    wait_until(lambda: period(run) == "7", "it is 7")
    assert run.end() == 0
    again = start("--port", "0", configuration=TWO)
    wait_until(lambda: period(again) == "7", "it is 7 again")
    assert again.end() == 0


def test_reload_opens_only_what_has_changed(start: Start) -> None:
    run = start("--port", "0", configuration=TWO)
    core_toml = run.directory / "core.toml"
    with RawClient(run.port) as client:
        client.until(rb'<defNumberVector device="climate" name="sampling".*?>1<')
        core_toml.write_text(
            TWO.replace("heartbeat", "spiral").replace('"spi-sensor"', '"spi-sensor"\nperiod = 2.5')
            + '[device.second]\nplugin = "spi-sensor"\nchip_select = 1\n'
        )
        done = run.corectl("reload", "--json")
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)
        assert found["opened"] == ["[device.second]"]
        assert found["reopened"] == ["[device.climate]"]
        assert found["programs"] == ["matrix"]
        assert found["unchanged"] == ["[device.matrix]", "[transport.server]"]
        client.until(rb'<delProperty device="climate"')
        client.until(rb'<defNumberVector device="climate" name="sampling".*?>2.5<')
        client.until(rb'<def[A-Za-z]+ device="second"')
        core_toml.write_text(TWO.replace("heartbeat", "spiral"))
        assert "[device.second]: closed" in run.corectl("reload").stdout
        client.until(rb'<delProperty device="second"')
    assert set(devices(run)) == {"matrix", "climate"}
    assert devices(run)["matrix"]["program"] == "spiral"
    assert run.corectl("reload").stdout == "nothing has changed\n"
    assert run.end() == 0


def test_a_wrong_file_changes_nothing(start: Start) -> None:
    run = start("--port", "0", configuration=TWO)
    assert run.port
    (run.directory / "core.toml").write_text(TWO.replace("gpio-matrix", "gpio-matrx").replace("climate", "weather"))
    done = run.corectl("reload")
    assert done.returncode == 1
    assert "nothing has been changed: " in done.stderr
    assert "did you mean 'gpio-matrix'" in done.stderr
    assert {name: one["state"] for name, one in devices(run).items()} == {"matrix": "ready", "climate": "ready"}
    assert run.end() == 0


def test_a_transport_that_cannot_be_opened_goes_on_as_it_was(start: Start) -> None:
    run = start(configuration=TWO + "[transport.server]\nport = 0\n")
    with socket.create_server(("127.0.0.1", 0)) as taken, RawClient(run.port) as client:
        client.until(rb'<def[A-Za-z]+ device="climate"')
        number = taken.getsockname()[1]
        (run.directory / "core.toml").write_text(TWO + f'[transport.server]\nhost = "127.0.0.1"\nport = {number}\n')
        done = run.corectl("reload")
        assert done.returncode == 1
        assert f"port {number} on 127.0.0.1 is in use" in done.stderr
        assert "it goes on as it was" in done.stderr
    assert devices(run)["climate"]["state"] == "ready"
    assert run.end() == 0


def test_what_a_reload_could_not_open_is_tried_again_by_the_next(start: Start) -> None:
    run = start(configuration=TWO + "[transport.server]\nport = 0\n")
    assert run.port
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        more = f'[transport.second]\ntype = "server"\nhost = "127.0.0.1"\nport = {number}\n'
        wanted = TWO + '[device.third]\nplugin = "gpio-matrix"\n[transport.server]\nport = 0\n' + more
        (run.directory / "core.toml").write_text(wanted)
        done = run.corectl("reload")
        assert done.returncode == 1
        assert f"[transport.second]: port {number} on 127.0.0.1 is in use" in done.stderr
        assert done.stdout == "[device.third]: opened\n"
    done = run.corectl("reload")
    assert (done.returncode, done.stdout) == (0, "[transport.second]: opened\n")
    with RawClient(number) as client:
        client.until(rb'<def[A-Za-z]+ device="third"')
    assert run.end() == 0


class Manager:
    """A service manager's socket, as systemd gives one to a service."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "notify"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(self.path))
        self.socket.settimeout(20)
        self.heard: list[str] = []

    def until(self, wanted: str) -> None:
        """Read until a line begins with `wanted`."""
        while not any(line.startswith(wanted) for line in self.heard):
            self.heard += self.socket.recv(65536).decode().split("\n")

    def take(self, count: int) -> None:
        """Take so many datagrams."""
        for _ in range(count):
            self.socket.recv(65536)

    def __enter__(self) -> Manager:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()


def test_the_service_manager_hears_how_it_goes(start: Start, tmp_path: Path) -> None:
    with Manager(tmp_path) as manager:
        run = start(
            "--port",
            "0",
            configuration=TWO + '[device.panel]\nplugin = "gpio-matrix"\nchip = "none"\nlines=[[1]]\n',
            NOTIFY_SOCKET=str(manager.path),
            WATCHDOG_USEC="400000",
        )
        manager.until("READY=1")
        manager.until("STATUS=2 of 3 devices ready; panel failed: there is no GPIO chip")
        manager.heard.clear()
        for _ in range(2):
            manager.until("WATCHDOG=1")
            manager.heard.clear()
        (run.directory / "core.toml").write_text(TWO)
        run.process.send_signal(signal.SIGHUP)  # a reload for a service, where for a terminal it is the end
        manager.until("RELOADING=1")
        manager.until("READY=1")
        manager.until("STATUS=2 of 2 devices ready")
        assert run.process.poll() is None
        assert run.end() == 0
        manager.until("STOPPING=1")


BLOCKING = """
import time
import core
core_api = 1

class Stone(core.Device):
    'Blocks the loop for ever when it is told to.'
    go = core.SwitchVector("Go", members={"on": core.Switch(False)}, perm="rw", rule="AnyOfMany")

    @go.on_new
    def block(self, new):
        time.sleep(1000)

@core.hookimpl
def core_register_devices():
    return [Stone]
"""


def test_a_loop_that_is_blocked_is_silent_to_the_watchdog(start: Start, tmp_path: Path) -> None:
    Site(tmp_path).install("stone", "stone", BLOCKING)
    with Manager(tmp_path) as manager:
        run = start(
            configuration='[device.stone]\nplugin = "stone"\n[transport.server]\nport = 0\n',
            NOTIFY_SOCKET=str(manager.path),
            WATCHDOG_USEC="200000",
            PYTHONPATH=str(tmp_path),
        )
        manager.until("READY=1")
        manager.until("WATCHDOG=1")
        with RawClient(run.port) as client:
            client.until(rb'defSwitchVector[^>]*name="go"')
            client.send(
                b'<newSwitchVector device="stone" name="go"><oneSwitch name="on">On</oneSwitch></newSwitchVector>'
            )
            # It beats ten times in this time while the loop turns; what was sent before may still come.
            manager.socket.settimeout(1.0)
            with pytest.raises(TimeoutError):
                manager.take(8)


def test_reload_takes_an_instance_into_a_process_of_its_own_and_back(start: Start) -> None:
    run = start("--port", "0", configuration=TWO)
    assert run.port
    core_toml = run.directory / "core.toml"
    core_toml.write_text(TWO.replace('"spi-sensor"', '"spi-sensor"\nisolate = true'))
    assert run.corectl("reload").stdout == "[device.climate]: closed and opened again\n"
    wait_until(lambda: devices(run)["climate"]["state"] == "ready", "the process is ready")
    assert devices(run)["climate"]["process"] not in (None, run.process.pid)
    assert run.corectl("reload").stdout == "nothing has changed\n"
    core_toml.write_text(TWO)
    assert run.corectl("reload").stdout == "[device.climate]: closed and opened again\n"
    wait_until(lambda: devices(run)["climate"]["state"] == "ready", "it is back")
    assert devices(run)["climate"]["process"] == run.process.pid
    assert run.end() == 0
