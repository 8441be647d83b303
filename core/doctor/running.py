"""Ports, the run that may be there already, its log file, and the units of systemd."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from core.config import CoreTable
from core.control import ask
from core.doctor.finding import Case, Finding
from core.errors import CoreError
from core.hookspecs import CheckResult, Outcome
from core.systemd_unit import MARK, unit_name
from core.transports.port_holder import is_taken, port_holder
from core.transports.server import INDI_PORT

__all__ = ["ports", "run", "unit_findings", "units"]

SYSTEM, USER = (Path("/etc/systemd/system"),), ("systemd/user",)
STATES = ("LoadState", "ActiveState", "SubState", "UnitFileState", "Result", "StatusText")
SYSTEMCTL_SECONDS = 10
ASK_SECONDS = 2.0


def run(case: Case) -> Iterator[Finding]:
    """Look at the run of this name, if it runs, and at what of it does not work."""
    found = _status(case)
    if found is None:
        yield "run", CheckResult("ok", f"none of the name {_core(case).name!r} runs")
        return
    ready = [one["name"] for one in found["devices"] if one["state"] == "ready"]
    text = f"{found['name']} runs (process {found['process']}), {len(ready)} of {len(found['devices'])} devices ready"
    yield "run", CheckResult("ok", text)
    for one in found["devices"]:
        if one["state"] == "failed":
            yield "run", CheckResult("failed", f"{one['plugin']} {one['name']!r}: {one['cause']}")


def ports(case: Case) -> Iterator[Finding]:
    """Look at the ports that core.toml wants to listen on, or at INDI's."""
    tables = case.config.of("transport") if case.config is not None else []
    listening = [table for table in tables if (table.keys.get("type") or table.name) in ("server", "port")]
    wanted = {table.keys.get("port", INDI_PORT): table.title for table in listening}
    own = (_status(case) or {}).get("process")
    for port, title in (wanted or ({} if tables else {INDI_PORT: ""})).items():
        if not isinstance(port, int) or port == 0:
            continue
        if not is_taken(port):
            yield "port", CheckResult("ok", f"{port} is free")
            continue
        holder = port_holder(port)
        if holder is None:
            text = f"{port} is in use by a process of another user" + (f", and {title} wants it" if title else "")
            yield "port", CheckResult("failed" if title else "warning", text, "sudo corectl doctor names it")
        elif f"(pid {own})" in holder:
            yield "port", CheckResult("ok", f"{port} belongs to the run")
        else:
            text = f"{port} is in use by {holder}" + (f", and {title} wants it" if title else "")
            cure = "end that, or choose another port in core.toml or with --port"
            yield "port", CheckResult("failed" if title else "warning", text, cure)


def units(case: Case) -> Iterator[Finding]:
    """Look at the services that `corectl service install` has written, and how systemd finds them."""
    home = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    folders = [(True, folder) for folder in SYSTEM] + [(False, Path(home) / folder) for folder in USER]
    written = [(path, system) for system, folder in folders for path in _written(folder)]
    runs = Path("/run/systemd/system").is_dir() and shutil.which("systemctl") is not None
    if not written:
        text = "no service is installed" + ("" if runs else ", and systemd does not run here")
        yield (
            "systemd",
            CheckResult("ok", text, "corectl service install writes one, for runs from the machine's start"),
        )
    for path, system in written:
        state = _state(path.name, system=system) if runs else {}
        for result in unit_findings(path, path.read_text(errors="replace"), state, _is_own(case, path)):
            yield "systemd", result


def unit_findings(path: Path, text: str, state: Mapping[str, str], needed: bool) -> Iterator[CheckResult]:
    """Yield what is to be said of a unit; `state` is what `systemctl show` tells, empty where systemd does not run."""
    serious: Outcome = "failed" if needed else "warning"
    command = next((line for line in text.splitlines() if line.startswith("ExecStart=")), "ExecStart=")
    words = shlex.split(command.partition("=")[2].replace("%%", "%").replace("$$", "$"))
    program, config = Path(words[0] if words else ""), Path(words[-1] if words else "")
    anew = "corectl service install writes it anew"
    if not os.access(program, os.X_OK) or program.is_dir():
        yield CheckResult(serious, f"{path} starts {program}, which is not here", anew)
    elif not config.exists():
        yield CheckResult(serious, f"{path} runs {config}, which is not here", "put it back, or uninstall the service")
    name, scope = path.name, [] if path.parent in SYSTEM else ["--user"]
    control = " ".join(["systemctl", *scope])
    if not state:
        yield CheckResult("warning", f"{path} is written, but systemd does not run here")
    elif state.get("LoadState") != "loaded":
        yield CheckResult(serious, f"{name} is not known to systemd", f"{control} daemon-reload")
    elif state.get("ActiveState") == "failed":
        journal = " ".join(["journalctl", *scope, "-u", name])
        why = f"{name} has failed ({state.get('Result', 'unknown')})"
        yield CheckResult(serious, why, f"{journal} tells why; then: {control} restart {name}")
    else:
        enabled, active = state.get("UnitFileState", ""), state.get("ActiveState", "")
        said = f"{name} is {active} ({state.get('SubState', '')}), {enabled}"
        said += f": {state['StatusText']}" if state.get("StatusText") else ""
        ready = active in ("active", "activating", "reloading") and enabled == "enabled"
        cure = "" if ready else f"start it, now and with the machine: {control} enable --now {name}"
        yield CheckResult("ok" if ready else "warning", said, cure)


def _written(folder: Path) -> list[Path]:
    try:
        paths = sorted(path for path in folder.glob("core*.service") if re.fullmatch(r"core(-.+)?\.service", path.name))
        return [path for path in paths if MARK in path.read_text(errors="replace")]
    except OSError:
        return []


def _is_own(case: Case, path: Path) -> bool:
    try:
        return case.config is not None and unit_name(_core(case).name) == path.name
    except CoreError:
        return False


def _core(case: Case) -> CoreTable:
    return case.config.core if case.config is not None else CoreTable()


def _status(case: Case) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = ask(_core(case).name, {"do": "status"}, seconds=ASK_SECONDS)["status"]
    except CoreError:
        return None
    return found


def _state(name: str, *, system: bool) -> dict[str, str]:
    command = ["systemctl", *([] if system else ["--user"]), "show", "-p", ",".join(STATES), name]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SYSTEMCTL_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return {}
    lines = (line.partition("=") for line in done.stdout.splitlines())
    return {key: value for key, _, value in lines if key in STATES}
