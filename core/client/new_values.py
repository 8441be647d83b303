"""What a client wants a property to be, as the message that says so."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from core.client.errors import SetRefused
from core.client.mirror import RemoteVector
from core.errors import ProtocolError
from core.indi import Element, VectorMessage, parse_number
from core.indi.blobs import encoded_length
from core.properties import BlobValue
from core.suggestions import nearest


def new_message(vector: RemoteVector, values: Mapping[str, Any]) -> VectorMessage:
    """Return the message that asks for new values of a property.

    Raises SetRefused for what no server would take: a property that can only be read, a member that there is not, a
    value of the wrong kind, a choice against the rule. Limits are for the server to judge.
    """
    if vector.perm == "ro":
        raise SetRefused(f"{vector} is read-only")
    if not values:
        raise SetRefused(f"{vector}: no member is named; it has {', '.join(vector.members)}")
    for name in values:
        if name not in vector.members:
            meant = nearest(name, vector.members)
            hint = f"; did you mean {meant}?" if meant else ""
            raise SetRefused(f"{vector} has no member {name!r}; it has {', '.join(vector.members)}{hint}")
    if vector.kind == "Switch":
        elements = _switches(vector, values)
    else:
        elements = [_element(vector, name, value) for name, value in values.items()]
    return VectorMessage("new", vector.kind, vector.device, vector.name, {}, elements)


def _switches(vector: RemoteVector, values: Mapping[str, Any]) -> list[Element]:
    wanted = {name: _switch(vector, name, value) for name, value in values.items()}
    on = [name for name, value in wanted.items() if value]
    if vector.rule in ("OneOfMany", "AtMostOne") and len(on) > 1:
        raise SetRefused(f"{vector}: only one switch may be On, not {', '.join(on)}")
    if vector.rule == "OneOfMany":
        if not on:
            raise SetRefused(f"{vector}: one switch must be On; name the one of {', '.join(vector.members)}")
        # libindi's clients send the one that goes On alone, and its drivers rely on that.
        wanted = {on[0]: True}
    return [Element(name, "On" if value else "Off") for name, value in wanted.items()]


def _switch(vector: RemoteVector, name: str, value: Any) -> bool:
    if isinstance(value, str) and value in ("On", "Off"):
        return value == "On"
    if not isinstance(value, bool):
        raise SetRefused(f"{vector}.{name}: On (True) or Off (False) is needed, not {value!r}")
    return value


def _element(vector: RemoteVector, name: str, value: Any) -> Element:
    match vector.kind:
        case "Number":
            return Element(name, _number(vector, name, value))
        case "BLOB":
            return _blob(vector, name, value)
        case _:
            if not isinstance(value, str):
                raise SetRefused(f"{vector}.{name}: a text is needed, not {value!r}")
            return Element(name, value)


def _number(vector: RemoteVector, name: str, value: Any) -> str:
    if isinstance(value, str):
        try:
            value = parse_number(value)
        except ProtocolError as error:
            raise SetRefused(f"{vector}.{name}: {error}") from None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not _is_finite(value):
        raise SetRefused(f"{vector}.{name}: a finite number is needed, not {value!r}")
    return repr(float(value))


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an int beyond every float
        return False


def _blob(vector: RemoteVector, name: str, value: Any) -> Element:
    match value:
        case BlobValue(data, form):
            pass
        case bytes() | bytearray() | memoryview():
            data, form = bytes(value), ""
        case Path() | str():
            try:
                path = Path(value)
                data, form = path.read_bytes(), path.suffix
            except OSError as error:
                raise SetRefused(f"{vector}.{name}: {value} cannot be read: {error.strerror}") from None
        case _:
            raise SetRefused(f"{vector}.{name}: bytes, a BlobValue or a path is needed, not {type(value).__name__}")
    attributes = {"size": str(len(data)), "format": form, "enclen": str(encoded_length(len(data)))}
    return Element(name, attributes=attributes, data=data)
