"""Cut a server's stream into messages; the content of BLOBs comes in pieces, so that memory is bounded at any size.

`core.indi.Framer` holds a whole element before it gives it out. A BLOB may be larger than what one wants to hold, so
set- and newBLOBVectors are taken out of the stream before the framer sees them and walked through here.

The server's `core.indi.MessageStream` is no substitute: it passes the tags of BLOBs on as bytes, where a client wants
their attributes, and it ends the connection at a limit, where here a BLOB that is too long costs only itself.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from dataclasses import dataclass

from core.errors import ProtocolError
from core.indi import Element, Framer, VectorMessage, decode
from core.indi.proof import prove

MAXIMUM_TAG = 1 << 16
MAXIMUM_MEMBERS = 10_000

_OPENINGS = (b"<setBLOBVector", b"<newBLOBVector")
_BLOB_VECTOR = re.compile(rb"<(?:set|new)BLOBVector[ \t\r\n/>]")
_QUOTE_OR_END = re.compile(rb"[\"'>]")
_END_OF_BLOB = re.compile(rb"</oneBLOB[ \t\r\n]*>")


@dataclass(frozen=True, slots=True)
class BlobBegin:
    """Begin the content of one BLOB: its vector, without members, and the member with its attributes."""

    vector: VectorMessage
    element: Element


@dataclass(frozen=True, slots=True)
class BlobPiece:
    """Be a piece of the content, in base64, cut anywhere."""

    text: bytes


@dataclass(frozen=True, slots=True)
class BlobEnd:
    """End the content of one BLOB."""


Item = bytes | BlobBegin | BlobPiece | BlobEnd | VectorMessage


class StreamScanner:
    """Turn what arrives into whole elements (bytes), and BLOB vectors into their parts and a VectorMessage at the end.

    `feed` raises ProtocolError for what can never become a message; the stream cannot be resynchronised after that.
    """

    def __init__(self) -> None:
        self._framer = Framer()
        self._held = b""  # what may be the beginning of a BLOB vector's tag
        self._last = b""  # the last byte that the framer got
        self._inside = False  # of a BLOB vector
        self._tag = bytearray()
        self._quote = b""
        self._vector: VectorMessage | None = None
        self._element: Element | None = None

    def feed(self, data: bytes) -> Iterator[Item]:
        """Yield what `data` completes."""
        if self._held:
            data = self._held + data
            self._held = b""
        at = 0
        while at < len(data):
            at = yield from self._walk_blobs(data, at) if self._inside else self._walk_messages(data, at)

    def _walk_messages(self, data: bytes, at: int) -> Generator[Item, None, int]:
        """Give the framer everything up to the next BLOB vector; return the place of that, or the end."""
        search_from = at
        while True:
            found = _BLOB_VECTOR.search(data, search_from)
            end = found.start() if found else _before_partial(data, at)
            if end > at:
                yield from self._framer.feed(memoryview(data)[at:end])
                self._last = data[end - 1 : end]
                at = end
            if found is None:
                self._held = data[end:]
                return len(data)
            # Within a comment or a text it is none. The framer keeps bytes back inside of those, except right behind
            # their opening, which ends in "-", "[" or "?".
            if self._framer.pending == 0 and self._last in (b"", b">", b" ", b"\t", b"\r", b"\n"):
                self._inside = True
                return at
            search_from = found.end() - 1

    def _walk_blobs(self, data: bytes, at: int) -> Generator[Item, None, int]:
        """Walk through a BLOB vector; return the place behind it, or the end."""
        while at < len(data):
            if not self._tag:
                markup = data.find(b"<", at)
                text = data[at : markup if markup >= 0 else len(data)]
                if self._element is not None:
                    if text:
                        yield BlobPiece(text)
                elif text.strip():
                    raise ProtocolError(f"text in a BLOB vector outside of its members: {text[:32]!r}")
                if markup < 0:
                    return len(data)
                at = markup
            at, complete = self._take_tag(data, at)
            if complete:
                tag = bytes(self._tag)
                self._tag.clear()
                yield from self._take_markup(tag)
                if not self._inside:
                    return at
        return at

    def _take_tag(self, data: bytes, at: int) -> tuple[int, bool]:
        """Collect a tag until its `>` outside of quotes; return the place behind, and whether it is complete."""
        start, complete = at, False
        while True:
            if self._quote:
                found = data.find(self._quote, at)
                at = found + 1 if found >= 0 else len(data)
                if found >= 0:
                    self._quote = b""
            else:
                mark = _QUOTE_OR_END.search(data, at)
                at = mark.end() if mark else len(data)
                if mark and mark.group() == b">":
                    complete = True
                elif mark:
                    self._quote = mark.group()
            if complete or at == len(data):
                break
        self._tag += data[start:at]
        if len(self._tag) > MAXIMUM_TAG:
            raise ProtocolError(f"a tag in a BLOB vector is longer than {MAXIMUM_TAG} bytes")
        return at, complete

    def _take_markup(self, tag: bytes) -> Iterator[Item]:
        empty = tag.endswith(b"/>")
        if self._element is not None:
            if not _END_OF_BLOB.fullmatch(tag):
                raise ProtocolError(f"{tag[:32]!r} within a BLOB")
            self._element = None
            yield BlobEnd()
        elif self._vector is None:
            vector = decode(tag if empty else tag[:-1] + b"/>")
            if not isinstance(vector, VectorMessage):
                raise ProtocolError(f"{tag[:32]!r} is no BLOB vector")
            self._vector = vector
            if empty:
                yield self._end_vector(vector)
        elif tag.startswith(b"</"):
            if tag[2:-1].strip() != self._vector.tag.encode():
                raise ProtocolError(f"{self._vector.tag} is ended by {tag[:32]!r}")
            yield self._end_vector(self._vector)
        else:
            element = _blob_element(tag if empty else tag[:-1] + b"/>")
            if len(self._vector.elements) >= MAXIMUM_MEMBERS:
                raise ProtocolError(f"a BLOB vector has more than {MAXIMUM_MEMBERS} members")
            self._vector.elements.append(element)
            yield BlobBegin(self._vector, element)
            if empty:
                yield BlobEnd()
            else:
                self._element = element

    def _end_vector(self, vector: VectorMessage) -> VectorMessage:
        self._vector = None
        self._inside = False
        self._last = b">"
        return vector


def _before_partial(data: bytes, at: int) -> int:
    """Return where the beginning of a BLOB vector's tag stands at the end of `data`, or the end."""
    tail = data.rfind(b"<", max(at, len(data) - len(_OPENINGS[0])))
    if tail >= 0 and any(opening.startswith(data[tail:]) for opening in _OPENINGS):
        return tail
    return len(data)


def _blob_element(tag: bytes) -> Element:
    parsed = prove(tag)
    attributes = {str(key): str(value) for key, value in parsed.attrib.items()}
    name = attributes.pop("name", "")
    if parsed.tag != "oneBLOB" or not name:
        raise ProtocolError(f"a BLOB vector holds {tag[:48]!r}, not a oneBLOB with a name")
    return Element(name, "", attributes)
