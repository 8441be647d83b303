"""What a transport gives for each of its peers: a way to send, and to read no more."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, runtime_checkable

from core.plumbing.attachments import Attachments


class Channel(Protocol):
    """What a transport gives for each of its peers."""

    @property
    def pending(self) -> int:
        """Return how many bytes have been sent and not yet taken by the kernel."""
        ...

    @property
    def passes_descriptors(self) -> bool:
        """Return whether descriptors can be sent with bytes."""
        ...

    def take_descriptor(self) -> int | None:
        """Return the next descriptor that has come with the bytes, None if there is none."""
        ...

    def send(self, data: bytes, attachments: Attachments | None = None) -> None:
        """Queue bytes, with descriptors where those can be sent; never waits."""
        ...

    def watch(self, progressed: Callable[[], None], blocked: Callable[[], None]) -> None:
        """Call `progressed` when the kernel has taken something, `blocked` when it takes no more for now."""
        ...

    def pause(self) -> None:
        """Read no more until `resume`."""
        ...

    def resume(self) -> None:
        """Read again."""
        ...

    def part(self) -> None:
        """End as `close` does, but so that the peer can read what was sent last."""
        ...

    def close(self) -> None:
        """Send what is queued as far as the peer takes it at once, and end."""
        ...


@runtime_checkable
class ConfirmingChannel(Protocol):
    """What a channel may have besides.

    The kernel makes room in lumps, of megabytes on a fast link; what the peer has confirmed tells ten times as finely
    whether it reads.
    """

    @property
    def unconfirmed(self) -> int:
        """Return how many of the bytes that the kernel has taken have not reached the peer's."""
        ...


def unconfirmed(channel: Channel) -> int:
    """Return how many bytes the peer's side has not confirmed, 0 where the channel does not know."""
    return channel.unconfirmed if isinstance(channel, ConfirmingChannel) else 0
