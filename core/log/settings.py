"""What is logged and where, as core.toml and the options of a command say together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

__all__ = ["LEVELS", "Level", "LogSettings"]

Level = Literal["debug", "info", "warning", "error"]
LEVELS: tuple[Level, ...] = ("debug", "info", "warning", "error")


@dataclass(frozen=True)
class LogSettings:
    """Be the settings of a log; `levels` are those of single instances, plugins and Python loggers, by name."""

    level: Level = "info"
    levels: Mapping[str, Level] = field(default_factory=dict)
    file: Path | None = None
    file_bytes: int = 10_000_000
    """From how many bytes on the file is set aside and a new one begun."""
    files_kept: int = 5
    """How many files that were set aside are kept."""
    json: bool = False
    journal: bool | Literal["auto"] = "auto"
    """Whether the journal is told; "auto": where stderr leads there anyway."""
