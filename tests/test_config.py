"""core.toml: one sentence with file, key and what is allowed for every mistake."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from core import config
from core.assembly import assemble
from core.config_text import toml_value
from core.errors import ConfigError, PluginMissing
from core.plugins import discover

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
    assert assembly.transports[1].devices(["climate", "panel"]) == ["panel"]
    assert assembly.programs["panel"].settings == {"interval": 0.5}
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
        ("[device.x]", r"\[device.x\]: plugin is missing; installed: gpio-matrix, spi-sensor"),
        ("[device.x]\nplugin = 3", "plugin is 3; a text is needed"),
        ("[device.'a b']\nplugin = 'gpio-matrix'\nx = 1", r"\[device.\"a b\"\]: x is unknown; chip, lines, active_low"),
        ("[device.x]\nplugin = 'gpio-matrix'\ntype = 'y'", "has no type 'y'; type = \"matrix\" is allowed"),
        ("[device.x]\nplugin = 'gpio-matrix'\nchip = 0", "chip is 0: expected str, got int .GPIO chip by label"),
        ("[device.x]\nplugin = 'gpio-matrix'\nlines = [[1, -2]]", r"lines\[0\]\[1\]: expected .*int.* >= 0"),
        ("[device.x]\nplugin = 'gpio-matrix'\nlines = [[1, 2], [2]]", "lines: 2 stands more than once"),
        ("[device.x]\nplugin = 'gpio-matrix'\nexit_state = 'dim'", "exit_state is 'dim': invalid enum|Invalid enum"),
        ("[transport.sever]", "type 'sever' is unknown, did you mean 'server'[?]; stdin, port, server is allowed"),
        ("[transport.server]\nport = 70000", r"port is 70000: expected int <= 65535 \(TCP port"),
        ("[transport.port]", r"\[transport.port\]: device is missing \(name of the instance"),
        ("[transport.port]\ndevice = 'x'", "device 'x' is unknown; nothing is allowed"),
        ("[program.spiral]", "device is missing; no device here runs programs"),
        (GOOD + "[program.spirl]\ndevice = 'panel'", "program 'spirl' is unknown, did you mean 'spiral'?"),
        (GOOD + "[program.cross]\ndevice = 'panel'", "panel begins with program 'spiral' already"),
        (GOOD.replace("interval = 0.5", "speed = 1"), r"\[program.spiral\]: .*speed"),
        (GOOD.replace('device = "panel"\ninterval', 'device = "climate"\ninterval'), "device 'climate' is unknown"),
        (f"[device.{'x' * 64}]", "a name has 1 to 63 bytes"),
    ],
)
def test_a_mistake_is_one_sentence(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why) as raised:
        assemble(loaded(tmp_path, text), discover())
    said = str(raised.value)
    assert said.startswith(str(tmp_path / "core.toml"))
    assert "\n" not in said


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


@pytest.mark.parametrize("value", ['a"b\\c', 3, 2.5, True, [], [1, 2], [[1, "a"], [2]], "ü"])
def test_values_are_written_as_toml_reads_them(value: object) -> None:
    assert tomllib.loads(f"x = {toml_value(value)}") == {"x": value}
