"""What waits to be sent to one peer: within limits, and never at the cost of others.

Bytes go to the peer's channel as long as it keeps up. From `collapse_from` bytes on they are put aside, where sets of
the same vector with the same members are replaced by the newest, never across a definition or its end. Before that
the driver may be paused for a moment, so that a peer that keeps reading loses nothing.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Protocol

from core.indi import Run
from core.plumbing.attachments import Attachments

PATIENCE = 0.1
"""For how many seconds drivers wait at most for a peer that does not catch up."""
ITEM = 64
"""Bytes that one more item costs beside its content."""


@dataclass(frozen=True)
class PeerLimits:
    """Say how far behind a peer may be, in bytes queued for it, and how long a message may be."""

    maximum_pending: int = 16 << 20
    """Beyond this it is disconnected, BLOBs not counted."""
    blob_pending: int = 256 << 20
    """Beyond this it is disconnected too, if more than one BLOB waits."""
    stream_pending: int = 4 << 20
    """From this on frames of streams (BLOBs of format ".stream") are dropped: the next one replaces them anyway."""
    collapse_from: int = 4 << 20
    """From this on only the newest set of each property is kept."""
    pause_from: int = 2 << 20
    """From this on the driver that says so much is paused, for 0.1 s unless the peer reads on."""
    write_deadline: float = 10.0
    """For how many seconds a client may read nothing at all while something waits for it."""
    maximum_blob: int = 1 << 30
    """How many bytes the BLOBs of one message may have."""
    maximum_size: int = 16 << 20
    """How many bytes any other message may have."""


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

    def close(self) -> None:
        """Send what is queued as far as the peer takes it at once, and end."""
        ...


class Outbox:
    """Queue bytes for one peer; `give_up` is called with the reason when it is too far behind."""

    def __init__(
        self, channel: Channel, limits: PeerLimits, give_up: Callable[[str], None], *, deadline: bool = True
    ) -> None:
        self._channel = channel
        self._limits = limits
        self._give_up = give_up
        self._has_deadline = deadline
        self._aside: dict[Hashable, tuple[bytes, Attachments | None]] = {}
        self._aside_bytes = 0
        self._generation = 0
        self._queued = 0
        self._blobs: deque[tuple[int, int]] = deque()  # the place in the stream where a BLOB ends, and its length
        self._blob_bytes = 0
        self._passing = False
        self._passed = 0
        self._waiting: set[Callable[[], None]] = set()
        self._patience: asyncio.TimerHandle | None = None
        self._impatient = False
        self._deadline: asyncio.TimerHandle | None = None
        self._taken_before = 0
        self.collapsed = 0
        """How many sets were replaced by newer ones before the peer had read them."""
        self.dropped = 0
        """How many frames of streams were dropped, because the peer was behind."""
        channel.watch(self._progressed, self._blocked)

    @property
    def pending(self) -> int:
        """Return how many bytes wait."""
        return self._channel.pending + self._aside_bytes

    @property
    def messages_pending(self) -> int:
        """Return how many bytes wait, those of BLOBs not counted."""
        return max(self.pending - self._blobs_pending(), 0)

    @property
    def idle(self) -> bool:
        """Return whether nothing waits."""
        return not self._passing and not self._aside and not self._channel.pending

    def send_run(self, run: Run) -> bool:
        """Queue a run of sets; return whether the driver had better wait a moment."""
        data = run.data
        channel = self._channel
        if self._passing or self._aside or channel.pending >= self._limits.collapse_from:
            self._put_run_aside(run)
            return not self._impatient
        channel.send(data)
        self._queued += len(data)
        return channel.pending > self._limits.pause_from and not self._impatient

    def send(
        self,
        raw: bytes,
        attachments: Attachments | None = None,
        *,
        key: Hashable = None,
        barrier: bool = False,
        blob: bool = False,
        stream: bool = False,
    ) -> bool:
        """Queue a message; return whether the driver had better wait a moment.

        `key` tells what a later message would replace; `barrier` is what nothing is replaced across.
        """
        channel, limits = self._channel, self._limits
        behind = channel.pending >= limits.collapse_from or (stream and channel.pending > limits.stream_pending)
        if self._passing or self._aside or behind:
            if barrier:
                self._generation += 1
            collapses = key is not None and (stream or self.pending >= limits.collapse_from)
            self._put_aside(raw, attachments, key if collapses else None, stream=stream)
            if blob:
                self._count_blob(len(raw))
        else:
            channel.send(raw, attachments)
            self._queued += len(raw)
            if blob:
                self._count_blob(len(raw))
        self._check(len(raw) if blob else 0)
        return self.pending > limits.pause_from and not self._impatient

    def send_parts(self, parts: Sequence[bytes]) -> bool:
        """Queue a BLOB vector that has been kept in pieces; return whether the driver had better wait a moment."""
        aside = bool(self._passing or self._aside) or self._channel.pending >= self._limits.collapse_from
        length = 0
        for part in parts:
            length += len(part)
            if aside:
                self._put_aside(part, None, None)
            else:
                self._channel.send(part)
                self._queued += len(part)
        self._count_blob(length)
        self._check(length)
        return self.pending > self._limits.pause_from and not self._impatient

    # A BLOB that is cut through

    def begin_passage(self) -> bool:
        """Let a BLOB pass while it arrives, unless something waits; everything else waits until `end_passage`."""
        if not self.idle:
            return False
        self._passing = True
        self._passed = 0
        return True

    def pass_part(self, raw: bytes) -> bool:
        """Queue a piece of the BLOB that passes; return whether the driver had better wait a moment."""
        self._channel.send(raw)
        self._queued += len(raw)
        self._count_blob(len(raw))
        self._passed += len(raw)
        self._check(self._passed)
        return self._channel.pending > self._limits.pause_from and not self._impatient

    def end_passage(self) -> None:
        """Send what has waited for the BLOB's end."""
        self._passing = False
        self._put_back()

    # Waiting for the peer

    def wait(self, release: Callable[[], None]) -> None:
        """Call `release` as soon as the peer has caught up, or has shown that it does not."""
        self._waiting.add(release)
        if self._patience is None:
            self._patience = asyncio.get_running_loop().call_later(PATIENCE, self._lose_patience)

    def close(self) -> None:
        """Forget what waits, and let nobody wait."""
        self._aside.clear()
        self._aside_bytes = 0
        for timer in (self._patience, self._deadline):
            if timer is not None:
                timer.cancel()
        self._patience = self._deadline = None
        self._release()

    def _lose_patience(self) -> None:
        self._patience = None
        self._impatient = True
        self._release()

    def _release(self) -> None:
        waiting, self._waiting = self._waiting, set()
        for release in waiting:
            release()

    def _progressed(self) -> None:
        channel, limits = self._channel, self._limits
        if self._aside and not self._passing and channel.pending < limits.pause_from:
            self._put_back()
        if (self._waiting or self._impatient) and self.pending < limits.pause_from * 3 // 4:
            self._impatient = False
            if self._patience is not None:
                self._patience.cancel()
                self._patience = None
            self._release()

    def _blocked(self) -> None:
        if self._has_deadline and self._deadline is None:
            self._taken_before = self._taken
            self._ask_later()

    def _ask_later(self) -> None:
        self._deadline = asyncio.get_running_loop().call_later(self._limits.write_deadline, self._look_whether_it_reads)

    def _look_whether_it_reads(self) -> None:
        self._deadline = None
        if not self._channel.pending:
            return
        taken = self._taken
        if taken == self._taken_before:
            self._give_up(f"it has read nothing for {self._limits.write_deadline:g} s; {self.pending} bytes wait")
            return
        self._taken_before = taken
        self._ask_later()

    # Putting aside

    @property
    def _taken(self) -> int:
        return self._queued - self._channel.pending

    def _put_run_aside(self, run: Run) -> None:
        skeleton, data = run.skeleton, run.data
        if skeleton.has_message or self.pending < self._limits.collapse_from:
            self._put_aside(data, None, None)
        else:
            self.collapsed += skeleton.count(data) - 1
            self._put_aside(skeleton.last(data), None, skeleton.key)
        self._check(0)

    def _put_aside(
        self, raw: bytes, attachments: Attachments | None, key: Hashable | None, *, stream: bool = False
    ) -> None:
        place: Hashable = object() if key is None else (self._generation, key)
        before = self._aside.pop(place, None)
        if before is not None:
            self._aside_bytes -= len(before[0]) + ITEM
            if stream:
                self.dropped += 1
            else:
                self.collapsed += 1
        self._aside[place] = (raw, attachments)
        self._aside_bytes += len(raw) + ITEM

    def _put_back(self) -> None:
        aside, channel = self._aside, self._channel
        while aside and channel.pending < self._limits.collapse_from:
            raw, attachments = aside.pop(next(iter(aside)))
            self._aside_bytes -= len(raw) + ITEM
            self._queued += len(raw)
            channel.send(raw, attachments)

    # Limits

    def _count_blob(self, length: int) -> None:
        self._blobs.append((self._queued + self._aside_bytes, length))
        self._blob_bytes += length

    def _blobs_pending(self) -> int:
        blobs, taken = self._blobs, self._taken
        if not self.pending:
            blobs.clear()
            self._blob_bytes = 0
        while blobs and blobs[0][0] <= taken:
            self._blob_bytes -= blobs.popleft()[1]
        return self._blob_bytes

    def _check(self, blob: int) -> None:
        pending, limits = self.pending, self._limits
        if pending <= limits.maximum_pending and not blob:
            return
        of_blobs = self._blobs_pending()
        if pending - of_blobs > limits.maximum_pending or 0 < blob < of_blobs > limits.blob_pending:
            self._give_up(f"it has left {pending} bytes unread")
