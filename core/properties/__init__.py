"""Vectors and members: values, rules and events. Nothing here knows a byte of any protocol."""

from core.properties.events import EVENT_KINDS, Event, EventKind, Listener
from core.properties.members import STATES, Blob, BlobValue, Light, Member, Number, State, Switch, Text
from core.properties.vectors import (
    HANDLED,
    ON_NEW,
    BlobVector,
    LightVector,
    NumberVector,
    Permission,
    Rule,
    SwitchVector,
    TextVector,
    Vector,
)

__all__ = [
    "EVENT_KINDS",
    "HANDLED",
    "ON_NEW",
    "STATES",
    "Blob",
    "BlobValue",
    "BlobVector",
    "Event",
    "EventKind",
    "Light",
    "LightVector",
    "Listener",
    "Member",
    "Number",
    "NumberVector",
    "Permission",
    "Rule",
    "State",
    "Switch",
    "SwitchVector",
    "Text",
    "TextVector",
    "Vector",
]
