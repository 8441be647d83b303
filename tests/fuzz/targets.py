"""What is fuzzed, each a function of bytes that raises where a promise is broken."""

from __future__ import annotations

import base64
import binascii
import contextlib
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from lxml import etree

from core.errors import NotUnderstood, ProtocolError
from core.indi import Frame, MessageStream, Run, format_number, parse_number
from core.indi.blobs import decode_base64, encode_base64, encoded_length
from core.indi.character_set import BASE64
from core.indi.message_stream import BlobClosing, Definitions, Skipped
from tests.fuzz.conversation import converse

PROBE = b'<pingReply uid="the end of the input"/>'
FORMATS = {"%g": 1e-5, "%.2f": 0.0051, "%.20g": 0.0, "%8.3m": 1 / 60, "%9.6m": 1 / 3600, "%10.9m": 1 / 360_000}
"""Formats, and by how much what is written may differ: relative for %g, absolute for the others."""


class BrokenPromiseError(AssertionError):
    """Say what does not hold."""


def hold(promise: bool, what: str, *about: object) -> None:
    """Raise BrokenPromiseError unless the promise holds."""
    if not promise:
        raise BrokenPromiseError(f"{what}: {', '.join(map(repr, about))}")


def canonical(raw: bytes) -> bytes:
    """Return one spelling of an element, whatever the quotes, comments and sections it is written with."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, remove_comments=True, remove_pis=True)
    try:
        element = etree.fromstring(raw, parser)
    except etree.XMLSyntaxError as error:
        raise BrokenPromiseError(f"what was given out is not well-formed: {raw!r}: {error}") from None
    return spelt(element)


def spelt(element: etree._Element) -> bytes:
    """Return one spelling of an element; `enclen` is left out on purpose where lines are not broken."""
    attributes = sorted((name, value) for name, value in element.attrib.items() if name != "enclen")
    children = [(spelt(child), child.tail) for child in element]
    return repr((element.tag, attributes, element.text or "", children)).encode()


@dataclass
class Cut:
    """Be what a stream was cut into."""

    messages: list[bytes] = field(default_factory=list)
    refused: bool = False


def cut(data: bytes, size: int) -> Cut:
    """Cut a stream that comes in pieces of that size, as a connection does."""
    stream, result = MessageStream(), Cut()
    open_blob: list[bytes] = []
    try:
        for at in range(0, len(data), size):
            stream.append(data[at : at + size])
            while (piece := stream.next_piece()) is not None:
                if isinstance(piece, Skipped):
                    continue
                if isinstance(piece, bytes):
                    result.messages += proven(stream, piece)
                elif isinstance(piece, Frame | Definitions):
                    for frame in [piece] if isinstance(piece, Frame) else piece.frames():
                        known = Frame(frame.raw)
                        named = (frame.tag, frame.device, frame.name)
                        hold(named == (known.tag, known.device, known.name), "known as something else", frame.raw)
                        result.messages.append(canonical(frame.raw))
                elif isinstance(piece, Run):
                    skeleton = piece.skeleton
                    for raw in skeleton.each(piece.data):
                        frame = Frame(raw.strip())
                        named = (frame.tag, frame.device or "", frame.name or "")
                        hold(named == (skeleton.tag, skeleton.device, skeleton.name), "a run of something else", raw)
                        result.messages.append(canonical(raw.strip()))
                else:
                    open_blob.append(piece.raw)
                    if isinstance(piece, BlobClosing):
                        result.messages.append(canonical(b"".join(open_blob).strip()))
                        open_blob.clear()
    except ProtocolError:
        result.refused = True
    return result


def proven(stream: MessageStream, raw: bytes) -> Iterator[bytes]:
    """Yield an element if it is understood, and let others like it come in runs."""
    frame = Frame(raw)
    with contextlib.suppress(NotUnderstood):
        if not frame.is_blob:
            stream.learn(frame)
    yield canonical(frame.raw)


def framing(data: bytes) -> None:
    """However a stream is split the same comes of it, and it is what lxml makes of the whole."""
    if not data:
        return
    size, stream = data[0] + 1, data[1:]
    whole = cut(stream, max(len(stream), 1))
    split = cut(stream, size)
    hold(whole.messages == split.messages, f"in pieces of {size} something else comes", whole, split)
    goes_on = cut(stream + PROBE, len(stream) + len(PROBE))
    complete = not goes_on.refused and goes_on.messages == [*whole.messages, canonical(PROBE)]
    # What is not complete may be refused sooner or later; what is complete is not refused.
    hold(
        not complete or not (whole.refused or split.refused), f"refused, but not always, or in pieces of {size}", stream
    )
    if not complete or b"<?" in stream:
        return
    parser = etree.XMLParser(resolve_entities=False, no_network=True, remove_comments=True, huge_tree=True)
    try:
        root = etree.fromstring(b"<r>" + stream + b"</r>", parser)
    except etree.XMLSyntaxError as error:
        if b"<!--" in stream:
            return  # what is in comments between messages goes nowhere, and nobody looks whether it is well-formed
        raise BrokenPromiseError(f"taken as whole messages, and lxml says: {error}: {stream!r}") from None
    hold(whole.messages == [spelt(child) for child in root], "lxml reads something else", stream)


def numbers(data: bytes) -> None:
    """What is read is finite, and what is written of it is read as the same."""
    try:
        value = parse_number(data.decode(errors="replace"))
    except ProtocolError:
        return
    hold(math.isfinite(value), "not finite", data)
    if abs(value) >= 1e12:
        return
    for form, tolerance in FORMATS.items():
        back = parse_number(format_number(value, form))
        most = tolerance * abs(value) if form == "%g" else tolerance
        hold(abs(back - value) <= most + 1e-9 * abs(value), f"{form} writes another number", value, back)


def base64_bodies(data: bytes) -> None:
    """Base64 is what the standard library makes of it, and nothing else is taken for it."""
    lines = encode_base64(data)
    hold(decode_base64(lines) == data, "not what was encoded", data)
    hold(BASE64.covers(lines), "not taken for base64", lines)
    hold(len(lines.replace(b"\n", b"")) == encoded_length(len(data)), "another length", data)
    try:
        taken: bytes | None = decode_base64(data)
    except ProtocolError:
        taken = None
    compact = data.translate(None, b" \t\r\n")
    try:
        expected: bytes | None = base64.b64decode(compact, validate=True)
    except binascii.Error:
        expected = None
    hold(taken is None or taken == expected, "the standard library reads something else", data, taken, expected)
    hold(BASE64.covers(data) or b"<" in data or taken is None, "decoded, and not taken for base64", data)


TARGETS: dict[str, Callable[[bytes], None]] = {
    "framing": framing,
    "numbers": numbers,
    "base64": base64_bodies,
    "router": converse,
}
