"""What the programs run on: any device with LEDs in rows and columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from core import Output


@runtime_checkable
class Group(Protocol):
    """Be some LEDs: switched together, or one by one."""

    def set(self, value: bool) -> object:
        """Switch all of them."""

    def __len__(self) -> int:
        """Return how many there are."""
        ...

    def __getitem__(self, index: int) -> Output:
        """Return one of them."""
        ...


@runtime_checkable
class Leds(Protocol):
    """Be a device with LEDs in rows; only such devices offer the programs."""

    @property
    def all(self) -> Group:
        """Return all LEDs, row by row."""
        ...

    @property
    def columns(self) -> Sequence[Output]:
        """Return the columns from left to right."""
        ...
