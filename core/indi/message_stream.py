"""Cut a peer's stream into what can be passed on: runs of like messages, single elements, and BLOBs piece by piece.

What has been seen before is framed and proven in runs (`core.indi.skeletons`). Everything else comes as one element,
for lxml to prove. The base64 of a long BLOB is given out while it still arrives, checked by searches over the bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from core.errors import ProtocolError
from core.indi.character_set import BASE64
from core.indi.frame import Frame, without_false_length
from core.indi.framing import (
    ATTRIBUTES,
    LONGEST_TAG,
    MAXIMUM_BLOB,
    MAXIMUM_DEPTH,
    MAXIMUM_MARKUP,
    MAXIMUM_SIZE,
    Framer,
)
from core.indi.shapes import Shapes
from core.indi.skeletons import Skeleton, Skeletons

LONG_BLOB = 4096
"""From how many bytes on a BLOB vector that has not arrived whole is given out in pieces."""
DEFINITIONS_AT_ONCE = 50
"""How many definitions come together at most."""
LINE_SEEN = 100
"""How many bytes of a BLOB show whether it is in lines."""

_SPACE = re.compile(rb"[ \t\r\n]*")
_BETWEEN = re.compile(rb"(?:[ \t\r\n]*<(?:!--.*?--|\?.*?\?)>){1,500}[ \t\r\n]*", re.DOTALL)
"""Comments and declarations, not more than do no harm in one turn."""
_SKIPPED = (b"<!--", b"<?")
_OPENING = re.compile(
    rb"<(set|new)BLOBVector" + ATTRIBUTES + rb">[ \t\r\n]*(<oneBLOB(?=[ \t\r\n>])" + ATTRIBUTES + rb">)"
)
_END = re.compile(rb"</oneBLOB[ \t\r\n]*>")
_ANOTHER = re.compile(rb"<oneBLOB(?=[ \t\r\n/>])" + ATTRIBUTES + rb"(/?)>")
_LAST_OF = {verb: re.compile(rb"</" + verb + rb"BLOBVector[ \t\r\n]*>") for verb in (b"set", b"new")}
_TAG = re.compile(rb"<(?:[^\"'>]++|\"[^\"]*+\"|'[^']*+')*>")


class Run(NamedTuple):
    """Be one or more messages of one shape, proven well-formed."""

    skeleton: Skeleton
    data: bytes


@dataclass(frozen=True, slots=True)
class BlobOpening:
    """Begin a BLOB vector: `frame` is the vector with its first BLOB, which is empty there; `raw` goes to others."""

    frame: Frame
    raw: bytes


@dataclass(frozen=True, slots=True)
class BlobPart:
    """Be a piece of base64, or the end of one BLOB and the beginning of the next."""

    raw: bytes


@dataclass(frozen=True, slots=True)
class BlobClosing:
    """End a BLOB vector."""

    raw: bytes


@dataclass(frozen=True, slots=True)
class Definitions:
    """Be the definitions of one device that came together, `each` with its bytes, tag and name, all well-formed."""

    device: str
    data: bytes
    each: list[tuple[bytes, str, str]]

    def frames(self) -> Iterator[Frame]:
        """Yield them one by one."""
        return (Frame.known(raw, tag, self.device, name) for raw, tag, name in self.each)


@dataclass(frozen=True, slots=True)
class Skipped:
    """Be what stands between messages and means nothing; it costs time all the same."""


Piece = bytes | Frame | Run | Definitions | Skipped | BlobOpening | BlobPart | BlobClosing


class MessageStream(Framer):
    """Turn what arrives into pieces; raise ProtocolError for what is none, as `Framer` does.

    Peers may share the `shapes` that lxml has proven.
    """

    def __init__(
        self,
        *,
        maximum_size: int = MAXIMUM_SIZE,
        maximum_blob: int = MAXIMUM_BLOB,
        maximum_depth: int = MAXIMUM_DEPTH,
        shapes: Shapes | None = None,
    ) -> None:
        super().__init__(maximum_size=maximum_size, maximum_blob=maximum_blob, maximum_depth=maximum_depth)
        self._shapes = shapes or Shapes()
        self._skeletons = Skeletons()
        self._last: Skeleton | None = None
        self._may_open = False  # whether the element may be a BLOB vector that is given out in pieces
        self._verb = b""  # of the BLOB vector that is open
        self._in_body = False
        self._blobs = 0
        self._blob_length = 0
        self._rest_length = 0  # of its tags, and of spaces between them

    @property
    def missing_end(self) -> bytes:
        """Return what would end the BLOB vector that is open; nothing if there is none."""
        if not self._verb:
            return b""
        return (b"</oneBLOB>" if self._in_body else b"") + b"</" + self._verb + b"BLOBVector>\n"

    def forget(self) -> None:
        """Drop what has come and what was learnt of it."""
        super().forget()
        self._skeletons = Skeletons()
        self._last = None

    def next_piece(self) -> Piece | None:
        """Return the next piece, None if there is none yet; raise ProtocolError for what is none."""
        if self._verb:
            return self._next_of_blob()
        if self._start < 0:
            self._may_open = True
            if self._until and not self._skip_section():
                self._drop_consumed()
                return None
            if self._at == len(self._buffer):
                return None
            if self._buffer.__class__ is bytes and (piece := self._seen_before()) is not None:
                return piece
        element = self.next_element()
        if element is None and self._may_open and len(self._buffer) - self._start >= LONG_BLOB:
            return self._opening()
        return element if element is None else self._once_torn(element)

    def _once_torn(self, element: bytes) -> bytes | Run:
        """Return an element that came in parts as the run that it is, if others like it have been proven."""
        found = self._skeletons.find(element, 0)
        return Run(found[0], element + b"\n") if found is not None and found[1] == element else element

    def whole_run(self, data: bytes) -> Run | None:
        """Return a run that `data` is as a whole, if nothing else waits; otherwise it has to be appended.

        That is what a quick exchange consists of, and it is spared all looking for beginnings and ends.
        """
        skeleton = self._last
        if skeleton is None or self._verb or self._start >= 0 or self._until or self._at != len(self._buffer):
            return None
        run = skeleton.run_at(data, 0)
        return Run(skeleton, run) if run and len(run) == len(data) else None

    def learn(self, frame: Frame) -> None:
        """Take note of an element that is well-formed, so that others like it need not be proven again."""
        if not frame.is_known:
            self._shapes.learn(frame)
        self._skeletons.consider(frame.raw, frame)

    def _seen_before(self) -> Run | Frame | Definitions | Skipped | None:
        data = bytes(self._buffer)
        at = self._at
        skeleton = self._last
        run = skeleton.run_at(data, at) if skeleton is not None else b""
        if not run:
            if data[at] in b" \t\r\n":
                space = _SPACE.match(data, at)
                at = space.end() if space is not None else at
            if data.startswith(_SKIPPED, at) and (between := _BETWEEN.match(data, at)) is not None:
                self._at = between.end()
                return Skipped()
            found = self._skeletons.find(data, at)
            if found is None:
                return self._of_known_shape(data, at)
            self._last, run = found
            skeleton = self._last
        if skeleton is None:
            return None
        self._at = at + len(run)
        return Run(skeleton, run)

    def _of_known_shape(self, data: bytes, at: int) -> Frame | Definitions | None:
        found = self._shapes.find(data, at)
        if found is None:
            return None
        start = at
        end, tag, device, name = found
        if not tag.startswith("def"):
            self._at = end
            return Frame.known(data[start:end], tag, device, name)
        each = []
        while True:
            each.append((data[at:end], tag, name))
            space = _SPACE.match(data, end)
            at = space.end() if space is not None else end
            found = self._shapes.find(data, at) if len(each) < DEFINITIONS_AT_ONCE else None
            if found is None or found[2] != device or not found[1].startswith("def"):
                break
            end, tag, _, name = found
        self._at = end
        return Definitions(device, data[start:end] + b"\n", each)

    def _opening(self) -> BlobOpening | None:
        """Begin to give out a BLOB vector in pieces, if enough of it is there."""
        start, buffer = self._start, self._buffer
        if start < 0 or self._elements < 2 or (self._elements == 2 and self._tag_start >= 0):
            return None  # the start tag of the first member has no end yet
        opening = _OPENING.match(buffer, start, start + 2 * LONGEST_TAG)
        if opening is None:
            self._may_open = False  # nothing that is still to come would change that
            return None
        if len(buffer) - opening.end() < LINE_SEEN:
            return None
        self._verb = opening.group(1)
        vector = bytes(buffer[start : opening.start(2)])
        one = without_false_length(opening.group(2), bytes(buffer[opening.end() : opening.end() + LINE_SEEN]))
        frame = Frame(bytes(buffer[start : opening.end()]) + b"</oneBLOB></" + self._verb + b"BLOBVector>")
        self._blobs = 1
        self._blob_length = 0
        self._rest_length = opening.end() - start
        self._in_body = True
        self._start, self._depth = -1, 0
        self._at = opening.end()
        return BlobOpening(frame, vector + one)

    def _next_of_blob(self) -> BlobPart | BlobClosing | None:
        buffer, at = self._buffer, self._at
        if at == len(buffer):
            self._drop_consumed()
            return None
        if self._in_body:
            end = buffer.find(b"<", at)
            stop = end if end >= 0 else len(buffer)
            if stop > at:
                body = bytes(buffer) if at == 0 and stop == len(buffer) else bytes(buffer[at:stop])
                self._count_body(len(body))
                if not BASE64.covers(body):
                    raise ProtocolError("a BLOB is not base64")
                self._at = stop
                return BlobPart(body)
        return self._markup(at)

    def _count_body(self, length: int) -> None:
        self._blob_length += length
        # What is counted has line breaks in it.
        if self._blob_length * 3 // 4 > self.maximum_blob + max(self.maximum_blob >> 4, LONGEST_TAG):
            raise ProtocolError(f"BLOBs of one message are longer than {self.maximum_blob} bytes")

    def _count_rest(self, length: int) -> None:
        self._rest_length += length
        if self._rest_length > self.maximum_size:
            raise ProtocolError(f"a message is longer than {self.maximum_size} bytes")

    def _markup(self, at: int) -> BlobPart | BlobClosing | None:
        """Return the tag that stands between two BLOBs or behind the last, or the spaces before it; nothing else."""
        raw = bytes(self._buffer[at : at + LONGEST_TAG + 1])
        space = _SPACE.match(raw)
        if space is not None and space.end():
            # By themselves: they may be more than what is looked at for a tag.
            self._count_rest(space.end())
            self._at = at + space.end()
            return BlobPart(space.group())
        tag = next((tag for expected in self._expected() if (tag := expected.match(raw)) is not None), None)
        if tag is None:
            if raw[0] != 0x3C or _TAG.match(raw) is not None or len(raw) > LONGEST_TAG:
                raise ProtocolError("a BLOB vector holds something other than BLOBs")
            return None
        passed = tag.group()
        end = at + tag.end()
        opens = tag.re is _ANOTHER and not tag.group(1)
        if tag.re is _ANOTHER:
            self._blobs += 1
            if self._blobs > MAXIMUM_MARKUP:
                raise ProtocolError(f"a message has more than {MAXIMUM_MARKUP} elements")
            _prove_tag(passed)
        if opens:
            body = bytes(self._buffer[end : end + LINE_SEEN])
            if len(body) < LINE_SEEN and b"<" not in body:
                return None
            passed = without_false_length(passed, body)
        self._count_rest(len(passed))
        self._in_body = opens
        self._at = end
        if tag.re is not _LAST_OF[self._verb]:
            return BlobPart(passed)
        self._verb = b""
        self._drop_consumed()
        return BlobClosing(passed + b"\n")

    def _expected(self) -> tuple[re.Pattern[bytes], ...]:
        return (_END,) if self._in_body else (_ANOTHER, _LAST_OF[self._verb])


def _prove_tag(tag: bytes) -> None:
    """Raise ProtocolError unless the start tag of a BLOB is well-formed."""
    Frame(tag if tag.endswith(b"/>") else tag[:-1] + b"/>")
