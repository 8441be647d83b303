"""New values that a peer has sent for a device of this process, on their way to it."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any

from core.errors import ProtocolError, ValueRefused
from core.indi import Frame, Run, VectorMessage
from core.indi.long_messages import LongMessage
from core.indi.messages import encode_long
from core.indi.numbers import read_number
from core.indi.skeletons import Skeleton
from core.plumbing.attachments import decode_whole
from core.plumbing.wire import READERS, new_values
from core.properties import Vector

if TYPE_CHECKING:
    from core.plumbing.connection import Connection


class Command:
    """Be one message with new values: a frame, or bytes of a skeleton's shape with the `texts` of its members.

    `frame` is made of the bytes only for who needs that. BLOBs that have come in pieces are a `message`.
    """

    __slots__ = ("_frame", "_message", "_raw", "_skeleton", "_texts", "device", "length", "name", "origin")

    def __init__(
        self,
        origin: Connection,
        frame: Frame | None = None,
        skeleton: Skeleton | None = None,
        raw: bytes = b"",
        texts: tuple[bytes, ...] = (),
        message: VectorMessage | None = None,
    ) -> None:
        self.origin = origin
        self._message = message
        self._frame = frame
        self._skeleton = skeleton
        self._raw = raw
        self._texts = texts
        if skeleton is not None:
            self.device, self.name, self.length = skeleton.device, skeleton.name, len(raw)
        elif frame is not None:
            self.device, self.name, self.length = frame.device or "", frame.name or "", len(frame.raw)
        elif message is not None:
            self.device, self.name = message.device, message.name
            self.length = sum(len(element.data or b"") for element in message.elements)

    @classmethod
    def of_run(cls, origin: Connection, run: Run) -> list[Command]:
        """Return the commands of a run."""
        skeleton, data = run.skeleton, run.data
        # A reference or a carriage return is read as something else by XML.
        plain = skeleton.proper_kind and b"&" not in data and b"\r" not in data
        texts = skeleton.texts(data) if plain else []
        if texts and len(texts[0]) == len(skeleton.members):
            pairs = zip(skeleton.each(data), texts, strict=True)
            return [cls(origin, None, skeleton, raw, each) for raw, each in pairs]
        return [cls(origin, Frame(raw)) for raw in skeleton.each(data)]

    @property
    def frame(self) -> Frame:
        """Return the message as one that is passed on."""
        if self._frame is None:
            self._frame = Frame(self._raw)
        return self._frame

    @property
    def written(self) -> bytes | LongMessage | None:
        """Return BLOBs that have come in pieces as bytes to pass on; None for any other message."""
        return encode_long(self._message) if self._message is not None else None

    def values(self, vector: Vector[Any, Any]) -> dict[str, Any]:
        """Return the values for a vector; raise ProtocolError or ValueRefused for what does not fit it."""
        skeleton = self._skeleton
        if skeleton is not None and skeleton.proper_kind == vector.kind:
            return self._read(skeleton)
        message = self._message or decode_whole(self.frame)
        if not isinstance(message, VectorMessage) or message.kind != vector.kind:
            tag = message.tag if isinstance(message, VectorMessage) else self.frame.tag
            raise ValueRefused(f"{vector.name} is a {vector.kind} vector, {tag} does not fit it")
        return new_values(message)

    def _read(self, skeleton: Skeleton) -> dict[str, Any]:
        name = ""
        new: dict[str, Any] = {}
        try:
            if skeleton.proper_kind == "Number":
                for name, text in zip(skeleton.members, self._texts, strict=True):  # for the error
                    new[name] = read_number(text)
            else:
                read = READERS[skeleton.proper_kind]
                for name, text in zip(skeleton.members, self._texts, strict=True):  # for the error
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
