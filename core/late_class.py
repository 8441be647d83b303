"""A class that is named and not imported yet, so that listing what there is does not import how it works."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

__all__ = ["LateClass", "loaded"]


@dataclass(frozen=True)
class LateClass:
    """Be the class `name` of `module`, which `kind` stands for in core.toml."""

    kind: str
    module: str
    name: str

    def load(self) -> Any:
        """Import it."""
        return getattr(importlib.import_module(self.module), self.name)


def loaded(one: Any) -> Any:
    """Return the class that is meant, imported if it has not been."""
    return one.load() if isinstance(one, LateClass) else one
