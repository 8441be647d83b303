"""Plugins as they are found: every state, and that one that fails costs nobody else anything."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

CORECTL = Path(sys.executable).parent / "corectl"

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


class Site:
    """A directory of distributions that come after the installed ones on Python's path."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def install(self, distribution: str, plugin: str, source: str, *, module: str | None = None) -> None:
        name = module or distribution.replace("-", "_")
        (self.path / f"{name}.py").write_text(source)
        information = self.path / f"{distribution}-2.0.dist-info"
        information.mkdir()
        (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 2.0\n")
        (information / "entry_points.txt").write_text(f"[core.plugins]\n{plugin} = {name}\n")

    def corectl(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [CORECTL, *arguments],
            cwd=self.path,
            env={**os.environ, "PYTHONPATH": str(self.path), "XDG_CONFIG_HOME": str(self.path), **environment},
            capture_output=True,
            text=True,
            timeout=60,
        )

    def plugins(self, *arguments: str, **environment: str) -> dict[str, dict[str, Any]]:
        """Return what `list-plugins --json` shows, by distribution."""
        listed = self.corectl("list-plugins", "--json", *arguments, **environment)
        assert listed.returncode == 0, listed.stderr
        document = json.loads(listed.stdout)
        assert document["version"] == 1
        return {record["distribution"]: record for record in document["plugins"]}


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
        "registers": {
            "devices": ["lamp"],
            "transports": ["radio"],
            "programs": ["glow"],
            "commands": ["greet"],
            "checks": ["lamps"],
            "observers": ["print"],
        },
    }
    assert site.plugins()["core"]["registers"]["transports"] == ["stdin", "port", "server"]


def test_its_command_check_and_program_are_there(site: Site) -> None:
    site.install("lamp-plugin", "lamp", GOOD)
    assert site.corectl("greet").stdout == "hello from a plugin\n"
    assert "Say hello." in site.corectl("--help").stdout
    assert "glow" in site.corectl("list-programs").stdout
    doctor = site.corectl("doctor")
    assert doctor.returncode == 1
    assert "FAILED lamps: a lamp is out\n       change it" in doctor.stdout


BAD = {
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
        "loop",
        "report it",
    ),
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
