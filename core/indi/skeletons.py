"""Frame and prove a run of like messages in one call.

A driver says the same thing again and again: one property, other values. The literal parts of a message that lxml has
proven become a regular expression with holes for attribute values and text alone, repeated; what it matches is framed
and well-formed at once, at more than a million messages a second. Whatever does not fit goes the complete way and
comes out the same.

Only single character sets repeat possessively. With possessive groups Debian's Python 3.11.2 accepts torn messages
(CPython issue 106052).

There are two such expressions. To look for one character that ends a hole takes a tenth of the time of a set of those
that may stand in it, so the quick one does only that, and what it has found has to be plain text besides. The complete
one is for letters beyond ASCII.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from core.indi.character_set import PLAIN
from core.indi.forms import FEWEST, Form

if TYPE_CHECKING:
    from core.indi.frame import Frame

SEEN_BEFORE_LEARNING = 3
"""How many messages of a property go the complete way first: to compile an expression costs as much as they do."""
SKELETONS_A_PROPERTY = 4
MAXIMUM_PROPERTIES = 512
LONGEST_MESSAGE = 8192
MOST_TAGS = 130
LEAST_FOR_A_FORM = 2048
"""How many bytes a run has to have for a look whether its messages have one form."""

# What XML forbids everywhere, and what needs a second look: references, and the end of a CDATA section.
_VALUE = rb"[^%s<&\x00-\x1f]*+"
_TEXT = rb"[^<&\]\x00-\x08\x0b\x0c\x0e-\x1f]*+"
_SPACE = rb"[ \t\r\n]*+"
MOST_MISSES = 20
"""How often what the quick expression has found may have been no plain text before it is not asked any more."""
_QUICK = {_VALUE % b'"': rb'[^"]*+', _TEXT: rb"[^<]*+"}

Parts = list[tuple[bytes, bytes]]
"""Fixed parts of a message, as they are or as expressions, each with the hole that follows it."""

_HEAD = re.compile(
    rb"<(?:set|new)(?:Text|Number|Switch|Light)Vector[ \t\r\n]+"
    rb"(?:device=(?:\"[^\"<&]*\"|'[^'<&]*')[ \t\r\n]+name|name=(?:\"[^\"<&]*\"|'[^'<&]*')[ \t\r\n]+device)"
    rb"=(?:\"[^\"<&]*\"|'[^'<&]*')"
)
_TAG = re.compile(
    rb"<(/?)([A-Za-z_][\w.:-]*)((?:[ \t\r\n]+[A-Za-z_][\w.:-]*[ \t\r\n]*=[ \t\r\n]*"
    rb"(?:\"[^\"<&\x00-\x1f]*\"|'[^'<&\x00-\x1f]*'))*)[ \t\r\n]*(/?)>"
)
_DIGIT = re.compile(rb"[0-9]")
_ATTRIBUTE = re.compile(rb"([A-Za-z_][\w.:-]*)[ \t\r\n]*=[ \t\r\n]*([\"'])([^\"']*)\2")
_MESSAGE = re.compile(rb"[ \t\r\n]message[ \t\r\n]*=[ \t\r\n]*(?:\"([^\"]*)\"|'([^']*)')")


class Skeleton:
    """Be the fixed part of one message: `tag`, `device` and `name`, its members, the shape of what is between.

    `route` is for whoever passes such messages on to keep what he knows of them.
    """

    __slots__ = (
        "_complete",
        "_form",
        "_has_no_form",
        "_members",
        "_misses",
        "_one",
        "_prefix",
        "_quick",
        "device",
        "has_message",
        "is_command",
        "name",
        "proper_kind",
        "route",
        "tag",
    )

    def __init__(self, frame: Frame, prefix: bytes, literals: Parts, end: bytes) -> None:
        self.tag = frame.tag
        self.device = frame.device or ""
        self.name = frame.name or ""
        self.is_command = frame.verb == "new"
        self.has_message = frame.element.get("message") is not None
        self.route: Any = None
        self._prefix = prefix
        self._members = tuple(str(child.get("name", "")) for child in frame.element)
        self.proper_kind = self._kind(frame)
        """"Number", "Text", "Switch" or "Light" if the members are what they should be, each named once; else ""."""
        self._complete = _Expression([(re.escape(literal), hole) for literal, hole in literals], re.escape(end))
        quick = _quick(literals, end)
        self._quick = _Expression(quick, re.escape(end)) if quick is not None else None
        self._misses = 0
        self._form: Form | None = None
        self._has_no_form = False
        self._one: re.Pattern[bytes] | None = None

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

    def run_at(self, data: bytes, at: int) -> bytes:
        """Return the run of whole messages that begins at `at`, all of it proper; nothing if there is none."""
        if self._form is not None and self._form.may_fit(data, at):
            if run := self._form.run_at(data, at):
                return run
            self._form = None  # until a long run has it again: all has been read for nothing
        if self._quick is None or not PLAIN.covers(run := self._quick.run_at(data, at)):
            run = self._completely_at(data, at)
        if len(run) >= LEAST_FOR_A_FORM and self._form is None and not self._has_no_form:
            self._look_for_form(run)
        return run

    def _completely_at(self, data: bytes, at: int) -> bytes:
        self._misses += 1
        if self._misses > MOST_MISSES:
            self._quick = None
        run = self._complete.run_at(data, at)
        length = proper_length(run)
        return run if length == len(run) else run[: max(run.rfind(self._prefix, 0, length), 0)]

    def _look_for_form(self, run: bytes) -> None:
        message = self.last(run)
        if len(run) % len(message) == 0 and len(run) >= FEWEST * len(message):
            try:
                self._form = Form(message, self._prefix, self._complete.literals_of(message))
            except ValueError:
                self._has_no_form = True

    def count(self, run: bytes) -> int:
        """Return how many messages a run has."""
        return run.count(self._prefix)

    def pieces(self, run: bytes, size: int) -> Iterator[bytes]:
        """Yield the run in runs that are little longer than `size`."""
        at = 0
        while at + size < len(run) and (following := run.find(self._prefix, at + size)) > 0:
            yield run[at:following]
            at = following
        yield run[at:]

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
            self._one = (self._quick or self._complete).of_texts()
        found = self._one.findall(run)
        return [(text,) for text in found] if self._one.groups == 1 else found if self._one.groups else []

    def said(self, run: bytes) -> list[bytes]:
        """Return what the messages of a run say to people, as it came."""
        found = _MESSAGE.findall(run) if self.has_message else []
        return [b" ".join((one or other).splitlines()) for one, other in found]


class _Expression:
    """Be the regular expression of one message; that of a run is compiled when it is needed."""

    __slots__ = ("_end", "_parts", "_run")

    def __init__(self, parts: Parts, end: bytes) -> None:
        self._parts = parts
        self._end = end
        self._run: re.Pattern[bytes] | None = None

    def run_at(self, data: bytes, at: int) -> bytes:
        """Return what fits at `at`; a copy where it is not the whole, which a few bytes that wait must not hold."""
        if self._run is None:
            expression = b"".join(part + hole for part, hole in self._parts) + self._end
            self._run = re.compile(b"(?:" + expression + _SPACE + b")*")
        match = self._run.match(data, at)
        end = match.end() if match is not None else at
        return data if at == 0 and end == len(data) else data[at:end]

    def of_texts(self) -> re.Pattern[bytes]:
        """Return an expression of one message whose groups are the texts of the members."""
        texts = (_TEXT, _QUICK[_TEXT])
        parts = (part + (b"(" + hole + b")" if hole in texts else hole) for part, hole in self._parts)
        return re.compile(b"".join(parts) + self._end)

    def literals_of(self, message: bytes) -> list[tuple[int, int]]:
        """Return where a message that fits has what is no hole, from where to where, if there are digits in that."""
        if not any(_DIGIT.search(part) for part, _ in self._parts) and not _DIGIT.search(self._end):
            return []
        holes = re.compile(b"".join(part + b"(" + hole + b")" for part, hole in self._parts)).match(message)
        bounds = [bound for group in range(len(self._parts)) for bound in holes.span(group + 1)] if holes else []
        return list(zip([0, *bounds[1::2]], [*bounds[::2], len(message)], strict=True))


class Skeletons:
    """Learn the skeletons of one peer's messages, a bounded number of them, and find the one that fits."""

    def __init__(self) -> None:
        self._known: dict[bytes, list[Skeleton]] = {}
        self._seen: dict[bytes, int] = {}

    def find(self, data: bytes, at: int) -> tuple[Skeleton, bytes] | None:
        """Return the skeleton that fits at `at`, and its run; None if no known one does."""
        head = _HEAD.match(data, at)
        known = self._known.get(head.group()) if head is not None else None
        if known is None:
            return None
        for place, skeleton in enumerate(known):
            if run := skeleton.run_at(data, at):
                if place:
                    known.insert(0, known.pop(place))
                return skeleton, run
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
    return proper_length(run) == len(run)


def proper_length(run: bytes) -> int:
    """Return how many bytes of a run, matched by its skeleton, are UTF-8 and only what XML allows."""
    if run.isascii():
        return len(run)
    try:
        run.decode()
    except UnicodeDecodeError as error:
        run = run[: error.start]
    length = len(run)
    for forbidden in (b"\xef\xbf\xbe", b"\xef\xbf\xbf"):
        at = run.find(forbidden, 0, length)
        length = at if at >= 0 else length
    return length


def _quick(literals: Parts, end: bytes) -> Parts | None:
    """Return the parts of the quick expression; None where not every tag in plain text would be seen by it.

    A hole that only a quote ends could swallow tags, so it is looked ahead: the first tag after the vector's beginning
    has to be that of the first member. It has a quote in it, which would end such a hole, and goes on behind it other
    than any hole does. Holes are at most in the vector's tag and in the texts.
    """
    attributes = next((number for number, (_, hole) in enumerate(literals) if hole == _TEXT), len(literals))
    behind = [literal for literal, _ in literals] + [end]
    if any(hole != _TEXT for _, hole in literals[attributes:]) or any(b"'" in literal for literal in behind):
        return None
    parts = [(re.escape(literal), _QUICK[hole]) for literal, hole in literals]
    if attributes:
        _, sign, rest = behind[attributes].partition(b"<")
        tag = sign + rest
        _, quote, rest = tag.partition(b'"')
        if not quote or any(literal[1:2] == rest[:1] for literal in behind[1 : attributes + 1]):
            return None
        ahead = b"<(?=[^<]*+" + re.escape(tag) + b")"
        parts[0] = (ahead + re.escape(literals[0][0][1:]), parts[0][1])
    return parts


def _parts(raw: bytes) -> tuple[Parts, bytes] | None:
    """Return the literals of a message, each with the hole that follows it, and the last literal; None if unfit."""
    literals: Parts = []
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
