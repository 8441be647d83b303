"""The devices of a server as objects that follow what it says. Knows no socket: messages in, events out."""

from __future__ import annotations

import math
import weakref
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

from core.client.events import ClientEvent
from core.errors import ProtocolError
from core.indi import DelProperty, Element, Notice, VectorMessage, parse_number
from core.indi.messages import Kind
from core.properties import STATES, Permission, Rule, State

MAXIMUM_WEIGHT = 256 << 20
"""How many bytes, about, all that a server has defined may occupy."""

MESSAGES_KEPT = 100
MESSAGE_LENGTH = 1000
MEMBER_WEIGHT = 600


@dataclass(slots=True)
class RemoteMember:
    """Be one value of a remote property.

    `value` is a float, a str, a bool, a state (lights), or None (BLOBs, whose content goes to `Client.blobs`); a number
    that cannot be read is NaN. `text` is the value as the server wrote it. `format`, `min`, `max` and `step` belong to
    numbers; of BLOBs, `format` and `size` are those of the last one.
    """

    name: str
    label: str = ""
    value: Any = None
    text: str = ""
    format: str = ""
    min: float = 0.0
    max: float = 0.0
    step: float = 0.0
    size: int = 0


class RemoteVector:
    """Be a property of a remote device; it is updated in place, also when it is defined anew.

    `stale` is True while the connection is lost and until the server has defined it again, `deleted` while the server
    has taken it away. `message` and `timestamp` are the last that came with it. Indexing gives values.
    """

    def __init__(self, device: str, name: str) -> None:
        self.device = device
        self.name = name
        self.kind: Kind = "Text"
        self.label = name
        self.group = ""
        self.state: State = "Idle"
        self.perm: Permission = "ro"
        self.rule: Rule | None = None
        self.timeout = 0.0
        self.timestamp: str | None = None
        self.message: str | None = None
        self.members: dict[str, RemoteMember] = {}
        self.stale = False
        self.deleted = False
        self.weight = 0

    @property
    def values(self) -> dict[str, Any]:
        """Return the values of all members."""
        return {name: member.value for name, member in self.members.items()}

    @property
    def chosen(self) -> str | None:
        """Return the name of the first switch that is On, None if there is none."""
        return next((name for name, member in self.members.items() if member.value is True), None)

    def __getitem__(self, member: str) -> Any:
        """Return the value of a member; raise KeyError that names those that there are."""
        try:
            return self.members[member].value
        except KeyError:
            raise KeyError(f"{self} has no member {member!r}; it has {', '.join(self.members)}") from None

    def __iter__(self) -> Iterator[str]:
        """Walk over the names of the members."""
        return iter(self.members)

    def __len__(self) -> int:
        """Return how many members there are."""
        return len(self.members)

    def __str__(self) -> str:
        """Return the property's full name."""
        return f"{self.device}.{self.name}"

    def __repr__(self) -> str:
        """Show name, state and values."""
        return f"<RemoteVector {self} {self.state} {self.values}>"

    def define(self, message: VectorMessage) -> None:
        """Become what a def message says."""
        said = message.attributes
        self.kind = message.kind
        self.label = said.get("label") or self.name
        self.group = said.get("group", "")
        self.state = "Idle"
        perm = said.get("perm", "")
        self.perm = cast("Permission", perm) if perm in ("ro", "wo", "rw") and message.kind != "Light" else "ro"
        rule = said.get("rule", "")
        self.rule = None
        if message.kind == "Switch":
            self.rule = cast("Rule", rule) if rule in ("OneOfMany", "AtMostOne") else "AnyOfMany"
        self._take_common(said)
        self.members = {}
        for element in message.elements:
            member = RemoteMember(element.name, element.attributes.get("label") or element.name)
            self.members[element.name] = member
            self._take_value(member, element)
        self.stale = self.deleted = False
        self._weigh()

    def change(self, message: VectorMessage) -> tuple[str, ...]:
        """Take what a set message says and return the members that it names; those that are unknown are skipped."""
        self._take_common(message.attributes)
        known = [element for element in message.elements if element.name in self.members]
        for element in known:
            self._take_value(self.members[element.name], element)
        if self.kind == "Text":
            self._weigh()
        return tuple(element.name for element in known)

    def _take_common(self, said: dict[str, str]) -> None:
        state = said.get("state")
        if state in STATES:
            self.state = state
        if "timeout" in said:
            self.timeout = _number(said["timeout"])
        self.timestamp = said.get("timestamp") or self.timestamp
        self.message = said.get("message") or self.message

    def _take_value(self, member: RemoteMember, element: Element) -> None:
        said = element.attributes
        member.text = element.text
        match self.kind:
            case "Number":
                member.value = _number(element.text)
                member.format = said.get("format", member.format)
                # libindi's drivers change limits by a set, too.
                for limit in ("min", "max", "step"):
                    if limit in said:
                        setattr(member, limit, _number(said[limit]))
            case "Switch":
                member.value = element.text == "On"
            case "BLOB":
                member.format = said.get("format", member.format)
                size = said.get("size", "")
                member.size = int(size) if size.isdecimal() and len(size) < 20 else member.size
            case "Light":
                member.value = element.text if element.text in STATES else "Idle"
            case _:
                member.value = element.text

    def _weigh(self) -> None:
        self.weight = MEMBER_WEIGHT + sum(
            MEMBER_WEIGHT + len(member.label) + len(member.text) for member in self.members.values()
        )


class RemoteDevice:
    """Be a device of the server: its properties by name, in the order in which they were defined.

    `messages` are the last hundred things that the server said of it.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.vectors: dict[str, RemoteVector] = {}
        self.messages: deque[str] = deque(maxlen=MESSAGES_KEPT)

    def __getitem__(self, name: str) -> RemoteVector:
        """Return a property; raise KeyError that names those that there are."""
        try:
            return self.vectors[name]
        except KeyError:
            listed = ", ".join(self.vectors) or "none"
            raise KeyError(f"{self.name} has no property {name!r}; it has {listed}") from None

    def __iter__(self) -> Iterator[str]:
        """Walk over the names of the properties."""
        return iter(self.vectors)

    def __len__(self) -> int:
        """Return how many properties there are."""
        return len(self.vectors)

    def __contains__(self, name: object) -> bool:
        """Return whether there is a property of this name."""
        return name in self.vectors

    def __repr__(self) -> str:
        """Show the names."""
        return f"<RemoteDevice {self.name}: {', '.join(self.vectors)}>"


class RemoteDevices(dict[str, RemoteDevice]):
    """Be all devices by name."""

    def __missing__(self, name: str) -> RemoteDevice:
        """Raise KeyError that names the devices that there are."""
        raise KeyError(f"there is no device {name!r}; there is {', '.join(self) or 'none'}")

    def find(self, device: str, name: str) -> RemoteVector | None:
        """Return a property, None if there is none."""
        found = self.get(device)
        return found.vectors.get(name) if found is not None else None

    def vectors(self) -> Iterator[RemoteVector]:
        """Walk over all properties of all devices."""
        for device in self.values():
            yield from device.vectors.values()


class Mirror:
    """Keep the devices as the server describes them."""

    def __init__(self) -> None:
        self.devices = RemoteDevices()
        self.messages: deque[str] = deque(maxlen=MESSAGES_KEPT)
        self._weight = 0
        # A server that defines anew deletes first: whoever holds the object shall find it alive again.
        self._gone: weakref.WeakValueDictionary[tuple[str, str], RemoteVector] = weakref.WeakValueDictionary()
        self._gone_devices: weakref.WeakValueDictionary[str, RemoteDevice] = weakref.WeakValueDictionary()

    def apply(self, message: VectorMessage | DelProperty | Notice) -> list[ClientEvent]:
        """Follow a message and return what happened.

        Raises ProtocolError when the server has defined more than can be kept.
        """
        match message:
            case VectorMessage(verb="def"):
                return [self._define(message)]
            case VectorMessage(verb="set"):
                return self._change(message)
            case DelProperty():
                return self._delete(message)
            case Notice(text, device, timestamp):
                self._note(device, text)
                return [ClientEvent("message", device, message=text, timestamp=timestamp, weight=256 + len(text))]
            case _:
                return []  # new values of other clients, which indiserver shows to all

    def mark_stale(self) -> None:
        """Mark everything as not known to hold any more."""
        for vector in self.devices.vectors():
            vector.stale = True

    def _define(self, message: VectorMessage) -> ClientEvent:
        device = self.devices.get(message.device)
        if device is None:
            device = self._gone_devices.pop(message.device, None) or RemoteDevice(message.device)
            self.devices[message.device] = device
            self._weight += MEMBER_WEIGHT
        key = (message.device, message.name)
        vector = device.vectors.get(message.name)
        if vector is None:
            vector = self._gone.pop(key, None) or RemoteVector(*key)
            vector.weight = 0
            device.vectors[message.name] = vector
        before = vector.weight
        vector.define(message)
        self._count(vector.weight - before)
        self._note(message.device, message.attributes.get("message"))
        return self._event("defined", vector, tuple(vector.members), message)

    def _change(self, message: VectorMessage) -> list[ClientEvent]:
        vector = self.devices.find(message.device, message.name)
        if vector is None or vector.kind != message.kind:
            return []
        before = vector.weight
        members = vector.change(message)
        self._count(vector.weight - before)
        self._note(message.device, message.attributes.get("message"))
        return [self._event("changed", vector, members, message)]

    def _delete(self, message: DelProperty) -> list[ClientEvent]:
        """Take away one property, a device, or, where none is named, everything."""
        said, when = message.message, message.timestamp
        self._note(message.device, said)
        events = []
        names = list(self.devices) if message.device is None else [message.device]
        for device in [self.devices[name] for name in names if name in self.devices]:
            if message.name and message.name not in device.vectors:
                continue
            for vector in [device.vectors[message.name]] if message.name else list(device.vectors.values()):
                del device.vectors[vector.name]
                self._weight -= vector.weight
                vector.deleted = True
                self._gone[(device.name, vector.name)] = vector
                events.append(ClientEvent("deleted", device.name, vector, message=said, timestamp=when))
            if not message.name:
                del self.devices[device.name]
                self._weight -= MEMBER_WEIGHT
                self._gone_devices[device.name] = device
                events.append(ClientEvent("deleted", device.name, message=said, timestamp=when))
        return events

    def _event(self, kind: Any, vector: RemoteVector, members: tuple[str, ...], message: VectorMessage) -> ClientEvent:
        said = message.attributes
        values = {} if vector.kind == "BLOB" else {name: vector.members[name].value for name in members}
        weight = 256 + sum(80 + len(element.text) for element in message.elements)
        return ClientEvent(
            kind,
            vector.device,
            vector,
            vector.state,
            members,
            values,
            said.get("message"),
            said.get("timestamp"),
            weight,
        )

    def _note(self, device: str | None, text: str | None) -> None:
        if text:
            known = self.devices.get(device) if device else None
            (known.messages if known is not None else self.messages).append(text[:MESSAGE_LENGTH])

    def _count(self, grown: int) -> None:
        self._weight += grown
        if self._weight > MAXIMUM_WEIGHT:
            raise ProtocolError(f"its properties occupy more than {MAXIMUM_WEIGHT} bytes")


def _number(text: str) -> float:
    try:
        return parse_number(text)
    except ProtocolError:
        pass
    try:
        return float(text)  # drivers say nan where they know nothing
    except ValueError:
        return math.nan
