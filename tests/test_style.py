"""The checks of the code itself: each is a test, so that there is one command to know."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CONFIGURATION = ROOT / "pyproject.toml"
BIN = Path(sys.executable).parent


def check(*command: str | Path, cwd: Path = ROOT, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run a tool and keep what it says."""
    program = BIN / command[0]
    return subprocess.run([program, *command[1:]], cwd=cwd, input=stdin, capture_output=True, text=True, check=False)


def assert_clean(result: subprocess.CompletedProcess[str]) -> None:
    """Fail with the words of the tool."""
    if result.returncode:
        pytest.fail(f"{result.stdout}{result.stderr}", pytrace=False)


def test_ruff_finds_nothing() -> None:
    assert_clean(check("ruff", "check", "."))


def test_every_file_is_formatted() -> None:
    assert_clean(check("ruff", "format", "--check", "."))


# A folder at a time: each distribution has a package "tests" of its own.
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("folder", "paths"),
    [
        (".", ["core", "tests"]),
        ("plugins/gpio_matrix", ["plugin_gpio_matrix", "tests"]),
        ("plugins/spi_sensor", ["plugin_spi_sensor", "tests"]),
        ("tools", ["."]),
    ],
)
def test_types_are_right(folder: str, paths: list[str]) -> None:
    cache = ROOT / ".mypy_cache" / folder.replace("/", "_")
    assert_clean(
        check("mypy", "--strict", "--config-file", CONFIGURATION, "--cache-dir", cache, *paths, cwd=ROOT / folder)
    )


def test_layers_hold() -> None:
    assert_clean(check("lint-imports", "--no-cache"))


@pytest.mark.parametrize("path", ["core/module.py", "plugins/gpio_matrix/plugin_gpio_matrix/module.py"])
@pytest.mark.parametrize(
    ("code", "rule"),
    [
        ('"""A module."""\n\n\ndef public() -> None:\n    return\n', "D103"),
        ('"""A module."""\n\n\ndef public(value) -> None:\n    """Do nothing."""\n', "ANN001"),
        ('"""A module."""\n\n\ndef public():\n    """Do nothing."""\n', "ANN201"),
        (
            '"""A module."""\n\n\nclass Public:\n    """A class."""\n\n    def method(self) -> None:\n        return\n',
            "D102",
        ),
        ("value = 1\n", "D100"),
    ],
)
def test_public_names_need_docstrings_and_annotations(path: str, code: str, rule: str) -> None:
    result = check("ruff", "check", "--output-format=concise", "--stdin-filename", path, "-", stdin=code)
    assert result.returncode == 1
    assert f" {rule} " in result.stdout


def test_no_rule_is_silenced_for_public_names() -> None:
    files = [path for folder in ("core", "plugins") for path in (ROOT / folder).rglob("*.py")]
    assert files
    silenced = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in files
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if "noqa: D1" in line or "noqa: ANN" in line or "mypy: ignore" in line or line.strip() == "# ruff: noqa"
    ]
    assert silenced == []
