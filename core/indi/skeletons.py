"""Frame and prove a run of like messages in one call.

A driver says the same thing again and again: one property, other values. The literal parts of a message that lxml has
proven become a regular expression with holes for attribute values and text alone, repeated; what it matches is framed
and well-formed at once, at more than a million messages a second. Whatever does not fit goes the complete way and
comes out the same.

Only single character sets repeat possessively. With possessive groups Debian's Python 3.11.2 accepts torn messages
(CPython issue 106052).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from core.indi.frame import Frame

SEEN_BEFORE_LEARNING = 3
"""How many messages of a property go the complete way first: to compile an expression costs as much as they do."""
SKELETONS_A_PROPERTY = 4
MAXIMUM_PROPERTIES = 512
LONGEST_MESSAGE = 8192
MOST_TAGS = 130

# What XML forbids everywhere, and what needs a second look: references, and the end of a CDATA section.
_VALUE = rb"[^%s<&\x00-\x1f]*+"
_TEXT = rb"[^<&\]\x00-\x08\x0b\x0c\x0e-\x1f]*+"
_SPACE = rb"[ \t\r\n]*+"

_HEAD = re.compile(
    rb"<(?:set|new)(?:Text|Number|Switch|Light)Vector[ \t\r\n]+"
    rb"(?:device=(?:\"[^\"<&]*\"|'[^'<&]*')[ \t\r\n]+name|name=(?:\"[^\"<&]*\"|'[^'<&]*')[ \t\r\n]+device)"
    rb"=(?:\"[^\"<&]*\"|'[^'<&]*')"
)
_TAG = re.compile(
    rb"<(/?)([A-Za-z_][\w.:-]*)((?:[ \t\r\n]+[A-Za-z_][\w.:-]*[ \t\r\n]*=[ \t\r\n]*"
    rb"(?:\"[^\"<&\x00-\x1f]*\"|'[^'<&\x00-\x1f]*'))*)[ \t\r\n]*(/?)>"
)
_ATTRIBUTE = re.compile(rb"([A-Za-z_][\w.:-]*)[ \t\r\n]*=[ \t\r\n]*([\"'])([^\"']*)\2")
_MESSAGE = re.compile(rb"[ \t\r\n]message[ \t\r\n]*=[ \t\r\n]*(?:\"([^\"]*)\"|'([^']*)')")


class Skeleton:
    """Be the fixed part of one message: `tag`, `device` and `name`, its members, the shape of what is between.

    `route` is for whoever passes such messages on to keep what he knows of them.
    """

    __slots__ = (
        "_literals",
        "_members",
        "_one",
        "_prefix",
        "_run",
        "device",
        "has_message",
        "is_command",
        "name",
        "proper_kind",
        "route",
        "tag",
    )

    def __init__(self, frame: Frame, prefix: bytes, literals: list[tuple[bytes, bytes]], end: bytes) -> None:
        self.tag = frame.tag
        self.device = frame.device or ""
        self.name = frame.name or ""
        self.is_command = frame.verb == "new"
        self.has_message = frame.element.get("message") is not None
        self.route: Any = None
        self._prefix = prefix
        self._literals = (literals, end)
        self._one: re.Pattern[bytes] | None = None
        self._members = tuple(str(child.get("name", "")) for child in frame.element)
        self.proper_kind = self._kind(frame)
        """"Number", "Text", "Switch" or "Light" if the members are what they should be, each named once; else ""."""
        pattern = b"".join(re.escape(literal) + hole for literal, hole in literals) + re.escape(end)
        self._run = re.compile(b"(?:" + pattern + _SPACE + b")*")

    def _kind(self, frame: Frame) -> str:
        kind = self.tag[3:].removesuffix("Vector")
        proper = all(child.tag == f"one{kind}" and child.get("name") and not len(child) for child in frame.element)
        return kind if proper and len(set(self._members)) == len(self._members) else ""

    @property
    def key(self) -> tuple[str, str, str, tuple[str, ...]]:
        """Return what two messages have in common of which the later replaces the earlier."""
        return self.tag, self.device, self.name, self._members

    @property
    def members(self) -> tuple[str, ...]:
        """Return the names of the members in their order."""
        return self._members

    def end_of_run(self, data: bytes, at: int) -> int:
        """Return where the run of whole messages ends that begins at `at`; `at` if there is none."""
        match = self._run.match(data, at)
        return match.end() if match is not None else at

    def count(self, run: bytes) -> int:
        """Return how many messages a run has."""
        return run.count(self._prefix)

    def last(self, run: bytes) -> bytes:
        """Return the last message of a run."""
        return run[run.rfind(self._prefix) :]

    def each(self, run: bytes) -> Iterator[bytes]:
        """Yield the messages of a run."""
        at = 0
        while (following := run.find(self._prefix, at + 1)) > 0:
            yield run[at:following]
            at = following
        yield run[at:]

    def texts(self, run: bytes) -> list[tuple[bytes, ...]]:
        """Return the texts of the members of each message of a run, as they came."""
        if self._one is None:
            literals, end = self._literals
            pattern = b"".join(
                re.escape(literal) + (b"(" + hole + b")" if hole == _TEXT else hole) for literal, hole in literals
            )
            self._one = re.compile(pattern + re.escape(end))
        found = self._one.findall(run)
        return [(text,) for text in found] if self._one.groups == 1 else found if self._one.groups else []

    def said(self, run: bytes) -> list[bytes]:
        """Return what the messages of a run say to people, as it came."""
        return [one or other for one, other in _MESSAGE.findall(run)] if self.has_message else []


class Skeletons:
    """Learn the skeletons of one peer's messages, a bounded number of them, and find the one that fits."""

    def __init__(self) -> None:
        self._known: dict[bytes, list[Skeleton]] = {}
        self._seen: dict[bytes, int] = {}

    def find(self, data: bytes, at: int) -> tuple[Skeleton, int] | None:
        """Return the skeleton that fits at `at`, and where its run ends; None if no known one does."""
        head = _HEAD.match(data, at)
        known = self._known.get(head.group()) if head is not None else None
        if known is None:
            return None
        for place, skeleton in enumerate(known):
            end = skeleton.end_of_run(data, at)
            if end > at:
                if place:
                    known.insert(0, known.pop(place))
                return skeleton, end
        return None

    def consider(self, raw: bytes, frame: Frame) -> None:
        """Take note of a message that lxml has proven; learn it if it is like others before it."""
        head = _HEAD.match(raw)
        if head is None or len(raw) > LONGEST_MESSAGE or raw.count(b"<") > MOST_TAGS:
            return
        prefix = head.group()
        known = self._known.get(prefix)
        if known is not None and len(known) >= SKELETONS_A_PROPERTY:
            return
        seen = self._seen.get(prefix, 0) + 1
        if seen < SEEN_BEFORE_LEARNING:
            if len(self._seen) >= MAXIMUM_PROPERTIES:
                self._seen.clear()
            self._seen[prefix] = seen
            return
        self._seen.pop(prefix, None)
        if known is None and len(self._known) >= MAXIMUM_PROPERTIES:
            return
        parts = _parts(raw)
        if parts is not None:
            self._known.setdefault(prefix, []).insert(0, Skeleton(frame, prefix, *parts))


def is_proper(run: bytes) -> bool:
    """Return whether the text of a run, matched by its skeleton, is UTF-8 and holds only what XML allows."""
    if run.isascii():
        return True
    try:
        run.decode()
    except UnicodeDecodeError:
        return False
    return b"\xef\xbf\xbe" not in run and b"\xef\xbf\xbf" not in run


def _parts(raw: bytes) -> tuple[list[tuple[bytes, bytes]], bytes] | None:
    """Return the literals of a message, each with the hole that follows it, and the last literal; None if unfit."""
    literals: list[tuple[bytes, bytes]] = []
    literal_from = at = depth = 0
    while at < len(raw):
        tag = _TAG.match(raw, at)
        if tag is None:
            return None
        closing, _, _, empty = tag.groups()
        for attribute in _ATTRIBUTE.finditer(raw, tag.start(3), tag.end(3)):
            if attribute[1] not in (b"device", b"name"):
                literals.append((raw[literal_from : attribute.start(3)], _VALUE % attribute[2]))
                literal_from = attribute.end(3)
        at = tag.end()
        depth += (not closing and not empty) - bool(closing)
        if depth == 0:
            break
        following = raw.find(b"<", at)
        if following < 0:
            return None
        if not closing and not empty and depth == 2:
            literals.append((raw[literal_from:at], _TEXT))
            literal_from = following
        elif raw[at:following].strip(b" \t\r\n"):
            return None
        at = following
    return (literals, raw[literal_from:at]) if at == len(raw) else None
