"""The lines under the LEDs: of a real chip through gpiod 2.x, or simulated."""

from __future__ import annotations

import errno
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Protocol

from core.errors import DeviceUnavailable
from core.sim.lines import SimulatedChip

if TYPE_CHECKING:
    import gpiod

SIMULATED = "simulated"
DEVICES = Path("/dev")


class Lines(Protocol):
    """Be a request for output lines."""

    def set_values(self, values: Mapping[int, bool]) -> None:
        """Set lines active or inactive in one call."""
        ...

    def close(self) -> None:
        """Give the lines back."""
        ...


class GpiodLines:
    """Be output lines of a real chip, taken with one request."""

    def __init__(self, request: gpiod.LineRequest) -> None:
        from gpiod.line import Value

        self._request = request
        self._values = (Value.INACTIVE, Value.ACTIVE)

    def set_values(self, values: Mapping[int, bool]) -> None:
        """Set lines active or inactive in one system call."""
        self._request.set_values({offset: self._values[active] for offset, active in values.items()})

    def close(self) -> None:
        """Give the lines back to the kernel."""
        self._request.release()


def chip_paths() -> list[Path]:
    """Return the device nodes of the GPIO chips of this machine."""
    return sorted(DEVICES.glob("gpiochip*"), key=lambda path: (len(path.name), path.name))


def simulated_chip(lines: Sequence[Sequence[int | str]]) -> SimulatedChip:
    """Return a simulated chip that is large enough for the lines; raise DeviceUnavailable for lines by name."""
    offsets = [line for row in lines for line in row if isinstance(line, int)]
    if len(offsets) != sum(map(len, lines)):
        raise DeviceUnavailable("the simulated chip's lines have numbers, no names")
    return SimulatedChip(SIMULATED, max(offsets, default=-1) + 1)


def open_gpiod(
    chip: str, lines: Sequence[Sequence[int | str]], *, consumer: str, active_low: bool
) -> tuple[Lines, list[list[int]]]:
    """Take lines of a real chip as outputs, inactive at first; return them and their offsets.

    `chip` is a label, a name or a path, never a guess. Raises DeviceUnavailable with cause and cure.
    """
    gpiod = _bindings()
    path = find_chip(chip)
    with _opened(path) as opened:
        label, count = opened.get_info().label, opened.get_info().num_lines
        offsets = [[_offset(opened, line, f"{path} ({label})", count) for line in row] for row in lines]
        settings = gpiod.LineSettings(
            direction=gpiod.line.Direction.OUTPUT, active_low=active_low, output_value=gpiod.line.Value.INACTIVE
        )
        flat = tuple(offset for row in offsets for offset in row)
        try:
            request = opened.request_lines(config={flat: settings}, consumer=consumer)
        except OSError as error:
            raise _refused(error, opened, flat, f"{path} ({label})") from error
    return GpiodLines(request), offsets


def chip_title(path: Path) -> str:
    """Return path, label and number of lines of a chip; raise DeviceUnavailable if it cannot be opened."""
    with _opened(path) as opened:
        info = opened.get_info()
    return f"{path}: {info.label}, {info.num_lines} lines"


def find_chip(chip: str) -> Path:
    """Return the device node of a chip by label, name or path; raise DeviceUnavailable if there is none or several."""
    if "/" in chip:
        return Path(chip)
    found: list[Path] = []
    seen: list[str] = []
    for path in chip_paths():
        try:
            with _opened(path) as opened:
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


def _bindings() -> ModuleType:
    """Return the package gpiod, imported now that it is needed; raise DeviceUnavailable for one that does not fit."""
    try:
        import gpiod
    except ImportError as error:
        raise DeviceUnavailable(
            f"the package gpiod cannot be imported ({error}); pip install 'gpiod>=2.2.2,<3'"
        ) from error
    version = str(getattr(gpiod, "__version__", "1"))
    if not version.startswith("2."):
        raise DeviceUnavailable(f"the package gpiod is version {version}; pip install 'gpiod>=2.2.2,<3'")
    return gpiod


def _opened(path: Path) -> gpiod.Chip:
    """Return the open chip; raise DeviceUnavailable with cause and cure."""
    chip_class = _bindings().Chip
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


def _offset(chip: gpiod.Chip, line: int | str, title: str, count: int) -> int:
    if isinstance(line, str):
        try:
            return chip.line_offset_from_id(line)
        except OSError as error:
            raise DeviceUnavailable(
                errno.ENOENT, f"{title} has no line named {line!r}; see gpioinfo for its names"
            ) from error
    if not 0 <= line < count:
        raise DeviceUnavailable(errno.EINVAL, f"line {line} is beyond {title}, which has lines 0 to {count - 1}")
    return line


def _refused(error: OSError, chip: gpiod.Chip, offsets: Sequence[int], title: str) -> DeviceUnavailable:
    """Return the error that says which line is held by whom."""
    if error.errno == errno.EBUSY:
        for offset in offsets:
            info = chip.get_line_info(offset)
            if info.used:
                return DeviceUnavailable(
                    errno.EBUSY,
                    f"line {offset} of {title} is held by {info.consumer!r}; stop that, or use another line",
                )
    return DeviceUnavailable(error.errno or errno.EIO, f"the lines of {title} cannot be had: {error.strerror or error}")
