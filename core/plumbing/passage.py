"""A BLOB vector on its way while it still arrives: cut through to peers that keep up, kept for others.

A driver that stops in the middle would leave those peers within an element that never ends. So they get its end after
a moment without progress, and the state Alert; the others get the whole, if it ever comes.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from core.indi import Frame, VectorMessage
from core.indi.message_stream import BlobClosing, BlobOpening, BlobPart
from core.plumbing.wire import timestamp

if TYPE_CHECKING:
    from core.plumbing.connection import Connection
    from core.plumbing.router import Router

_log = logging.getLogger("core.router")

HANGING = 0.3
"""Seconds without progress after which a BLOB that is cut through is closed."""


class Passage:
    """Pass one BLOB vector of `origin` on, piece by piece; `end` tells what would close it where it stands."""

    def __init__(self, router: Router, origin: Connection, opening: BlobOpening) -> None:
        self._router = router
        self._origin = origin
        self._frame = opening.frame
        self.stored = 0
        targets = router.blob_targets(origin, opening.frame)
        # Commands are never cut through: a torn one must not reach a driver.
        cut = opening.frame.verb == "set" and not origin.remote
        self._live = [peer for peer in targets.peers if cut and peer.outbox.begin_passage()]
        self._later = [peer for peer in targets.peers if peer not in self._live]
        self._parts: list[bytes] | None = [] if self._later or targets.whole else None
        self._timer: asyncio.TimerHandle | None = None
        self._progress = 0
        self._seen = 0
        if self._live:
            self._watch()
        self._pass(opening.raw)

    def add(self, part: BlobPart) -> None:
        """Pass a piece on."""
        self._pass(part.raw)

    def close(self, closing: BlobClosing) -> None:
        """Pass the end on, and the whole to those who have waited for it."""
        self._pass(closing.raw)
        self._end_live()
        if self._parts is not None:
            parts, self._parts = self._parts, None
            self._router.deliver_blob(self._origin, parts, self._later, self._frame)

    def abort(self, why: str) -> None:
        """Close what has been passed on as a valid element, and say that it is not whole."""
        if not self._live:
            return
        frame = self._frame
        _log.warning("%s: BLOB %s.%s is not whole: %s", self._origin.peer, frame.device, frame.name, why)
        attributes = {"state": "Alert", "timestamp": timestamp(), "message": f"the BLOB is not whole: {why}"}
        alert = VectorMessage("set", "BLOB", frame.device or "", frame.name or "", attributes)
        end = self._origin.missing_end
        live = [peer for peer in self._live if not peer.closed]
        for peer in live:
            peer.outbox.pass_part(end)
        self._end_live()
        for peer in live:
            peer.send(alert)

    def _pass(self, raw: bytes) -> None:
        self._progress += 1
        for peer in self._live:
            if not peer.closed and peer.outbox.pass_part(raw):
                self._origin.wait_for(peer.outbox.patience)
        if self._parts is not None:
            self._parts.append(raw)
            self.stored += len(raw)

    def _end_live(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        live, self._live = self._live, []
        for peer in live:
            if not peer.closed:
                peer.outbox.end_passage()

    def _watch(self) -> None:
        self._seen = self._progress
        self._timer = asyncio.get_running_loop().call_later(HANGING, self._look)

    def _look(self) -> None:
        if self._progress == self._seen and not self._origin.is_held:
            self.abort(f"nothing more has come of it for {HANGING:g} s")
        else:
            self._watch()


class Targets:
    """Be who gets a BLOB: `peers` as it comes, and whether somebody in this process needs the `whole`."""

    __slots__ = ("peers", "whole")

    def __init__(self, peers: list[Connection], *, whole: bool) -> None:
        self.peers = peers
        self.whole = whole


def whole(parts: list[bytes]) -> Frame:
    """Return the BLOB vector that has come in pieces."""
    return Frame(b"".join(parts).rstrip())
