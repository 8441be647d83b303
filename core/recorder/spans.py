"""Lengths of time as people write them: "90s", "1h30m", "7 d", "1 y"."""

from __future__ import annotations

import re

SECOND = 1_000_000_000
"""Nanoseconds in a second, the unit of every time in a recording."""

UNITS = {
    "ms": SECOND // 1000,
    "s": SECOND,
    "m": 60 * SECOND,
    "min": 60 * SECOND,
    "h": 3600 * SECOND,
    "d": 86_400 * SECOND,
    "w": 7 * 86_400 * SECOND,
    "y": 365 * 86_400 * SECOND,
}
"""Nanoseconds in each unit; a year has 365 days."""

EXAMPLES = '"90s", "30m", "1h30m", "7d", "2w" or "1y"'

FOREVER = "forever"

_PART = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([a-z]+)\s*")

LONGEST = 1000 * UNITS["y"]


def parse_span(text: str) -> int:
    """Return a length of time in nanoseconds; raise ValueError, with what is allowed, for any other text."""
    position, total = 0, 0.0
    lowered = text.lower()
    while position < len(lowered):
        found = _PART.match(lowered, position)
        if found is None or found[2] not in UNITS:
            raise ValueError(f"{text!r} is no length of time; write {EXAMPLES}")
        total += float(found[1]) * UNITS[found[2]]
        position = found.end()
    if not 0 < total <= LONGEST:
        raise ValueError(f"{text!r} is no length of time above zero and below 1000 years; write {EXAMPLES}")
    return round(total)


def parse_keep(text: str) -> int | None:
    """Return how long something is kept in nanoseconds, None for "forever"; raise ValueError for any other text."""
    if text.strip().lower() == FOREVER:
        return None
    try:
        return parse_span(text)
    except ValueError as error:
        raise ValueError(f'{error}, or "{FOREVER}"') from None
