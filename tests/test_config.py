"""core.toml: one sentence with file, key and what is allowed for every mistake."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Protocol

import pytest

from core import config
from core.assembly import assemble
from core.config_text import toml_value
from core.errors import ConfigError, DefinitionError, PluginMissing, PortInUse
from core.plugins import discover
from core.program_device import ProgramDevice
from core.programs import program
from core.transports.addresses import listen_tcp
from core.transports.port_holder import port_holder

GOOD = """
version = 1
[core]
log_level = "debug"
[device.panel]
plugin = "gpio-matrix"
lines = [[1, 2], [3]]
[device.climate]
plugin = "spi-sensor"
[transport.server]
port = 7000
[transport.lan]
type = "port"
device = "panel"
port = 7001
[program.spiral]
device = "panel"
interval = 0.5
"""


def loaded(path: Path, text: str) -> config.Config:
    file = path / "core.toml"
    file.write_text(text)
    return config.load(file)


def test_a_good_one_is_assembled(tmp_path: Path) -> None:
    assembly = assemble(loaded(tmp_path, GOOD), discover())
    assert list(assembly.devices) == ["panel", "climate"]
    assert [transport.kind for transport in assembly.transports] == ["server", "port"]
    assert assembly.transports[1].options.device == "panel"
    assert assembly.programs["panel"][0].settings == {"interval": 0.5}
    panel = assembly.devices["panel"]
    assert panel.picture() == ["..", "."]
    assert panel.summary() == "simulated 3 LED matrix"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[devcie.x]", "'devcie' is unknown, did you mean device[?]; version, core, device, transport, program is"),
        ("version = 2", "version is 2; this `core` reads version 1"),
        ("device = 3", "device is 3; tables like"),
        ("[device]\nx = 3", r"device.x is 3; a table \[device.x\] is needed"),
        ("= 3", "is not TOML: .*line 1"),
        ("[core]\nlog_level = 'loud'", r"\[core\]: log_level is 'loud': .*loud"),
        ("[device.x]", r"\[device.x\]: plugin is missing; installed: recorder, gpio-matrix, spi-sensor"),
        ("[device.x]\nplugin = 3", "plugin is 3; a text is needed"),
        ("[device.'a b']\nplugin = 'gpio-matrix'\nx = 1", r"\[device.\"a b\"\]: x is unknown; chip, lines, active_low"),
        ("[device.x]\nplugin = 'gpio-matrix'\ntype = 'y'", "has no type 'y'; type = \"matrix\" is allowed"),
        ("[device.x]\nplugin = 'gpio-matrix'\nchip = 0", "chip is 0: expected str, got int .GPIO chip by label"),
        ("[device.x]\nplugin = 'gpio-matrix'\nlines = [[1, -2]]", r"lines\[0\]\[1\]: expected .*int.* >= 0"),
        ("[device.x]\nplugin = 'gpio-matrix'\nlines = [[1, 2], [2]]", "lines: 2 stands more than once"),
        ("[device.x]\nplugin = 'gpio-matrix'\nexit_state = 'dim'", "exit_state is 'dim': invalid enum|Invalid enum"),
        (
            "[transport.sever]",
            "type 'sever' is unknown, did you mean 'server'[?]; stdin, port, server, driver, remote is allowed",
        ),
        ("[transport.server]\nport = 70000", r"port is 70000: expected int <= 65535 \(TCP port"),
        ("[transport.server]\nmaximum_blob = 0", r"maximum_blob is 0: expected int >= 1 .bytes that the BLOBs of one"),
        ("[transport.server]\nmaximum_blob = '1 GB'", r"maximum_blob is '1 GB': expected int, got str .bytes"),
        ("[transport.server]\nwrite_deadline = 0", r"write_deadline is 0: expected float > 0.* .seconds that a client"),
        ("[transport.server]\nwrite_deadline = inf", r"write_deadline is inf: expected float <= 86400"),
        ("[transport.server]\nwrite_deadline = nan", r"write_deadline is nan: expected float"),
        (
            "[transport.server]\npending_messages = 9",
            r"pending_messages is 9: expected int >= 65536 .bytes of messages",
        ),
        ("[transport.server]\nmaximum_clients = 0", r"maximum_clients is 0: expected int >= 1"),
        (
            "[transport.server]\nmaximum_pending = 1",
            r"maximum_pending is unknown.*; host, port, socket, maximum_clients",
        ),
        ("[transport.a]\ntype = 'driver'\ncommand = \"'\"", r"\[transport.a\]: command is .*: No closing quotation"),
        ("[transport.a]\ntype = 'driver'\ncommand = ' '", r"\[transport.a\]: command is ' ': it names no program"),
        ("[transport.a]\ntype = 'driver'\ncommand = \"a\\u0000b\"", r"\[transport.a\]: command .* no NUL character"),
        (
            "[transport.a]\ntype = 'driver'\ncommand = 'x'\nenvironment = { 'A=B' = '1' }",
            r"\[transport.a\]: environment: the name of a variable may not be empty, nor hold =",
        ),
        (
            "[transport.a]\ntype = 'driver'\ncommand = 'x'\nmaximum_blob = -1",
            r"\[transport.a\]: maximum_blob is -1: expected int >= 1",
        ),
        (
            "[transport.a]\ntype = 'remote'\nhost = 'x'\npending_blobs = 1",
            r"\[transport.a\]: pending_blobs is 1: expected int >= 65536",
        ),
        ("[core]\nmemory_limit = 1", r"\[core\]: memory_limit is 1: expected int >= 67108864 .bytes of memory"),
        ("[transport.port]", r"\[transport.port\]: device is missing; nothing is allowed"),
        ("[transport.port]\ndevice = 'x'", "device 'x' is unknown; nothing is allowed"),
        ("[program.spiral]", "device is missing; no device here runs programs"),
        (GOOD + "[program.spirl]\ndevice = 'panel'", "program 'spirl' is unknown, did you mean 'spiral'?"),
        (
            GOOD + "[program.cross]\ndevice = 'panel'",
            "panel begins with program 'spiral' on the same LEDs already; give it",
        ),
        (GOOD.replace("interval = 0.5", "speed = 1"), r"\[program.spiral\]: .*speed"),
        (GOOD.replace('device = "panel"\ninterval', 'device = "climate"\ninterval'), "device 'climate' is unknown"),
        (f"[device.{'x' * 64}]", "a name has 1 to 63 bytes"),
        ('[device."a\\u001b[31m"]', "a name has no control characters"),
        ("[core]\nname = 'a/b'", r"\[core\]: name is 'a/b'.*name of the run"),
        (f"x = {'1' * 5000}", "is not TOML: .*digits"),
        (f"x = {'[' * 5000}{']' * 5000}", "is nested too deeply"),
        (
            GOOD.replace("interval = 0.5", "interval = 'x'"),
            r"\[program.spiral\]: interval is 'x': expected float, got str",
        ),
        (GOOD.replace("interval = 0.5", "interval = true"), r"\[program.spiral\]: interval is True: expected float"),
        (
            GOOD.replace('type = "port"\ndevice = "panel"', 'type = "port"'),
            "device is missing; panel, climate is allowed",
        ),
    ],
)
def test_a_mistake_is_one_sentence(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why) as raised:
        assemble(loaded(tmp_path, text), discover())
    said = str(raised.value)
    assert said.startswith(str(tmp_path / "core.toml"))
    assert "\n" not in said


def test_a_port_without_a_device_serves_the_only_one(tmp_path: Path) -> None:
    text = '[device.climate]\nplugin = "spi-sensor"\n[transport.port]\nport = 7001\n'
    assembly = assemble(loaded(tmp_path, text), discover())
    assert assembly.transports[0].options.device == "climate"


def test_a_whole_number_is_a_setting_where_any_number_is(tmp_path: Path) -> None:
    programs = assemble(loaded(tmp_path, GOOD.replace("interval = 0.5", "interval = 1")), discover()).programs
    (start,) = programs["panel"]
    assert start.settings == {"interval": 1.0}
    assert start.where == f"{tmp_path / 'core.toml'}: [program.spiral]"


def test_what_is_misspelt_is_not_recommended_for_installation(tmp_path: Path) -> None:
    with pytest.raises(PluginMissing, match="did you mean 'gpio-matrix'") as raised:
        assemble(loaded(tmp_path, "[device.x]\nplugin = 'gpio-matrx'"), discover())
    assert "pip install" not in str(raised.value)


def test_a_user_without_a_home_has_the_other_places(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setattr(Path, "home", homeless)
    assert config.search_path() == [Path("core.toml"), Path("/etc/core/core.toml")]


def test_a_place_that_cannot_be_looked_into_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", "/" + "x" * 300)
    with pytest.raises(ConfigError, match="cannot be looked for: File name too long"):
        config.find()


@pytest.mark.parametrize("host", ["a..b", "a" * 100, "a\0b"])
def test_what_can_be_no_host_is_one_sentence(host: str) -> None:
    with pytest.raises(PortInUse, match=r"cannot listen on .*check `host`"):
        listen_tcp(host, 0)


LISTEN = """
import socket
listening = socket.create_server(("127.0.0.1", 0))
print(listening.getsockname()[1], flush=True)
input()
"""


@pytest.mark.parametrize(
    ("code", "shown"), [(LISTEN, "-c import socket listening ="), (f"# {'y' * 200}{LISTEN}", "yyy...")]
)
def test_the_holder_of_a_port_is_named_in_one_short_line(code: str, shown: str) -> None:
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        holder = port_holder(int(process.stdout.readline()))
        process.kill()
    assert holder is not None
    name, _, number = holder.partition(" (pid ")
    assert number == f"{process.pid})"
    assert name.startswith("python")
    assert shown in name
    assert len(name) <= 60
    assert name.isprintable()


class Blinking(Protocol):
    """What isinstance cannot check."""

    def blink(self) -> None: ...


@program
async def odd(device: Blinking) -> None:
    """Do nothing."""


def test_a_program_for_a_protocol_that_cannot_be_checked_fits_no_device(caplog: pytest.LogCaptureFixture) -> None:
    lamp = ProgramDevice("lamp")
    for _ in range(2):
        lamp.offer({"odd": odd})
    assert lamp.programs == {}
    (record,) = caplog.records
    assert record.getMessage().startswith("program 'odd' fits no device: ")


def test_a_plugin_that_is_missing_is_named_with_the_command_that_installs_it(tmp_path: Path) -> None:
    with pytest.raises(PluginMissing, match="pip install plugin-telescope"):
        assemble(loaded(tmp_path, "[device.x]\nplugin = 'telescope'"), discover())


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.toml: cannot be read: No such file"):
        config.load(tmp_path / "nowhere.toml")


def test_it_is_sought_here_then_for_the_user_then_for_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "user"))
    user = tmp_path / "user" / "core" / "core.toml"
    assert config.search_path() == [Path("core.toml"), user, Path("/etc/core/core.toml")]
    user.parent.mkdir(parents=True)
    user.touch()
    assert config.find() == user
    (tmp_path / "core.toml").touch()
    assert config.find() == Path("core.toml")


@pytest.mark.parametrize(
    "value", ['a"b\\c', 3, 2.5, True, [], [1, 2], [[1, "a"], [2]], "ü", "\x7f", {"a b": 1, "c": [{}]}]
)
def test_values_are_written_as_toml_reads_them(value: object) -> None:
    assert tomllib.loads(f"x = {toml_value(value)}") == {"x": value}


@pytest.mark.parametrize("value", [None, object(), {1: 2}, [None]])
def test_what_toml_has_not_is_refused(value: object) -> None:
    with pytest.raises(DefinitionError, match=r"cannot be written in core\.toml"):
        toml_value(value)
