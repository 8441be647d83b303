"""The unit by which systemd runs `corectl`: one for each core.toml, named after its run."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path

from core.control_path import runtime_directory
from core.errors import ConfigError

__all__ = ["MARK", "Unit", "config_of", "unit_name"]

MARK = "# Written by corectl service install; `corectl service uninstall` takes it away."
WATCHDOG_SECONDS = 30
STOP_SECONDS = 5
MISUSED = 2
"""The exit status of a core.toml that is wrong: starting again would not mend it."""


@dataclass(frozen=True)
class Unit:
    """Be a unit; `user` is empty for a unit of a user's own manager, which can give no groups."""

    run: str
    command: Path
    config: Path
    system: bool
    user: str = ""
    groups: tuple[str, ...] = field(default=())
    leaves_processes: bool = False
    """Whether processes of the run are to stay when it ends, as one that holds lines."""

    @property
    def name(self) -> str:
        """Return the unit's file name."""
        return unit_name(self.run)

    def text(self) -> str:
        """Return the file's content."""
        start = f"ExecStart={_quoted(str(self.command))} run --plain {_quoted(str(self.config))}"
        lines = [
            MARK,
            "[Unit]",
            f"Description=core run {self.run}: {_literal(str(self.config))}",
            "After=network.target",
            "",
            "[Service]",
            "Type=notify",
            "NotifyAccess=main",
            start,
            f"ExecReload={_quoted(str(self.command))} reload --name {_quoted(self.run)}",
            f"WatchdogSec={WATCHDOG_SECONDS}",
            f"TimeoutStopSec={STOP_SECONDS}",
            # What the run has started ends with it all the same; only systemd leaves alone what is to stay.
            *(["KillMode=process"] if self.leaves_processes else []),
            "Restart=on-failure",
            "RestartSec=2",
            f"RestartPreventExitStatus={MISUSED}",
        ]
        if self.system:
            lines += [f"User={self.user}"] if self.user else []
            lines += [f"SupplementaryGroups={' '.join(self.groups)}"] if self.groups else []
            lines += [
                f"RuntimeDirectory={runtime_directory(self.run)}",
                f"StateDirectory=core/{self.run}",
                f"LogsDirectory=core/{self.run}",
                "NoNewPrivileges=yes",
                "ProtectSystem=full",
            ]
        lines += ["", "[Install]", f"WantedBy={'multi-user' if self.system else 'default'}.target"]
        return "\n".join(lines) + "\n"


def config_of(text: str) -> str | None:
    """Return which core.toml a unit of ours runs, None if it is not to be read."""
    found = re.search(r"^ExecStart=.* run --plain (.*)$", text, re.MULTILINE)
    if found is None:
        return None
    return shlex.split(found[1].replace("%%", "%").replace("$$", "$"))[0]


def unit_name(run: str) -> str:
    """Return the name of a run's unit; raise ConfigError for a name that no unit can have."""
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", run):
        raise ConfigError(
            f"a service cannot be named after the run {run!r}; set [core] name to letters, digits, dots, - and _"
        )
    return "core.service" if run == "core" else f"core-{run}.service"


def _literal(text: str) -> str:
    """Return a text in which systemd replaces nothing."""
    return text.replace("%", "%%")


def _quoted(text: str) -> str:
    """Return one word of a command line as systemd reads it."""
    if not text.isprintable():
        raise ConfigError(f"{text!r} cannot stand in a unit; choose a path without control characters")
    escaped = _literal(text).replace("\\", "\\\\").replace('"', '\\"').replace("$", "$$")
    return f'"{escaped}"' if re.search(r"[^\w@%+=:,./-]", text) else escaped
