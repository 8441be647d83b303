"""What a peer sends and may not send: refused each time, and in the log ever more rarely."""

from __future__ import annotations

import logging

_log = logging.getLogger("core.connection")

REMEMBERED = 100
LONGEST = 200
"""How many characters of what was sent, and of why it was refused, are in a line of the log."""


class Refusals:
    """Count and log what one peer sent and was refused: the first time of a kind, the second, the fourth and so on."""

    def __init__(self, peer: str) -> None:
        self._peer = peer
        self._times: dict[str, int] = {}

    def add(self, what: str, why: str = "") -> None:
        """Take note of one; `what` is the kind by which it is counted, `why` may name the single one."""
        what = what[:LONGEST]
        times = self._times[what] = self._times.get(what, 0) + 1
        if times & (times - 1) == 0:
            reason = f": {why[:LONGEST]}" if why else ""
            _log.warning("%s sent %s; refused (%d times)%s", self._peer, what, times, reason)
        if len(self._times) > REMEMBERED:
            self._times.pop(next(iter(self._times)))

    def forged(self, what: str) -> None:
        """Take note of what only another may send."""
        self.add(f"{what}, as only its driver may")

    def not_understood(self, why: str) -> None:
        """Take note of what nobody understands: one kind, however many tags the peer invents."""
        self.add("what is not understood", why)
