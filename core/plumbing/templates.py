"""The bytes that set a vector, all but its state, the time and the values: what a device says again and again.

What a template writes is byte for byte what `core.plumbing.wire.setting` says, in a tenth of the time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from operator import itemgetter
from typing import Any

from core.indi import encode, format_number
from core.indi.messages import Element, VectorMessage, write_text
from core.plumbing.wire import timestamp
from core.properties import Member, Number, Switch, Vector

HOLE = "\ue000"
"""Stands for a value while a template is made; it means nothing to anybody, but a name may have it."""

Writer = Callable[[Any], str]


class SetTemplate:
    """Write the sets of some members of one vector; the lanes of slow peers know them by `key`.

    Raises ValueError for a vector that cannot have one: BLOBs are too long to be copied twice.
    """

    __slots__ = ("_direct", "_format", "_pick", "_writers", "device", "has_message", "key", "timeout")

    def __init__(self, device: str, vector: Vector[Any, Any], names: tuple[str, ...]) -> None:
        attributes = {"state": HOLE, "timestamp": HOLE}
        if vector.kind != "Light":
            attributes["timeout"] = f"{vector.timeout:g}"
        members = [vector.members[name] for name in names]
        elements = [Element(name, HOLE) for name in names]
        message = VectorMessage("set", vector.kind, device, vector.name, attributes, elements)  # type: ignore[arg-type]
        literals = encode(message).decode().replace("%", "%%").split(HOLE)
        if vector.kind == "BLOB" or len(literals) != 3 + len(names):
            raise ValueError(f"there is no template for {device}.{vector.name}")
        # One formatting writes all numbers, unless one is sexagesimal.
        self._direct = all(isinstance(member, Number) and member.format[-1] != "m" for member in members)
        holes = ["%s", "%s", *(member.format if self._direct else "%s" for member in members), ""]
        self._format = "".join(literal + hole for literal, hole in zip(literals, holes, strict=True))
        self._writers = [_writer(member) for member in members]
        self._pick = _picker(names)
        self.timeout = vector.timeout
        """As it is written here."""
        self.device = device
        self.key = (message.tag, device, vector.name, names)
        self.has_message = False

    def write(self, state: str, values: Mapping[str, Any]) -> bytes:
        """Return the bytes of one set."""
        texts = self._pick(values)
        if not self._direct:
            texts = tuple(write(value) for write, value in zip(self._writers, texts, strict=True))
        return (self._format % (state, timestamp(), *texts)).encode()

    def count(self, _run: bytes) -> int:
        """Return that it is one set."""
        return 1

    def pieces(self, run: bytes, _size: int) -> Iterator[bytes]:
        """Yield the set."""
        yield run

    def last(self, run: bytes) -> bytes:
        """Return the set."""
        return run


def _picker(names: tuple[str, ...]) -> Callable[[Mapping[str, Any]], tuple[Any, ...]]:
    if len(names) > 1:
        return itemgetter(*names)
    return lambda values: tuple(values[name] for name in names)


def _writer(member: Member[Any]) -> Writer:
    if isinstance(member, Number):
        return partial(_write_number, member.format)
    if isinstance(member, Switch):
        return _write_switch
    return write_text


def _write_number(form: str, value: float) -> str:
    return format_number(value, form)


def _write_switch(on: bool) -> str:  # a value, not an option
    return "On" if on else "Off"
