"""Where a run writes: its log file, and the settings that it keeps."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from core.doctor.finding import Case, Finding
from core.hookspecs import CheckResult
from core.run_folders import state_folder

__all__ = ["storage"]

LITTLE = 10_000_000
"""From how many free bytes on nothing is said of them."""


def storage(case: Case, log_file: Path | None) -> Iterator[Finding]:
    """Look whether the log and saved settings can be written, by a run of this user; a run goes on without both."""
    if case.config is None:
        return
    if log_file is not None:
        yield "log file", _written(log_file, log_file.parent, 1)
    folder = state_folder(case.config.core.name)
    if folder is not None:
        yield "saved settings", _written(folder, folder, len(folder.parents))


def _written(path: Path, folder: Path, depth: int) -> CheckResult:
    # What is not there yet is made by the run, in the nearest folder that is.
    existing = next(one for one in (path, folder, *folder.parents) if one.exists())
    if existing not in (path, folder, *folder.parents[:depth]):
        return CheckResult("warning", f"{path} cannot be written: there is no {folder}", f"mkdir -p {folder}")
    if not os.access(existing, os.W_OK | (os.X_OK if existing.is_dir() else 0)):
        return CheckResult(
            "warning", f"{path} cannot be written: {existing} is not yours", f"sudo chown $USER {existing}"
        )
    if (free := shutil.disk_usage(existing).free) < LITTLE:
        return CheckResult("warning", f"{path}: only {free // 1000} kB are free", "make room on that disk")
    return CheckResult("ok", str(path))
