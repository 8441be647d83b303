"""`corectl doctor`: each trouble with cause and cure, and an exit status that counts what core.toml needs."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from typing import Any

import pytest

from core.config import load
from core.doctor.finding import Case
from core.doctor.nodes import access_problem, named_nodes, nodes, permission
from core.doctor.running import unit_findings
from core.hookspecs import CheckResult
from core.plugins import discover
from core.systemd_unit import Unit
from tests.plugin_site import Site
from tests.test_plugins import GOOD

MATRIX = '[device.matrix]\nplugin = "gpio-matrix"\n'


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def doctor(site: Site, core_toml: str = "", *arguments: str) -> tuple[int, dict[str, list[dict[str, Any]]]]:
    """Return the exit status, and what was found by title."""
    if core_toml:
        (site.path / "core.toml").write_text(core_toml)
    homes = dict.fromkeys(("XDG_RUNTIME_DIR", "XDG_STATE_HOME"), str(site.path))
    done = site.corectl("doctor", "--json", *arguments, **homes)
    assert "Traceback" not in done.stderr
    found: dict[str, list[dict[str, Any]]] = {}
    for one in json.loads(done.stdout)["checks"]:
        assert set(one) == {"check", "outcome", "text", "cure"}
        assert one["outcome"] != "failed" or one["cure"] or one["check"] == "run", one
        found.setdefault(one["check"], []).append(one)
    return done.returncode, found


def test_a_machine_with_nothing_wrong(site: Site) -> None:
    status, found = doctor(site, MATRIX + "[transport.server]\nport = 0\n")
    assert status == 0
    titles = {"Python", "core.toml", "plugin", "gpiod", "GPIO chips", "spidev", "groups", "run", "systemd"}
    assert set(found) >= titles
    assert found["core.toml"][0]["text"] == "core.toml, 1 device"


def test_a_core_toml_of_another_name_counts(site: Site) -> None:
    (site.path / "other.toml").write_text('[device.x]\nplugin = "telescope"\n')
    status, found = doctor(site, MATRIX + "[transport.server]\nport = 0\n", "other.toml")
    assert status == 1
    assert "plugin 'telescope' is not installed" in found["core.toml"][0]["text"]
    assert doctor(site)[0] == 0


def test_a_plugin_that_fails_counts_where_it_is_needed(site: Site) -> None:
    site.install("broken", "broken", "import no_such_module")
    status, found = doctor(site)
    assert status == 1, "without core.toml everything is needed"
    status, found = doctor(site, MATRIX + "[transport.server]\nport = 0\n")
    told = next(one for one in found["plugin"] if "broken" in one["text"])
    assert (status, told["outcome"]) == (0, "warning")
    assert told["text"].endswith("(this core.toml does not need it)")
    assert "pip install" in told["cure"]
    status, found = doctor(site, '[device.x]\nplugin = "broken"\n[transport.server]\nport = 0\n')
    assert status == 1
    assert next(one for one in found["plugin"] if "broken" in one["text"])["outcome"] == "failed"


def test_a_check_of_a_plugin_counts_where_it_is_needed(site: Site) -> None:
    site.install("lamp-plugin", "lamp", GOOD)
    status, found = doctor(site, MATRIX + "[transport.server]\nport = 0\n")
    assert (status, found["lamps"][0]["outcome"]) == (0, "warning")
    status, found = doctor(site, '[device.x]\nplugin = "lamp"\n[transport.server]\nport = 0\n')
    assert (status, found["lamps"][0]["outcome"], found["lamps"][0]["cure"]) == (1, "failed", "change it")


def test_a_package_that_is_missing(site: Site) -> None:
    needs = "Requires-Dist: no-such-package>=2\nRequires-Dist: gold; extra == 'gold'\nProvides-Extra: gold\n"
    site.install("lamp-plugin", "lamp", GOOD, metadata=needs)
    _, found = doctor(site, '[device.x]\nplugin = "lamp"\n[transport.server]\nport = 0\n')
    assert [(one["outcome"], one["text"], one["cure"]) for one in found["packages"]] == [
        ("failed", "lamp-plugin needs no-such-package>=2: it is not here", "pip install 'no-such-package>=2'")
    ]


def test_a_port_in_use_is_named_with_its_holder(site: Site) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        status, found = doctor(site, f"{MATRIX}[transport.server]\nport = {port}\n")
    assert status == 1
    told = found["port"][0]
    assert f"{port} is in use by " in told["text"]
    assert f"(pid {os.getpid()})" in told["text"]
    assert told["text"].endswith("and [transport.server] wants it")
    assert doctor(site)[1]["port"][0]["text"] == f"{port} is free"


def test_a_log_file_that_cannot_be_written(site: Site) -> None:
    (site.path / "file").write_text("")
    _, found = doctor(site, f'[core]\nlog_file = "logs/x.log"\n{MATRIX}[transport.server]\nport = 0\n')
    assert found["log file"][0]["text"] == f"{site.path}/logs/x.log"
    status, found = doctor(site, f'[core]\nlog_file = "a/b/x.log"\n{MATRIX}[transport.server]\nport = 0\n')
    assert (status, found["log file"][0]["outcome"]) == (0, "warning"), "a run goes on without its log file"
    assert found["log file"][0]["cure"] == f"mkdir -p {site.path}/a/b"


@pytest.mark.parametrize("isolate", ["", "isolate = true\n"])
def test_what_an_instance_lacks_is_said_of_it(site: Site, isolate: str) -> None:
    text = f'[device.panel]\nplugin = "gpio-matrix"\nchip = "no-such-chip"\nlines = [[1]]\n{isolate}'
    status, found = doctor(site, text + "[transport.server]\nport = 0\n")
    assert status == 1
    assert "there is no GPIO chip 'no-such-chip'" in found["panel"][0]["text"]
    assert 'or to "simulated"' in found["panel"][0]["cure"]


def case(tmp_path: Path, text: str) -> Case:
    path = tmp_path / "core.toml"
    path.write_text(text)
    return Case(discover(), load(path))


def test_the_nodes_that_core_toml_names(tmp_path: Path) -> None:
    found = case(
        tmp_path,
        '[device.a]\nplugin = "spi-sensor"\nbus = "spidev3"\n[device.b]\nplugin = "x"\nport = "/dev/ttyUSB0"\n'
        '[device.c]\nplugin = "gpio-matrix"\nchip = "gpiochip7"\nlabel = "spidev is a word"\n',
    )
    assert named_nodes(found) == [("[device.a]", "spidev3"), ("[device.b]", "ttyUSB0"), ("[device.c]", "gpiochip7")]
    devices = tmp_path / "dev"
    devices.mkdir()
    (devices / "spidev0.0").touch()
    told = list(nodes(found, devices))
    missing = [result for title, result in told if title == "device nodes"]
    assert [result.outcome for result in missing] == ["failed"] * 3
    assert f"[device.a] names {devices}/spidev3, which is not here" in missing[0].text
    assert "raspi-config" in missing[0].cure
    assert ("spidev", CheckResult("ok", f"{devices}/spidev0.0")) in told
    (devices / "spidev3.0").touch()
    told = list(nodes(found, devices))
    assert not [result for title, result in told if title == "device nodes" and "spidev" in result.text]


def test_who_may_open_a_node_is_told_as_the_kernel_decides(tmp_path: Path) -> None:
    node = tmp_path / "spidev0.0"
    node.touch()
    owner, group = node.stat().st_uid, node.stat().st_gid
    stranger, others = owner + 1, {group + 1}
    ways = {
        (0o600, stranger, frozenset({group})): "its group may not read and write it",
        (0o660, stranger, frozenset({group})): "",
        (0o660, stranger, frozenset(others)): "only its group may",
        (0o600, stranger, frozenset(others)): "only its owner may",
        (0o606, stranger, frozenset(others)): "",
        (0o666, 0, frozenset(others)): "",
        (0o000, 0, frozenset(others)): "",
    }
    for (mode, user, groups), why in ways.items():
        node.chmod(mode)
        assert access_problem(node.stat(), user, groups) == why
    node.chmod(0o600)
    told = permission(node, needed=True, user=stranger, groups=others)
    assert told is not None
    assert told.outcome == "failed"
    assert "only its owner may (-rw-------" in told.text
    assert "udev rule" in told.cure
    assert permission(node, needed=False, user=stranger, groups=others) is not None
    assert permission(tmp_path / "none", needed=True, user=stranger, groups=others) is None


def test_the_group_of_a_node_is_the_cure(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root may give a file to another group")
    node = tmp_path / "gpiochip0"
    node.touch(0o660)
    node.chmod(0o660)
    os.chown(node, 0, 54321)
    told = permission(node, needed=True, user=12345, groups={1})
    assert told is not None
    assert told.cure == "sudo usermod -aG 54321 12345, then log in again"
    assert told.text.startswith(f"12345 may not open {node}: only its group may (-rw-rw----")


def unit(tmp_path: Path) -> tuple[Path, str]:
    program, config = tmp_path / "corectl", tmp_path / "100% $core.toml"
    program.touch()
    program.chmod(0o755)
    config.touch()
    return tmp_path / "core.service", Unit("core", program, config, system=True).text()


ACTIVE = {"LoadState": "loaded", "ActiveState": "active", "SubState": "running", "UnitFileState": "enabled"}


@pytest.mark.parametrize(
    ("state", "outcome", "said", "cure"),
    [
        ({**ACTIVE, "StatusText": "1 of 1 devices ready"}, "ok", "active (running), enabled: 1 of 1 devices", ""),
        ({**ACTIVE, "UnitFileState": "disabled"}, "warning", "is active (running), disabled", "enable --now"),
        ({**ACTIVE, "ActiveState": "failed", "Result": "watchdog"}, "failed", "failed (watchdog)", "journalctl"),
        ({"LoadState": "not-found"}, "failed", "is not known to systemd", "daemon-reload"),
        ({}, "warning", "systemd does not run here", ""),
    ],
)
def test_what_systemd_says_of_a_unit(tmp_path: Path, state: dict[str, str], outcome: str, said: str, cure: str) -> None:
    path, text = unit(tmp_path)
    (told,) = unit_findings(path, text, state, needed=True)
    assert (told.outcome, said in told.text, cure in told.cure) == (outcome, True, True), told


def test_a_unit_that_starts_what_is_gone(tmp_path: Path) -> None:
    path, text = unit(tmp_path)
    (tmp_path / "100% $core.toml").unlink()
    told = list(unit_findings(path, text, ACTIVE, needed=True))
    assert told[0].text == f"{path} runs {tmp_path}/100% $core.toml, which is not here"
    (tmp_path / "corectl").unlink()
    told = list(unit_findings(path, text, ACTIVE, needed=False))
    assert (told[0].outcome, told[0].text) == ("warning", f"{path} starts {tmp_path}/corectl, which is not here")


def test_an_installed_unit_is_listed(site: Site) -> None:
    (site.path / "core.toml").write_text(MATRIX)
    units = site.path / "systemd/user"
    units.mkdir(parents=True)
    (units / "core-foreign.service").write_text("[Service]\nExecStart=/bin/true\n")
    assert site.corectl("service", "install", "--user", "--folder", str(units)).returncode == 0
    told = [one["text"] for one in doctor(site)[1]["systemd"]]
    assert any("core.service" in text for text in told)
    assert not any("foreign" in text for text in told)
