"""What a device tells those who watch it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

if TYPE_CHECKING:
    from core.properties.vectors import Vector

EventKind = Literal["defined", "changed", "deleted", "message", "snooping", "opened", "lost"]
EVENT_KINDS: tuple[EventKind, ...] = get_args(EventKind)


class Event(NamedTuple):
    """Be one thing that happened to a device: a vector defined, changed or deleted, or a message.

    "opened" says that the device takes commands now, or that it is known why it cannot; "snooping" that it wants to
    hear of others that it did not ask for before; "lost" that its hardware has gone. `members` are the names of those
    that were set; it is empty where only the state was.
    """

    kind: EventKind
    vector: Vector[Any, Any] | None = None
    members: tuple[str, ...] = ()
    message: str | None = None


Listener = Callable[[Event], None]
