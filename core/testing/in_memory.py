"""A peer of the router in memory: what it sends are bytes of INDI, what comes back is read again as messages."""

from __future__ import annotations

from collections.abc import Callable

from core.indi import Framer, Message, decode, encode
from core.plumbing import Connection, Router
from core.plumbing.attachments import Attachments

__all__ = ["MemoryPeer"]


class MemoryPeer:
    """Be a client without a socket; `on_message` is called with each message that the router has for it, at once."""

    def __init__(self, router: Router, on_message: Callable[[Message], None]) -> None:
        self._framer = Framer()
        self._on_message = on_message
        self.connection = Connection(router, self, "the test's client")

    def say(self, message: Message | bytes) -> None:
        """Send a message, or any bytes."""
        self.connection.feed(message if isinstance(message, bytes) else encode(message))

    def leave(self) -> None:
        """End the connection."""
        self.connection.close()

    # What follows is the channel of the connection.

    pending = 0
    passes_descriptors = False

    def take_descriptor(self) -> int | None:
        """Return None: memory carries no descriptors."""
        return None

    def send(self, data: bytes, attachments: Attachments | None = None) -> None:
        """Read what the router sends, as a client would."""
        self._framer.append(bytes(data))
        while (raw := self._framer.next_element()) is not None:
            self._on_message(decode(raw))

    def watch(self, progressed: Callable[[], None], blocked: Callable[[], None]) -> None:
        """Take note of nothing: memory takes all at once."""

    def pause(self) -> None:
        """Go on: a test waits for what comes of each command."""

    def resume(self) -> None:
        """Go on."""

    def part(self) -> None:
        """End, as `close` does."""
        self.close()

    def close(self) -> None:
        """Have nothing to close."""
