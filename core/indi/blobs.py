"""BLOBs as INDI writes them: base64 in lines of 72 characters."""

from __future__ import annotations

import binascii
import functools
import struct

from core.errors import ProtocolError

LINE = 72
LINE_BYTES = LINE // 4 * 3
"""How many bytes a line of base64 stands for."""
LINES_AT_ONCE = 8192


@functools.cache
def _cutter() -> struct.Struct:
    return struct.Struct(f"{LINE}s" * LINES_AT_ONCE)


def encode_base64(data: bytes) -> bytes:
    """Return `data` in base64, in lines of 72 characters each ended by a line feed, as libindi writes it.

    libindi accepts a line break only between groups of four, and indiserver loses the device where `enclen` is given
    and lines are not broken.
    """
    import pybase64

    one_line = pybase64.b64encode(data)
    # One call for thousands of lines takes a twentieth of the time of a slice for each.
    whole = len(one_line) // (LINES_AT_ONCE * LINE) * LINES_AT_ONCE * LINE
    blocks = [b"\n".join(lines) for lines in _cutter().iter_unpack(memoryview(one_line)[:whole])] if whole else []
    rest = [one_line[start : start + LINE] for start in range(whole, len(one_line), LINE)]
    return b"\n".join([*blocks, *rest, b""])


def encoded_length(size: int) -> int:
    """Return the `enclen` of so many bytes: the characters of base64, line breaks not counted.

    indiserver reckons with one break for each 72 of them; with a larger number it waits for what never comes.
    """
    return (size + 2) // 3 * 4


def written_length(size: int) -> int:
    """Return the length of the base64 of so many bytes, line breaks included."""
    length = encoded_length(size)
    return length + (length + LINE - 1) // LINE


def decode_base64(text: bytes | str) -> bytes:
    """Return the bytes that base64 `text` writes, with or without line breaks; raise ProtocolError for other text."""
    import pybase64

    compact = (text.encode() if isinstance(text, str) else text).translate(None, b" \t\r\n")
    try:
        return pybase64.b64decode(compact, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ProtocolError(f"not base64: {error}") from None


class Base64Reader:
    """Decode base64 that comes piece by piece."""

    def __init__(self) -> None:
        self._carry = b""
        self._padded = False

    def feed(self, text: bytes) -> bytes:
        """Return the bytes that `text` completes; raise ProtocolError for what is no base64."""
        compact = self._carry + text.translate(None, b" \t\r\n")
        whole = len(compact) & ~3
        self._carry = compact[whole:]
        if not whole:
            return b""
        if self._padded:
            raise ProtocolError("its base64 goes on behind the padding")
        self._padded = compact[whole - 1 : whole] == b"="
        return decode_base64(compact[:whole])

    def finish(self) -> None:
        """Raise ProtocolError if something is missing."""
        if self._carry:
            raise ProtocolError("its base64 ends in the middle of a group")
