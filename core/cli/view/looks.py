"""What there is to see of a device: read from its properties as any INDI client sees them."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.cli.specs import printable

if TYPE_CHECKING:
    from core.client import RemoteDevice, RemoteVector

NO_PROGRAM = "none"
VALUES_SHOWN = 50
SPEEDS = tuple(one * power for power in (0.01, 0.1, 1.0, 10.0, 100.0) for one in (1.0, 1.5, 2.0, 3.0, 5.0, 7.0))
_LED = re.compile(r"r(\d{1,4})c(\d{1,4})\Z")


@dataclass(frozen=True, slots=True)
class Choice:
    """Be a program that can be chosen."""

    name: str
    description: str


@dataclass(frozen=True, slots=True)
class Button:
    """Be a button; `pressable` says whether a client may press it, as a simulated one."""

    name: str
    label: str
    pressed: bool
    pressable: bool


@dataclass(frozen=True, slots=True)
class Speed:
    """Be how many times faster than written the programs run, and between what it can be chosen."""

    factor: float
    slowest: float
    fastest: float

    def next(self, direction: int) -> float:
        """Return the next round factor that is faster (1) or slower (-1); the present one where there is none."""
        # A little beyond the present one, which may come rounded.
        further = [one for one in SPEEDS if (one / self.factor - 1) * direction > 0.01] if self.factor > 0 else [1.0]
        if not further:
            return self.factor
        return min(max(min(further) if direction > 0 else max(further), self.slowest), self.fastest)


@dataclass(frozen=True, slots=True)
class Look:
    """Be what a device looks like at one moment.

    `rows` are its LEDs, "X" for a lit one, "." for a dark one and " " for none; `program` is the name of the one that
    runs, None for none; `speed` is None where it cannot be chosen; `values` are numbers for who has no LEDs; `trouble`
    is why something is wrong, empty if nothing is.
    """

    name: str
    rows: tuple[str, ...] = ()
    programs: tuple[Choice, ...] = ()
    program: str | None = None
    buttons: tuple[Button, ...] = ()
    values: tuple[str, ...] = ()
    trouble: str = ""
    speed: Speed | None = None

    @property
    def description(self) -> str:
        """Return what the program that runs does."""
        return next((choice.description for choice in self.programs if choice.name == self.program), "")


def look_of(device: RemoteDevice) -> Look:
    """Return what a device looks like now."""
    vectors = device.vectors
    rows = _frame(vectors.get("frame")) or _leds(vectors.get("leds"))
    programs, chosen, trouble = _programs(vectors.get("program"), vectors.get("program_descriptions"))
    return Look(
        device.name,
        rows,
        programs,
        chosen,
        _buttons(vectors.get("buttons"), vectors.get("press")),
        () if rows else _values(list(vectors.values())),
        trouble,
        _speed(vectors.get("program_speed")) if programs else None,
    )


def _frame(vector: RemoteVector | None) -> tuple[str, ...]:
    """Return the rows of a text like "X../.X.", which may also be in lines, or in one member each."""
    if vector is None or vector.kind != "Text":
        return ()
    lines = [line for member in vector.members.values() for line in re.split(r"[/\r\n]", str(member.value or ""))]
    rows = tuple(line for line in lines if line)
    return rows if all(set(row) <= set("X. ") for row in rows) else ()


def _leds(vector: RemoteVector | None) -> tuple[str, ...]:
    """Return the rows of switches that are named r1c1, r1c2 ..."""
    if vector is None or vector.kind != "Switch":
        return ()
    lit: dict[tuple[int, int], bool] = {}
    for member in vector.members.values():
        if found := _LED.match(member.name):
            lit[int(found[1]), int(found[2])] = member.value is True
    if not lit:
        return ()
    shown = {True: "X", False: ".", None: " "}
    height, width = (max(place[axis] for place in lit) for axis in (0, 1))
    if height * width > 100 * len(lit):  # names that only look like places
        return ()
    return tuple(
        "".join(shown[lit.get((row, column))] for column in range(1, width + 1)).rstrip()
        for row in range(1, height + 1)
    )


def _programs(
    vector: RemoteVector | None, descriptions: RemoteVector | None
) -> tuple[tuple[Choice, ...], str | None, str]:
    if vector is None or vector.kind != "Switch":
        return (), None, ""
    # A label is cut after 63 bytes; other servers have nothing else.
    told = descriptions.values if descriptions is not None else {}
    choices = tuple(
        Choice(
            member.name, printable(str(told.get(member.name) or ("" if member.label == member.name else member.label)))
        )
        for member in vector.members.values()
        if member.name != NO_PROGRAM
    )
    chosen = vector.chosen if vector.chosen != NO_PROGRAM else None
    return choices, chosen, printable(vector.message or "it has failed") if vector.state == "Alert" else ""


def _speed(vector: RemoteVector | None) -> Speed | None:
    member = vector.members.get("factor") if vector is not None and vector.kind == "Number" else None
    if vector is None or member is None or vector.perm == "ro" or not math.isfinite(member.value or math.nan):
        return None
    return Speed(member.value, member.min, member.max)


def _buttons(lights: RemoteVector | None, press: RemoteVector | None) -> tuple[Button, ...]:
    if lights is None or lights.kind != "Light":
        return ()
    pressable = set(press.members) if press is not None and press.kind == "Switch" and press.perm != "ro" else set()
    return tuple(
        Button(member.name, printable(member.label), member.value == "Ok", member.name in pressable)
        for member in lights.members.values()
    )


def _values(vectors: Sequence[RemoteVector]) -> tuple[str, ...]:
    """Return the numbers that a device measures, each in a line."""
    shown = [
        printable(f"{member.label}: {_number(vector, member.name)}")
        for vector in vectors
        if vector.kind == "Number" and vector.perm == "ro" and vector.group != "Statistics"
        for member in vector.members.values()
    ]
    return tuple(shown[:VALUES_SHOWN])


def _number(vector: RemoteVector, name: str) -> str:
    return vector.members[name].text.strip()
