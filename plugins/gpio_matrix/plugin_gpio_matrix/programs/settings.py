"""What the programs have in common: their settings' types, and what they need of a matrix."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from msgspec import Meta

from core.errors import ProgramError
from plugin_gpio_matrix.layout import Matrix

__all__ = ["Interval", "needs_buttons", "needs_size"]

Interval = Annotated[float, Meta(ge=0.005, le=60)]
"""Seconds between two steps."""

Needs = Callable[[Matrix], None]


def needs_size(rows: int, columns: int) -> Needs:
    """Return what refuses a matrix that is smaller."""

    def check(matrix: Matrix) -> None:
        height, width = matrix.size
        if height < rows or width < columns:
            raise ProgramError(f"needs {rows}x{columns} LEDs or more, and there are {height}x{width}")

    return check


def needs_buttons(*names: str) -> Needs:
    """Return what refuses a matrix without these buttons."""

    def check(matrix: Matrix) -> None:
        if missing := [name for name in names if name not in matrix.buttons]:
            there = ", ".join(matrix.buttons) or "none"
            raise ProgramError(
                f"needs the button {' and '.join(map(repr, missing))}, and there is {there}; "
                "core.toml names them: buttons = { left = 26, right = 19 }"
            )

    return check
