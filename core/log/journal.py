"""The journal of systemd, told in its native protocol, so that priority, instance and plugin are fields.

https://systemd.io/JOURNAL_NATIVE_PROTOCOL/: one datagram an entry, with lines of FIELD=value; a value with line ends
stands behind its length. What is too long for a datagram goes as a sealed memory file.
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import struct
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

__all__ = ["SOCKET", "Journal", "leads_to_journal"]

SOCKET = Path("/run/systemd/journal/socket")

_PRIORITIES = {"critical": 2, "error": 3, "warning": 4, "info": 6, "debug": 7}
_FIELDS = {
    "run": "CORE_RUN",
    "instance": "CORE_INSTANCE",
    "plugin": "CORE_PLUGIN",
    "logger": "CORE_LOGGER",
    "exception": "CORE_EXCEPTION",
}
_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SEAL


class Journal:
    """Take lines of JSON, as JsonFormatter makes them, called in a thread; `say` is told once if nobody takes them."""

    def __init__(self, *, say: Callable[[str], None], path: Path = SOCKET) -> None:
        self._say = say
        self._path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._lost = 0

    def write_lines(self, lines: list[str]) -> None:
        """Send each line as an entry; raises nothing."""
        for line in lines:
            try:
                self._send(entry(msgspec.json.decode(line)))
            except OSError as error:
                if not self._lost:
                    self._say(f"the journal takes nothing: {error.strerror} ({self._path})")
                self._lost += 1
            else:
                if self._lost:
                    self._say(f"the journal takes lines again; {self._lost} are lost")
                self._lost = 0

    def draw(self, frame: object) -> None:
        """Show nothing."""

    def end(self) -> None:
        """Close the socket."""
        self._socket.close()

    def _send(self, data: bytes) -> None:
        # Not connected: a journal that is started again is found again.
        try:
            self._socket.sendto(data, str(self._path))
        except OSError as error:
            if error.errno not in (errno.EMSGSIZE, errno.ENOBUFS):
                raise
            memory = os.memfd_create("core-log", os.MFD_ALLOW_SEALING | os.MFD_CLOEXEC)
            try:
                with open(memory, "wb", closefd=False) as file:
                    file.write(data)
                fcntl.fcntl(memory, fcntl.F_ADD_SEALS, _SEALS)
                rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack("i", memory))]
                self._socket.sendmsg([], rights, 0, str(self._path))
            finally:
                os.close(memory)


def entry(line: Mapping[str, object]) -> bytes:
    """Return the datagram of a line of the log."""
    message = str(line["message"])
    if line.get("exception"):
        message += f"\n{line['exception']}"
    if line.get("instance") and str(line["instance"]) not in message:
        message = f"{line['instance']}: {message}"
    fields = {
        "MESSAGE": message,
        "PRIORITY": str(_PRIORITIES.get(str(line.get("level")), 6)),
        "SYSLOG_IDENTIFIER": "corectl",
        **{field: str(line[key]) for key, field in _FIELDS.items() if line.get(key)},
    }
    return b"".join(_field(name, value.encode(errors="backslashreplace")) for name, value in fields.items())


def leads_to_journal(descriptor: int | None, environment: Mapping[str, str] = os.environ) -> bool:
    """Return whether what is written to a descriptor gets into the journal, as systemd says by JOURNAL_STREAM."""
    device, _, inode = environment.get("JOURNAL_STREAM", "").partition(":")
    if descriptor is None or not (device.isdecimal() and inode.isdecimal()):
        return False
    try:
        found = os.fstat(descriptor)
    except OSError:
        return False
    return (found.st_dev, found.st_ino) == (int(device), int(inode))


def _field(name: str, value: bytes) -> bytes:
    if b"\n" in value:
        return name.encode() + b"\n" + struct.pack("<Q", len(value)) + value + b"\n"
    return name.encode() + b"=" + value + b"\n"
