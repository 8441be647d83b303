"""The package gpiod: the versions that fit, and what is said of those that do not."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from core.errors import DeviceUnavailable
from plugin_gpio_matrix.chips import bindings, find_chip

CURE = "pip install 'gpiod>=2.2.2,<3'"

# What tells these versions apart, as far as anybody can see it from outside.
DEBIAN_12 = "def version_string():\n    return '1.6.3'\nclass Chip: ...\n"
OLDER_1 = "class Chip: ...\n"
NUMBERED = "__version__ = '{}'\nclass Chip: ...\ndef request_lines(): ...\n"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the file of a package gpiod that comes before the installed one."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "gpiod"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path / "gpiod.py"


@pytest.mark.parametrize(
    ("content", "version"),
    [
        (DEBIAN_12, "1.6.3"),
        (OLDER_1, "1.x"),
        (NUMBERED.format("2.2.1"), "2.2.1"),
        (NUMBERED.format("2.1"), "2.1"),
        (NUMBERED.format("3.0.0"), "3.0.0"),
    ],
)
def test_a_version_that_does_not_fit_is_named_with_its_place(package: Path, content: str, version: str) -> None:
    package.write_text(content)
    with pytest.raises(DeviceUnavailable) as refused:
        bindings()
    assert str(refused.value) == f"the package gpiod is version {version} ({package}), which does not fit; {CURE}"


@pytest.mark.parametrize("version", ["2.2.2", "2.4.0", "2.10", "2.3rc1"])
def test_versions_that_fit(package: Path, version: str) -> None:
    package.write_text(NUMBERED.format(version))
    assert bindings().__version__ == version


def test_a_package_that_cannot_be_imported(package: Path) -> None:
    package.write_text("import a_library_that_is_missing\n")
    with pytest.raises(DeviceUnavailable, match=r"cannot be imported \(No module named 'a_lib.*pip install 'gpiod"):
        bindings()


def test_a_chip_that_is_not_there_names_those_that_are() -> None:
    with pytest.raises(DeviceUnavailable, match=r"no GPIO chip 'no-such-chip', but .*; set chip to one of them, or to"):
        find_chip("no-such-chip")
