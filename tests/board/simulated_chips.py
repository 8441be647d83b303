"""The other side of the test kernel's GPIO chips: what is on the wires, read and set through gpio-sim's sysfs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import gpiod

CONFIGFS = Path("/sys/kernel/config/gpio-sim")
SYSFS = Path("/sys/bus/gpio/devices")


@dataclass(frozen=True)
class SimulatedChip:
    """One chip, by the path that programs open and the name that sysfs has for it."""

    path: Path
    name: str
    label: str
    lines: int

    @classmethod
    def labelled(cls, label: str) -> SimulatedChip:
        """The chip with this label; numbers differ from boot to boot."""
        for chip in chips():
            if chip.label == label:
                return chip
        raise LookupError(f"no GPIO chip has the label {label!r}, only {[chip.label for chip in chips()]}")

    def level(self, offset: int) -> int:
        """The physical level of a line, 0 or 1, whoever drives it."""
        return int((self._line(offset) / "value").read_text())

    def levels(self, offsets: Iterable[int]) -> dict[int, int]:
        """The physical levels of several lines."""
        return {offset: self.level(offset) for offset in offsets}

    def pull(self, offset: int, way: Literal["up", "down"]) -> None:
        """Put a level on a line, as a button or a device on the wire would."""
        (self._line(offset) / "pull").write_text(f"pull-{way}")

    def _line(self, offset: int) -> Path:
        return SYSFS / self.name / f"sim_gpio{offset}"


def chips() -> Iterator[SimulatedChip]:
    """Every GPIO chip that programs see."""
    for path in sorted(Path("/dev").glob("gpiochip*")):
        with gpiod.Chip(str(path)) as chip:
            info = chip.get_info()
            yield SimulatedChip(path=path, name=info.name, label=info.label, lines=info.num_lines)


@contextlib.contextmanager
def made_chip(
    name: str, lines: int, names: Mapping[int, str] | None = None, *, label: str = ""
) -> Iterator[SimulatedChip]:
    """A chip of its own, while the context lasts, its label `name` unless told; see `live` for taking it away."""
    device = CONFIGFS / name
    before = {chip.path for chip in chips()}
    bank = device / "bank0"
    folders = [device, bank]
    for folder in folders:
        folder.mkdir()
    (bank / "num_lines").write_text(str(lines))
    (bank / "label").write_text(label or name)
    for offset, line in (names or {}).items():
        folders.append(bank / f"line{offset}")
        folders[-1].mkdir()
        (folders[-1] / "name").write_text(line)
    live(name, True)
    try:
        (made,) = [chip for chip in chips() if chip.path not in before]
        yield made
    finally:
        with contextlib.suppress(PermissionError):  # it has been taken away already
            live(name, False)
        for folder in reversed(folders):
            folder.rmdir()


def live(name: str, present: bool) -> None:
    """Bind a chip that was made, or unbind it, whoever uses it."""
    (CONFIGFS / name / "live").write_text(str(int(present)))
