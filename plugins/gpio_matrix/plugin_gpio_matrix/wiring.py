"""How LEDs and buttons are wired, as core.toml says it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import msgspec
from msgspec import Meta

from core.sim.inputs import InputWiring
from core.sim.lines import Bias, Drive

__all__ = ["Bias", "ButtonWiring", "Drive", "Line", "Milliseconds", "OutputWiring", "Row", "Wiring"]

Line = Annotated[int, Meta(ge=0)] | Annotated[str, Meta(min_length=1)]
"""A line of a chip, by number or by name."""

Row = Annotated[list[Line], Meta(min_length=1)]
Milliseconds = Annotated[float, Meta(ge=0, le=4_000_000)]


class ButtonWiring(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Be a button of core.toml that says more than its line; None is what all buttons of the matrix have."""

    line: Line
    active_low: bool | None = None
    bias: Bias | None = None
    debounce: Milliseconds | None = None


@dataclass(frozen=True)
class OutputWiring:
    """Be how all LEDs of a matrix are wired."""

    active_low: bool = False
    drive: Drive = "push-pull"
    bias: Bias = "as-is"


@dataclass(frozen=True)
class Wiring:
    """Be all lines of a matrix: those of its LEDs, row by row, and those of its buttons by name."""

    leds: Sequence[Sequence[int | str]]
    output: OutputWiring
    buttons: Mapping[str, tuple[int | str, InputWiring]]

    @property
    def all_lines(self) -> list[int | str]:
        """Return every line, those of the buttons last."""
        return [line for row in self.leds for line in row] + [line for line, _ in self.buttons.values()]
