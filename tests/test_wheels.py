"""What users do: install the three distributions into an environment of their own, without a checkout."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from tests.empty_environment import NEEDS_WHEELHOUSE, WHEELHOUSE, Environment

pytestmark = NEEDS_WHEELHOUSE


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
