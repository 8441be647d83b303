"""What the README shows is tried: its plugin, its program, its core.toml, its commands."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import click
import pytest

from core.assembly import assemble
from core.cli import cli
from core.config import parse
from core.plugins import discover

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
CORECTL = Path(sys.executable).parent / "corectl"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)


def block(language: str, containing: str) -> str:
    found = [text for text in blocks(language) if containing in text]
    assert len(found) == 1, containing
    return found[0]


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """Install the README's device and program as a wheel would, on a path of their own."""
    project = tomllib.loads(block("toml", "plugin-load"))
    (tmp_path / "load.py").write_text(block("python", "class Load"))
    (tmp_path / "heartbeats.py").write_text(block("python", "double_flash"))
    points = project["project"]["entry-points"]["core.plugins"]
    assert points == {"load": "load"}
    for name, module in (("plugin-load", "load"), ("plugin-heartbeats", "heartbeats")):
        information = tmp_path / f"{name}-1.0.dist-info"
        information.mkdir()
        (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (information / "entry_points.txt").write_text(f"[core.plugins]\n{module} = {module}\n")
    return tmp_path


def run(site: Path, *command: str | Path, **more: str) -> str:
    done = subprocess.run(
        command,
        cwd=site,
        env={**os.environ, "PYTHONPATH": str(site), "XDG_CONFIG_HOME": str(site), **more},
        capture_output=True,
        text=True,
        timeout=60,
        input="",
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_plugin_and_the_program_are_listed(site: Path) -> None:
    listed = json.loads(run(site, CORECTL, "list-plugins", "--json"))["plugins"]
    records = {record["distribution"]: record for record in listed}
    assert records["plugin-load"]["state"] == "active"
    assert records["plugin-load"]["registers"]["devices"] == ["load"]
    assert records["plugin-heartbeats"]["registers"]["programs"] == ["double_flash"]
    assert "Flash twice, then pause." in run(site, CORECTL, "list-programs")


def test_the_plugin_runs_and_shows_the_load(site: Path) -> None:
    (site / "core.toml").write_text('[device.machine]\nplugin = "load"\n')
    ask = site / "ask"
    ask.write_text('<getProperties version="1.7"/>')
    done = subprocess.run(
        [CORECTL, "run", "--stdin", "machine"],
        cwd=site,
        env={**os.environ, "PYTHONPATH": str(site)},
        input=b'<getProperties version="1.7"/>'
        b'<newNumberVector device="machine" name="sampling">'
        b'<oneNumber name="period">7200</oneNumber></newNumberVector>',
        capture_output=True,
        timeout=60,
    )
    assert done.returncode == 0
    assert b'<defNumberVector device="machine" name="load" label="Load"' in done.stdout
    assert b"out of range, 0.1 to 3600" in done.stdout


def test_the_configuration_is_one() -> None:
    assembly = assemble(parse(tomllib.loads(block("toml", "[device.panel]"))), discover())
    assert list(assembly.devices) == ["panel", "climate"]
    assert assembly.programs["panel"][0].program == "spiral"


def test_the_loop_example_runs(tmp_path: Path) -> None:
    example = block("python", "core.schedule(")
    assert run(tmp_path, sys.executable, "-c", example + "\nprint(ticks)") == "['outside', 'outside', 'outside']\n"


def test_every_command_is_in_the_table_and_the_other_way_round() -> None:
    shown = set(re.findall(r"^\| `corectl ([a-z-]+)", README, re.MULTILINE))
    assert shown == set(cli.list_commands(click.Context(cli)))


def test_every_option_of_run_is_told() -> None:
    run = cli.get_command(click.Context(cli), "run")
    assert run is not None
    options = {name for parameter in run.params for name in parameter.opts if name[0] == "-"}
    assert [name for name in sorted(options) if f"{name}" not in README] == []


def test_a_folder_that_cannot_be_set_up_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "setup_venv.py").write_text((ROOT / "tools" / "setup_venv.py").read_text())
    (tmp_path / "build").touch()  # no folder, so that root cannot write into it either
    command = [sys.executable, str(tmp_path / "tools" / "setup_venv.py")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stderr.startswith(f"Cannot set up core in {tmp_path}: ")
    assert done.stderr.count("\n") == 1


def test_what_the_readme_links_to_is_there() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", README)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []
