"""The file of a log: appended to, set aside when it is long, and never a reason to wait or to end.

Own code, because the rotating handlers of the standard library keep what a full disk refuses in a buffer that fails
again and again, tear lines there, and do not notice a file that somebody else has moved or that two processes share.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

__all__ = ["LogFile"]

_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
_MODE = 0o640


class LogFile:
    """Take lines, called in a thread; what cannot be written is counted, and said when it can be again.

    A file of `size` bytes is renamed to NAME.1, that to NAME.2 and so on, and `kept` of them are kept; several
    processes may write the same file. `say` is told once when it cannot be written, and once when it can be again;
    `lost` makes the line that stands for those that are missing.
    """

    def __init__(
        self, path: Path, size: int, kept: int, *, say: Callable[[str], None], lost: Callable[[int], str]
    ) -> None:
        self.path = path
        self._size = size
        self._kept = kept
        self._say = say
        self._lost_line = lost
        self._descriptor: int | None = None
        self._regular = False
        self._torn = False
        self._lost = 0
        self._rotates = True

    def write_lines(self, lines: list[str]) -> None:
        """Append lines; raises nothing."""
        written = 0
        try:
            if self._lost:
                self._append([self._lost_line(self._lost)])
            for chunk in _chunks(lines, self._size):
                self._append(chunk)
                written += len(chunk)
        except OSError as error:
            self._close()
            if not self._lost:
                self._say(
                    f"the log file {self.path} cannot be written: {error.strerror}; its lines are lost until then"
                )
            self._lost += len(lines) - written
        else:
            if self._lost:
                self._say(f"the log file {self.path} can be written again; {self._lost} lines are lost")
            self._lost = 0

    def draw(self, frame: object) -> None:
        """Show nothing."""

    def end(self) -> None:
        """Close the file."""
        self._close()

    def _append(self, lines: list[str]) -> None:
        data = "".join(line + "\n" for line in lines).encode(errors="backslashreplace")
        descriptor = self._opened()
        if self._regular and 0 < os.fstat(descriptor).st_size > self._size - len(data):
            self._set_aside(descriptor)
            descriptor = self._opened()
        rest = b"\n" + data if self._torn else data
        while rest:
            count = os.write(descriptor, rest)
            rest = rest[count:]
            self._torn = bool(rest)

    def _opened(self) -> int:
        """Return the descriptor of the file that has the name now: another program may have moved the one before."""
        if self._descriptor is not None:
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(self._descriptor), self.path.stat()):
                    return self._descriptor
            self._close()
        with contextlib.suppress(FileExistsError, FileNotFoundError):
            self.path.parent.mkdir(mode=0o750)
        self._descriptor = os.open(self.path, _FLAGS, _MODE)
        self._regular = stat.S_ISREG(os.fstat(self._descriptor).st_mode)
        return self._descriptor

    def _set_aside(self, descriptor: int) -> None:
        """Rename the file, and those before it, unless another process is at it or has done it."""
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        try:
            if not os.path.samestat(os.fstat(descriptor), self.path.stat()):
                return
            if not self._kept:
                self.path.unlink()
            for number in range(self._kept, 0, -1):
                older = self._numbered(number - 1)
                if number == 1 or older.exists():
                    older.replace(self._numbered(number))
        except OSError as error:
            # Better without the old lines than without an end: a file that only grows would fill the disk.
            os.ftruncate(descriptor, 0)
            if self._rotates:
                self._say(f"the log file {self.path} cannot be set aside: {error.strerror}; it begins anew when full")
            self._rotates = False
        finally:
            fcntl.flock(descriptor, fcntl.LOCK_UN)

    def _numbered(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}") if number else self.path

    def _close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _chunks(lines: list[str], size: int) -> Iterator[list[str]]:
    """Yield lines in parts that are not much longer than half of what a file may have."""
    chunk: list[str] = []
    length = 0
    for line in lines:
        if chunk and length + len(line) > size // 2:
            yield chunk
            chunk, length = [], 0
        chunk.append(line)
        length += len(line) + 1
    if chunk:
        yield chunk
