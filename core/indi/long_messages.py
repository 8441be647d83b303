"""Messages with long BLOBs: their base64 is made piece by piece while they are sent.

To make it of all at once would let everybody wait, for a second where a BLOB has 200 MB, and hold it twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from core.indi.blobs import LINE_BYTES, encode_base64, written_length

LONG = 1 << 20
"""Beyond how many bytes a BLOB is long; to make base64 of so many takes a millisecond."""
PIECE = 8192 * LINE_BYTES
"""Of how many bytes base64 is made at once: whole lines, so that the pieces joined are the whole."""
PIECES_KEPT = 4
"""How many pieces are kept for others who get the same BLOB."""


class LongBlob:
    """Be the base64 of `length` bytes; `read(at, count)` returns `count` of them."""

    __slots__ = ("_pieces", "_read", "length")

    def __init__(self, length: int, read: Callable[[int, int], bytes]) -> None:
        self.length = length
        self._read = read
        self._pieces: dict[int, bytes] = {}

    @classmethod
    def of_bytes(cls, data: bytes) -> LongBlob:
        """Return the base64 of bytes that are there already."""
        return cls(len(data), lambda at, count: data[at : at + count])

    def __len__(self) -> int:
        """Return how many characters it has, line breaks included."""
        return written_length(self.length)

    def __iter__(self) -> Iterator[bytes]:
        """Yield it piece by piece."""
        return map(self._piece, range(0, self.length, PIECE))

    def _piece(self, at: int) -> bytes:
        piece = self._pieces.get(at)
        if piece is None:
            piece = encode_base64(self._read(at, min(PIECE, self.length - at)))
            if len(self._pieces) >= PIECES_KEPT:
                del self._pieces[next(iter(self._pieces))]
            self._pieces[at] = piece
        return piece


class LongMessage:
    """Be the bytes of a message, of which long BLOBs are not written yet."""

    __slots__ = ("_length", "_parts")

    def __init__(self, parts: Sequence[bytes | LongBlob]) -> None:
        self._parts = tuple(parts)
        self._length = sum(map(len, self._parts))

    @classmethod
    def or_bytes(cls, parts: Sequence[bytes | LongBlob]) -> bytes | LongMessage:
        """Return the bytes of a message if there is nothing in it that is not written yet."""
        written = [part for part in parts if isinstance(part, bytes)]
        return b"".join(written) if len(written) == len(parts) else cls(parts)

    def __len__(self) -> int:
        """Return how many bytes it has."""
        return self._length

    def __iter__(self) -> Iterator[bytes]:
        """Yield it piece by piece."""
        for part in self._parts:
            if isinstance(part, bytes):
                yield part
            else:
                yield from part
