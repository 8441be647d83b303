"""The distributions of examples/: clean, installed from wheels without an index, checked, and their own tests run."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.documents.blocks import ROOT, blocks_of
from tests.documents.story import look_at
from tests.empty_environment import NEEDS_WHEELHOUSE, Environment

EXAMPLES = sorted(path.parent for path in (ROOT / "examples").glob("*/pyproject.toml"))
BIN = Path(sys.executable).parent

pytestmark = pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: str(path.name))


@pytest.mark.timeout(300)
@pytest.mark.parametrize("command", ["ruff check .", "ruff format --check .", "mypy"])
def test_it_is_clean(example: Path, command: str) -> None:
    cache = ["--cache-dir", str(ROOT / ".mypy_cache" / example.name)] if command == "mypy" else ["--no-cache"]
    tool, *arguments = command.split()
    done = subprocess.run([BIN / tool, *arguments, *cache], cwd=example, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_its_readme_names_what_there_is(example: Path) -> None:
    readme = (example / "README.md").read_text()
    files = re.findall(r"^\| `(\w+\.py)` \|", readme, re.MULTILINE)
    assert [name for name in files if not list(example.glob(f"plugin_*/{name}"))] == []
    blocks = blocks_of(example / "README.md")
    assert blocks
    for block in blocks:
        look_at(block)
        if block.language == "toml":
            assert tomllib.loads(block.text)


@pytest.mark.timeout(300)
class TestInstalled:
    pytestmark = NEEDS_WHEELHOUSE

    def test_it_is_ready_for_strangers_and_passes_its_tests(self, example: Path, tmp_path: Path) -> None:
        project = tomllib.loads((example / "pyproject.toml").read_text())["project"]
        (name,) = project["entry-points"]["core.plugins"]
        environment = Environment(tmp_path / "venv")
        environment.install("core", "pytest", *project["dependencies"])
        environment.install(str(environment.build(example)))
        listed = json.loads(environment.run("corectl", "list-plugins", "--json"))["plugins"]
        (record,) = [record for record in listed if record["name"] == name]
        assert (record["state"], record["distribution"]) == ("active", project["name"])
        assert environment.run("corectl", "check-plugin", name).endswith(f"\n{name}: ready for strangers\n")
        # From a folder beside the sources, so that what is tested is what is installed.
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir()
        (elsewhere / "tests").symlink_to(example / "tests")
        tested = environment.run("pytest", "-q", "-W", "error", "-p", "no:cacheprovider", cwd=elsewhere)
        assert " passed" in tested
        assert "failed" not in tested
        assert "skipped" not in tested
