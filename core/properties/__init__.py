"""Vectors and members: values, rules and events. Nothing here knows a byte of any protocol."""

from core.properties.events import Event, Listener
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
    "HANDLED",
    "ON_NEW",
    "STATES",
    "Blob",
    "BlobValue",
    "BlobVector",
    "Event",
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
