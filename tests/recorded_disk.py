"""What SQLite writes to disk, recorded in order; and what a power cut at any moment may have left of it.

A VFS of our own lies over that of the SQLite library that Python uses. Its files are the real ones; it takes note of
each write, truncation, sync and deletion.
"""

from __future__ import annotations

import contextlib
import ctypes
import ctypes.util
import random
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

OK = 0

_POINTER = ctypes.c_void_p


class _Vfs(ctypes.Structure):
    """The beginning of sqlite3_vfs, and the rest of its version 3 as pointers (sqlite3.h)."""

    _fields_ = (
        ("version", ctypes.c_int),
        ("file_size", ctypes.c_int),
        ("longest_path", ctypes.c_int),
        ("next", _POINTER),
        ("name", ctypes.c_char_p),
        ("data", _POINTER),
        ("open", _POINTER),
        ("delete", _POINTER),
        ("rest", _POINTER * 14),
    )


class _Methods(ctypes.Structure):
    """sqlite3_io_methods, version 3 (sqlite3.h)."""

    _fields_ = (
        ("version", ctypes.c_int),
        ("close", _POINTER),
        ("read", _POINTER),
        ("write", _POINTER),
        ("truncate", _POINTER),
        ("sync", _POINTER),
        ("rest", _POINTER * 13),
    )


_OPEN = ctypes.CFUNCTYPE(ctypes.c_int, _POINTER, _POINTER, _POINTER, ctypes.c_int, _POINTER)
_DELETE = ctypes.CFUNCTYPE(ctypes.c_int, _POINTER, _POINTER, ctypes.c_int)
_WRITE = ctypes.CFUNCTYPE(ctypes.c_int, _POINTER, _POINTER, ctypes.c_int, ctypes.c_int64)
_TRUNCATE = ctypes.CFUNCTYPE(ctypes.c_int, _POINTER, ctypes.c_int64)
_SYNC = ctypes.CFUNCTYPE(ctypes.c_int, _POINTER, ctypes.c_int)


@dataclass(frozen=True)
class Change:
    """Be one thing that was done to a file: "write", "truncate", "delete", or "sync", which makes the others last."""

    kind: str
    name: str
    offset: int = 0
    data: bytes = b""


@dataclass
class Disk:
    """Be what was written, in order; and how much had been promised after how many changes."""

    changes: list[Change] = field(default_factory=list)
    promises: list[tuple[int, int]] = field(default_factory=list)

    def promise(self, rows: int) -> None:
        """Take note that so many rows are said to be on the disk now."""
        self.promises.append((len(self.changes), rows))

    def promised(self, cut: int) -> int:
        """Return how many rows had been promised when only `cut` changes had been begun."""
        return max((rows for when, rows in self.promises if when <= cut), default=0)

    def left(self, cut: int, chance: random.Random | None, *, all_of_it: bool = False) -> dict[str, bytes]:
        """Return the files after a power cut: what was synced, and of the rest nothing, or some of it, torn."""
        begun = self.changes[:cut]
        synced = {
            name: max((at for at, one in enumerate(begun) if one.kind == "sync" and one.name == name), default=-1)
            for name in {one.name for one in begun}
        }
        files: dict[str, bytearray] = {}
        for at, one in enumerate(begun):
            if all_of_it or at <= synced[one.name]:
                _apply(files, one)
            elif chance is not None and chance.random() < 0.5:
                _apply(files, _torn(one, chance))
        return {name: bytes(content) for name, content in files.items()}


def _torn(change: Change, chance: random.Random) -> Change:
    if change.kind != "write" or chance.random() < 0.5:
        return change
    return Change("write", change.name, change.offset, change.data[: chance.randrange(len(change.data) + 1)])


def _apply(files: dict[str, bytearray], change: Change) -> None:
    if change.kind == "delete":
        files.pop(change.name, None)
        return
    if change.kind == "sync":
        return
    content = files.setdefault(change.name, bytearray())
    if change.kind == "truncate":
        del content[change.offset :]
        content.extend(bytes(change.offset - len(content)))
        return
    content.extend(bytes(max(change.offset - len(content), 0)))
    content[change.offset : change.offset + len(change.data)] = change.data


@contextlib.contextmanager
def recorded_disk() -> Iterator[Disk]:
    """Record what SQLite does to files that are opened meanwhile; skip the test where its library is built in."""
    found = ctypes.util.find_library("sqlite3")
    if found is None:
        pytest.skip("there is no shared library of SQLite")
    library = ctypes.CDLL(found)
    library.sqlite3_libversion.restype = ctypes.c_char_p
    library.sqlite3_vfs_find.restype = ctypes.POINTER(_Vfs)
    if not any(found in line for line in Path("/proc/self/maps").read_text().splitlines()) or (
        library.sqlite3_libversion().decode() != sqlite3.sqlite_version
    ):
        pytest.skip("this Python has an SQLite of its own")
    disk = Disk()
    shim = _Shim(library.sqlite3_vfs_find(None).contents, disk)
    library.sqlite3_vfs_register(ctypes.byref(shim.vfs), 1)
    probe = len(disk.changes)
    try:
        yield disk
    finally:
        library.sqlite3_vfs_unregister(ctypes.byref(shim.vfs))
    if len(disk.changes) == probe:
        pytest.skip("this Python does not use the shared library of SQLite")


class _Shim:
    """Be the VFS; everything that is not recorded goes straight to the one below."""

    def __init__(self, below: _Vfs, disk: Disk) -> None:
        self._below = below
        self._disk = disk
        self._names: dict[int, str] = {}
        self._tables: dict[int, _Methods] = {}
        self._kept: list[Any] = []
        self.vfs = _Vfs.from_buffer_copy(below)
        self.vfs.name = b"recorded"
        self.vfs.open = self._pointer(_OPEN, self._open)
        self.vfs.delete = self._pointer(_DELETE, self._delete)

    def _pointer(self, kind: Any, function: Callable[..., int]) -> int | None:
        made = kind(function)
        self._kept.append(made)
        return ctypes.cast(made, _POINTER).value

    def _open(self, _vfs: int, path: int | None, file: int, flags: int, out: int | None) -> int:
        result = int(_OPEN(self._below.open)(ctypes.addressof(self._below), path, file, flags, out))
        slot = _POINTER.from_address(file)  # sqlite3_file.pMethods, set by the one below
        if result == OK and slot.value:
            self._names[file] = Path(ctypes.string_at(path).decode()).name if path else ""
            slot.value = ctypes.addressof(self._methods(slot.value))
        return result

    def _methods(self, original: int) -> _Methods:
        if original not in self._tables:
            below = _Methods.from_address(original)
            table = _Methods.from_buffer_copy(below)
            write, truncate, sync = _WRITE(below.write), _TRUNCATE(below.truncate), _SYNC(below.sync)

            def recorded_write(file: int, data: int, size: int, offset: int) -> int:
                self._note(Change("write", self._names[file], offset, ctypes.string_at(data, size)))
                return int(write(file, data, size, offset))

            def recorded_truncate(file: int, size: int) -> int:
                self._note(Change("truncate", self._names[file], size))
                return int(truncate(file, size))

            def recorded_sync(file: int, flags: int) -> int:
                self._note(Change("sync", self._names[file]))
                return int(sync(file, flags))

            table.write = self._pointer(_WRITE, recorded_write)
            table.truncate = self._pointer(_TRUNCATE, recorded_truncate)
            table.sync = self._pointer(_SYNC, recorded_sync)
            self._tables[original] = table
        return self._tables[original]

    def _delete(self, _vfs: int, path: int, sync_folder: int) -> int:
        name = Path(ctypes.string_at(path).decode()).name
        self._note(Change("delete", name))
        if sync_folder:
            self._note(Change("sync", name))
        return int(_DELETE(self._below.delete)(ctypes.addressof(self._below), path, sync_folder))

    def _note(self, change: Change) -> None:
        if change.name:
            self._disk.changes.append(change)
