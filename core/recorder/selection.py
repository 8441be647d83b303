"""Which numbers are recorded: patterns over device.property.member, as in a shell."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase


class Selection:
    """Select what one of the patterns `record` fits and none of `skip`; a pattern means all that is below it too."""

    def __init__(self, record: Sequence[str], skip: Sequence[str] = ()) -> None:
        for pattern in (*record, *skip):
            if not pattern or not all(pattern.split(".")):
                raise ValueError(f"{pattern!r} is no pattern; write device.property.member, * stands for any")
        self._record = tuple(record)
        self._skip = tuple(skip)

    def __call__(self, device: str, name: str, member: str) -> bool:
        """Return whether a number is to be recorded."""
        full = f"{device}.{name}.{member}"
        return _fits(full, self._record) and not _fits(full, self._skip)


def _fits(full: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(full, pattern) or fnmatchcase(full, f"{pattern}.*") for pattern in patterns)
