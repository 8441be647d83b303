"""The entry points of plugins, as the installed distributions tell them; nothing of a plugin is imported here."""

from __future__ import annotations

import functools
import importlib
import importlib.metadata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from core.errors import PluginError
from core.plugin_code import describe
from core.version import __version__

__all__ = ["ENTRY_POINTS", "Found", "builtin", "installed"]

ENTRY_POINTS = "core.plugins"
UNKNOWN = "?"


@dataclass(frozen=True)
class Found:
    """Be an entry point that was found, before anything of it is imported."""

    name: str
    distribution: str
    version: str
    module: str
    load: Callable[[], Any]


def installed() -> Iterator[Found]:
    """Yield the entry points of the group `core.plugins` of all installed distributions, the first of a path only.

    A distribution whose metadata cannot be read is yielded too, as a plugin of its name that cannot be imported.
    """
    seen: set[tuple[str, str]] = set()
    for distribution in importlib.metadata.distributions():
        for one in _points(distribution):
            # One distribution may be on the path twice; Python takes the first.
            if (one.distribution, one.name) not in seen:
                seen.add((one.distribution, one.name))
                yield one


def builtin() -> Iterator[Found]:
    """Yield the plugins that come with `core`."""
    for name, module in (("transports", "core.builtin"), ("recorder", "core.recorder.plugin")):
        yield Found(name, "core", __version__, module, functools.partial(importlib.import_module, module))


def _points(distribution: importlib.metadata.Distribution) -> list[Found]:
    try:
        points = distribution.entry_points.select(group=ENTRY_POINTS)
        if not points:
            return []  # before its metadata are read, which takes most of the time that all of this takes
        name, version = _said(distribution, "Name"), _said(distribution, "Version")
        return [Found(point.name, name, version, point.value, point.load) for point in points]
    except Exception as error:  # the file is a stranger's and may hold anything
        cause = f"its entry_points.txt cannot be read: {describe(error)}"
    name, version = _said(distribution, "Name"), _said(distribution, "Version")

    def load() -> Any:
        raise PluginError(cause)

    return [Found(name, name, version, UNKNOWN, load)]


def _said(distribution: importlib.metadata.Distribution, key: str) -> str:
    try:
        # Not metadata[key], which warns of a missing key, and will raise.
        found = distribution.metadata.get_all(key)
    except Exception:  # the file is a stranger's, or is not there
        found = None
    return str(found[0]) if found else UNKNOWN
