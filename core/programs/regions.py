"""Regions: the outputs that a program is started on, claimed whole before it starts."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Any

from core.programs.outputs import Output

__all__ = ["ALL", "Region"]

ALL = "all"
"""The name of the region that is every output of a device."""


@dataclass(frozen=True, eq=False)
class Region:
    """Be some outputs of a device: what a program gets as its first argument, and what it claims."""

    name: str
    """Its name as people write it."""
    target: Any
    """What the program acts on: the device itself, or a part of it that has the same methods."""
    outputs: tuple[Output, ...]
    keys: frozenset[Hashable]
    """One for each output; two regions that share a key share an output."""

    @classmethod
    def of(cls, target: Any, outputs: Iterable[Output]) -> Region:
        """Return the region of all outputs of a device."""
        listed = tuple(outputs)
        return cls(ALL, target, listed, frozenset(map(id, listed)))

    def meets(self, other: Region) -> bool:
        """Return whether the two share an output."""
        return not self.keys.isdisjoint(other.keys)
