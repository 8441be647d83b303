"""BLOBs as INDI writes them: base64 in lines of 72 characters."""

from __future__ import annotations

import binascii

from core.errors import ProtocolError

LINE = 72


def encode_base64(data: bytes) -> bytes:
    """Return `data` in base64, in lines of 72 characters each ended by a line feed, as libindi writes it.

    libindi accepts a line break only between groups of four, and indiserver loses the device where `enclen` is given
    and lines are not broken.
    """
    import pybase64

    one_line = pybase64.b64encode(data)
    lines = [one_line[start : start + LINE] for start in range(0, len(one_line), LINE)]
    lines.append(b"")
    return b"\n".join(lines)


def encoded_length(size: int) -> int:
    """Return the `enclen` of so many bytes: the characters of base64, line breaks not counted.

    indiserver reckons with one break for each 72 of them; with a larger number it waits for what never comes.
    """
    return (size + 2) // 3 * 4


def decode_base64(text: bytes | str) -> bytes:
    """Return the bytes that base64 `text` writes, with or without line breaks; raise ProtocolError for other text."""
    import pybase64

    compact = (text.encode() if isinstance(text, str) else text).translate(None, b" \t\r\n")
    try:
        return pybase64.b64decode(compact, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ProtocolError(f"not base64: {error}") from None
