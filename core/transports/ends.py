"""The ends of byte streams: sockets, pipes and files, each read and written without blocking and without O_NONBLOCK.

That flag belongs to the open file description, which other processes share: set on a stdin that is also stdout or the
terminal, it breaks them (and us: a full stdout loses bytes). Sockets take MSG_DONTWAIT for each call instead; the
writing end of a pipe is opened anew; and what epoll refuses, a file or /dev/null, never blocks for long.
"""

from __future__ import annotations

import array
import fcntl
import os
import select
import socket
import stat
import struct
import termios
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import Protocol

READ_SIZE = 1 << 19
USUAL_SIZE = 1 << 16
"""What is asked for until that much is there: a buffer for more costs a call of the kernel each time."""
MAXIMUM_DESCRIPTORS = 16
"""How many descriptors libindi sends with one message at most."""

MAXIMUM_WAITING = 4 * MAXIMUM_DESCRIPTORS
"""How many descriptors of a peer may wait for the message to which they belong."""

_ROOM_FOR_DESCRIPTORS = socket.CMSG_SPACE(MAXIMUM_DESCRIPTORS * 4)
# Plain numbers: to join the members of an enumeration takes longer than the call.
_RECEIVE = int(socket.MSG_DONTWAIT)
_RECEIVE_DESCRIPTORS = int(socket.MSG_DONTWAIT | socket.MSG_CMSG_CLOEXEC)
_INT = struct.Struct("i")
SEND = int(socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)


class StrayDescriptorsError(OSError):
    """Say that a peer sends descriptors and no BLOBs: they would use up those of this process."""


class Source(Protocol):
    """Be something to read from."""

    selectable: bool

    def fileno(self) -> int:
        """Return the descriptor to wait for."""
        ...

    def read(self) -> bytes:
        """Return what is there, b"" at the end; raise BlockingIOError if nothing is there yet."""
        ...

    def close(self) -> None:
        """Close it."""
        ...


class Sink(Protocol):
    """Be something to write to."""

    selectable: bool

    def fileno(self) -> int:
        """Return the descriptor to wait for."""
        ...

    def write(self, buffers: Sequence[bytes | memoryview]) -> int:
        """Write as much as goes at once and return how much; raise BlockingIOError if nothing goes."""
        ...

    def close(self) -> None:
        """Close it."""
        ...


class SocketEnd:
    """Read and write a stream socket; on a Unix socket descriptors come and go with the bytes."""

    selectable = True

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self.passes_descriptors = sock.family == socket.AF_UNIX
        self.send = sock.send
        """For one buffer, with `SEND`; raises what a socket does."""
        self.received: deque[int] = deque()
        """Descriptors that have come and nobody has taken yet."""
        self._size = USUAL_SIZE

    def fileno(self) -> int:
        """Return the socket's descriptor."""
        return self._socket.fileno()

    def read(self) -> bytes:
        """Return what has arrived."""
        if not self.passes_descriptors:
            data = self._socket.recv(self._size, _RECEIVE)
        else:
            data, ancillary, _, _ = self._socket.recvmsg(self._size, _ROOM_FOR_DESCRIPTORS, _RECEIVE_DESCRIPTORS)
            for level, kind, content in ancillary:
                if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                    numbers = array.array("i")
                    numbers.frombytes(content[: len(content) - len(content) % numbers.itemsize])
                    self.received.extend(numbers)
            if len(self.received) > MAXIMUM_WAITING:
                raise StrayDescriptorsError(f"{len(self.received)} descriptors have come that belong to no BLOB")
        self._size = next_size(len(data))
        return data

    def write(self, buffers: Sequence[bytes | memoryview]) -> int:
        """Send what the kernel takes."""
        if len(buffers) == 1:
            return self._socket.send(buffers[0], SEND)
        return self._socket.sendmsg(buffers, (), SEND)

    def write_with(self, buffer: bytes | memoryview, descriptors: Sequence[int]) -> int:
        """Send bytes and descriptors together; those go with the first byte."""
        rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))
        return self._socket.sendmsg([buffer], [rights], SEND)

    def unconfirmed(self) -> int:
        """Return how many of the bytes sent have not reached the peer's kernel yet; 0 on a Unix socket."""
        if self.passes_descriptors:
            return 0
        count: int = _INT.unpack(fcntl.ioctl(self._socket, termios.TIOCOUTQ, bytes(_INT.size)))[0]
        return count

    def shutdown(self) -> None:
        """Tell the peer that nothing more comes."""
        with suppress(OSError):  # it has gone already
            self._socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Close the socket, and what came with it and was not taken."""
        self._socket.close()
        while self.received:
            os.close(self.received.popleft())


class StdinEnd(SocketEnd):
    """Write to the stdin of a driver, which may close it and speak on, or take it for its stdout as well."""

    def is_spoken_on(self) -> bool:
        """Return whether the driver has written to its stdin, as one may that takes it for both."""
        try:
            return bool(self._socket.recv(1, _RECEIVE | int(socket.MSG_PEEK)))
        except OSError:
            return False


class ReadEnd:
    """Read a pipe, a terminal, or a file."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._size = USUAL_SIZE
        self.selectable = _selectable(descriptor)

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._descriptor

    def read(self) -> bytes:
        """Return what is there; it is called only when something is, or for a file."""
        data = os.read(self._descriptor, self._size)
        self._size = next_size(len(data))
        return data

    def close(self) -> None:
        """Close the descriptor."""
        os.close(self._descriptor)


class WriteEnd:
    """Write to a pipe, a terminal, or a file."""

    def __init__(self, descriptor: int) -> None:
        self.selectable = _selectable(descriptor)
        self._descriptor = descriptor
        self._limit: int | None = None
        if stat.S_ISFIFO(os.fstat(descriptor).st_mode):
            try:
                # A description of our own, so that O_NONBLOCK is nobody else's.
                own = os.open(f"/proc/self/fd/{descriptor}", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            except OSError:
                self._limit = select.PIPE_BUF  # what a pipe that polls as writable always takes
            else:
                os.close(descriptor)
                self._descriptor = own
        elif self.selectable:
            self._limit = select.PIPE_BUF

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._descriptor

    def write(self, buffers: Sequence[bytes | memoryview]) -> int:
        """Write what goes without blocking."""
        if self._limit is None:
            return os.writev(self._descriptor, buffers)
        poll = select.poll()
        poll.register(self._descriptor, select.POLLOUT)
        if not poll.poll(0):
            raise BlockingIOError
        return os.write(self._descriptor, memoryview(buffers[0])[: self._limit])

    def close(self) -> None:
        """Close the descriptor."""
        os.close(self._descriptor)


def next_size(length: int) -> int:
    """Return how much to ask for after a read that has brought `length` bytes."""
    return READ_SIZE if length >= USUAL_SIZE else USUAL_SIZE


def _selectable(descriptor: int) -> bool:
    """Return whether epoll takes the descriptor; it refuses files and /dev/null."""
    with select.epoll() as poll:
        try:
            poll.register(descriptor, select.EPOLLIN)
        except PermissionError:
            return False
    return True
