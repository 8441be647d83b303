"""Our ends of a driver's stdin and stdout: two sockets.

indiserver has given its drivers one socket for both since 1.9.7. But the kernel wakes who reads from a socket also when
its peer has read, for room to write; so a driver that waits for commands would be woken for nothing each time that we
read what it has said, on whatever CPU is idle, and would stay there. With two sockets a round trip takes 40 us instead
of 55 where one with indiserver takes 85. Both are Unix sockets, for descriptors that come with BLOBs; and a driver that
takes its stdin for both, as it may under indiserver, is heard there (`core.transports.channel`).
"""

from __future__ import annotations

import socket
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Stdio:
    """Be what a driver is told by and heard on; whoever is given it reads, writes and closes both."""

    stdin: socket.socket
    """Our end of its stdin, which is to be written to."""
    stdout: socket.socket
    """Our end of its stdout, which is to be read from."""

    def duplicate(self) -> Stdio:
        """Return descriptors of one's own; raise OSError if there are no more."""
        stdin = self.stdin.dup()
        try:
            return Stdio(stdin, self.stdout.dup())
        except OSError:
            stdin.close()
            raise

    def close(self) -> None:
        """Close both."""
        self.stdin.close()
        self.stdout.close()
