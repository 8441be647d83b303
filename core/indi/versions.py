"""Versions of INDI, as getProperties names them."""

from __future__ import annotations

import re

VERSION = "1.7"
"""The version of the protocol that is spoken here."""

_VERSION = re.compile(r"(\d{1,9})(?:\.(\d{1,9}))?")


def is_newer(version: str) -> bool:
    """Return whether a version is above the one that is spoken here; what is none is not."""
    return (numbers := _numbers(version)) is not None and numbers > (_numbers(VERSION) or numbers)


def _numbers(version: str) -> tuple[int, int] | None:
    parts = _VERSION.fullmatch(version.strip())
    return (int(parts[1]), int(parts[2] or 0)) if parts is not None else None
