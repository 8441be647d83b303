"""New values that a peer has sent for a device of this process, on their way to it."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any

from core.errors import ProtocolError, ValueRefused
from core.indi import Frame, VectorMessage, decode
from core.indi.skeletons import Skeleton
from core.plumbing.attachments import without_attachments
from core.plumbing.wire import READERS, new_values
from core.properties import Vector

if TYPE_CHECKING:
    from core.plumbing.connection import Connection


class Command:
    """Be one message with new values: a frame, or bytes of a skeleton's shape without references.

    `frame` is made of the bytes only for who needs that.
    """

    __slots__ = ("_frame", "_raw", "_skeleton", "device", "length", "name", "origin")

    def __init__(
        self, origin: Connection, *, frame: Frame | None = None, skeleton: Skeleton | None = None, raw: bytes = b""
    ) -> None:
        self.origin = origin
        self._frame = frame
        self._skeleton = skeleton
        self._raw = raw
        self.device = skeleton.device if skeleton is not None else (frame.device or "") if frame is not None else ""
        self.name = skeleton.name if skeleton is not None else (frame.name or "") if frame is not None else ""
        """Of the vector."""
        self.length = len(raw) if frame is None else len(frame.raw)

    @property
    def frame(self) -> Frame:
        """Return the message as one that is passed on."""
        if self._frame is None:
            self._frame = Frame(self._raw)
        return self._frame

    def values(self, vector: Vector[Any, Any]) -> dict[str, Any]:
        """Return the values for a vector; raise ProtocolError or ValueRefused for what does not fit it."""
        skeleton = self._skeleton
        if skeleton is not None and skeleton.proper_kind == vector.kind:
            texts = skeleton.texts(self._raw)
            if len(texts) == len(skeleton.members):
                return self._read(skeleton, texts)
        message = decode(without_attachments(self.frame))
        if not isinstance(message, VectorMessage) or message.kind != vector.kind:
            raise ValueRefused(f"{vector.name} is a {vector.kind} vector, {self.frame.tag} does not fit it")
        return new_values(message)

    def _read(self, skeleton: Skeleton, texts: tuple[bytes, ...]) -> dict[str, Any]:
        read = READERS[skeleton.proper_kind]
        name = ""
        new: dict[str, Any] = {}
        try:
            for name, text in zip(skeleton.members, texts, strict=True):  # for the error
                new[name] = read(text.decode().strip())
        except ProtocolError as error:
            raise ValueRefused(f"{skeleton.name}.{name}: {error}") from None
        return new


class CommandQueue:
    """Hold the commands for one vector, and the task of the one that runs and waits for something."""

    def __init__(self, vector: Vector[Any, Any]) -> None:
        self.vector = vector
        self.commands: deque[Command] = deque()
        self.running: asyncio.Task[None] | None = None
        self.postponed = False
        """Whether it goes on in the loop's next turn."""
