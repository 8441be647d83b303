"""Cut a stream of bytes into its top-level elements, without parsing what is inside them.

An INDI stream is an endless series of elements without a root; XML declarations, comments and white space may stand
between them. The scanner walks from one markup to the next and keeps its place, so that its cost is linear in the
bytes received, however they are split. Whether an element is well-formed is for `core.indi.proof` to say.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from core.errors import ProtocolError

MAXIMUM_SIZE = 16 << 20
MAXIMUM_BLOB = 1 << 30
MAXIMUM_DEPTH = 16
MAXIMUM_MARKUP = 10_000
"""How many elements, comments and sections a message may have: lxml makes an object of each."""
MAXIMUM_ATTRIBUTES = 64
"""How many attributes an element may have."""
LONGEST_TAG = 8192
"""How many bytes a start tag of a BLOB vector may have."""
LONGEST_NAME = 64
"""How many bytes the name of an element or attribute may have; INDI's longest has some twenty."""
LONGEST_END = 1024
"""How many bytes an end tag may have, most of them spaces."""
TORN = 4096
"""Up to how many bytes of a torn element are put before what comes next; more of them grow in a buffer of their own."""

_NOT_SPACE = re.compile(rb"[^ \t\r\n]")
_QUOTE_OR_END = re.compile(rb"[\"'/>]")
_BLOB_VECTOR = re.compile(rb"<(?:set|new)BLOBVector[\s>]")
_BLOB = re.compile(rb"<oneBLOB[\s>]")
_NAME = re.compile(rb"[A-Za-z_][A-Za-z0-9_.:-]*")
_SHORT_NAME = rb"[A-Za-z_][A-Za-z0-9_.:-]{0,%d}" % (LONGEST_NAME - 1)
ATTRIBUTES = (
    rb"(?:[ \t\r\n]+"
    + _SHORT_NAME
    + rb"[ \t\r\n]*=[ \t\r\n]*(?:\"[^\"<]*\"|'[^'<]*')){0,%d}[ \t\r\n]*" % MAXIMUM_ATTRIBUTES
)
"""What may stand in a start tag behind its name, as an expression."""
_START_TAG = re.compile(rb"<" + _SHORT_NAME + ATTRIBUTES + rb"/?>")
_VALUE = re.compile(rb"\"[^\"]*\"|'[^']*'")
_LONG_NAME = re.compile(rb"[ \t\r\n<>=/\"'][^ \t\r\n<>=/\"']{%d}" % (LONGEST_NAME + 1))


class Framer:
    """Turn what arrives into whole elements.

    `maximum_size` bounds an element in bytes, `maximum_blob` the raw BLOBs of one, `maximum_depth` its nesting. Whoever
    exceeds them, or sends what can never become an element, gets a ProtocolError from `feed`; the stream cannot be
    resynchronised after that.
    """

    def __init__(
        self,
        *,
        maximum_size: int = MAXIMUM_SIZE,
        maximum_blob: int = MAXIMUM_BLOB,
        maximum_depth: int = MAXIMUM_DEPTH,
    ) -> None:
        self.maximum_size = maximum_size
        self.maximum_blob = maximum_blob
        self.maximum_depth = maximum_depth
        # Bytes while whole reads are cut; a bytearray while a long element grows.
        self._buffer: bytes | bytearray = b""
        self._start = -1  # where the element begins, -1 between elements
        self._at = 0  # what lies before needs no second look
        self._depth = 0
        self._elements = 0  # how many elements and sections it has up to here
        self._in_base64 = False  # whether what comes next is the content of a BLOB
        self._base64 = 0  # how many bytes of BLOBs it has up to here
        self._attributes = 0  # of the start tag
        self._tag_start = -1  # where a start tag began whose end has not been found
        self._quote = b""  # the quote that is open in that tag
        self._until = b""  # the end of a comment, declaration or CDATA section that is open

    @property
    def pending(self) -> int:
        """Return how many bytes wait for the rest of their element."""
        return len(self._buffer) - self._consumed

    @property
    def _consumed(self) -> int:
        return self._start if self._start >= 0 else self._at

    def feed(self, data: bytes | bytearray | memoryview) -> Iterator[bytes]:
        """Yield each element that `data` completes; raise ProtocolError for what is none."""
        self.append(data)
        while (element := self.next_element()) is not None:
            yield element

    def append(self, data: bytes | bytearray | memoryview) -> None:
        """Take bytes, for `next_element` to cut."""
        consumed = self._consumed
        if consumed == len(self._buffer):
            self._buffer = bytes(data)
            self._at -= consumed
            return
        if len(self._buffer) - consumed <= TORN:
            self._buffer = b"".join((memoryview(self._buffer)[consumed:], data))
        else:
            # Grown in place, so that bytes that drip cost no more than those that flow.
            if isinstance(self._buffer, bytes):
                self._buffer = bytearray(memoryview(self._buffer)[consumed:])
            elif consumed:
                del self._buffer[:consumed]
            self._buffer += data
        self._moved(consumed)

    def forget(self) -> None:
        """Drop what has come: nothing more is wanted of this stream, which may live on for a while."""
        self._buffer = b""
        self._start = self._tag_start = -1
        self._at = self._depth = 0

    def _moved(self, by: int) -> None:
        """Take note that the buffer begins so many bytes later."""
        self._at -= by
        self._start -= by if self._start >= 0 else 0
        self._tag_start -= by if self._tag_start >= 0 else 0

    def next_element(self) -> bytes | None:
        """Return the next whole element, None if there is none yet; raise ProtocolError for what is none."""
        element = self._next()
        if element is not None:
            return element
        if self._start < 0:
            self._drop_consumed()
        elif len(self._buffer) - self._start > self.maximum_size:
            self._check_size()
        return None

    def _check_size(self) -> None:
        if self._base64 > max(self.maximum_size, self.maximum_blob * 4 // 3):
            raise ProtocolError(f"BLOBs of one message are longer than {self.maximum_blob} bytes")
        if len(self._buffer) - self._start - self._base64 > self.maximum_size:
            raise ProtocolError(f"a message is longer than {self.maximum_size} bytes")

    def _drop_consumed(self) -> None:
        if consumed := self._consumed:
            self._buffer = bytes(memoryview(self._buffer)[consumed:])
            self._moved(consumed)

    def _next(self) -> bytes | None:
        """Return the next whole element, None if the buffer holds none."""
        while True:
            if self._until:
                if not self._skip_section():
                    return None
            elif self._tag_start >= 0:
                if not self._finish_start_tag():
                    return None
            elif not self._find_markup():
                return None
            if self._start >= 0 and self._depth == 0 and self._tag_start < 0:
                element = bytes(memoryview(self._buffer)[self._start : self._at])
                self._start = -1
                if isinstance(self._buffer, bytearray):
                    self._drop_consumed()
                return element

    def _skip_section(self) -> bool:
        end = self._buffer.find(self._until, self._at)
        if end < 0:
            # The end may be split over two reads; what cannot be a part of it need not be searched again.
            self._at = max(self._at, len(self._buffer) - len(self._until) + 1)
            return False
        self._at = end + len(self._until)
        self._until = b""
        return True

    def _find_markup(self) -> bool:
        """Go to the next `<` and look what it opens; False if more bytes are needed to tell."""
        buffer = self._buffer
        if self._depth:
            at = buffer.find(b"<", self._at)
            to = at if at >= 0 else len(buffer)
            if self._in_base64:
                self._base64 += to - self._at
            self._at = to
        else:
            found = _NOT_SPACE.search(buffer, self._at)
            at = found.start() if found else -1
            self._at = at if at >= 0 else len(buffer)
            if found and buffer[at] != 0x3C:
                raise ProtocolError(f"text between messages: {_excerpt(buffer, at)}")
        if at < 0 or len(buffer) < at + 2:
            return False
        second = buffer[at + 1]
        if second == 0x2F:  # </
            return self._end_tag(at)
        if second == 0x21:  # <!
            return self._declaration(at)
        if second == 0x3F:  # <?
            if self._depth:
                self._count_element()
            self._until = b"?>"
            self._at = at + 2
            return True
        tag = _START_TAG.match(buffer, at)
        if tag is None and not _NAME.match(buffer, at + 1):
            raise ProtocolError(f"not the beginning of a message: {_excerpt(buffer, at)}")
        if self._depth >= self.maximum_depth:
            raise ProtocolError(f"a message is nested more than {self.maximum_depth} levels deep")
        if self._start < 0:
            self._start = at
            self._elements = self._base64 = 0
        self._count_element()
        if tag is not None:
            self._at = tag.end()
            self._opened(at)
        else:  # torn, or of another form
            self._attributes = 0
            self._tag_start = at
            self._at = at + 1
        return True

    def _opened(self, at: int) -> None:
        """Take note of the start tag that begins there and ends here."""
        if self._buffer[self._at - 2] != 0x2F:
            self._depth += 1
            self._in_base64 = self._depth == 2 and self._begins_blob(at)

    def _begins_blob(self, at: int) -> bool:
        return bool(_BLOB.match(self._buffer, at) and _BLOB_VECTOR.match(self._buffer, self._start))

    def _finish_start_tag(self) -> bool:
        """Look for the `>` outside of quotes that ends the start tag."""
        buffer = self._buffer
        while True:
            if self._quote:
                at = buffer.find(self._quote, self._at)
            else:
                found = _QUOTE_OR_END.search(buffer, self._at)
                at = found.start() if found else -1
            if at < 0:
                self._at = len(buffer)
                return False
            if not self._quote and buffer[at] == 0x2F:
                if at + 1 == len(buffer):
                    self._at = at
                    return False
                # Nothing makes XML of it any more, and it would be waited for an end tag.
                if buffer[at + 1] != 0x3E:
                    raise ProtocolError(f"a start tag that cannot end: {_excerpt(buffer, at)}")
                self._at = at + 2
                break
            self._at = at + 1
            if self._quote:
                self._quote = b""
            elif buffer[at] == 0x3E:
                break
            else:
                self._quote = bytes(buffer[at : at + 1])
                self._attributes += 1
                if self._attributes > MAXIMUM_ATTRIBUTES:
                    raise ProtocolError(f"an element has more than {MAXIMUM_ATTRIBUTES} attributes")
        # lxml keeps every name that it has seen, for a while.
        if _LONG_NAME.search(_VALUE.sub(b" ", memoryview(buffer)[self._tag_start : self._at])):
            raise ProtocolError(f"a name is longer than {LONGEST_NAME} bytes")
        self._opened(self._tag_start)
        self._tag_start = -1
        return True

    def _count_element(self) -> None:
        self._elements += 1
        if self._elements > MAXIMUM_MARKUP:
            raise ProtocolError(f"a message has more than {MAXIMUM_MARKUP} elements")

    def _end_tag(self, at: int) -> bool:
        if not self._depth:
            raise ProtocolError(f"an end without a beginning: {_excerpt(self._buffer, at)}")
        end = self._buffer.find(b">", at)
        if (end if end >= 0 else len(self._buffer)) - at > LONGEST_END:
            raise ProtocolError(f"an end tag without an end: {_excerpt(self._buffer, at)}")
        if end < 0:
            return False
        self._at = end + 1
        self._depth -= 1
        self._in_base64 = False
        return True

    def _declaration(self, at: int) -> bool:
        """Open a comment or a CDATA section; a document type is refused, since entities could hide in it."""
        head = bytes(self._buffer[at : at + 9])
        for opening, closing in ((b"<!--", b"-->"), (b"<![CDATA[", b"]]>")):
            if head.startswith(opening):
                if closing == b"]]>" and not self._depth:
                    raise ProtocolError("CDATA between messages")
                if self._depth:
                    self._count_element()
                self._until = closing
                self._at = at + len(opening)
                return True
            if opening.startswith(head):
                return False
        raise ProtocolError(f"a document type is not allowed: {_excerpt(self._buffer, at)}")


def _excerpt(buffer: bytes | bytearray, at: int) -> str:
    return repr(bytes(buffer[at : at + 32]))[1:]
