"""What passes between the run and its recorder's process: one message a packet of a SOCK_SEQPACKET pair.

To the process: a byte that says what it is, then JSON, or values packed one behind another. Back: reports in JSON, each
of which tells everything, so that any of them may be lost.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Literal

SETTINGS, SERIES, VALUES = b"s", b"d", b"v"
"""The first byte of a message: how to record (the first message), what a number means, and values."""

VALUE = struct.Struct("<Iqd")
"""One value: the number of its series, nanoseconds since 1970 in UTC, and the value."""

MESSAGE_BYTES = 48 * 1024
"""The length of a message of values at most; a packet may be 200 KiB long with the kernel's default buffers."""

State = Literal["Idle", "Ok", "Alert"]


@dataclass(frozen=True)
class Settings:
    """Say where to record, and for how long; times in nanoseconds, None for ever."""

    file: str
    csv: str = ""
    """The folder of the CSV files; empty for none."""
    keep: tuple[int | None, int | None, int | None] = (None, None, None)
    """For how long values, their minutes and their hours are kept."""
    commit: int = 800_000_000
    """How much time one transaction holds: with the ways to it and the disk's own, a second."""
    buffer: int = 8 << 20
    """How many bytes of values wait in the process while they cannot be written."""


@dataclass(frozen=True)
class Series:
    """Be what identifies and describes one number; `number` stands for it in messages."""

    number: int
    device: str
    property: str
    member: str
    label: str = ""
    unit: str = ""
    format: str = "%g"


@dataclass(frozen=True)
class Part:
    """Tell how one of the things that are written fares."""

    state: State = "Idle"
    text: str = ""
    """Why it is Alert."""


@dataclass(frozen=True)
class Report:
    """Tell everything of a recorder's process."""

    ready: bool = False
    """Whether the first attempt to open the database is over."""
    written: int = 0
    """How many values have been committed."""
    dropped: int = 0
    """How many values were given up, because they could not be written for too long."""
    waiting: int = 0
    """How many values wait to be written."""
    file_bytes: int = 0
    """The size of the database."""
    database: Part = field(default_factory=Part)
    csv: Part = field(default_factory=Part)
    set_aside: tuple[str, ...] = ()
    """Damaged files, under the names that they have got."""
    refused: str = ""
    """Why the process has given up for good: what is in the way is not for it to remove."""


def settings_message(settings: Settings) -> bytes:
    """Return the first message."""
    return SETTINGS + json.dumps(asdict(settings)).encode()


def read_settings(body: bytes) -> Settings:
    """Return the settings of a message's body."""
    document = json.loads(body)
    return Settings(**{**document, "keep": tuple(document["keep"])})


def series_message(series: Series) -> bytes:
    """Return the message that tells what a number means."""
    return SERIES + json.dumps(asdict(series)).encode()


def read_series(body: bytes) -> Series:
    """Return the series of a message's body."""
    return Series(**json.loads(body))


def report_message(report: Report) -> bytes:
    """Return a report's bytes."""
    return json.dumps(asdict(report)).encode()


def read_report(message: bytes) -> Report:
    """Return the report of a message."""
    document = json.loads(message)
    parts = {key: Part(**document[key]) for key in ("database", "csv")}
    return Report(**{**document, **parts, "set_aside": tuple(document["set_aside"])})


def values_message(values: Iterable[tuple[int, int, float]]) -> bytes:
    """Return a message of values: series, time and value of each."""
    return VALUES + b"".join(VALUE.pack(*value) for value in values)


def read_values(body: bytes) -> Sequence[tuple[int, int, float]]:
    """Return the values of a message's body."""
    return list(VALUE.iter_unpack(body))
