"""Accept whoever arrives on listening sockets, and wait where there are no descriptors left for more."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections.abc import Callable, Sequence
from typing import Any

_log = logging.getLogger("core.transport")

COMPLAIN_EVERY = 10.0
"""For how many seconds one word about missing descriptors is enough."""
AGAIN_AFTER = 1.0
"""After how many seconds without descriptors it is tried again."""

Accepted = Callable[[socket.socket, socket.socket, Any], None]
"""What takes a listening socket, the one that has been accepted there, and the address of who has come."""


class Acceptor:
    """Accept on `sockets`, which stay the caller's; `who` is who comes there.

    `on_starved` is called when there are no descriptors for more, so that what can be spared is closed.
    """

    def __init__(
        self,
        sockets: Sequence[socket.socket],
        on_accepted: Accepted,
        *,
        who: str,
        on_starved: Callable[[], None] = lambda: None,
    ) -> None:
        self._sockets = list(sockets)
        self._on_accepted = on_accepted
        self._who = who
        self._on_starved = on_starved
        self._starved: set[socket.socket] = set()
        self._complained: float | None = None
        self._loop = asyncio.get_running_loop()
        for listening in self._sockets:
            self._watch(listening)

    def close(self) -> None:
        """Accept no more; before the sockets are closed."""
        for listening in self._sockets:
            self._loop.remove_reader(listening.fileno())
        self._sockets.clear()
        self._starved.clear()

    def try_again(self) -> None:
        """Accept again: somebody has gone, and a descriptor may be free."""
        if self._starved:
            self._loop.call_soon(self._accept_again)

    def _watch(self, listening: socket.socket) -> None:
        self._loop.add_reader(listening.fileno(), self._accept, listening)

    def _accept(self, listening: socket.socket) -> None:
        try:
            sock, address = listening.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS):
                self._starve(listening, error)
            else:
                _log.error("%s cannot be accepted: %s", self._who, error)
            return
        self._on_accepted(listening, sock, address)

    def _starve(self, listening: socket.socket, error: OSError) -> None:
        """Wait until there is room; the kernel keeps who has come waiting, and asking again at once would only spin."""
        now = self._loop.time()
        if self._complained is None or now - self._complained > COMPLAIN_EVERY:
            self._complained = now
            _log.error("%s cannot be accepted, and waits until another one goes: %s", self._who, error)
        self._loop.remove_reader(listening.fileno())
        self._starved.add(listening)
        self._loop.call_later(AGAIN_AFTER, self._accept_again)
        self._on_starved()

    def _accept_again(self) -> None:
        starved, self._starved = self._starved, set()
        for listening in starved:
            self._watch(listening)
