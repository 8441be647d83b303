"""BLOBs that come beside the bytes, as shared memory on a Unix socket, and base64 for who cannot take them so.

libindi writes `<oneBLOB ... len="bytes in the descriptor" attached="true"/>` and sends one descriptor for each.
"""

from __future__ import annotations

import os
import re
import stat
import weakref
from collections.abc import Sequence
from dataclasses import replace

from core.errors import ProtocolError
from core.indi import Element, Frame, Message, VectorMessage, decode
from core.indi.blobs import encoded_length
from core.indi.framing import MAXIMUM_BLOB
from core.indi.long_messages import LONG, LongBlob, LongMessage
from core.indi.messages import encode_long

_LENGTH = re.compile("[0-9]{1,12}")


class Attachments:
    """Hold the descriptors of one message, in the order of its BLOBs; they are closed when nobody needs them."""

    def __init__(self, descriptors: Sequence[int], maximum: int = MAXIMUM_BLOB) -> None:
        self._memories = [_Memory(number) for number in descriptors]
        self._maximum = maximum
        self._in_base64: bytes | LongMessage | None = None

    @property
    def descriptors(self) -> tuple[int, ...]:
        """Return the numbers of the descriptors."""
        return tuple(memory.descriptor for memory in self._memories)

    def in_base64(self, frame: Frame) -> bytes | LongMessage:
        """Return the bytes of the message with its BLOBs in base64, long ones read as they are sent.

        All who are given the message share them. Raises ProtocolError if a BLOB is not as long as it is said.
        """
        if self._in_base64 is None:
            self._in_base64 = encode_long(self._with_content(frame, long=True))
        return self._in_base64

    def read(self, frame: Frame) -> VectorMessage:
        """Return the message with what its BLOBs hold; raise ProtocolError if one is not as long as it is said."""
        return self._with_content(frame, long=False)

    def _with_content(self, frame: Frame, *, long: bool) -> VectorMessage:
        message = decode(frame)
        if not isinstance(message, VectorMessage):
            raise ProtocolError("only BLOBs can be attached")
        memories = iter(self._memories)
        left = self._maximum
        elements = []
        for element in message.elements:
            if element.attributes.get("attached") == "true":
                length = _length(element, left)
                left -= length
                element = _filled(element, next(memories), length, long=long)
            elements.append(element)
        return replace(message, elements=elements)


class _Memory:
    """Own a descriptor of what should be a file; it is read, not mapped: who shrinks it meanwhile would kill us."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        weakref.finalize(self, os.close, descriptor)

    def has(self, length: int) -> bool:
        """Return whether so many bytes can be read; raise OSError if none can."""
        status = os.fstat(self.descriptor)
        # A file may be a promise of more than there is memory; anything but a file may never answer.
        if not stat.S_ISREG(status.st_mode) or status.st_size < length:
            return False
        os.pread(self.descriptor, 1, 0)
        return True

    def read(self, at: int, count: int) -> bytes:
        """Return bytes; zeros in the place of those that somebody has taken away since the file was looked at."""
        try:
            data = os.pread(self.descriptor, count, at)
        except OSError:
            data = b""
        return data.ljust(count, b"\0")


def decode_whole(frame: Frame) -> Message:
    """Return the message that a frame is, with what is attached to it."""
    return frame.attachments.read(frame) if isinstance(frame.attachments, Attachments) else decode(frame)


def count_attached(frame: Frame) -> int:
    """Return how many descriptors belong to a message."""
    return sum(child.get("attached") == "true" for child in frame.element)


def _length(element: Element, maximum: int) -> int:
    # `size` is that before compression, which may be more or less than what is there.
    length = element.attributes.get("len") or element.attributes.get("size", "")
    if not _LENGTH.fullmatch(length) or int(length) > maximum:
        raise ProtocolError(f"an attached BLOB is {length[:20]!r} bytes long; 0 to {maximum} is allowed")
    return int(length)


def _filled(element: Element, memory: _Memory, length: int, *, long: bool) -> Element:
    attributes = {key: one for key, one in element.attributes.items() if key not in ("attached", "len", "enclen")}
    attributes["enclen"] = str(encoded_length(length))
    try:
        if not memory.has(length):
            raise ProtocolError(f"an attached BLOB is shorter than {length} bytes")
    except OSError as error:
        raise ProtocolError(f"an attached BLOB cannot be read: {error.strerror}") from error
    data = LongBlob(length, memory.read) if long and length > LONG else memory.read(0, length)
    return Element(element.name, "", attributes, data)
