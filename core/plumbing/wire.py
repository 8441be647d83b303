"""Translate between the vectors of a device and the messages of INDI."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterable
from typing import Any

from core.errors import ProtocolError, ValueRefused
from core.indi import DelProperty, Element, Notice, VectorMessage, format_number, parse_number
from core.indi.blobs import decode_base64, encoded_length
from core.properties import Blob, BlobValue, Member, Number, Switch, SwitchVector, Vector

LABEL_BYTES = 63


def timestamp() -> str:
    """Return the time in UTC as INDI writes it: seconds and milliseconds, no zone."""
    milliseconds = time.time_ns() // 1_000_000
    return f"{_second(milliseconds // 1000)}.{milliseconds % 1000:03d}"


@functools.lru_cache(maxsize=1)
def _second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


def definition(device: str, vector: Vector[Any, Any]) -> VectorMessage:
    """Return the message that defines a vector."""
    attributes = {"label": _cut(vector.label or vector.name), "group": vector.group, "state": vector.state}
    if vector.kind != "Light":
        attributes["perm"] = vector.perm
        attributes["timeout"] = f"{vector.timeout:g}"
    if isinstance(vector, SwitchVector):
        attributes["rule"] = vector.rule
    attributes["timestamp"] = timestamp()
    elements = [_defined(name, member, vector.values[name]) for name, member in vector.members.items()]
    return VectorMessage("def", vector.kind, device, vector.name, attributes, elements)  # type: ignore[arg-type]


def setting(
    device: str,
    vector: Vector[Any, Any],
    members: Iterable[str] = (),
    *,
    state: str | None = None,
    message: str | None = None,
) -> VectorMessage:
    """Return the message that tells the vector's state and the values of `members`, of all where none is named.

    `state` is always present: libindi's clients drop what comes without it.
    """
    attributes = {"state": state or vector.state, "timestamp": timestamp()}
    if vector.kind != "Light":
        attributes["timeout"] = f"{vector.timeout:g}"
    if message:
        attributes["message"] = message
    names = tuple(members)
    if vector.kind != "BLOB":
        names = names or tuple(vector.members)
    elements = [_set(name, vector.members[name], vector.values[name]) for name in names]
    return VectorMessage("set", vector.kind, device, vector.name, attributes, elements)  # type: ignore[arg-type]


def deletion(device: str, vector: Vector[Any, Any] | None) -> DelProperty:
    """Return the message that takes a vector away, or the whole device."""
    return DelProperty(device, vector.name if vector is not None else None, timestamp=timestamp())


def notice(text: str, device: str | None = None) -> Notice:
    """Return a message to people with the time of now."""
    return Notice(text, device, timestamp())


def new_values(message: VectorMessage) -> dict[str, Any]:
    """Return the values that a client sent; raise ValueRefused for text that is none of the kind."""
    new: dict[str, Any] = {}
    for element in message.elements:
        if element.name in new:
            raise ValueRefused(f"{message.name}: member {element.name!r} was sent twice")
        try:
            new[element.name] = _blob(element) if message.kind == "BLOB" else READERS[message.kind](element.text)
        except ProtocolError as error:
            raise ValueRefused(f"{message.name}.{element.name}: {error}") from None
    return new


def _read_switch(text: str) -> bool:
    if text not in ("On", "Off"):
        raise ProtocolError(f"{text[:40]!r} is neither On nor Off")
    return text == "On"


READERS: dict[str, Callable[[str], Any]] = {
    "Number": parse_number,
    "Switch": _read_switch,
    "Text": str,
    "Light": str,
}
"""What makes a value of the text of a member, by its kind; they raise ProtocolError for text that is none."""


def _blob(element: Element) -> BlobValue:
    data = element.data if isinstance(element.data, bytes) else decode_base64(element.text)
    return BlobValue(data, element.attributes.get("format", ""))


def _defined(name: str, member: Member[Any], value: Any) -> Element:
    label = _cut(member.label or name)
    if isinstance(member, Number):
        attributes = {
            "label": f"{label} [{member.unit}]" if member.unit else label,
            "format": member.format,
            "min": f"{member.min:.15g}",
            "max": f"{member.max:.15g}",
            "step": f"{member.step:.15g}",
        }
        return Element(name, _written(member, value), attributes)
    text = "" if isinstance(member, Blob) else _written(member, value)
    return Element(name, text, {"label": label})


def _cut(label: str) -> str:
    """Return a label in the 63 bytes that libindi keeps of it."""
    return label if len(label.encode()) <= LABEL_BYTES else label.encode()[:LABEL_BYTES].decode(errors="ignore")


def _set(name: str, member: Member[Any], value: Any) -> Element:
    if isinstance(member, Blob):
        # It may be read later than now, so it has to be what never changes.
        data = bytes(value.data)
        attributes = {"size": str(len(data)), "format": value.format, "enclen": str(encoded_length(len(data)))}
        return Element(name, "", attributes, data)
    return Element(name, _written(member, value))


def _written(member: Member[Any], value: Any) -> str:
    if isinstance(member, Number):
        return format_number(value, member.format)
    if isinstance(member, Switch):
        return "On" if value else "Off"
    return str(value)


__all__ = ["READERS", "definition", "deletion", "new_values", "notice", "setting", "timestamp"]
