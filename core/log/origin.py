"""Of which instance a line of the log tells: whatever runs for an instance carries its name in its context."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field

__all__ = ["INSTANCE", "Origins"]

INSTANCE: ContextVar[str | None] = ContextVar("INSTANCE", default=None)
"""The instance of core.toml for which the present task works; tasks that it starts inherit it."""

_LOGGERS = ("core.device.", "core.driver.")
"""Before the names of the loggers that belong to one instance each."""

_OF_PEERS = ("core.connection", "core.router", "core.traffic", "core.transport")
"""The loggers of what is between peers: a driver's message may be what shows that a client is too slow."""


@dataclass(frozen=True)
class Origins:
    """Know which plugin an instance is of, and which plugin a Python package belongs to."""

    instances: Mapping[str, str] = field(default_factory=dict)
    packages: Mapping[str, str] = field(default_factory=dict)

    def of(self, record: logging.LogRecord) -> tuple[str | None, str | None]:
        """Return the instance and the plugin that a record comes from, None for each that is not known."""
        instance = INSTANCE.get() if record.name not in _OF_PEERS else None
        for prefix in _LOGGERS:
            if record.name.startswith(prefix):
                instance = record.name.removeprefix(prefix)
        plugin = self.packages.get(record.name.partition(".")[0])
        if plugin is None and instance is not None:
            plugin = self.instances.get(instance)
        return instance, plugin
