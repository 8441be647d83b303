"""What the client's commands have in common: the server's options, and SPECs as indi_getprop has them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, TypeVar

import click

from core.cli.number_range import NumberRange

if TYPE_CHECKING:
    from core.client import Client, RemoteMember, RemoteVector

F = TypeVar("F", bound=Callable[..., Any])

ATTRIBUTES = ("_LABEL", "_GROUP", "_STATE", "_PERM", "_TO", "_TS")
"""What may stand for an element and tells something of the property, as in indi_getprop."""


@dataclass(frozen=True, slots=True)
class Spec:
    """Be `device.property.element`, each with `*` as a wildcard; what is left out counts as `*`."""

    device: str = "*"
    name: str = "*"
    element: str = "*"

    @classmethod
    def parse(cls, text: str) -> Spec:
        """Return what a command line says; raise click.UsageError for an empty part."""
        parts = text.split(".", 2)
        if not all(parts):
            raise click.UsageError(f"{text!r} is no SPEC; write device.property.element, * stands for any")
        return cls(*parts)

    @property
    def exact(self) -> bool:
        """Return whether it can mean one element only."""
        return not any(mark in part for part in (self.device, self.name, self.element) for mark in "*?[")

    def elements(self, vector: RemoteVector) -> list[str]:
        """Return the elements of a property that it means."""
        if not (fnmatchcase(vector.device, self.device) and fnmatchcase(vector.name, self.name)):
            return []
        if self.element in ATTRIBUTES:
            return [self.element]
        return [name for name in vector.members if fnmatchcase(name, self.element)]

    def means(self, device: str, name: str, element: str) -> bool:
        """Return whether it means an element."""
        parts = ((device, self.device), (name, self.name), (element, self.element))
        return all(fnmatchcase(part, pattern) for part, pattern in parts)

    def __str__(self) -> str:
        """Return it as it is written."""
        return f"{self.device}.{self.name}.{self.element}"


def server_options(seconds: float) -> Callable[[F], F]:
    """Add --host, --port and --timeout, `seconds` by default, to a command."""

    def add(command: F) -> F:
        command = click.option(
            "-t",
            "--timeout",
            type=NumberRange(0, min_open=True),
            default=seconds,
            show_default=True,
            help="Seconds to wait.",
        )(command)
        command = click.option("-p", "--port", type=click.IntRange(1, 65535), default=7624, show_default=True)(command)
        return click.option(
            "--host", default="localhost", show_default=True, help="The server's host, or the path of a Unix socket."
        )(command)

    return add


def server(host: str, port: int, seconds: float, specs: Sequence[Spec] = (), *, reconnect: bool = False) -> Client:
    """Return a client that hears of what the specs mean."""
    from core.client import Client

    path = host if host.startswith("@") or "/" in host else None
    devices = {spec.device for spec in specs}
    narrow = bool(devices) and not any(mark in device for device in devices for mark in "*?[")
    return Client(
        host, port, path=path, watch=sorted(devices) if narrow else None, reconnect=reconnect, connect_timeout=seconds
    )


def printable(text: str) -> str:
    """Return a text of a server as it may reach a terminal and a line: control characters are written as escapes."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def shown(vector: RemoteVector, element: str) -> str:
    """Return the value of an element, or of an attribute, as one line."""
    attributes = {
        "_LABEL": vector.label,
        "_GROUP": vector.group,
        "_STATE": vector.state,
        "_PERM": vector.perm,
        "_TO": f"{vector.timeout:g}",
        "_TS": vector.timestamp or "",
    }
    if element in attributes:
        return printable(attributes[element])
    return printable("" if vector.kind == "BLOB" else vector.members[element].text)


def written(vector: RemoteVector, name: str, value: Any) -> str:
    """Return a value that a member had as one line, as the server would write it."""
    if isinstance(value, bool):
        return "On" if value else "Off"
    member = vector.members.get(name)
    if isinstance(value, float) and math.isfinite(value) and member is not None:
        from core.indi import format_number

        return format_number(value, member.format).strip()
    return printable(str(value))


def as_json(vector: RemoteVector, elements: Sequence[str]) -> dict[str, Any]:
    """Return a property with some of its members for JSON."""
    return {
        "device": vector.device,
        "name": vector.name,
        "kind": vector.kind,
        "label": vector.label,
        "group": vector.group,
        "state": vector.state,
        "perm": vector.perm,
        "rule": vector.rule,
        "timeout": plain(vector.timeout),
        "timestamp": vector.timestamp,
        "message": vector.message,
        "members": [
            _member(vector.kind, vector.members[name])
            for name in (vector.members if any(element in ATTRIBUTES for element in elements) else elements)
        ],
    }


def _member(kind: str, member: RemoteMember) -> dict[str, Any]:
    common = {"name": member.name, "label": member.label, "value": plain(member.value)}
    if kind == "Number":
        limits = {"min": plain(member.min), "max": plain(member.max), "step": plain(member.step)}
        return {**common, "text": member.text, "format": member.format, **limits}
    if kind == "BLOB":
        return {**common, "format": member.format, "size": member.size}
    return common


def plain(value: Any) -> Any:
    """Return a value as JSON can have it: NaN and infinities are null."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
