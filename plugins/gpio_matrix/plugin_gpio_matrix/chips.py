"""GPIO chips of this machine: the package gpiod, finding a chip, opening it, and what its lines are used for."""

from __future__ import annotations

import errno
import re
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from core.errors import DeviceUnavailable

if TYPE_CHECKING:
    import gpiod

__all__ = ["SIMULATED", "bindings", "chip_paths", "chip_title", "find_chip", "open_chip", "used_lines"]

SIMULATED = "simulated"
"""What stands in core.toml in place of a chip for a simulated one."""

OLDEST_BINDINGS = (2, 2, 2)
BINDINGS_CURE = "pip install 'gpiod>=2.2.2,<3'"
DEVICES = Path("/dev")


def chip_paths() -> list[Path]:
    """Return the device nodes of the GPIO chips of this machine."""
    return sorted(DEVICES.glob("gpiochip*"), key=lambda path: (len(path.name), path.name))


def chip_title(path: Path) -> str:
    """Return path, label and number of lines of a chip; raise DeviceUnavailable if it cannot be opened."""
    with open_chip(path) as opened:
        info = opened.get_info()
    return f"{path}: {info.label}, {info.num_lines} lines"


def used_lines(path: Path) -> dict[int, str]:
    """Return who holds which lines of a chip; raise DeviceUnavailable if it cannot be opened."""
    with open_chip(path) as opened:
        infos = [opened.get_line_info(offset) for offset in range(opened.get_info().num_lines)]
    return {info.offset: info.consumer for info in infos if info.used}


def find_chip(chip: str) -> Path:
    """Return the device node of a chip by label, name or path; raise DeviceUnavailable if there is none or several."""
    if "/" in chip:
        return Path(chip)
    found: list[Path] = []
    seen: list[str] = []
    for path in chip_paths():
        try:
            with open_chip(path) as opened:
                info = opened.get_info()
        except DeviceUnavailable as error:
            if path.name == chip:
                raise
            seen.append(f"{path} ({error})")
            continue
        seen.append(f"{path} ({info.label})")
        # A Raspberry Pi 5 has a second node that is a link to the first.
        if chip in (info.name, info.label) and path.resolve() not in [other.resolve() for other in found]:
            found.append(path)
    if len(found) == 1:
        return found[0]
    if found:
        raise DeviceUnavailable(
            errno.EINVAL,
            f"{len(found)} GPIO chips are called {chip!r}: {', '.join(map(str, found))}; name one by its path",
        )
    there = ", ".join(seen) or "no chip at all"
    raise DeviceUnavailable(
        errno.ENOENT, f'there is no GPIO chip {chip!r}, but {there}; set chip to one of them, or to "{SIMULATED}"'
    )


def bindings() -> ModuleType:
    """Return the package gpiod, imported now that it is needed; raise DeviceUnavailable for one that does not fit."""
    try:
        import gpiod
    except ImportError as error:
        raise DeviceUnavailable(f"the package gpiod cannot be imported ({error}); {BINDINGS_CURE}") from error
    # Versions 1.x, as Debian 12 has them, know no request_lines and some of them no version.
    version = str(getattr(gpiod, "__version__", None) or getattr(gpiod, "version_string", lambda: "1.x")())
    # "2.3rc1" counts as 2.3.
    numbers = tuple(int(part) for part in re.findall(r"(?:^|\.)(\d+)", version)[:3])
    if not hasattr(gpiod, "request_lines") or not OLDEST_BINDINGS <= numbers < (3,):
        raise DeviceUnavailable(
            f"the package gpiod is version {version} ({getattr(gpiod, '__file__', None)}), "
            f"which does not fit; {BINDINGS_CURE}"
        )
    return gpiod


def open_chip(path: Path) -> gpiod.Chip:
    """Return the open chip; raise DeviceUnavailable with cause and cure."""
    chip_class = bindings().Chip
    try:
        return chip_class(str(path))  # type: ignore[no-any-return]
    except OSError as error:
        if error.errno == errno.EACCES:
            cure = "add yourself to its group: sudo usermod -aG gpio $USER, then log in again"
        elif error.errno == errno.ENOENT:
            cure = f"there is {', '.join(map(str, chip_paths())) or 'no GPIO chip at all'}"
        else:
            cure = "it is no GPIO chip"
        raise DeviceUnavailable(
            error.errno or errno.EIO, f"{path} cannot be opened: {error.strerror}; {cure}"
        ) from error
