"""Commands as they are shown to the clients that have not sent them: a courtesy, which may come a moment later.

Mostly the driver answers at once with new values for the same clients. Where those are many, the command waits for the
answer and goes with it: a call of the kernel and a wake-up less for each of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from core.plumbing.connection import Connection

MANY = 32
"""For how many clients it is worth to wait."""
WAIT = 0.002
"""For how many seconds a command waits at most."""
MUCH = 1 << 16
"""How many bytes of commands wait at most."""


class Courtesies:
    """Show commands to clients, in the order in which they were given."""

    def __init__(self) -> None:
        self.wait = False
        """Whether any of them waits to be shown."""
        self._waiting: list[tuple[Sequence[Connection], bytes, str, Connection]] = []
        self._bytes = 0
        self._timer: asyncio.TimerHandle | None = None

    def add(self, clients: Sequence[Connection], raw: bytes, device: str, origin: Connection) -> None:
        """Show a command of `origin` for `device` to clients, at once or in a moment."""
        self._waiting.append((clients, raw, device, origin))
        self._bytes += len(raw)
        if len(clients) < MANY or self._bytes > MUCH:
            self.show()
        elif self._timer is None:
            self.wait = True
            self._timer = asyncio.get_running_loop().call_later(WAIT, self.show)

    def show(self) -> None:
        """Show now what waits."""
        self.wait = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        waiting, self._waiting, self._bytes = self._waiting, [], 0
        for clients, raw, device, origin in waiting:
            for client in clients:
                client.show_command(raw, device, origin)
