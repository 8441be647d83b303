"""The nearest right name to a wrong one."""

from __future__ import annotations

from collections.abc import Iterable


def nearest(wrong: str, names: Iterable[str]) -> str | None:
    """Return the name that was probably meant, None if none is near."""
    import difflib

    matches = difflib.get_close_matches(wrong, list(names), n=1, cutoff=0.6)
    return matches[0] if matches else None
