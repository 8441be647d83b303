"""A channel in memory: what is sent to a peer, to look at."""

from __future__ import annotations

from collections.abc import Callable


class Memory:
    """A channel that keeps what is sent."""

    def __init__(self) -> None:
        self.sent = b""
        self.paused = False
        self.closed = False
        self.pending = 0
        self.unconfirmed = 0

    passes_descriptors = False

    def take_descriptor(self) -> int | None:
        return None

    def send(self, data: bytes, attachments: object = None) -> None:
        self.sent += data

    def watch(self, progressed: Callable[[], None], blocked: Callable[[], None]) -> None:
        self.progressed = progressed
        self.blocked = blocked

    def pause(self) -> None:
        self.paused = True

    def resume(self) -> None:
        self.paused = False

    def part(self) -> None:
        self.close()

    def close(self) -> None:
        self.closed = True

    def taken(self) -> str:
        taken, self.sent = self.sent, b""
        return taken.decode()
