"""Descriptors that come by the Unix socket: attached BLOBs, and what is none."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.attacks.arena import Server

pytestmark = pytest.mark.system

BLOB = (
    b'<newBLOBVector device="%s" name="b"><oneBLOB name="x" size="%d" len="%d" attached="true" format=".x"/>'
    b"</newBLOBVector>"
)
ASK = b'<getProperties version="1.7" device="none"/>'


@pytest.fixture
def memory_file() -> Iterator[int]:
    """Return a file in memory."""
    descriptor = os.memfd_create("attack")
    os.write(descriptor, b"abc")
    yield descriptor
    os.close(descriptor)


def survives(server: Server, data: bytes, descriptors: list[int], times: int = 1) -> None:
    """Send descriptors; whatever becomes of the sender, the next one is served."""
    with server.administrator(ASK) as client:
        try:
            for _ in range(times):
                socket.send_fds(client.socket, [data], descriptors)
            client.is_served()
        except OSError:
            pass
        except AssertionError:
            # Told why and closed.
            assert client.until_closed() is not None
    with server.administrator(ASK) as other:
        assert other.is_served()


@pytest.mark.parametrize("device", [b"heart", b"climate", b"nobody"])
@pytest.mark.parametrize("kind", ["folder", "pipe", "write-only file", "device", "socket", "event"])
def test_what_is_no_file_is_no_blob(server: Server, folder: Path, kind: str, device: bytes) -> None:
    spare: list[int] = []
    if kind == "pipe":
        descriptor, other = os.pipe()
        spare.append(other)
    elif kind == "socket":
        ends = socket.socketpair()
        descriptor, other = (end.detach() for end in ends)
        spare.append(other)
    elif kind == "event":
        descriptor = os.eventfd(0)
    elif kind == "write-only file":
        descriptor = os.open(folder / "file", os.O_WRONLY | os.O_CREAT)
        os.ftruncate(descriptor, 100)
    else:
        descriptor = os.open("/dev/zero" if kind == "device" else folder, os.O_RDONLY)
    try:
        survives(server, BLOB % (device, 10, 10), [descriptor])
    finally:
        for number in (descriptor, *spare):
            os.close(number)


@pytest.mark.parametrize("length", [0, 2, 3, 4, 1 << 31, 6 << 30, 10**30, -1])
def test_lengths_that_are_not_so(server: Server, memory_file: int, length: int) -> None:
    survives(server, BLOB % (b"heart", length, length), [memory_file])


def test_a_sparse_file_is_not_read_into_memory(server: Server, memory_file: int) -> None:
    os.ftruncate(memory_file, 6 << 30)
    survives(server, BLOB % (b"heart", 6 << 30, 6 << 30), [memory_file])


def test_stray_descriptors_are_not_collected(server: Server, memory_file: int) -> None:
    before = server.descriptors()
    with server.administrator(ASK) as client:
        try:
            for _ in range(200):
                socket.send_fds(client.socket, [ASK], [memory_file] * 16)
        except OSError:
            pass
        with server.client(b"") as other:
            assert other.is_served()
        assert server.descriptors() < before + 100
    server.says(r"client on \S+ is disconnected: \d+ descriptors have come that belong to no BLOB")


def test_more_descriptors_than_said_are_refused_at_last(server: Server, memory_file: int) -> None:
    survives(server, BLOB % (b"heart", 3, 3), [memory_file] * 3, 50)
