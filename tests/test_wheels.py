"""What users do: install the three distributions into an environment of their own, without a checkout."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

WHEELHOUSE = Path(__file__).parent.parent / "build/wheelhouse"
COMPLETE = WHEELHOUSE / f"complete-for-{sys.implementation.cache_tag}"

pytestmark = [
    pytest.mark.wheelhouse,
    pytest.mark.skipif(not COMPLETE.exists(), reason=f"no {COMPLETE.name} in build/wheelhouse: make test fills it"),
]


class Environment:
    """A virtual environment that knows no index and no checkout."""

    def __init__(self, folder: Path) -> None:
        venv.create(folder, with_pip=False)
        self.folder = folder
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "PYTHON"))}
        # Nor any settings of pip that this machine may have.
        self.variables = kept | {"PIP_CONFIG_FILE": os.devnull, "HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}

    def install(self, *requirements: str) -> None:
        """Install from the wheelhouse alone."""
        python = str(self.folder / "bin/python")
        pip = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--disable-pip-version-check"]
        self._run([*pip, "--no-index", "--find-links", str(WHEELHOUSE), *requirements])

    def run(self, program: str, *arguments: str) -> str:
        """Run one of the environment's programs; its output."""
        return self._run([str(self.folder / "bin" / program), *arguments])

    def _run(self, command: list[str]) -> str:
        result = subprocess.run(
            command, cwd=self.folder, env=self.variables, capture_output=True, text=True, check=False, timeout=100
        )
        assert result.returncode == 0, f"{command}: {result.stdout}{result.stderr}"
        return result.stdout


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    return Environment(tmp_path / "venv")


def test_core_alone_has_its_command(environment: Environment) -> None:
    environment.install("core")
    assert "0.1.0" in environment.run("corectl", "--version")


def test_core_alone_is_typed(environment: Environment) -> None:
    environment.install("core")
    code = "import core, pathlib; folder = pathlib.Path(core.__file__).parent; print(folder)"
    folder = Path(environment.run("python", "-c", code).strip())
    assert environment.folder in folder.parents
    assert {path.name for path in folder.iterdir()} >= {"py.typed", "__init__.pyi"}


def test_a_plugin_brings_core_and_both_are_listed(environment: Environment) -> None:
    environment.install("plugin-gpio-matrix", "plugin-spi-sensor")
    listed = json.loads(environment.run("corectl", "list-plugins", "--json"))
    text = json.dumps(listed)
    for expected in ("plugin-gpio-matrix", "plugin-spi-sensor", "gpio-matrix", "spi-sensor"):
        assert f'"{expected}"' in text


def test_pytest_finds_the_fixtures_of_core(environment: Environment) -> None:
    environment.install("core", "pytest")
    assert "core.testing" in environment.run("pytest", "--trace-config", "--collect-only", "--fixtures")


def test_a_wheel_holds_its_package_and_nothing_else() -> None:
    for distribution, package in (
        ("core", "core"),
        ("plugin_gpio_matrix", "plugin_gpio_matrix"),
        ("plugin_spi_sensor", "plugin_spi_sensor"),
    ):
        (wheel,) = WHEELHOUSE.glob(f"{distribution}-*.whl")
        top = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
        assert top == {package, wheel.name.removesuffix("-py3-none-any.whl") + ".dist-info"}
