"""What a line of the log says: plain for people, JSON for programs."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from datetime import UTC, datetime

import msgspec

__all__ = ["JsonFormatter", "LineHandler", "PlainFormatter", "PriorityFormatter", "lost_lines"]

_PRIORITIES = {logging.CRITICAL: 2, logging.ERROR: 3, logging.WARNING: 4, logging.INFO: 6, logging.DEBUG: 7}

# Terminals obey some of them, and a line end would let a client write lines of its own.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


class PlainFormatter(logging.Formatter):
    """Make a line for people: the time, the level, and the instance where the text does not name it.

    With `dated` the time is ISO 8601 with date, milliseconds and offset, for a file; else it is the time of day.
    """

    def __init__(self, *, dated: bool = False) -> None:
        super().__init__()
        self._dated = dated

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record, with the trace of its error below."""
        moment = datetime.fromtimestamp(record.created, UTC).astimezone()
        time = moment.isoformat(timespec="milliseconds") if self._dated else f"{moment:%H:%M:%S}"
        return f"{time} {record.levelname} {with_instance(record)}{_trace(record)}"


class PriorityFormatter(logging.Formatter):
    """Begin each line with its priority, `<3>` for an error say, as systemd takes it from programs."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the lines of a record."""
        priority = _PRIORITIES.get(record.levelno, 6)
        return "\n".join(f"<{priority}>{line}" for line in f"{_visible(record)}{_trace(record)}".splitlines())


class JsonFormatter(logging.Formatter):
    """Make a JSON object in one line: time (UTC), level, run, instance, plugin, logger, process, message, exception."""

    def __init__(self, run: str) -> None:
        super().__init__()
        self._run = run

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record; what is not known of it is null."""
        moment = datetime.fromtimestamp(record.created, UTC)
        fields = {
            "time": moment.isoformat(timespec="microseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "run": self._run,
            "instance": getattr(record, "instance", None),
            "plugin": getattr(record, "plugin", None),
            "logger": record.name,
            "process": record.process,
            "message": record.getMessage(),
            "exception": _trace(record).lstrip("\n") or None,
        }
        text = {key: _encodable(value) if isinstance(value, str) else value for key, value in fields.items()}
        return msgspec.json.encode(text).decode()


class LineHandler(logging.Handler):
    """Give the line of each record to `put`, which does not wait."""

    def __init__(self, put: Callable[[str], None], formatter: logging.Formatter) -> None:
        super().__init__()
        self._put = put
        self.setFormatter(formatter)

    def emit(self, record: logging.LogRecord) -> None:
        """Put the line of a record."""
        try:
            line = self.format(record)
        except Exception as error:  # a call with the wrong arguments; logging's own report would wait for stderr
            text = f"{record.msg!r} cannot be formatted: {error} ({record.pathname}:{record.lineno})"
            record.msg, record.args, record.exc_info = text, None, None
            line = self.format(record)
        self._put(line)


def with_instance(record: logging.LogRecord) -> str:
    """Return the text of a record, after its instance if it does not name that."""
    text, instance = _message(record), getattr(record, "instance", None)
    if instance is None or re.search(rf"(?<!\w){re.escape(instance)}(?!\w)", text):
        return text
    return f"{instance}: {text}"


def lost_lines(count: int) -> logging.LogRecord:
    """Return a record that says how many lines are not there."""
    text = f"({count} lines are lost: they could not be written in time)"
    return logging.LogRecord("core.log", logging.WARNING, "", 0, text, None, None)


def _message(record: logging.LogRecord) -> str:
    """Return the text of a record; further lines are indented, so that they do not look like others' lines."""
    return _visible(record).replace("\n", "\n  ")


def _visible(record: logging.LogRecord) -> str:
    text = record.getMessage()
    if text.isprintable():
        return text
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def _trace(record: logging.LogRecord) -> str:
    if not record.exc_info or record.exc_info == (None, None, None):
        return ""
    return "\n" + logging.Formatter().formatException(record.exc_info)


def _encodable(text: str) -> str:
    """Return a text without lone surrogates, which no UTF-8 has."""
    return text.encode(errors="backslashreplace").decode()
