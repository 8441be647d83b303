"""Where the control socket of a run is."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

__all__ = ["socket_path"]


def socket_path(name: str) -> Path:
    """Return where the control socket of the run `name` is."""
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    folder = Path(runtime) / "core" if runtime else Path(tempfile.gettempdir()) / f"core-{os.getuid()}"
    return folder / f"{name}.sock"
