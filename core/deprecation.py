"""Deprecations: what still works and will go, since which version, and what to use instead."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TextIO

__all__ = ["DeprecatedUse", "deprecated", "deprecations_told"]


class DeprecatedUse(DeprecationWarning):
    """Tell that `thing` is used, which is deprecated since `since` and goes with `removed_in`."""

    def __init__(self, thing: str, since: str, replacement: str, removed_in: str = "") -> None:
        going = f" and goes with {removed_in}" if removed_in else ""
        super().__init__(f"{thing} is deprecated since {since}{going}; use {replacement}")
        self.thing = thing
        self.since = since
        self.replacement = replacement
        self.removed_in = removed_in


def deprecated(thing: str, *, since: str, replacement: str, removed_in: str = "", stacklevel: int = 2) -> None:
    """Say that whoever calls the caller uses something deprecated; `list-plugins`, or the log of a run, shows it.

    `since` and `removed_in` name versions, as "core 0.3" or "plugin-lamp 2.0"; `stacklevel` is 2 for the caller of the
    function that calls this, as in `warnings.warn`.
    """
    warnings.warn(DeprecatedUse(thing, since, replacement, removed_in), stacklevel=stacklevel + 1)


@contextlib.contextmanager
def deprecations_told(tell: Callable[[str], None], *, once: bool = False) -> Iterator[None]:
    """Give each use of something deprecated to `tell`, with its place; other warnings go their way.

    With `once` a place is told only the first time.
    """
    with warnings.catch_warnings():
        others = warnings.showwarning

        def show(
            message: Warning | str,
            category: type[Warning],
            filename: str,
            lineno: int,
            file: TextIO | None = None,
            line: str | None = None,
        ) -> None:
            if isinstance(message, DeprecatedUse):
                tell(f"{message} ({Path(filename).name}:{lineno})")
            else:
                others(message, category, filename, lineno, file, line)

        warnings.simplefilter("default" if once else "always", DeprecatedUse)
        warnings.showwarning = show
        yield
