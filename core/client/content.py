"""The content of a BLOB as it streams in: base64 decoded, `.z` inflated, the size held to what was announced."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping

from core.client.errors import BlobLost
from core.errors import ProtocolError
from core.indi.blobs import Base64Reader

INFLATED = 1 << 20
"""How many bytes are inflated at once."""


def announced_size(attributes: Mapping[str, str]) -> int | None:
    """Return how many bytes of content a BLOB's attributes announce, None where they do not tell.

    `size` is that of the content before any compression. We undo only `.z`, so that it tells nothing of what a driver
    has compressed in another way (".fits.fz"); libindi adds `len` for that, the size as it is sent.
    """
    form = attributes.get("format", "")
    if form.endswith(".z"):
        return _count(attributes.get("size", ""))
    length = _count(attributes.get("len", ""))
    if length is not None or form.endswith("z"):
        return length
    return _count(attributes.get("size", ""))


def _count(text: str) -> int | None:
    stripped = text.strip()
    return int(stripped) if stripped.isdecimal() and len(stripped) < 20 else None


class BlobContent:
    """Decode one BLOB piece by piece; `attributes` are those of its oneBLOB.

    `feed` and `finish` raise BlobLost for content that is damaged, larger than `maximum` bytes, or not as large as the
    attributes announce.
    """

    def __init__(self, attributes: Mapping[str, str], maximum: int) -> None:
        form = attributes.get("format", "")
        self.format = form.removesuffix(".z")
        self.size = 0
        self._announced = announced_size(attributes)
        # indiserver 1.9.9 sends the whole buffer that a driver shares with it, and zeros behind `len`.
        self._cut = "len" in attributes
        self._maximum = maximum
        self._base64 = Base64Reader()
        self._inflater = zlib.decompressobj() if form.endswith(".z") else None
        if self._announced is not None and self._announced > maximum:
            raise BlobLost(f"it has {self._announced} bytes; {maximum} are allowed")

    def feed(self, text: bytes) -> Iterator[bytes]:
        """Yield the content that `text` completes."""
        try:
            data = self._base64.feed(text)
        except ProtocolError as error:
            raise BlobLost(str(error)) from None
        if data:
            yield from self.feed_decoded(data)

    def feed_decoded(self, data: bytes) -> Iterator[bytes]:
        """Yield the content that `data` completes, which has come as it is and not in base64."""
        if self._inflater is None:
            yield self._counted(data)
        else:
            yield from self._inflated(self._inflater, data)

    def finish(self) -> None:
        """Check that the content is whole."""
        try:
            self._base64.finish()
        except ProtocolError as error:
            raise BlobLost(str(error)) from None
        if self._inflater is not None and self.size and not self._inflater.eof:
            raise BlobLost("its compressed content is cut off")
        if self._announced is not None and self.size != self._announced:
            raise BlobLost(f"it has {self.size} bytes, and {self._announced} were announced")

    def _inflated(self, inflater: zlib._Decompress, data: bytes) -> Iterator[bytes]:
        try:
            # What is inflated beyond the last piece comes with the next one: a checksum follows all content.
            while data and not inflater.eof:
                piece = inflater.decompress(data, INFLATED)
                data = inflater.unconsumed_tail
                if piece:
                    yield self._counted(piece)
        except zlib.error as error:
            raise BlobLost(f"its compressed content is damaged: {error}") from None

    def _counted(self, data: bytes) -> bytes:
        limit = self._maximum if self._announced is None else self._announced
        if self._cut and self._announced is not None:
            data = data[: limit - self.size]
        self.size += len(data)
        if self.size > limit:
            raise BlobLost(f"it has more than {limit} bytes")
        return data
