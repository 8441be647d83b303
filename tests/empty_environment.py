"""An environment of its own, as users make it: empty, without an index and without a checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

WHEELHOUSE = Path(__file__).parent.parent / "build/wheelhouse"
COMPLETE = WHEELHOUSE / f"complete-for-{sys.implementation.cache_tag}"

NEEDS_WHEELHOUSE = [
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
        self._pip("install", *requirements)

    def build(self, project: Path) -> Path:
        """Build the wheel of a project, its build backend too from the wheelhouse alone; return it."""
        made = self.folder / "wheels"
        before = set(made.glob("*.whl"))
        self._pip("wheel", "--no-deps", "--wheel-dir", str(made), str(project))
        (wheel,) = set(made.glob("*.whl")) - before
        return wheel

    def run(self, program: str, *arguments: str, cwd: Path | None = None) -> str:
        """Run one of the environment's programs; its output."""
        return self._run([str(self.folder / "bin" / program), *arguments], cwd)

    def _pip(self, command: str, *arguments: str) -> None:
        python = str(self.folder / "bin/python")
        pip = [sys.executable, "-m", "pip", "--python", python, command, "--quiet", "--disable-pip-version-check"]
        self._run([*pip, "--no-index", "--find-links", str(WHEELHOUSE), *arguments])

    def _run(self, command: list[str], cwd: Path | None = None) -> str:
        result = subprocess.run(
            command,
            cwd=cwd or self.folder,
            env=self.variables,
            capture_output=True,
            text=True,
            check=False,
            timeout=100,
        )
        assert result.returncode == 0, f"{command}: {result.stdout}{result.stderr}"
        return result.stdout
