"""A BLOB that came beside the bytes, as shared memory behind a descriptor."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping

from core.client.errors import BlobLost

PIECE = 1 << 20


class Attached:
    """Read a BLOB's memory, whose descriptor it owns, piece by piece; `attributes` are those of its oneBLOB.

    It is read and not mapped: whoever shrinks it meanwhile would end us by SIGBUS.
    """

    def __init__(self, descriptor: int, attributes: Mapping[str, str]) -> None:
        self._descriptor = descriptor
        length = (attributes.get("len") or attributes.get("size", "")).strip()
        self._left = int(length) if length.isdecimal() and len(length) < 20 else 0
        self._at = 0

    def read(self) -> bytes:
        """Return the next piece, b"" at the end; raise BlobLost if it is no memory or file that can be read."""
        if self._at == 0 and not stat.S_ISREG(os.fstat(self._descriptor).st_mode):
            raise BlobLost("what is attached is no memory")  # a pipe might never answer
        data = os.pread(self._descriptor, min(self._left, PIECE), self._at)
        self._at += len(data)
        self._left -= len(data)
        return data

    def close(self) -> None:
        """Close the descriptor."""
        os.close(self._descriptor)
