"""The process of the view that belongs to a run: `python -m core.cli.view.child SOCKET LOG`.

SOCKET is the descriptor of an INDI connection to the run, LOG that of a pipe from which the lines of its log come. The
terminal is this process's alone. It ends with status 0 when the user has ended it or the run has ended.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys

READ_SIZE = 1 << 16


def main() -> None:
    """Show the run until it ends, or until Ctrl-C."""
    connection, log = map(int, sys.argv[1:3])
    # Blocked from the start by who has started us, so that a Ctrl-C meanwhile is no traceback on the terminal.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: os._exit(0))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    sys.exit(asyncio.run(_show(socket.socket(fileno=connection), log)))


async def _show(connection: socket.socket, log: int) -> int:
    from core.cli.view.ending import ended_from_outside
    from core.cli.view.instance import RunningInstance
    from core.cli.view.screen import ViewApp
    from core.client import Client, ClientError

    try:
        async with Client(sock=connection, ping_interval=None) as client:
            view = ViewApp(RunningInstance(client, "corectl run"), stays=False)
            lines = _Lines(log, view)
            with ended_from_outside(view):
                view.call_later(lines.begin)
                await view.run_async()
            return view.return_code or 0
    except ClientError:  # the run has ended before there was anything to see
        return 0


class _Lines:
    """Bring the lines of a pipe to the view."""

    def __init__(self, descriptor: int, view: object) -> None:
        self._descriptor = descriptor
        self._view = view
        self._rest = b""

    def begin(self) -> None:
        """Read from now on."""
        asyncio.get_running_loop().add_reader(self._descriptor, self._read)

    def _read(self) -> None:
        data = os.read(self._descriptor, READ_SIZE)
        if not data:
            asyncio.get_running_loop().remove_reader(self._descriptor)
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._view.say(line.decode(errors="replace"))  # type: ignore[attr-defined]


if __name__ == "__main__":
    main()
