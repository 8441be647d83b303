"""Device nodes: which there are, which core.toml names, and whether this user may open them."""

from __future__ import annotations

import grp
import os
import pwd
import re
import stat
from collections.abc import Collection, Iterator
from pathlib import Path

from core.doctor.finding import Case, Finding
from core.hookspecs import CheckResult

__all__ = ["access_problem", "named_nodes", "nodes", "permission"]

DEVICES = Path("/dev")
BUSES = ("gpiochip*", "spidev*", "i2c-*")
HARDWARE_GROUPS = ("gpio", "spi", "i2c", "dialout")
READ_WRITE = 0o6

_NAMED = re.compile(r"(?:/dev/)?((?:spidev|gpiochip|i2c-)\d[\d.]*)|/dev/([^/]+(?:/[^/]+)*)")

ENABLING = {
    "spidev": "switch the bus on: raspi-config, or dtparam=spi=on in config.txt of a Raspberry Pi, and start it anew",
    "i2c-": "switch the bus on: raspi-config, or dtparam=i2c_arm=on in config.txt of a Raspberry Pi",
    "gpiochip": "this machine has no such GPIO chip; the simulated one needs none",
}


def nodes(case: Case, devices: Path = DEVICES) -> Iterator[Finding]:
    """Look at the nodes of SPI buses, at those that core.toml names, and at the groups of this user."""
    found = sorted(path.name for path in devices.glob("spidev*"))
    if found:
        yield "spidev", CheckResult("ok", ", ".join(f"{devices}/{name}" for name in found))
    else:
        yield "spidev", CheckResult("warning", "there is no SPI bus here; simulated sensors need none")
    for title, name in named_nodes(case):
        present = sorted(devices.glob(f"{name}*")) if name.startswith("spidev") else [devices / name]
        if not any(path.exists() for path in present):
            cure = next((text for kind, text in ENABLING.items() if name.startswith(kind)), "connect it")
            yield "device nodes", CheckResult("failed", f"{title} names {devices}/{name}, which is not here", cure)
    named = {name for _, name in named_nodes(case)}
    shut = 0
    for path in sorted(path for pattern in BUSES for path in devices.glob(pattern)):
        needed = any(path.name.startswith(name) for name in named)
        result = permission(path, needed=needed, user=os.geteuid(), groups={os.getegid(), *os.getgroups()})
        shut += result is not None
        if result is not None:
            yield "permissions", result
    yield "groups", _groups(shut)


def named_nodes(case: Case) -> list[tuple[str, str]]:
    """Return the nodes below /dev that core.toml names, with the table that does."""
    found: list[tuple[str, str]] = []
    for title, text in case.texts():
        match = _NAMED.fullmatch(text)
        if match is not None and (title, name := match[1] or match[2]) not in found:
            found.append((title, name))
    return found


def access_problem(found: os.stat_result, user: int, groups: Collection[int]) -> str:
    """Return why a user in some groups may not read and write a file, as the kernel decides; empty if he may."""
    mode = stat.S_IMODE(found.st_mode)
    if user == 0:
        return ""
    if user == found.st_uid:
        return "" if (mode >> 6) & READ_WRITE == READ_WRITE else "its owner may not read and write it"
    if found.st_gid in groups:
        return "" if (mode >> 3) & READ_WRITE == READ_WRITE else "its group may not read and write it"
    if mode & READ_WRITE == READ_WRITE:
        return ""
    return "only its group may" if (mode >> 3) & READ_WRITE == READ_WRITE else "only its owner may"


def permission(path: Path, *, needed: bool, user: int, groups: Collection[int]) -> CheckResult | None:
    """Return what keeps a user in some groups from opening a node, and the cure; None if nothing does."""
    try:
        found = path.stat()
    except OSError:
        return None
    why = access_problem(found, user, groups)
    if not why:
        return None
    name, people = _group_name(found.st_gid), _user(user)
    if why == "only its group may" and found.st_gid != 0:
        joined = people in next((group.gr_mem for group in grp.getgrall() if group.gr_gid == found.st_gid), [])
        cure = f"sudo usermod -aG {name} {people}, then log in again"
        if joined:
            cure = f"{people} has been put into the group {name} since this session began: log in again"
    else:
        cure = f"let a udev rule give {path} to a group that {people} is in, as Raspberry Pi OS does"
    text = f"{people} may not open {path}: {why} ({stat.filemode(found.st_mode)}, group {name})"
    return CheckResult("failed" if needed else "warning", text, cure)


def _groups(shut: int) -> CheckResult:
    mine = {_group_name(number) for number in (os.getegid(), *os.getgroups())}
    existing = [name for name in HARDWARE_GROUPS if _exists(name)]
    if os.geteuid() == 0:
        return CheckResult(
            "ok", "root may open everything; a service runs as its own user, see corectl service install"
        )
    inside = [name for name in existing if name in mine]
    text = (
        f"{_user(os.geteuid())} is in {', '.join(inside)}"
        if inside
        else f"{_user(os.geteuid())} is in no group for hardware"
    )
    missing = [name for name in existing if name not in mine]
    text += f", not in {', '.join(missing)}" if missing else ""
    return CheckResult("ok", text if existing or shut else f"{text}; this machine has none, nor needs one here")


def _exists(group: str) -> bool:
    try:
        grp.getgrnam(group)
    except KeyError:
        return False
    return True


def _group_name(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)


def _user(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:  # an account without a name
        return str(number)
