"""A BLOB vector on its way: cut through while it still arrives where that is sure to be quick, kept whole otherwise.

Nothing else can be said to a peer within an element, so a driver that stops in the middle, or drips, would keep all
that others say from it. A BLOB is cut through only when a part of it has come, and so quickly that the rest is a matter
of a tenth of a second; and to peers that keep up. Should the driver then stop, those get its end, and the state Alert.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from core.indi import Frame, VectorMessage
from core.indi.message_stream import BlobClosing, BlobOpening, BlobPart
from core.plumbing.blob_content import BlobContent
from core.plumbing.wire import timestamp

if TYPE_CHECKING:
    from core.plumbing.connection import Connection
    from core.plumbing.router import Router

_log = logging.getLogger("core.router")

HANGING = 0.3
"""Seconds without progress after which a BLOB that is cut through is closed, or for which it may keep others waiting
that its driver is slow."""
LOOK_EVERY = 0.05
SURE = 0.1
"""In how many seconds the rest of a BLOB has to be expected for it to be cut through."""
PART = 8
"""What part of it has to have come before anything is expected."""
LEAST = 1 << 16
"""And how many bytes; a shorter one is not worth it."""
ENDLESS = 64 << 20
"""How many bytes more than it says it may have before it is taken for endless,"""
MANY_TAGS = 64
"""or how many tags within it."""

SMALL = 1024
"""Up to how many bytes pieces that are kept become one."""


class Passage:
    """Pass one BLOB vector of `origin` on, piece by piece or as a whole."""

    def __init__(self, router: Router, origin: Connection, opening: BlobOpening) -> None:
        self._router = router
        self._origin = origin
        self._frame = opening.frame
        self._loop = asyncio.get_running_loop()
        self._kept = 0
        targets = router.blob_targets(origin, opening.frame)
        self._peers = targets.peers
        self._whole = targets.whole
        # Commands are never cut through: a torn one must not reach a driver.
        self._may_begin = bool(targets.peers) and opening.frame.verb == "set" and not origin.remote
        self._live: list[Connection] = []
        self._parts: list[bytes] | None = [] if targets.peers or targets.whole else None
        self._content = BlobContent(opening.raw) if targets.content else None
        self._expected = _encoded_length(opening.frame)
        self._length = 0
        self._began = self._latest = self._loop.time()
        self._tags = 0
        self._holding_since: float | None = None
        self._waiting_since: float | None = None
        self._told = False
        self._timer: asyncio.TimerHandle | None = None
        if self._may_begin:
            self._timer = self._loop.call_later(LOOK_EVERY, self._look)
        self._forward(opening.raw)

    def add(self, part: BlobPart) -> None:
        """Pass a piece on."""
        self._tags += part.raw.startswith(b"<")
        self._pass(part.raw)
        if self._may_begin and self._comes_quickly():
            self._begin()

    def close(self, closing: BlobClosing) -> None:
        """Pass the end on, and the whole to those who have waited for it."""
        self._pass(closing.raw)
        self._stop_looking()
        self._end_live()
        parts, self._parts = self._parts, None
        if parts is not None:
            self._router.deliver_blob(self._origin, parts, self._peers, self._frame)
        content, self._content = self._content, None
        if content is not None:
            self._router.take_blob(self._origin, content.message())

    def abort(self, why: str) -> None:
        """Close what has been passed on as a valid element, and say that it is not whole."""
        live = [peer for peer in self._live if not peer.closed]
        end = self._origin.missing_end
        for peer in live:
            peer.outbox.pass_part(end)
        self._end_live()
        told = live if self._told else [*live, *(peer for peer in self._peers if self._frame.verb == "set")]
        self._told = True
        if not told:
            return
        frame = self._frame
        _log.warning("%s: BLOB %s.%s is not whole: %s", self._origin.peer, frame.device, frame.name, why)
        attributes = {"state": "Alert", "timestamp": timestamp(), "message": f"the BLOB is not whole: {why}"}
        alert = VectorMessage("set", "BLOB", frame.device or "", frame.name or "", attributes)
        for peer in told:
            peer.send(alert)

    def end(self, why: str) -> None:
        """Give it up: no more comes of it."""
        self._stop_looking()
        self._parts = self._content = None
        self.abort(why)

    def _comes_quickly(self) -> bool:
        """Return whether the rest of it is sure to come in a moment, by what has come."""
        if self._length < LEAST or self._length * PART < self._expected:
            return False
        rest = max(self._expected - self._length, 0)
        return (self._loop.time() - self._began) * rest <= SURE * self._length

    def _begin(self) -> None:
        """Cut it through from now on, to the peers that keep up."""
        self._may_begin = False
        peers = [peer for peer in self._peers if not peer.closed]
        self._live = [peer for peer in peers if peer.outbox.begin_passage()]
        self._peers = [peer for peer in peers if peer not in self._live]
        for part in self._parts or ():
            for peer in self._live:
                peer.outbox.pass_part(part)
        if not self._peers and not self._whole:
            self._parts = None
            self._kept = 0

    def _pass(self, raw: bytes) -> None:
        if self._content is not None:
            self._content.add(raw)
        self._forward(raw)

    @property
    def stored(self) -> int:
        """Return how many bytes are held."""
        return self._kept + (self._content.length if self._content is not None else 0)

    def _forward(self, raw: bytes) -> None:
        self._length += len(raw)
        self._latest = self._loop.time()
        for peer in self._live:
            if not peer.closed and peer.outbox.pass_part(raw):
                self._origin.wait_for(peer.outbox.patience)
        if self._parts is not None:
            self._keep(self._parts, raw)

    def _keep(self, parts: list[bytes], raw: bytes) -> None:
        # What drips byte by byte would take many times its length.
        if parts and len(parts[-1]) + len(raw) <= SMALL:
            parts[-1] += raw
        else:
            parts.append(raw)
        self._kept += len(raw)

    def _end_live(self) -> None:
        live, self._live = self._live, []
        for peer in live:
            if not peer.closed:
                peer.outbox.end_passage()

    def _stop_looking(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        now = self._loop.time()
        self._holding_since = self._since(self._holding_since, any(one.outbox.is_held_back for one in self._live))
        self._waiting_since = self._since(self._waiting_since, any(one.outbox.waits_for_blob for one in self._live))
        endless = self._length > self._expected * 9 // 8 + ENDLESS or self._tags > MANY_TAGS
        if now - self._latest >= HANGING and not self._origin.is_held:
            self.abort(f"nothing more has come of it for {HANGING:g} s")
            self._may_begin = False
        elif self._holding_since is not None and now - self._holding_since >= HANGING:
            self.abort("it comes too slowly, and others have waited for it")
        elif endless and self._waiting_since is not None and now - self._waiting_since >= HANGING:
            self.abort("it seems to have no end, and others have waited for it")
        more = self._live or not self._told
        self._timer = self._loop.call_later(LOOK_EVERY, self._look) if more else None

    def _since(self, since: float | None, holds: bool) -> float | None:
        """Return since when something holds, of which is known since when it held until now."""
        return (self._loop.time() if since is None else since) if holds else None


def _encoded_length(frame: Frame) -> int:
    """Return how many characters the first BLOB of a vector has by its own word, 0 if it does not tell."""
    try:
        one = frame.element[0]
        return int(one.get("enclen") or 0) or int(one.get("size") or 0) * 4 // 3
    except (IndexError, ValueError):
        return 0


class Targets:
    """Be who gets a BLOB: `peers` as it comes, whether it is routed `whole`, and whether we need its `content`."""

    __slots__ = ("content", "peers", "whole")

    def __init__(self, peers: list[Connection], *, whole: bool = False, content: bool = False) -> None:
        self.peers = peers
        self.whole = whole
        self.content = content


def whole(parts: list[bytes]) -> Frame:
    """Return the BLOB vector that has come in pieces."""
    return Frame(b"".join(parts).rstrip())
