"""What keeps plugins working: versions, deprecations, hooks and their arguments, and what plugins need."""

from __future__ import annotations

import json
import types
from pathlib import Path
from typing import Any

import pytest

from core.deprecation import DeprecatedUse, deprecated, deprecations_told
from core.entry_points import Found
from core.hookspecs import hookspec
from core.plugins import PluginSet
from tests.plugin_site import Site
from tests.test_plugins import GOOD

OLD_AND_NEW = """
import core

core_api = 1

def old():
    core.deprecated("older.old()", since="older 2.0", removed_in="older 3.0", replacement="older.new()")
"""

USES_OLD = """
import core, older, warnings

core_api = 1

class Lamp(core.Device):
    '''A lamp.'''
    async def open(self):
        older.old()
        older.old()

@core.hookimpl
def core_register_devices():
    older.old()
    warnings.warn("of another kind")
    return [Lamp]
"""

SAID = "older.old() is deprecated since older 2.0 and goes with older 3.0; use older.new() (user.py:"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_what_is_deprecated_is_listed_with_its_place(site: Site) -> None:
    site.install("older", "older", OLD_AND_NEW)
    site.install("user", "user", USES_OLD)
    record = site.plugins()["user"]
    assert record["state"] == "active"
    assert [text.partition("user.py:")[0] + "user.py:" for text in record["warnings"]] == [SAID]
    listed = site.corectl("list-plugins")
    assert f"user (user): {SAID}" in listed.stdout
    assert "of another kind" in listed.stderr
    assert "of another kind" not in listed.stdout


def test_a_run_logs_it_once_for_each_place(site: Site) -> None:
    site.install("older", "older", OLD_AND_NEW)
    site.install("user", "user", USES_OLD)
    (site.path / "core.toml").write_text('[device.lamp]\nplugin = "user"\n')
    done = site.shell('"$CORECTL" run --stdin lamp < /dev/null')
    lines = [line for line in done.stderr.splitlines() if SAID in line]
    # When it was listed, and two places in open().
    assert len(lines) == 3, done.stderr
    assert sum("WARNING lamp: " in line for line in lines) == 2


def test_a_deprecation_names_thing_version_and_replacement() -> None:
    with pytest.warns(DeprecatedUse) as caught:
        _use()
    use = caught[0].message
    assert isinstance(use, DeprecatedUse)
    assert (use.thing, use.since, use.replacement, use.removed_in) == ("a", "core 0.2", "b", "")
    assert str(use) == "a is deprecated since core 0.2; use b"
    assert caught[0].filename == __file__


def _use() -> None:
    def old() -> None:
        deprecated("a", since="core 0.2", replacement="b")

    old()


def test_other_warnings_go_their_way() -> None:
    told: list[str] = []
    with pytest.warns(UserWarning, match="of another kind"), deprecations_told(told.append):
        __import__("warnings").warn("of another kind", stacklevel=1)
    assert told == []


SPECIFICATIONS: Any = types.ModuleType("specifications")


def core_register_devices(machine: str, platform: str) -> None:
    """Return something."""


def core_register_old() -> None:
    """Return something."""


SPECIFICATIONS.core_register_devices = hookspec(core_register_devices)
SPECIFICATIONS.core_register_old = hookspec(
    core_register_old, warn_on_impl=DeprecatedUse("the hook core_register_old", "plugin API 1", "core_register_devices")
)


def record_of(source: str) -> Any:
    """Return what becomes of a plugin under hooks of another `core`, whose devices are told the machine."""
    module = types.ModuleType("plugin")
    exec(f"import core\ncore_api = 1\n@core.hookimpl\n{source}", module.__dict__)  # noqa: S102 - a plugin's source
    plugins = PluginSet([Found("plugin", "plugin", "1", "plugin", lambda: module)], specifications=SPECIFICATIONS)
    return plugins.records[0]


@pytest.mark.parametrize(
    ("source", "cause"),
    [
        ("def core_register_devices(machin): pass", "has no argument machin; did you mean machine?"),
        ("def core_register_devices(zzz): pass", "has no argument zzz; it has machine, platform"),
        ("def core_register_olds(): pass", "there is no hook core_register_olds; did you mean core_register_old?"),
        ("def core_zzz(): pass", "there is no hook core_zzz; there is core_register_devices, core_register_old"),
    ],
)
def test_an_argument_or_hook_that_is_none_is_said_with_the_nearest(source: str, cause: str) -> None:
    record = record_of(source)
    assert record.state == "registration failed"
    assert record.cause.endswith(cause)


def test_a_hook_for_another_version_may_be_optional() -> None:
    module = types.ModuleType("plugin")
    source = "import core\ncore_api = 1\n@core.hookimpl(optionalhook=True)\ndef core_register_dreams(): pass"
    exec(source, module.__dict__)  # noqa: S102 - a plugin's source
    record = PluginSet([Found("plugin", "plugin", "1", "plugin", lambda: module)]).records[0]
    assert (record.state, record.hooks) == ("active", [])


def test_a_deprecated_hook_is_noted() -> None:
    warnings = record_of("def core_register_old(): pass").warnings
    assert len(warnings) == 1
    assert warnings[0].startswith("the hook core_register_old is deprecated since plugin API 1; use core_register_")


LOUD = "open('imported', 'w').close()"


@pytest.mark.parametrize(
    "arguments",
    [
        ("list-plugins",),
        ("list-programs",),
        ("init", "-"),
        ("doctor",),
        ("check-plugin", "gpio-matrix", "--json"),
        ("run", "--stdin", "matrix"),
        ("greet",),
    ],
)
@pytest.mark.parametrize("before", [True, False])
def test_a_plugin_can_be_left_out_of_every_command_that_loads_them(
    site: Site, arguments: tuple[str, ...], before: bool
) -> None:
    site.install("lamp-plugin", "lamp", GOOD)
    site.install("loud", "loud", LOUD)
    option = ("--no-plugin", "loud")
    if before:
        done = site.corectl(*option, *arguments)
    elif arguments == ("greet",):
        pytest.skip("the command of a plugin has the options that it says itself")
    else:
        done = site.corectl(arguments[0], *option, *arguments[1:])
    assert "Usage" not in done.stderr
    assert not (site.path / "imported").exists()


def test_help_leaves_it_out_too(site: Site) -> None:
    site.install("lamp-plugin", "lamp", GOOD)
    assert "greet" in site.corectl("--help").stdout
    assert "greet" not in site.corectl("--no-plugin", "lamp", "--help").stdout


@pytest.mark.parametrize(
    "arguments", [("list-plugins",), ("list-plugins", "--json"), ("list-programs",), ("run",), ("init", "-")]
)
def test_strict_makes_a_plugin_that_fails_fatal(site: Site, arguments: tuple[str, ...]) -> None:
    site.install("broken", "broken", "import no_such_module")
    site.install("other", "other", "core_api = 99")
    (site.path / "core.toml").write_text('[core]\ndisable = ["spi-sensor"]\n')
    done = site.corectl(*arguments, "--strict")
    assert done.returncode == 1
    assert "plugin broken (broken): import failed: " in done.stderr
    assert "plugin other (other): wrong API version: " in done.stderr
    assert "spi-sensor" not in done.stderr
    assert bool(done.stdout) == (arguments[0] == "list-plugins")
    if "--json" in arguments:
        assert json.loads(done.stdout)["plugins"]
    allowed = site.corectl(arguments[0], "--strict", "--no-plugin", "broken", "--no-plugin", "other", *arguments[1:])
    assert "has failed" not in allowed.stderr


def test_strict_refuses_a_device_that_cannot_be_made(site: Site) -> None:
    broken = GOOD.replace("'''A lamp.'''", "def __init__(self, name, options=None):\n        raise OSError('no luck')")
    site.install("lamp-plugin", "lamp", broken)
    (site.path / "core.toml").write_text('[device.a]\nplugin = "lamp"\n[device.b]\nplugin = "spi-sensor"\n')
    done = site.corectl("run", "--strict")
    assert done.returncode == 1
    assert "--strict: not everything can be made\na: OSError: no luck\n" in done.stderr


def test_those_that_implement_a_hook(site: Site) -> None:
    site.install("lamp-plugin", "lamp", GOOD)
    assert set(site.plugins("--hook", "core_register_commands")) == {"lamp-plugin"}
    wrong = site.corectl("list-plugins", "--hook", "commands")
    assert wrong.returncode == 2
    assert "there is no hook 'commands'; did you mean core_register_commands?" in wrong.stderr


NEEDS = """Requires-Python: >=3.11
Requires-Dist: core>=0.1
Requires-Dist: click<1
Requires-Dist: no-such-distribution>=2; sys_platform == "linux"
Requires-Dist: no-other; sys_platform == "win32"
Requires-Dist: no-extra; extra == "gold"
Requires-Dist: ??
Provides-Extra: gold
"""


def test_what_a_plugin_needs_is_shown_with_the_cure(site: Site) -> None:
    site.install("lamp-plugin", "lamp", GOOD, metadata=NEEDS)
    needs = {one["needs"]: one for one in site.plugins("--requirements")["lamp-plugin"]["requirements"]}
    assert {name: (one["fulfilled"], one["extra"]) for name, one in needs.items()} == {
        "Python >=3.11": (True, ""),
        "core>=0.1": (True, ""),
        "click<1": (False, ""),
        "no-such-distribution>=2": (False, ""),
        "??": (False, ""),
        "no-extra": (False, "gold"),
    }
    assert needs["no-such-distribution>=2"]["cure"] == "pip install 'no-such-distribution>=2'"
    shown = site.corectl("list-plugins", "--requirements")
    assert shown.returncode == 0
    assert "lamp-plugin needs click<1\n  cure: pip install 'click<1'" in shown.stdout
    assert "no-extra\n  cure" not in shown.stdout


def test_requirements_of_what_has_no_metadata_are_none(site: Site) -> None:
    site.install("nameless", "lamp", GOOD)
    (site.path / "nameless-2.0.dist-info" / "METADATA").unlink()
    assert site.plugins("--requirements")["?"]["requirements"] == []
