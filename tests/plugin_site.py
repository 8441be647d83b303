"""A directory of plugins that are installed as wheels would, and `corectl` in their midst."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

CORECTL = Path(sys.executable).parent / "corectl"


class Site:
    """A directory of distributions that come after the installed ones on Python's path."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def install(
        self, distribution: str, plugin: str, source: str, *, module: str | None = None, metadata: str = ""
    ) -> None:
        name = module or distribution.replace("-", "_")
        (self.path / f"{name}.py").write_text(source)
        information = self.path / f"{distribution}-2.0.dist-info"
        information.mkdir()
        (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 2.0\n{metadata}")
        (information / "entry_points.txt").write_text(f"[core.plugins]\n{plugin} = {name}\n")

    def corectl(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [CORECTL, *arguments],
            cwd=self.path,
            env=self.environment(**environment),
            capture_output=True,
            text=True,
            timeout=60,
        )

    def environment(self, **more: str) -> dict[str, str]:
        return {**os.environ, "PYTHONPATH": str(self.path), "XDG_CONFIG_HOME": str(self.path), **more}

    def shell(self, command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a shell's command line in which $CORECTL is corectl."""
        return subprocess.run(
            ["/bin/sh", "-c", command],
            cwd=self.path,
            env=self.environment(CORECTL=str(CORECTL), **environment),
            capture_output=True,
            text=True,
            timeout=60,
        )

    def plugins(self, *arguments: str, **environment: str) -> dict[str, dict[str, Any]]:
        """Return what `list-plugins --json` shows, by distribution."""
        listed = self.corectl("list-plugins", "--json", *arguments, **environment)
        assert listed.returncode == 0, listed.stderr
        document = json.loads(listed.stdout)
        assert document["version"] == 1
        return {record["distribution"]: record for record in document["plugins"]}
