"""The lines of the checklist: what was looked at, what came of it, and why."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

__all__ = ["Line", "Verdict", "of_faults"]

Verdict = Literal["pass", "fail", "n/a"]

SHOWN = 8
"""How many faults of one line are told; the others are counted."""


@dataclass(frozen=True)
class Line:
    """Be one line of the checklist; `why` says what was seen, or why it does not concern the plugin."""

    title: str
    verdict: Verdict
    why: str
    cure: str = ""


def of_faults(title: str, faults: Iterable[str], seen: str, cure: str) -> Line:
    """Return a line that fails for any fault; `seen` says what there was to look at."""
    listed = list(faults)
    if not listed:
        return Line(title, "pass", seen)
    more = f"; and {len(listed) - SHOWN} more" if len(listed) > SHOWN else ""
    return Line(title, "fail", "; ".join(listed[:SHOWN]) + more, cure)
