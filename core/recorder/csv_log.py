"""CSV files beside the database: one a day in UTC, one line a value, on the disk with every commit."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from core.recorder.protocol import Series
from core.recorder.spans import SECOND, UNITS

HEADER = "time,device,property,member,value\r\n"
DAY = UNITS["d"]


class CsvLog:
    """Append values to the files in `folder`, which is made if there is none; every error is an OSError."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._day = -1
        self._file = -1

    def write(self, series: Mapping[int, Series], values: Sequence[tuple[int, int, float]]) -> None:
        """Write values (series, nanoseconds, value), and return when they are on the disk.

        What could not be written whole is cut off again, as far as the disk lets us.
        """
        days: dict[int, list[tuple[int, int, float]]] = {}
        for value in values:
            days.setdefault(value[1] // DAY, []).append(value)
        for day, of_day in days.items():
            self._turn_to(day)
            begin = os.lseek(self._file, 0, os.SEEK_END)
            try:
                _write_all(self._file, _lines(series, of_day))
                os.fdatasync(self._file)
            except OSError:
                os.ftruncate(self._file, begin)
                raise

    def close(self) -> None:
        """Close the file."""
        if self._file >= 0:
            os.close(self._file)
        self._file, self._day = -1, -1

    def _turn_to(self, day: int) -> None:
        if day == self._day:
            return
        self.close()
        self._folder.mkdir(parents=True, exist_ok=True)
        name = datetime.fromtimestamp(day * DAY // SECOND, UTC).strftime("%Y-%m-%d.csv")
        self._file = os.open(self._folder / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        if not (length := _whole_lines(self._file)):
            _write_all(self._file, HEADER.encode())
        else:
            os.ftruncate(self._file, length)
        self._day = day


def _whole_lines(file: int) -> int:
    """Return the length of a file without the torn line that a power cut may have left at its end."""
    length = os.fstat(file).st_size
    while length:
        begin = max(length - 4096, 0)
        if (end := os.pread(file, length - begin, begin).rfind(b"\n")) >= 0:
            return begin + end + 1
        length = begin
    return 0


def _write_all(file: int, data: bytes) -> None:
    os.lseek(file, 0, os.SEEK_END)
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]


def _lines(series: Mapping[int, Series], values: Sequence[tuple[int, int, float]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text)
    for number, when, value in values:
        seconds, rest = divmod(when, SECOND)
        moment = datetime.fromtimestamp(seconds, UTC)
        one = series[number]
        writer.writerow(
            (f"{moment:%Y-%m-%dT%H:%M:%S}.{rest // 1000:06d}Z", one.device, one.property, one.member, repr(value))
        )
    return text.getvalue().encode()
