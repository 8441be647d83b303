"""What waits to be sent to one peer: within limits, and never at the cost of others.

Bytes go to the peer's channel as long as it keeps up. The rest is put aside, in a lane for each device
(`core.plumbing.lanes`): a driver that floods holds up its own messages and nobody else's. A driver of which much waits
is paused for a moment, so that a peer that keeps reading loses nothing; from `collapse_from` bytes on the newest set is
kept of what it says ever again.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

from core.indi.long_messages import LongMessage
from core.plumbing.attachments import Attachments
from core.plumbing.channel import Channel, unconfirmed
from core.plumbing.lanes import Lanes, Shape
from core.plumbing.patience import Patience

PATIENCE = 0.1
"""For how many seconds others wait at most for a peer that does not catch up."""
READS_ON = 1 << 17
"""How many bytes a peer has to take meanwhile for others to wait for it again."""
BEYOND = 8
"""How many times what may wait is left waiting for a moment while it is seen whether the peer reads."""
AHEAD = 1 << 19
"""How many bytes are given to the channel at once: what is there nothing else can overtake any more."""


MUCH = 1 << 20
"""From how many bytes on what is held for a peer is worth a look at the memory."""


def _nobody(*_: object) -> None:
    """Be told and do nothing."""


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
    """From this on only the newest set is kept of each vector of which much waits."""
    pause_from: int = 2 << 20
    """From this on the driver that says so much is paused, for 0.1 s unless the peer reads on."""
    write_deadline: float = 10.0
    """For how many seconds a client may read nothing at all while something waits for it."""
    maximum_blob: int = 1 << 30
    """How many bytes the BLOBs of one message may have."""
    maximum_size: int = 16 << 20
    """How many bytes any other message may have."""
    maximum_devices: int = 1000
    """How many devices one driver may define."""
    maximum_properties: int = 20_000
    """How many properties one driver may define, those of all of its devices together."""


class Outbox:
    """Queue bytes for one peer; `give_up` is called with the reason when it is too far behind.

    With `ordered` everything stays in one order, as drivers need it; otherwise devices overtake each other. With
    `deadline` the peer has to read something now and then. `on_much` is called while much waits,
    `on_loss` when the peer has caught up, with how many sets were replaced by newer ones and how many frames of streams
    dropped meanwhile.
    """

    def __init__(
        self,
        channel: Channel,
        limits: PeerLimits,
        give_up: Callable[[str], None],
        *,
        on_much: Callable[[], None] = lambda: None,
        on_loss: Callable[[int, int], None] = lambda collapsed, dropped: None,
        deadline: bool = True,
        ordered: bool = False,
    ) -> None:
        self._channel = channel
        self._limits = limits
        self._give_up = give_up
        self._on_much = on_much
        self._on_loss = on_loss
        self._told = (0, 0)
        self._has_deadline = deadline
        self._ordered = ordered
        self._ahead = min(AHEAD, limits.collapse_from, limits.maximum_pending // 2)
        self._lanes = Lanes(2 * limits.collapse_from)
        self._queued = 0
        self._blobs: deque[tuple[int, int]] = deque()  # the place in the stream where a BLOB ends, and its length
        self._blob_bytes = 0
        self._passing = False
        self._passed = 0
        self.patience = Patience(self._confirmed, PATIENCE, READS_ON)
        """Of drivers whose news it does not read, and of those whose commands it is shown."""
        self.hearing = Patience(self._confirmed, limits.write_deadline, 1)
        """Of those who send it commands, if it is a driver: as long as it reads anything."""
        self._trial: asyncio.Handle | None = None
        self._confirmed_at_trial = 0
        self._deadline: asyncio.TimerHandle | None = None
        self._confirmed_before = 0
        channel.watch(self._progressed, self._blocked)

    @property
    def collapsed(self) -> int:
        """Return how many sets were replaced by newer ones before the peer had read them."""
        return self._lanes.collapsed

    @property
    def dropped(self) -> int:
        """Return how many frames of streams were dropped, because the peer was behind."""
        return self._lanes.dropped

    @property
    def pending(self) -> int:
        """Return how many bytes wait."""
        return self._channel.pending + self._lanes.length

    @property
    def has_much(self) -> bool:
        """Return whether so much waits that others had better wait too."""
        return self.pending > self._limits.pause_from

    @property
    def messages_pending(self) -> int:
        """Return how many bytes wait, those of BLOBs not counted."""
        return max(self.pending - self._blobs_pending(), 0)

    def send_sets(self, data: bytes, shape: Shape, device: str) -> bool:
        """Queue one or more sets of one shape; return whether the driver had better wait a moment."""
        channel = self._channel
        if channel.pending >= self._ahead or self._lanes.length or self._passing:
            device_or_all = None if self._ordered else device
            far_behind = self.pending >= self._limits.collapse_from
            self._lanes.put_sets(device_or_all, data, shape, far_behind=far_behind)
            self._check(0)
            return self._has_to_wait(device_or_all)
        channel.send(data)
        self._queued += len(data)
        return False

    def send_commands(self, data: bytes, device: str) -> bool:
        """Queue one or more new* for a device, of which none is left out; return whether much waits."""
        channel = self._channel
        if channel.pending >= self._ahead or self._lanes.length or self._passing:
            self.send(data, device=device)
            return self.has_much
        channel.send(data)
        self._queued += len(data)
        return channel.pending > self._limits.pause_from

    def send(
        self,
        raw: bytes | LongMessage,
        attachments: Attachments | None = None,
        *,
        device: str | None = None,
        barrier: bool = False,
        blob: bool = False,
        frame_key: Hashable = None,
        fence: bool = False,
    ) -> bool:
        """Queue a message; return whether the driver had better wait a moment.

        `barrier` is what no set is replaced across, `fence` what may overtake nothing; `frame_key` tells a frame of a
        stream, which the next one replaces. A long message is written as the channel takes it.
        """
        if self._ordered:
            device = None
        if not self._goes_aside:
            if isinstance(raw, bytes):
                self._send(raw, attachments, len(raw) if blob else 0)
            else:
                self._lanes.put(device, raw, blob=True)
                self._put_back()
                self._check(len(raw))
                return False  # of all that was sent before nothing waits
        elif fence and isinstance(raw, bytes):
            self._lanes.put_fence(raw)
        elif frame_key is not None and self.pending > self._limits.stream_pending:
            self._lanes.put_frame(device, raw, attachments, frame_key)
        else:
            if barrier:
                self._lanes.bar(device)
            self._lanes.put(device, raw, attachments, blob=blob)
        self._check(len(raw) if blob else 0)
        return self._has_to_wait(device)

    def send_parts(self, parts: Sequence[bytes], device: str | None) -> bool:
        """Queue a BLOB vector that has been kept in pieces; return whether the driver had better wait a moment."""
        if self._ordered:
            device = None
        aside = self._goes_aside
        length = 0
        for number, part in enumerate(parts, 1):
            length += len(part)
            if aside:
                self._lanes.put(device, part, blob=True, goes_on=number < len(parts))
            else:
                self._send(part, None, len(part))
        self._check(length)
        return self._has_to_wait(device)

    # A BLOB that is cut through

    def begin_passage(self) -> bool:
        """Let a BLOB pass while it arrives, unless much waits; everything else waits until `end_passage`."""
        if self._goes_aside:
            return False
        self._passing = True
        self._passed = 0
        return True

    def pass_part(self, raw: bytes) -> bool:
        """Queue a piece of the BLOB that passes; return whether the driver had better wait a moment."""
        self._send(raw, None, len(raw))
        self._passed += len(raw)
        self._check(self._passed)
        return self._channel.pending > self._limits.pause_from and not self.patience.exhausted

    @property
    def is_held_back(self) -> bool:
        """Return whether what others say waits for a BLOB that passes, and not for the peer."""
        return self.waits_for_blob and self._channel.pending == 0

    @property
    def waits_for_blob(self) -> bool:
        """Return whether something waits while a BLOB passes."""
        return self._passing and self._lanes.length > 0

    def end_passage(self) -> None:
        """Send what has waited for the BLOB's end."""
        self._passing = False
        self._put_back()

    def close(self) -> None:
        """Forget what waits, and let nobody wait."""
        self._tell_loss()
        self._lanes.clear()
        for timer in (self._trial, self._deadline):
            if timer is not None:
                timer.cancel()
        self._trial = self._deadline = None
        self.patience.close()
        self.hearing.close()
        self._give_up = self._on_loss = _nobody

    def _has_to_wait(self, device: str | None) -> bool:
        return not self.patience.exhausted and self.has_much and self._lanes.has_much(device)

    def _progressed(self) -> None:
        limits = self._limits
        if self._lanes.length and not self._passing:
            self._put_back()
            if not self._lanes.length:
                self._tell_loss()
        if (self.patience.is_tried or self.hearing.is_tried) and self.pending < limits.pause_from * 3 // 4:
            self.patience.caught_up()
            self.hearing.caught_up()

    def _tell_loss(self) -> None:
        now = (self.collapsed, self.dropped)
        if now != self._told:
            collapsed, dropped = now[0] - self._told[0], now[1] - self._told[1]
            self._told = now
            self._on_loss(collapsed, dropped)

    def _blocked(self) -> None:
        if self._has_deadline and self._deadline is None:
            self._confirmed_before = self._confirmed()
            self._ask_later()

    def _ask_later(self) -> None:
        self._deadline = asyncio.get_running_loop().call_later(self._limits.write_deadline, self._look_whether_it_reads)

    def _look_whether_it_reads(self) -> None:
        self._deadline = None
        if not self._channel.pending:
            return
        confirmed = self._confirmed()
        if confirmed == self._confirmed_before:
            self._give_up(f"it has read nothing for {self._limits.write_deadline:g} s; {self.pending} bytes wait")
            return
        self._confirmed_before = confirmed
        self._ask_later()

    # To the channel

    def taken(self) -> int:
        """Return how many bytes the kernel has taken so far."""
        return self._queued - self._channel.pending

    def _confirmed(self) -> int:
        """Return how many bytes have reached the peer so far."""
        return self.taken() - unconfirmed(self._channel)

    @property
    def _goes_aside(self) -> bool:
        return self._channel.pending >= self._ahead or self._passing or self._lanes.length > 0

    def _send(self, data: bytes, attachments: Attachments | None = None, blob: int = 0) -> None:
        self._channel.send(data, attachments)
        self._queued += len(data)
        if blob:
            self._blobs.append((self._queued, blob))
            self._blob_bytes += blob

    def _put_back(self) -> None:
        lanes, channel = self._lanes, self._channel
        while lanes.length and channel.pending < self._ahead:
            self._send(*lanes.take())

    # Limits

    def _blobs_pending(self) -> int:
        blobs, taken = self._blobs, self.taken()
        while blobs and blobs[0][0] <= taken:
            self._blob_bytes -= blobs.popleft()[1]
        return self._blob_bytes + self._lanes.blob_length

    def _check(self, blob: int) -> None:
        pending, limits = self.pending, self._limits
        if pending > MUCH:
            self._on_much()
        if pending <= limits.maximum_pending and not blob:
            return
        of_blobs = self._blobs_pending()
        messages = pending - of_blobs
        if messages > BEYOND * limits.maximum_pending or 0 < blob < of_blobs > limits.blob_pending:
            self._give_up(f"it has left {pending} bytes unread")
        elif messages > limits.maximum_pending and self._trial is None:
            # Much may have come at once: it can read from the loop's next turn on, however long this one still lasts.
            self._trial = asyncio.get_running_loop().call_soon(self._try)

    def _try(self) -> None:
        """See whether it reads."""
        self._confirmed_at_trial = self._confirmed()
        self._trial = asyncio.get_running_loop().call_later(PATIENCE, self._judge)

    def _judge(self) -> None:
        self._trial = None
        if self.messages_pending <= self._limits.maximum_pending:
            return
        if self._confirmed() - self._confirmed_at_trial < READS_ON:
            self._give_up(f"it has left {self.pending} bytes unread")
        else:
            self._try()
