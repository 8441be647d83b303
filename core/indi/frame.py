"""One element of a stream: its bytes as they came, proven well-formed, and what its start tag says.

A hub passes most messages on without looking inside. A frame gives it what it needs for that, and makes a message of
the element only for who asks. The base64 of BLOBs is checked by searches over the bytes and never parsed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from core.errors import ProtocolError
from core.indi.character_set import BASE64
from core.indi.framing import LONGEST_TAG, MAXIMUM_ATTRIBUTES, MAXIMUM_MARKUP, MAXIMUM_SIZE
from core.indi.proof import has_foreign_names, prove, write

if TYPE_CHECKING:
    from lxml import etree

_BLOB_VECTOR = re.compile(rb"<(?:set|new)BLOBVector[\s>]")
# No value has a "<" in XML: where a tag would have one it is none, and nothing is looked at twice.
_TO_END_OF_TAG = rb"(?=[\s/>])(?:[^\"'<>]++|\"[^\"<]*+\"|'[^'<]*+')*>"
_VECTOR_START = re.compile(rb"<(?:set|new)BLOBVector" + _TO_END_OF_TAG)
_BLOB_START = re.compile(rb"<oneBLOB" + _TO_END_OF_TAG)
_ATTRIBUTE = re.compile(rb"\s+([^\s=]+)\s*=\s*(?:\"[^\"]*\"|'[^']*')")
"""Of a proven tag, where one follows another: so nothing within a value is taken for one."""
MAXIMUM_REFERENCES = 200_000
"""How many times `&lt;` and the like may be in a message: each takes the parser as long as a hundred letters."""

_LINE = 80
"""libindi breaks lines of base64 after 72 characters; a longer one was written without breaks."""


class Frame:
    """Be one element: `raw`, its `tag`, and the `device` and `name` that it names, if any.

    Raises ProtocolError if the bytes are not one well-formed element. `attachments` is what came beside the bytes, for
    whoever took it off the wire.
    """

    __slots__ = ("_element", "_passing", "attachments", "bodies", "device", "is_known", "name", "raw", "tag")

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self.is_known = False
        if raw.count(b"<") > 2 * MAXIMUM_MARKUP:
            raise ProtocolError(f"a message has more than {MAXIMUM_MARKUP} elements")
        if raw.count(b"&") > MAXIMUM_REFERENCES:
            raise ProtocolError(f"a message has more than {MAXIMUM_REFERENCES} references")
        self.attachments: object = None
        self._passing: bytes | None = None
        self.bodies: tuple[bytes, ...] | None = None
        self._element: etree._Element | None
        if _BLOB_VECTOR.match(raw):
            skeleton, self.bodies = _without_bodies(raw)
            element = prove(skeleton)
        else:
            skeleton = raw
            hides = b"<!" in raw or b"<?" in raw
            # A letter becomes up to six; they are counted first, since to write them takes as long as to read them.
            if hides and len(raw) + 3 * raw.count(b">") + 5 * raw.count(b'"') > MAXIMUM_SIZE:
                raise ProtocolError(f"a message is longer than {MAXIMUM_SIZE} bytes when it is written anew")
            element = prove(raw)
            if hides:
                # The parsers of libindi skip to the next ">": what hides in a comment or CDATA would become a command.
                self.raw = skeleton = write(element)
        if has_foreign_names(skeleton):
            raise ProtocolError("a name is not ASCII")
        if len(element.attrib) > MAXIMUM_ATTRIBUTES:
            raise ProtocolError(f"a message has more than {MAXIMUM_ATTRIBUTES} attributes")
        self._element = element
        self.tag = str(element.tag)
        self.device = self._attribute("device")
        self.name = self._attribute("name")

    @classmethod
    def known(cls, raw: bytes, tag: str, device: str, name: str) -> Frame:
        """Return the frame of an element that is known to be well-formed and to bring no BLOBs."""
        frame = cls.__new__(cls)
        frame.raw, frame.tag, frame.device, frame.name = raw, tag, device, name
        frame.is_known = True
        frame.attachments = frame.bodies = frame._element = frame._passing = None
        return frame

    @property
    def element(self) -> etree._Element:
        """Return the element, for who wants to see more of it; without the base64 of its BLOBs."""
        if self._element is None:
            self._element = prove(self.raw)
        return self._element

    @property
    def said(self) -> str | None:
        """Return what it says to people."""
        return self.element.get("message") if b"message" in self.raw else None

    @property
    def verb(self) -> str:
        """Return "def", "set" or "new" of a vector's message, "" of any other."""
        return self.tag[:3] if self.tag.endswith("Vector") else ""

    @property
    def is_blob(self) -> bool:
        """Return whether this carries BLOBs."""
        return self.bodies is not None

    @property
    def is_stream(self) -> bool:
        """Return whether every BLOB here is a frame of a stream, of which a later one takes its place."""
        formats = [child.get("format", "") for child in self.element]
        return bool(formats) and all(one in (".stream", ".stream.z", ".stream_jpg") for one in formats)

    @property
    def key(self) -> tuple[str, str, str, tuple[str, ...]] | None:
        """Return what two messages have in common of which the later replaces the earlier; None if none does."""
        if self.verb != "set" or self.has_message or (self.is_blob and not self.is_stream):
            return None
        members = tuple(str(child.get("name", "")) for child in self.element)
        return self.tag, self.device or "", self.name or "", members

    @property
    def has_message(self) -> bool:
        """Return whether it says something to people."""
        return self.said is not None

    def count(self, _run: bytes) -> int:
        """Return that this is one message, for who takes runs of them as well."""
        return 1

    def pieces(self, run: bytes, _size: int) -> Iterator[bytes]:
        """Yield the message, which is never divided, for who takes runs as well."""
        yield run

    def last(self, run: bytes) -> bytes:
        """Return the bytes of the message, for who takes runs as well."""
        return run

    def _attribute(self, name: str) -> str | None:
        value = self.element.get(name)
        return str(value) if value else None

    def for_passing_on(self) -> bytes:
        """Return the bytes to pass on: as they came, with a line feed, but base64 in one line loses its `enclen`.

        libindi's clients expect line breaks where `enclen` is given, and its server loses the device without them. All
        who are given the message share one buffer.
        """
        if self._passing is None:
            self._passing = self._without_false_lengths() + b"\n"
        return self._passing

    def _without_false_lengths(self) -> bytes:
        if self.bodies is None or b"enclen" not in self.raw:
            return self.raw
        parts: list[bytes] = []
        at = 0
        for start in _BLOB_START.finditer(self.raw):
            if start.start() < at:
                continue
            body = self.raw[start.end() : start.end() + 2 * _LINE]
            parts += [self.raw[at : start.start()], without_false_length(start.group(), body)]
            at = start.end()
        return b"".join([*parts, self.raw[at:]])


def without_false_length(tag: bytes, body: bytes) -> bytes:
    """Return the start tag of a BLOB without `enclen` if its `body`, or the beginning of it, is not broken in lines."""
    break_at = body.find(b"\n", 2, 2 + _LINE)
    end = body.find(b"<")
    one_line = break_at < 0 and (end if end >= 0 else len(body)) > _LINE
    return _ATTRIBUTE.sub(lambda one: b"" if one[1] == b"enclen" else one[0], tag) if one_line else tag


def _without_bodies(raw: bytes) -> tuple[bytes, tuple[bytes, ...]]:
    """Return a BLOB vector without its base64, and the base64; raise ProtocolError for what is none."""
    skeleton: list[bytes] = []
    bodies: list[bytes] = []
    at = 0
    if (vector := _VECTOR_START.match(raw)) is not None:
        _check_length(vector)
    while (start := _BLOB_START.search(raw, at)) is not None:
        _check_length(start)
        skeleton.append(raw[at : start.end()])
        at = start.end()
        if start.group().endswith(b"/>"):
            bodies.append(b"")
            continue
        end = raw.find(b"<", at)
        body = raw[at : end if end >= 0 else len(raw)]
        # A comment or an element inside would hide from the check what stands behind it.
        if not BASE64.covers(body) or not raw.startswith(b"</oneBLOB", end):
            raise ProtocolError("a BLOB is not base64")
        bodies.append(body)
        at = end if end >= 0 else len(raw)
    skeleton.append(raw[at:])
    markup = b"".join(skeleton)
    if b"<!" in markup or b"<?" in markup:
        raise ProtocolError("a BLOB vector holds something other than BLOBs")
    return markup, tuple(bodies)


def _check_length(tag: re.Match[bytes]) -> None:
    if tag.end() - tag.start() > LONGEST_TAG:
        raise ProtocolError(f"a tag of a BLOB vector is longer than {LONGEST_TAG} bytes")
