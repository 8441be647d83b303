"""Moments as people write them: "1h" ago, "10:30", "yesterday", "2026-11-21 10:30"."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from core.recorder.spans import SECOND, parse_span

EXAMPLES = '"90s", "30m", "1h30m", "7d" or "1y" ago; "10:30", "today", "yesterday", "2026-11-21" or "2026-11-21 10:30"'


def parse_moment(text: str, now: int) -> int:
    """Return a moment in nanoseconds since 1970, a length of time counting back from `now`; local time otherwise.

    Raises ValueError, with what is allowed, for any other text.
    """
    stripped = text.strip()
    words = {"now": timedelta(0), "today": timedelta(0), "yesterday": timedelta(days=1)}
    if stripped.lower() == "now":
        return now
    present = datetime.fromtimestamp(now / SECOND).astimezone()
    if (back := words.get(stripped.lower())) is not None:
        return _nanoseconds(_midnight(present.date() - back))
    try:
        return now - parse_span(stripped)
    except ValueError:
        pass
    try:
        if ":" in stripped and "-" not in stripped:
            return _at(stripped, present)
        moment = datetime.fromisoformat(stripped)
    except (ValueError, OverflowError):
        raise ValueError(f"{text!r} is no moment; write {EXAMPLES}") from None
    try:
        return _nanoseconds(moment if moment.tzinfo else moment.astimezone())
    except (ValueError, OverflowError, OSError):
        raise ValueError(f"{text!r} is out of range; write {EXAMPLES}") from None


def _at(text: str, present: datetime) -> int:
    """Return when it was this time of day last."""
    time = datetime.fromisoformat(f"{present:%Y-%m-%d} {text if text.index(':') > 1 else '0' + text}").astimezone()
    if time > present:
        time = datetime.combine(time.date() - timedelta(days=1), time.time()).astimezone()
    return _nanoseconds(time)


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day).astimezone()


def _nanoseconds(moment: datetime) -> int:
    return int(moment.timestamp()) * SECOND + moment.microsecond * 1000
