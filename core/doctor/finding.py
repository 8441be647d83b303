"""What was found, and what of it this core.toml needs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from core.config import Config
from core.device import Device
from core.hookspecs import CheckResult
from core.plugins import PluginSet

__all__ = ["Case", "Finding", "unless_needed"]

Finding = tuple[str, CheckResult]
"""The title of a look, and one thing that it has found."""


@dataclass(frozen=True)
class Case:
    """Be what is examined: the plugins, and the core.toml that a run here would take, None where there is none.

    `works` says whether everything that core.toml names can be made.
    """

    plugins: PluginSet
    config: Config | None = None
    works: bool = True
    used: frozenset[str] = field(default=frozenset())
    """The plugins whose devices core.toml names."""
    devices: Mapping[str, Device] = field(default_factory=dict)
    """The devices of core.toml, made and not opened."""

    def needs(self, plugin: str) -> bool:
        """Return whether a run here would miss a plugin; without core.toml, and where it is unknown, it would."""
        return self.config is None or not self.works or plugin in self.used

    def texts(self) -> Iterator[tuple[str, str]]:
        """Yield every text that core.toml gives to a device or transport, with the title of its table."""
        for table in self.config.tables if self.config is not None else ():
            for text in _texts(table.keys):
                yield table.title, text


def unless_needed(result: CheckResult, needed: bool) -> CheckResult:
    """Return a result as it is if it concerns what is needed; otherwise one that fails is a note."""
    if needed or result.outcome != "failed":
        return result
    return replace(result, outcome="warning", text=f"{result.text} (this core.toml does not need it)")


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from _texts(one)
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)
