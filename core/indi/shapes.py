"""Know messages by their shape: all of them but the values of attributes and texts.

Drivers define their properties anew for every client that asks, with other values and times but in the same shape. A
message of a shape that lxml has proven is well-formed too, if what is in its holes is: no markup, no references, no
control characters. That is seen by one expression over the bytes, a tenth of what it takes to parse them. And a
definition that differs from the one before it in its time alone is seen by comparing.

A shape has one `<` only, its first character, and no quotes: all others are eaten together with what is between them.
Markup in a hole leaves a `<` or a quote behind, and a reference its `&`, so that a message with any of them has a shape
which was never proven.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from core.indi.skeletons import is_proper

if TYPE_CHECKING:
    from core.indi.frame import Frame

LONGEST_MESSAGE = 1 << 16
MAXIMUM_SHAPES = 2048
MAXIMUM_BYTES = 8 << 20

# The group tells a text from the value of an attribute, so that neither passes for the other.
_HOLE = re.compile(rb"\"[^\"<&\x00-\x1f]*\"|'[^'<&\x00-\x1f]*'|(>)[^<&\x00-\x08\x0b\x0c\x0e-\x1f]*<")
_HEAD = re.compile(
    rb"<(def(?:Text|Number|Switch|Light|BLOB)Vector|(?:set|new)(?:Text|Number|Switch|Light)Vector)[ \t\r\n]+"
    rb"device=(?:\"([^\"<&\x00-\x1f]+)\"|'([^'<&\x00-\x1f]+)')[ \t\r\n]+"
    rb"name=(?:\"([^\"<&\x00-\x1f]+)\"|'([^'<&\x00-\x1f]+)')"
)
# Of a start tag, behind its head; one that ends in "/>" does not fit.
_TO_CONTENT = re.compile(rb"(?:[^\"'<>/]++|\"[^\"<]*+\"|'[^'<]*+')*>")
_STAMP = re.compile(rb" timestamp=\"([0-9T:.-]{1,40})\"")
_TIME = re.compile(rb"[0-9T:.-]{1,40}")
_UNFIT = re.compile(rb"[&\"'\x00-\x08\x0b\x0c\x0e-\x1f]")


class _Definition:
    """Be a definition that was proven: another one is like it in all but the time."""

    __slots__ = ("_after", "_before", "device", "length", "name", "tag")

    def __init__(self, raw: bytes, tag: str, device: str, name: str) -> None:
        stamp = _STAMP.search(raw)
        self._before, self._after = (raw, b"") if stamp is None else (raw[: stamp.start(1)], raw[stamp.end(1) :])
        self.length = len(raw) + 500
        self.tag, self.device, self.name = tag, device, name

    def end_in(self, data: bytes, at: int) -> int:
        """Return where the same definition ends that begins at `at`, 0 if there is another one."""
        if not data.startswith(self._before, at):
            return 0
        end = at + len(self._before)
        if not self._after:
            return end
        time = _TIME.match(data, end)
        if time is None or not data.startswith(self._after, time.end()):
            return 0
        return time.end() + len(self._after)


class Shapes:
    """Keep the shapes of messages that were proven, a bounded number of them; all peers may share them."""

    def __init__(self) -> None:
        self._proven: set[tuple[bytes | None, ...]] = set()
        self._length = 0
        self._same: dict[bytes, _Definition] = {}
        self._same_length = 0

    def find(self, data: bytes, at: int) -> tuple[int, str, str, str] | None:
        """Return where the message ends that begins at `at`, its tag, device and name, if its shape is known."""
        head = _HEAD.match(data, at)
        if head is None:
            return None
        same = self._same.get(head[0])
        if same is not None and (end := same.end_in(data, at)) > 0:
            return end, same.tag, same.device, same.name
        # Nothing behind the message is looked at, which would be done again for the next one.
        if (content := _TO_CONTENT.match(data, head.end(), at + LONGEST_MESSAGE)) is None:
            return None
        tag = head[1]
        end = data.find(b"</" + tag, content.end(), at + LONGEST_MESSAGE)
        if end < 0:
            return None
        end += len(tag) + 3
        if not data.startswith(b">", end - 1):
            return None
        raw = data[at:end]
        if tuple(_HOLE.split(raw)) not in self._proven or b"]]>" in raw or not is_proper(raw):
            return None
        names = tag.decode(), (head[2] or head[3]).decode(), (head[4] or head[5]).decode()
        if tag.startswith(b"def"):
            self._remember(head[0], _Definition(raw, *names))
        return end, *names

    def _remember(self, head: bytes, definition: _Definition) -> None:
        if self._same_length > MAXIMUM_BYTES:
            self._same.clear()
            self._same_length = 0
        before = self._same.get(head)
        self._same[head] = definition
        self._same_length += definition.length - (before.length if before is not None else 0)

    def learn(self, frame: Frame) -> None:
        """Take note of a message that lxml has proven."""
        raw = frame.raw
        if len(raw) > LONGEST_MESSAGE or not _HEAD.match(raw) or not raw.endswith(b"</%s>" % frame.tag.encode()):
            return
        shape = tuple(_HOLE.split(raw))
        rest = b"".join(literal or b"" for literal in shape)
        if rest.count(b"<") > 1 or _UNFIT.search(rest) or shape in self._proven:
            return
        if len(self._proven) >= MAXIMUM_SHAPES or self._length > MAXIMUM_BYTES:
            self._proven.clear()
            self._length = 0
        self._proven.add(shape)
        self._length += len(rest) + len(shape) * 48
