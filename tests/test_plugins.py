"""Plugins as they are found: every state, and that one that fails costs nobody else anything."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.plugin_site import Site

GOOD = """
import click
import core
from core import programs as p

core_api = 1

class Lamp(core.Device):
    '''A lamp.'''

class Radio(core.Transport):
    '''A radio.'''
    async def run(self):
        pass

@p.program
async def glow(device, *, interval=0.5):
    '''Glow a little.'''

@click.command("greet")
def greet():
    '''Say hello.'''
    click.echo("hello from a plugin")

@core.hookimpl
def core_register_devices():
    return [Lamp]

@core.hookimpl
def core_register_transports():
    return [Radio]

@core.hookimpl
def core_register_programs():
    return [glow]

@core.hookimpl
def core_register_commands():
    return [greet]

@core.hookimpl
def core_register_checks():
    return {"lamps": lambda: core.CheckResult("failed", "a lamp is out", "change it")}

@core.hookimpl
def core_register_observers():
    return [print]
"""


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_a_plugin_is_listed_with_all_that_it_registers(site: Site) -> None:
    site.install("lamp-plugin", "lamp", GOOD)
    record = site.plugins()["lamp-plugin"]
    assert record == {
        "name": "lamp",
        "distribution": "lamp-plugin",
        "version": "2.0",
        "module": "lamp_plugin",
        "state": "active",
        "cause": "",
        "cure": "",
        "warnings": [],
        "hooks": [
            "core_register_checks",
            "core_register_commands",
            "core_register_devices",
            "core_register_observers",
            "core_register_programs",
            "core_register_transports",
        ],
        "registers": {
            "devices": ["lamp"],
            "transports": ["radio"],
            "programs": ["glow"],
            "commands": ["greet"],
            "checks": ["lamps"],
            "observers": ["print"],
        },
    }
    assert site.plugins()["core"]["registers"]["transports"] == ["stdin", "port", "server", "driver", "remote"]


def test_its_command_check_and_program_are_there(site: Site) -> None:
    site.install("lamp-plugin", "lamp", GOOD)
    assert site.corectl("greet").stdout == "hello from a plugin\n"
    assert "Say hello." in site.corectl("--help").stdout
    assert "glow" in site.corectl("list-programs").stdout
    doctor = site.corectl("doctor")
    assert doctor.returncode == 1
    assert "FAILED lamps: a lamp is out\n       change it" in doctor.stdout


HEAD = "import core, click\nfrom typing import Any\nfrom core import programs as p\ncore_api = 1\n@core.hookimpl\n"
DEVICES = HEAD + "def core_register_devices():\n    "
LAMP = """
class Lamp(core.Device):
    'A lamp.'
"""

BAD = {
    "hook-exits": (DEVICES + "raise SystemExit(3)", "registration failed", "SystemExit: 3", "report it"),
    "hook-raises-base": (DEVICES + "raise BaseException('no luck')", "registration failed", "BaseException", "report"),
    "check-title": (
        HEAD + "def core_register_checks():\n    return {1: print}",
        "registration failed",
        "functions by title, not 1",
        "report it",
    ),
    "check-function": (
        HEAD + "def core_register_checks():\n    return {'x': 3}",
        "registration failed",
        "functions by title, not 'x': 3",
        "report it",
    ),
    "none": (
        HEAD + "def core_register_programs():\n    return [none]\n@p.program\nasync def none(device):\n    pass",
        "name taken",
        "its program 'none' has a name that belongs to core itself",
        "choose another name",
    ),
    "run": (
        HEAD + "def core_register_commands():\n    return [click.Command('run')]",
        "name taken",
        "its command 'run' has a name that belongs to core itself",
        "choose another name",
    ),
    "options": (
        DEVICES + "return [Lamp]" + LAMP + "    Options = int\n",
        "registration failed",
        "Lamp.Options is a subclass of core.Options, not <class 'int'>",
        "report it",
    ),
    "odd-init": (
        DEVICES + "return [Lamp]" + LAMP + "    def __init__(self):\n        pass\n",
        "registration failed",
        "Lamp.__init__ takes a name and options",
        "report it",
    ),
    "unmarked": (
        "core_api = 1\ndef core_register_devices():\n    return []",
        "registration failed",
        "core_register_devices is not marked as a hook; write @core.hookimpl above it",
        "report it",
    ),
    "import-error": ("import no_such_module", "import failed", "no_such_module", "pip install"),
    "exits": ("raise SystemExit(3)", "import failed", "SystemExit: 3", "pip install"),
    "syntax": ("def", "import failed", "SyntaxError", "pip install"),
    "no-api": ("", "wrong API version", "does not say for which plugin API", "core_api = 1"),
    "new-api": ("core_api = 2", "wrong API version", "is for 2; this is plugin API 1", "pip install --upgrade core"),
    "old-api": ("core_api = 0", "wrong API version", "is for 0", "pip install --upgrade old-api"),
    "raises": (
        "import core\ncore_api = 1\n@core.hookimpl\ndef core_register_devices():\n    raise RuntimeError('no luck')",
        "registration failed",
        "RuntimeError: no luck",
        "report it",
    ),
    "no-device": (
        "import core\ncore_api = 1\n@core.hookimpl\ndef core_register_devices():\n    return [object]",
        "registration failed",
        "subclasses of core.Device",
        "report it",
    ),
    "misspelt": (
        "import core\ncore_api = 1\n@core.hookimpl\ndef core_register_device():\n    return []",
        "registration failed",
        "did you mean core_register_devices?",
        "report it",
    ),
    "arguments": (
        "import core\ncore_api = 1\n@core.hookimpl\ndef core_register_devices(loop):\n    return []",
        "registration failed",
        "the hook core_register_devices has no argument loop; it takes none",
        "report it",
    ),
    "unmarked-misspelt": (
        "core_api = 1\ndef core_register_devcies():\n    return []",
        "registration failed",
        "there is no hook core_register_devcies; did you mean core_register_devices, with @core.hookimpl above it?",
        "report it",
    ),
    "without-prefix": (
        "import core\ncore_api = 1\n@core.hookimpl\ndef register_programs():\n    return []",
        "registration failed",
        "there is no hook register_programs; did you mean core_register_programs?",
        "report it",
    ),
    "other-name": (
        "import core\ncore_api = 1\n@core.hookimpl(specname='core_register_check')\ndef own():\n    return []",
        "registration failed",
        "there is no hook core_register_check; did you mean core_register_checks?",
        "report it",
    ),
    "text-api": ("core_api = '1'", "wrong API version", "says core_api = '1', which is no integer", "authors write 1"),
}


@pytest.mark.parametrize("name", BAD)
def test_one_that_fails_is_shown_and_costs_nobody_else(site: Site, name: str) -> None:
    source, state, cause, cure = BAD[name]
    site.install(name, f"plugin-{name}", source)
    site.install("lamp-plugin", "lamp", GOOD)
    records = site.plugins()
    record = records[name]
    assert record["state"] == state
    assert cause in record["cause"]
    assert cure in record["cure"]
    assert record["registers"]["devices"] == []
    assert records["lamp-plugin"]["state"] == "active"
    assert records["plugin-gpio-matrix"]["state"] == "active"
    plain = site.corectl("list-plugins").stdout
    assert f"plugin-{name} ({name}): {state}: " in plain


def test_the_second_of_a_name_is_shown_too(site: Site) -> None:
    site.install("another-matrix", "gpio-matrix", GOOD)
    record = site.plugins()["another-matrix"]
    # Names are taken in the order of the distributions' names.
    other = site.plugins()["plugin-gpio-matrix"]
    assert (record["state"], other["state"]) == ("active", "name taken")
    assert "belongs to another-matrix 2.0" in other["cause"]
    assert "pip uninstall" in other["cure"]


def test_a_program_of_a_name_that_is_taken_is_a_conflict(site: Site) -> None:
    site.install("lamp-plugin", "lamp", GOOD)
    site.install("zz-plugin", "zz", GOOD.replace('"greet"', '"other"').replace("Radio", "Wire"))
    record = site.plugins()["zz-plugin"]
    assert record["state"] == "name taken"
    assert record["cause"] == "its program 'glow' is registered by lamp-plugin already"


@pytest.mark.parametrize("how", ["environment", "core.toml"])
def test_a_disabled_one_is_not_even_imported(site: Site, how: str) -> None:
    site.install("loud", "loud", "open('imported', 'w').close()")
    environment = {}
    if how == "environment":
        environment["CORE_DISABLE_PLUGINS"] = "other, loud"
    else:
        (site.path / "core.toml").write_text('[core]\ndisable = ["loud"]\n')
    record = site.plugins(**environment)["loud"]
    assert (record["state"], record["registers"]["devices"]) == ("disabled", [])
    assert not (site.path / "imported").exists()


def test_proposals_that_raise_cost_only_themselves(site: Site) -> None:
    site.install(
        "gloomy",
        "gloomy",
        "import core\ncore_api = 1\n@core.hookimpl\ndef core_default_config():\n    raise OSError('it rains')",
    )
    written = site.corectl("init", "-")
    assert written.returncode == 0
    assert "[device.matrix]" in written.stdout


@pytest.mark.parametrize("content", [b"[core.plugins]\nnothing\n", b"[core.plugins]\nx = \xff\n"])
def test_entry_points_that_cannot_be_read_cost_only_their_distribution(site: Site, content: bytes) -> None:
    site.install("broken", "broken", "core_api = 1")
    (site.path / "broken-2.0.dist-info" / "entry_points.txt").write_bytes(content)
    site.install("lamp-plugin", "lamp", GOOD)
    records = site.plugins()
    assert records["lamp-plugin"]["state"] == "active"
    assert records["broken"]["state"] == "import failed"
    assert records["broken"]["cause"].startswith("its entry_points.txt cannot be read: ")
    assert "--force-reinstall broken" in records["broken"]["cure"]


def test_a_distribution_without_metadata_is_listed(site: Site) -> None:
    site.install("nameless", "lamp", GOOD)
    (site.path / "nameless-2.0.dist-info" / "METADATA").unlink()
    record = site.plugins()["?"]
    assert (record["state"], record["version"]) == ("active", "?")
    assert site.corectl("list-plugins").returncode == 0


def test_a_module_is_registered_once_and_its_first_plugin_stays(site: Site) -> None:
    site.install("lamp-plugin", "lamp", GOOD)
    (site.path / "lamp-plugin-2.0.dist-info" / "entry_points.txt").write_text(
        "[core.plugins]\nlamp = lamp_plugin\ntwin = lamp_plugin\n"
    )
    listed = json.loads(site.corectl("list-plugins", "--json").stdout)["plugins"]
    records = {record["name"]: record for record in listed}
    assert records["lamp"]["state"] == "active"
    assert records["lamp"]["registers"]["devices"] == ["lamp"]
    assert records["twin"]["state"] == "registration failed"
    assert records["twin"]["cause"] == "its module lamp_plugin is registered already, as plugin 'lamp'"
    assert site.corectl("greet").stdout == "hello from a plugin\n"


def test_observers_of_one_name_are_all_kept(site: Site) -> None:
    observers = HEAD + "def core_register_observers():\n    return [lambda *_: None, lambda *_: None, print]"
    site.install("first", "first", observers)
    site.install("second", "second", observers)
    records = site.plugins()
    name = "core_register_observers.<locals>.<lambda>"
    assert records["first"]["registers"]["observers"] == [name, f"{name} 2", "print"]
    count = "from core.plugins import discover; print(len(discover().observers.values()))"
    done = subprocess.run(
        [sys.executable, "-c", count], cwd=site.path, env=site.environment(), capture_output=True, text=True, timeout=60
    )
    assert done.stdout == "6\n", done.stderr


@pytest.mark.parametrize("check", ["sys.exit(3)", "['x']", "5", "[core.CheckResult('fine', '')]"])
def test_a_check_that_fails_is_shown_and_the_others_are_made(site: Site, check: str) -> None:
    source = HEAD + "def core_register_checks():\n    import sys\n    return {'aa': lambda: " + check + "}"
    site.install("aa", "aa", source)
    site.install("lamp-plugin", "lamp", GOOD)
    doctor = site.corectl("doctor")
    assert doctor.returncode == 1
    assert "FAILED aa: the check itself failed: " in doctor.stdout
    assert "FAILED lamps: a lamp is out" in doctor.stdout
    assert "Traceback" not in doctor.stderr


@pytest.mark.parametrize(
    ("proposal", "said"),
    [
        ("raise SystemExit(4)", "plugin gloomy proposes nothing: SystemExit: 4"),
        ("return ['x']", "plugin gloomy proposes nothing: core_default_config returns instances of core.Proposal"),
        ("return [core.Proposal('device', 'd', {'plugin': 'telescope'})]", "plugin 'telescope' is not installed"),
        ("return [core.Proposal('device', 'd', {'plugin': 'gpio-matrix', 'chipp': 1})]", "chipp is unknown"),
        ("return [core.Proposal('device', 'd', {'plugin': 'gpio-matrix', 'chip': None})]", "None cannot be written"),
        ("return [core.Proposal('device', 'climate', {'plugin': 'gpio-matrix'})]", "[device.climate] is proposed"),
        ("return [core.Proposal('program', 'x', {'device': 'nothing'})]", "device 'nothing' is unknown"),
    ],
)
def test_what_cannot_be_proposed_is_left_out_with_a_warning(site: Site, proposal: str, said: str) -> None:
    site.install("gloomy", "gloomy", HEAD + "def core_default_config():\n    " + proposal)
    written = site.corectl("init", "-")
    assert written.returncode == 0, written.stderr
    assert "[device.matrix]" in written.stdout
    assert said in written.stderr
    assert "Traceback" not in written.stderr
    run = site.corectl("run", "--stdin", "matrix")
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize(
    ("body", "cause"),
    [
        ("def __init__(self, name, options=None):\n        raise RuntimeError('no luck')", "RuntimeError: no luck"),
        ("def __init__(self, name, options=None):\n        raise SystemExit(5)", "SystemExit: 5"),
        ("def __init__(self, name, options=None):\n        pass", "does not call super().__init__(name, options)"),
        ("def summary(self):\n        raise OSError('no luck')", "OSError: no luck"),
    ],
)
def test_a_device_that_cannot_be_made_stops_nobody_else(site: Site, body: str, cause: str) -> None:
    site.install("lamps", "lamps", DEVICES + "return [Lamp]" + LAMP + "    " + body + "\n")
    (site.path / "core.toml").write_text(
        '[device.a]\nplugin = "lamps"\n[device.b]\nplugin = "spi-sensor"\n[program.glow]\ndevice = "a"\n'
    )
    code = (
        "import sys; from pathlib import Path; from core.config import load; from core.plugins import discover; "
        "from core.assembly import assemble; one = assemble(load(Path('core.toml')), discover()); "
        "print(list(one.devices), one.failed)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=site.path, env=site.environment(), capture_output=True, text=True, timeout=60
    )
    assert done.stdout.startswith("['b'] {'a': ")
    assert cause in done.stdout
    assert "lamps 'a' cannot be made: " in done.stderr
    doctor = site.corectl("doctor")
    assert doctor.returncode == 1
    assert cause in doctor.stdout


def test_a_transport_that_cannot_be_made_stops_nobody_else(site: Site) -> None:
    site.install(
        "radios",
        "radios",
        HEAD + "def core_register_transports():\n    return [Radio]\nclass Radio(core.Transport):\n"
        "    def __init__(self, name, options=None):\n        raise RuntimeError('no luck')\n",
    )
    (site.path / "core.toml").write_text('[device.b]\nplugin = "spi-sensor"\n[transport.radio]\n')
    assert "[transport.radio]: RuntimeError: no luck" in site.corectl("doctor").stdout


def test_what_plugins_print_does_not_stand_in_the_json(site: Site) -> None:
    site.install("loud", "loud", "print('at import')\n" + DEVICES + "print('in a hook')\n    return []")
    listed = site.corectl("list-plugins", "--json")
    assert {record["name"] for record in json.loads(listed.stdout)["plugins"]} >= {"loud", "gpio-matrix"}
    assert "at import\nin a hook\n" in listed.stderr


def test_a_disabled_plugin_has_no_command(site: Site) -> None:
    site.install("lamp-plugin", "lamp", GOOD)
    (site.path / "core.toml").write_text('[core]\ndisable = ["lamp"]\n')
    greeted = site.corectl("greet")
    assert greeted.returncode == 2
    assert "No such command 'greet'" in greeted.stderr


def test_the_nearest_name_is_said_of_a_command_and_a_disabled_plugin(site: Site) -> None:
    (site.path / "core.toml").write_text('[core]\ndisable = ["gpio-matrx"]\n')
    misspelt = site.corectl("rnu")
    assert misspelt.returncode == 2
    assert "No such command 'rnu'. Did you mean 'run'?" in misspelt.stderr
    listed = site.corectl("list-plugins")
    assert "no plugin 'gpio-matrx' that could be disabled; did you mean 'gpio-matrix'?" in listed.stderr
    assert listed.returncode == 0


@pytest.mark.parametrize("command", ["list-plugins", "list-plugins --json", "doctor", "list-programs", "init -"])
@pytest.mark.parametrize("where", [">&-", ">/dev/full"])
def test_output_that_cannot_be_written_is_one_sentence(site: Site, command: str, where: str) -> None:
    done = site.shell(f'"$CORECTL" {command} {where}')
    assert done.returncode == 1
    assert done.stderr.startswith("corectl: cannot write to stdout: ")
    assert done.stderr.count("\n") == 1


def test_a_terminal_of_few_characters_costs_no_traceback(site: Site) -> None:
    site.install("lamp-plugin", "lamp", GOOD.replace("Glow a little", "Lass das Gerät glühen"))
    for arguments in (["list-programs"], ["list-programs", "--json"]):
        done = site.corectl(*arguments, PYTHONIOENCODING="ascii")
        assert done.returncode == 0, done.stderr
        assert "glow" in done.stdout
    assert "Lass das Gerät glühen." in [one["description"] for one in json.loads(done.stdout)["programs"]]
