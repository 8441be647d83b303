"""Where the control socket of a run is."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

__all__ = ["found_socket", "runtime_directory", "socket_path"]


def socket_path(name: str) -> Path:
    """Return where the control socket of the run `name` is, if this process runs it."""
    if given := os.environ.get("RUNTIME_DIRECTORY"):  # of systemd, which has made it for this run
        return Path(given.partition(":")[0]) / f"{name}.sock"
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    folder = Path(runtime) / "core" if runtime else Path(tempfile.gettempdir()) / f"core-{os.getuid()}"
    return folder / f"{name}.sock"


def found_socket(name: str) -> Path:
    """Return where the control socket of the run `name` is, whoever runs it: this user, or the system."""
    own, service = socket_path(name), Path("/run") / runtime_directory(name) / f"{name}.sock"
    return service if service.exists() and not own.exists() else own


def runtime_directory(name: str) -> str:
    """Return the folder below /run of a run that is a service of the system."""
    return f"core-{name}"
