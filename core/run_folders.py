"""Where a run keeps what survives it: a folder of its own for each name, so that two of them do not meet."""

from __future__ import annotations

import os
import re
from pathlib import Path

__all__ = ["data_folder", "file_name", "found_data_folder", "service_folder", "state_folder"]

SERVICES = Path("/var/lib/core")
"""Where systemd keeps what belongs to services of the system."""


def state_folder(run: str) -> Path | None:
    """Return where a run keeps its settings; None for a user without a home."""
    return service_folder() or _of_user(run, "XDG_STATE_HOME", ".local/state")


def data_folder(run: str) -> Path | None:
    """Return where a run keeps what it has measured; None for a user without a home."""
    return service_folder() or _of_user(run, "XDG_DATA_HOME", ".local/share")


def found_data_folder(run: str) -> Path | None:
    """Return the `data_folder` of a run that somebody else may run: this user, or the system."""
    own, service = data_folder(run), SERVICES / file_name(run)
    return service if service.is_dir() and not (own is not None and own.is_dir()) else own


def file_name(name: str) -> str:
    """Return a name as one of a file; different names stay different."""
    return re.sub(r"[^\w \-]", lambda found: "".join(f"%{byte:02x}" for byte in found.group().encode()), name)


def service_folder() -> Path | None:
    """Return the folder that systemd has made for this run; None where this is no service with one."""
    given = os.environ.get("STATE_DIRECTORY")  # of systemd, which has made it for this run alone
    return Path(given.partition(":")[0]) if given else None


def _of_user(run: str, variable: str, otherwise: str) -> Path | None:
    try:
        base = Path(os.environ.get(variable) or Path.home() / otherwise)
    except RuntimeError:
        return None
    return base / "core" / file_name(run)
