"""`corectl new-plugin`: what it writes is a plugin that installs, is listed, passes its tests, and is clean."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from core.cli.plugin_template import KINDS, distribution_of
from core.errors import ConfigError
from tests.empty_environment import NEEDS_WHEELHOUSE, Environment

BIN = Path(sys.executable).parent


def corectl(cwd: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    variables = {**os.environ, "HOME": str(cwd), "XDG_CONFIG_HOME": str(cwd), "GIT_CONFIG_GLOBAL": str(cwd / "git")}
    command = [str(BIN / "corectl"), *arguments]
    return subprocess.run(command, cwd=cwd, env=variables, capture_output=True, text=True, check=False, timeout=60)


def clean(folder: Path, *command: str) -> None:
    done = subprocess.run([BIN / command[0], *command[1:]], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["x", "thermo", "the-longest-allowed-name", "device", "class", "none", "exception"])
def test_ruff_and_mypy_find_nothing(tmp_path: Path, kind: str, name: str) -> None:
    done = corectl(tmp_path, "new-plugin", name, "--kind", kind, "--dir", "made/here")
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "made/here" / f"plugin-{name}"
    assert f"cd made/here/plugin-{name}" in done.stdout
    clean(folder, "ruff", "check", ".")
    clean(folder, "ruff", "format", "--check", ".")
    clean(folder, "mypy")
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


@pytest.mark.parametrize("kind", KINDS)
def test_its_names_are_filled_in_everywhere(tmp_path: Path, kind: str) -> None:
    (tmp_path / "git").write_text('[user]\n\tname = Ada \\"the\\" Maker\n\temail = ada@example.org\n')
    assert corectl(tmp_path, "new-plugin", "plugin-thermo", "--kind", kind).returncode == 0
    files = [path for path in (tmp_path / "plugin-thermo").rglob("*") if path.is_file()]
    assert {path.name for path in files} >= {"pyproject.toml", "README.md", "LICENSE", ".gitignore", "py.typed"}
    texts = {path.name: path.read_text() for path in files}
    assert [name for name, text in texts.items() if re.search("@[A-Z]+@", text)] == []
    assert 'authors = [{ name = "Ada \\"the\\" Maker", email = "ada@example.org" }]' in texts["pyproject.toml"]
    assert 'Ada "the" Maker' in texts["LICENSE"]
    assert "# plugin-thermo" in texts["README.md"]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", KINDS)
class TestInstalled:
    pytestmark = NEEDS_WHEELHOUSE

    def test_from_nothing_to_a_tested_plugin_without_an_index(self, tmp_path: Path, kind: str) -> None:
        environment = Environment(tmp_path / "venv")
        environment.install("core", "pytest")
        said = environment.run("corectl", "new-plugin", "thermo", "--kind", kind, cwd=tmp_path)
        assert "    cd plugin-thermo\n" in said
        folder = tmp_path / "plugin-thermo"
        environment.install(str(environment.build(folder)))
        listed = json.loads(environment.run("corectl", "list-plugins", "--json"))["plugins"]
        (record,) = [record for record in listed if record["name"] == "thermo"]
        assert (record["state"], record["registers"][f"{kind}s"]) == ("active", ["thermo"])
        assert environment.run("corectl", "check-plugin", "thermo").endswith("\nthermo: ready for strangers\n")
        # From a folder beside the sources, so that what is tested is what is installed.
        (tmp_path / "elsewhere").mkdir()
        (folder / "tests").rename(tmp_path / "elsewhere" / "tests")
        tested = environment.run("pytest", "-q", "-W", "error", cwd=tmp_path / "elsewhere")
        assert " passed" in tested
        assert "failed" not in tested


def test_the_device_runs_as_a_driver_at_once(tmp_path: Path) -> None:
    assert corectl(tmp_path, "new-plugin", "thermo", "--kind", "device").returncode == 0
    information = tmp_path / "plugin_thermo-0.1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: plugin-thermo\nVersion: 0.1.0\n")
    (information / "entry_points.txt").write_text("[core.plugins]\nthermo = plugin_thermo\n")
    path = os.pathsep.join([str(tmp_path), str(tmp_path / "plugin-thermo")])
    done = subprocess.run(
        [sys.executable, "-c", "from plugin_thermo.driver import main; main()"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": path, "XDG_CONFIG_HOME": str(tmp_path)},
        input='<getProperties version="1.7"/>',
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert '<defNumberVector device="thermo" name="reading" label="Reading"' in done.stdout, done.stderr


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Thermo Meter", "'Thermo Meter' is no name for a plugin"),
        ("Thermo Meter", "'thermo-meter' would be one"),
        ("", "is no name for a plugin"),
        ("../thermo", "'thermo' would be one"),
        ("x" * 25, "at most 24 characters"),
        ("thermo-", "'thermo' would be one"),
        ("9v", "'v' would be one"),
    ],
)
def test_a_name_that_cannot_be_one(name: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        distribution_of(name)
    assert said in str(caught.value)


def test_what_is_there_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "plugin-thermo").mkdir()
    done = corectl(tmp_path, "new-plugin", "thermo", "--kind", "device")
    assert (done.returncode, done.stderr) == (
        2,
        "corectl: plugin-thermo exists; choose another name, or another place with --dir\n",
    )
    assert list((tmp_path / "plugin-thermo").iterdir()) == []


@pytest.mark.parametrize(
    ("name", "kind", "owner"),
    [
        ("gpio-matrix", "device", "plugin-gpio-matrix"),
        ("transports", "device", "core"),
        ("server", "transport", "core"),
        ("heartbeat", "program", "plugin-gpio-matrix"),
    ],
)
def test_a_name_that_is_taken_here(tmp_path: Path, name: str, kind: str, owner: str) -> None:
    done = corectl(tmp_path, "new-plugin", name, "--kind", kind)
    assert done.returncode == 2
    assert f"the name {name!r} belongs to {owner} " in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_what_is_taken_by_one_kind_is_free_for_another(tmp_path: Path) -> None:
    assert corectl(tmp_path, "new-plugin", "heartbeat", "--kind", "device").returncode == 0


def test_a_name_whose_files_would_meet(tmp_path: Path) -> None:
    done = corectl(tmp_path, "new-plugin", "plugin", "--kind", "device")
    assert (done.returncode, list(tmp_path.iterdir())) == (2, [])
    assert "'plugin' is the name of a file that every plugin has" in done.stderr


def test_a_place_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = corectl(tmp_path, "new-plugin", "thermo", "--kind", "device", "--dir", "file/deep")
    assert done.returncode == 2
    assert done.stderr == "corectl: file/deep cannot be written: Not a directory\n"


def test_without_a_kind_it_says_which_there_are(tmp_path: Path) -> None:
    done = corectl(tmp_path, "new-plugin", "thermo")
    assert done.returncode == 2
    assert "device" in done.stderr
    assert "transport" in done.stderr
