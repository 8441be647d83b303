"""The messages of INDI as objects, from bytes and to bytes.

What is read is proven well-formed first; what is written is well-formed whatever the values are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from core.errors import NotUnderstood
from core.indi.blobs import encode_base64
from core.indi.frame import Frame
from core.indi.long_messages import LONG, LongBlob, LongMessage

Verb = Literal["def", "set", "new"]
Kind = Literal["Text", "Number", "Switch", "Light", "BLOB"]
BlobMode = Literal["Never", "Also", "Only"]

LONGEST_UID = 1024
"""How many characters a ping may give for the answer to repeat: to write 16 MiB takes a second."""

_VECTOR_TAG = re.compile(r"(def|set|new)(Text|Number|Switch|Light|BLOB)Vector")
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(slots=True)
class GetProperties:
    """Ask for the definitions of everything, a device, or a property."""

    device: str | None = None
    name: str | None = None
    version: str | None = None


@dataclass(slots=True)
class EnableBlob:
    """Say whether BLOBs of a device or property are wanted."""

    device: str | None
    name: str | None
    mode: BlobMode


@dataclass(slots=True)
class Notice:
    """Say something to people: INDI's `message`."""

    text: str
    device: str | None = None
    timestamp: str | None = None


@dataclass(slots=True)
class DelProperty:
    """Take a property, or a whole device, away."""

    device: str | None = None
    name: str | None = None
    message: str | None = None
    timestamp: str | None = None


@dataclass(slots=True)
class PingRequest:
    """Ask for an answer behind everything that was sent before."""

    uid: str


@dataclass(slots=True)
class PingReply:
    """Answer a PingRequest."""

    uid: str


@dataclass(slots=True)
class Element:
    """Be one member in a message: its name, its text, and what else its tag says."""

    name: str
    text: str = ""
    attributes: dict[str, str] = field(default_factory=dict)
    data: bytes | LongBlob | None = None
    """The content of a BLOB in place of its text, for who has it."""


@dataclass(slots=True)
class VectorMessage:
    """Define a vector, set it, or ask for new values."""

    verb: Verb
    kind: Kind
    device: str
    name: str
    attributes: dict[str, str] = field(default_factory=dict)
    elements: list[Element] = field(default_factory=list)

    @property
    def tag(self) -> str:
        """Return the name of the XML element."""
        return f"{self.verb}{self.kind}Vector"


Message = GetProperties | EnableBlob | Notice | DelProperty | PingRequest | PingReply | VectorMessage


def decode(raw: bytes | Frame) -> Message:
    """Return the message that one element is.

    Raises ProtocolError if it is not well-formed, NotUnderstood if it is no INDI message or lacks an attribute.
    """
    frame = raw if isinstance(raw, Frame) else Frame(raw)
    tag = frame.tag
    attributes = {str(key): str(value) for key, value in frame.element.attrib.items()}
    vector = _VECTOR_TAG.fullmatch(tag)
    if vector:
        device, name = _needed(tag, attributes, "device"), _needed(tag, attributes, "name")
        verb, kind = vector.groups()
        elements = list(_elements(frame, ("def" if verb == "def" else "one") + kind))
        return VectorMessage(verb, kind, device, name, attributes, elements)  # type: ignore[arg-type]
    if tag == "getProperties":
        return GetProperties(frame.device, frame.name, attributes.get("version"))
    if tag == "enableBLOB":
        mode = (frame.element.text or "").strip()
        if mode not in ("Never", "Also", "Only"):
            raise NotUnderstood(f"enableBLOB says {mode[:40]!r}; Never, Also, Only is allowed")
        return EnableBlob(frame.device, frame.name, mode)  # type: ignore[arg-type]
    if tag == "message":
        return Notice(attributes.get("message", ""), frame.device, attributes.get("timestamp"))
    if tag == "delProperty":
        return DelProperty(frame.device, frame.name, attributes.get("message"), attributes.get("timestamp"))
    if tag in ("pingRequest", "pingReply"):
        uid = _needed(tag, attributes, "uid")
        if len(uid) > LONGEST_UID:
            raise NotUnderstood(f"{tag} with a uid of more than {LONGEST_UID} characters")
        return PingRequest(uid) if tag == "pingRequest" else PingReply(uid)
    raise NotUnderstood(f"<{tag[:40]}> is no INDI message")


def _elements(frame: Frame, tag: str) -> Iterator[Element]:
    """Yield the members of a vector's message; raise ProtocolError for what is none."""
    for number, child in enumerate(frame.element):
        if child.tag != tag or len(child):
            raise NotUnderstood(f"{frame.tag} {frame.device}.{frame.name} holds {child.tag[:40]}, not a plain {tag}")
        attributes = {str(key): str(value) for key, value in child.attrib.items()}
        name = _needed(tag, attributes, "name")
        text = (child.text or "").strip() if frame.bodies is None else frame.bodies[number].decode("ascii")
        yield Element(name, text, attributes)


def _needed(tag: str, attributes: dict[str, str], name: str) -> str:
    value = attributes.pop(name, None)
    if not value:
        raise NotUnderstood(f"{tag} without {name}")
    return value


def encode(message: Message) -> bytes:
    """Return the bytes of a message, ended by a line feed; characters that XML forbids become U+FFFD."""
    written = encode_long(message)
    return written if isinstance(written, bytes) else b"".join(written)


def encode_long(message: Message) -> bytes | LongMessage:
    """Return the bytes of a message as `encode` does, or what makes them piece by piece if it has long BLOBs."""
    match message:
        case VectorMessage():
            return LongMessage.or_bytes(_parts_of_vector(message))
        case GetProperties(device, name, version):
            text = _empty("getProperties", device=device, name=name, version=version)
        case EnableBlob(device, name, mode):
            text = f"<enableBLOB{_attributes(device=device, name=name)}>{mode}</enableBLOB>\n"
        case Notice(said, device, timestamp):
            text = _empty("message", device=device, timestamp=timestamp, message=said)
        case DelProperty(device, name, said_or_none, timestamp):
            text = _empty("delProperty", device=device, name=name, timestamp=timestamp, message=said_or_none)
        case PingRequest(uid):
            text = _empty("pingRequest", uid=uid)
        case PingReply(uid):
            text = _empty("pingReply", uid=uid)
    return _allowed(text)


def _parts_of_vector(message: VectorMessage) -> list[bytes | LongBlob]:
    """Return the bytes of a vector's message, those of each BLOB that is given as its content apart."""
    tag, child = message.tag, ("def" if message.verb == "def" else "one") + message.kind
    head = _attributes(device=message.device, name=message.name, **message.attributes)
    parts: list[bytes | LongBlob] = []
    lines = [f"<{tag}{head}>\n"]
    for element in message.elements:
        lines.append(f"  <{child}{_attributes(name=element.name, **element.attributes)}>")
        if element.data is not None:
            parts += [_allowed("".join([*lines, "\n"])), _base64(element.data)]
            lines = []
        else:
            lines.append(element.text if message.kind == "BLOB" else _escaped(element.text))
        lines.append(f"</{child}>\n")
    lines.append(f"</{tag}>\n")
    parts.append(_allowed("".join(lines)))
    return parts


def _base64(data: bytes | LongBlob) -> bytes | LongBlob:
    if isinstance(data, LongBlob):
        return data
    return encode_base64(data) if len(data) <= LONG else LongBlob.of_bytes(data)


def _allowed(text: str) -> bytes:
    return _FORBIDDEN.sub("\ufffd", text).encode()


def write_text(text: str) -> str:
    """Return text as it stands between two tags; characters that XML forbids become U+FFFD."""
    return _FORBIDDEN.sub("\ufffd", _escaped(text))


def _empty(tag: str, **attributes: str | None) -> str:
    return f"<{tag}{_attributes(**attributes)}/>\n"


def _attributes(**attributes: str | None) -> str:
    return "".join(_attribute(name, value) for name, value in attributes.items() if value is not None)


def _escaped(text: str) -> str:
    # xml.sax.saxutils has this too, and imports all of urllib with it.
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _attribute(name: str, value: str) -> str:
    # Always double quotes: some clients know no others. Line ends and tabs would be read as spaces.
    quoted = _escaped(value).replace('"', "&quot;")
    quoted = quoted.replace("\n", "&#10;").replace("\r", "&#13;").replace("\t", "&#9;")
    return f' {name}="{quoted}"'
