"""Which lines are wanted: a level for all, and others for single instances, plugins and loggers."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from core.log.origin import Origins
from core.log.settings import LogSettings

__all__ = ["Selection", "level_number"]


def level_number(name: str) -> int:
    """Return a level as `logging` counts it."""
    return logging.getLevelNamesMapping()[name.upper()]


class Selection(logging.Filter):
    """Pass the records that are wanted, and write to each where it comes from: `record.instance`, `record.plugin`.

    The level of the instance counts before that of its plugin, that before the one of the nearest logger, and that
    before the level for all. Libraries that are neither `core` nor a plugin are heard from warnings on.
    """

    def __init__(self, settings: LogSettings, origins: Origins) -> None:
        super().__init__()
        self.origins = origins
        self.settings = settings

    @property
    def settings(self) -> LogSettings:
        """Return what is wanted."""
        return self._settings

    @settings.setter
    def settings(self, settings: LogSettings) -> None:
        self._settings = settings
        self._default = level_number(settings.level)
        self._levels = {name: level_number(level) for name, level in settings.levels.items()}

    @property
    def lowest(self) -> int:
        """Return the level below which nothing of `core` and the plugins is wanted."""
        return min([self._default, *self._levels.values()])

    @property
    def lowest_of_others(self) -> int:
        """Return the level below which nothing of other libraries is wanted."""
        return min([max(self._default, logging.WARNING), *self._levels.values()])

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether a record is wanted."""
        instance, plugin = self.origins.of(record)
        record.instance, record.plugin = instance, plugin
        return record.levelno >= self._level(record.name, instance, plugin)

    def _level(self, logger: str, instance: str | None, plugin: str | None) -> int:
        package = logger.partition(".")[0]
        if self._levels:
            for name in (instance, plugin, *_ancestors(logger)):
                if name in self._levels:
                    return self._levels[name]
        ours = package in ("core", "stdout", "stderr") or package in self.origins.packages
        return self._default if ours else max(self._default, logging.WARNING)


def _ancestors(logger: str) -> Iterable[str]:
    """Yield a logger's name and those of the loggers above it, the nearest first."""
    while logger:
        yield logger
        logger = logger.rpartition(".")[0]
