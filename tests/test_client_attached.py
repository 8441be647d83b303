"""BLOBs that a server attaches on a Unix socket, as the client takes them."""

from __future__ import annotations

import asyncio
import os
import socket
import zlib
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from core.client import BlobLost, Client, EventFeed
from core.testing import VirtualClock
from tests.scripted_server import IMAGE, setting

Say = Callable[..., None]


def attached(name: str, **attributes: object) -> bytes:
    said = "".join(f" {key}='{value}'" for key, value in attributes.items())
    return setting("cam", name, "Ok", f"<oneBLOB name='frame'{said} attached='true'/>".encode(), kind="BLOB")


def memory(data: bytes) -> int:
    descriptor = os.memfd_create("blob")
    os.write(descriptor, data)
    return descriptor


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_it_runs_on_any_asyncio_loop(loop: str) -> None:
    async def main() -> bytes:
        ours, theirs = socket.socketpair()
        with theirs:
            theirs.sendall(IMAGE)  # before anybody has asked
            async with Client(sock=ours, ping_interval=None) as client:
                await client.wait_for("cam", "image")
                async with client.blobs("cam", "image") as images:
                    descriptor = memory(b"content")
                    socket.send_fds(theirs, [attached("image", size=7, len=7, format=".bin")], [descriptor])
                    os.close(descriptor)
                    return (await anext(images)).data

    factory = pytest.importorskip("uvloop").new_event_loop if loop == "uvloop" else None
    with asyncio.Runner(loop_factory=factory) as runner:
        assert runner.run(main()) == b"content"


def converse(clock: VirtualClock, talk: Callable[[Client, Say], Awaitable[None]]) -> None:
    """Run a client on one end of a socket pair; `say` sends bytes and descriptors from the other."""

    async def main() -> None:
        ours, theirs = socket.socketpair()
        with theirs:

            def say(data: bytes, *descriptors: int) -> None:
                socket.send_fds(theirs, [data], descriptors)
                for descriptor in descriptors:
                    os.close(descriptor)

            async with Client(sock=ours, ping_interval=None) as client:
                say(IMAGE)
                await client.wait_for("cam", "image")
                await talk(client, say)

    before = len(list(Path("/proc/self/fd").iterdir()))
    clock.run(main())
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_what_is_attached_is_read_and_checked(clock: VirtualClock) -> None:
    async def talk(client: Client, say: Say) -> None:
        content = bytes(range(256)) * 10_000
        async with client.blobs("cam", "image") as images:
            # The memory may be longer than what counts.
            say(attached("image", size=len(content), len=len(content), format=".fits"), memory(content + bytes(99)))
            image = await anext(images)
            assert (image.data, image.format, image.size) == (content, ".fits", len(content))
            packed = zlib.compress(content)
            say(attached("image", size=len(content), len=len(packed), format=".fits.z"), memory(packed))
            image = await anext(images)
            assert (image.data, image.format) == (content, ".fits")
            say(attached("image", size=5, len=5, format=".bin"), memory(b"1234"))
            with pytest.raises(BlobLost, match="it has 4 bytes, and 5 were announced"):
                await anext(images)
            reading, writing = os.pipe()
            say(attached("image", size=5, len=5, format=".bin"), reading)
            os.close(writing)
            with pytest.raises(BlobLost, match="what is attached is no memory"):
                await anext(images)
            say(attached("image", size=5, len=5, format=".bin"))
            with pytest.raises(BlobLost, match="said to be attached, and nothing is"):
                await anext(images)

    converse(clock, talk)


def test_each_descriptor_goes_with_its_own_blob(clock: VirtualClock) -> None:
    async def talk(client: Client, say: Say) -> None:
        async with client.blobs("cam", "image") as images:
            unwanted, wanted = attached("upload", size=3, len=3, format=""), attached("image", size=4, len=4, format="")
            say(unwanted + wanted, memory(b"not"), memory(b"this"))
            assert (await anext(images)).data == b"this"

    converse(clock, talk)


async def told(kind: str, feed: EventFeed) -> str:
    """Wait for an event of a kind and return its message."""
    async for event in feed:
        if event.kind == kind:
            return event.message or ""
    raise AssertionError(f"nothing was {kind}")


def test_what_is_left_over_is_closed(clock: VirtualClock) -> None:
    async def talk(client: Client, say: Say) -> None:
        feed = client.events()
        async with client.blobs("cam"):
            say(b"<message message='last'/>", memory(b"stray"), memory(b"stray"))
            assert await told("message", feed) == "last"
            say(attached("image", size=4, len=4, format="")[:-30], memory(b"torn"))

    converse(clock, talk)


def test_more_descriptors_than_anybody_needs_end_the_connection(clock: VirtualClock) -> None:
    async def talk(client: Client, say: Say) -> None:
        feed = client.events()
        for _ in range(5):
            say(b"<message message='x'/>", *(memory(b"") for _ in range(16)))
        assert "more descriptors have come than belong to BLOBs" in await told("disconnected", feed)

    converse(clock, talk)
