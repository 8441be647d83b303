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
from core.indi import Element, Frame, VectorMessage, decode, encode
from core.indi.blobs import encode_base64, encoded_length
from core.indi.framing import MAXIMUM_BLOB

_LENGTH = re.compile("[0-9]{1,12}")


class Attachments:
    """Hold the descriptors of one message, in the order of its BLOBs; they are closed when nobody needs them."""

    def __init__(self, descriptors: Sequence[int], maximum: int = MAXIMUM_BLOB) -> None:
        self.descriptors = tuple(descriptors)
        self._left = maximum
        self._inlined: Frame | None = None
        weakref.finalize(self, _close, self.descriptors)

    def inlined(self, frame: Frame) -> Frame:
        """Return the same message with its BLOBs in base64; raise ProtocolError if one is not as long as it is said."""
        if self._inlined is None:
            message = decode(frame)
            if not isinstance(message, VectorMessage):
                raise ProtocolError("only BLOBs can be attached")
            numbers = iter(self.descriptors)
            elements = [self._in_base64(one, next(numbers)) if _attached(one) else one for one in message.elements]
            self._inlined = Frame(encode(replace(message, elements=elements)).rstrip())
        return self._inlined

    def _in_base64(self, element: Element, descriptor: int) -> Element:
        attributes = {key: one for key, one in element.attributes.items() if key not in ("attached", "len", "enclen")}
        # `size` is that before compression, which may be more or less than what is there.
        length = element.attributes.get("len") or element.attributes.get("size", "")
        if not _LENGTH.fullmatch(length) or int(length) > self._left:
            raise ProtocolError(f"an attached BLOB is {length[:20]!r} bytes long; 0 to {self._left} is allowed")
        self._left -= int(length)
        try:
            data = _read(descriptor, int(length))
        except OSError as error:
            raise ProtocolError(f"an attached BLOB cannot be read: {error.strerror}") from error
        if len(data) != int(length):
            raise ProtocolError(f"an attached BLOB is shorter than {length} bytes")
        body = "\n" + encode_base64(data).decode()
        return Element(element.name, body, {**attributes, "enclen": str(encoded_length(len(data)))})


def without_attachments(frame: Frame) -> Frame:
    """Return the message with all of its BLOBs in base64."""
    return frame.attachments.inlined(frame) if isinstance(frame.attachments, Attachments) else frame


def count_attached(frame: Frame) -> int:
    """Return how many descriptors belong to a message."""
    return sum(child.get("attached") == "true" for child in frame.element)


def _attached(element: Element) -> bool:
    return element.attributes.get("attached") == "true"


def _read(descriptor: int, length: int) -> bytes:
    """Return the first bytes of a file; it is read, not mapped, since whoever shrinks it meanwhile would kill us."""
    status = os.fstat(descriptor)
    # A file may be a promise of more than there is memory; anything but a file may never answer.
    if not stat.S_ISREG(status.st_mode) or status.st_size < length:
        return b""
    return os.pread(descriptor, length, 0)


def _close(descriptors: tuple[int, ...]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)
