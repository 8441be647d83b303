"""The client's BLOBs, to memory, to files and to the server."""

from __future__ import annotations

import asyncio
import base64
import zlib
from pathlib import Path

import pytest

from core.client import BlobLost, Client, SetRefused
from core.properties import BlobValue
from core.testing import VirtualClock
from tests.scripted_server import IMAGE, Peer, ScriptedServer, blob, converse, setting


def test_blobs_come_to_those_who_want_them(clock: VirtualClock) -> None:
    async def talk(client: Client, peer: Peer) -> None:
        image = client.devices["cam"]["image"]
        peer.say(blob(b"nobody's"))
        await client.wait_for("cam", "image", lambda vector: vector.members["frame"].size == 8)
        async with client.blobs("cam", "image") as images:
            await peer.until(rb'<enableBLOB device="cam" name="image">Also</enableBLOB>')
            peer.say(blob(b"", size=0), blob(b"content", ".fits"))
            peer.say(blob(zlib.compress(b"inflated"), ".fits.z", 8), blob(b"elsewhere", device="other"))
            peer.say(blob(b"short", size=6), blob(b"last"))
            first, second = await anext(images), await anext(images)
            assert (first.data, first.format, first.size, first.member) == (b"content", ".fits", 7, "frame")
            assert (second.data, second.format) == (b"inflated", ".fits")
            with pytest.raises(BlobLost, match=r"cam\.image\.frame is lost: it has 5 bytes, and 6 were announced"):
                await anext(images)
            assert (await anext(images)).data == b"last"
            assert (image.state, image.members["frame"].size, image["frame"]) == ("Ok", 4, None)
            peer.say(
                setting("cam", "image", "Ok", b"<oneBLOB name='frame' size='5' attached='true'/>", kind="BLOB"),
            )
            with pytest.raises(BlobLost, match="said to be attached, and nothing is"):
                await anext(images)
        await peer.until(rb'<enableBLOB device="cam" name="image">Never</enableBLOB>')

    converse(clock, talk, IMAGE)


def test_blobs_go_to_files_whole_or_not_at_all(clock: VirtualClock, tmp_path: Path) -> None:
    async def talk(client: Client, peer: Peer) -> None:
        content = bytes(range(256)) * 4096
        async with client.blobs("cam", directory=tmp_path) as images:
            await peer.until(rb'<enableBLOB device="cam">Also</enableBLOB>')
            peer.say(blob(content, "/../../x.fits"), blob(content, size=5), blob(content[:900_001])[:500_000])
            image = await anext(images)
            assert image.path is not None
            assert (image.path.read_bytes() == content, image.data, image.path.parent) == (True, b"", tmp_path)
            with pytest.raises(BlobLost, match="more than 5 bytes"):
                await anext(images)
            peer.close()
            with pytest.raises(BlobLost, match="the connection ended in the middle"):
                await anext(images)

    converse(clock, talk, IMAGE)
    left = [path.read_bytes() for path in tmp_path.iterdir()]
    assert left == [bytes(range(256)) * 4096]


def test_a_directory_that_is_not_there_is_said(clock: VirtualClock, tmp_path: Path) -> None:
    async def talk(client: Client, peer: Peer) -> None:
        async with client.blobs(directory=tmp_path / "missing") as images:
            peer.say(blob(b"content"))
            with pytest.raises(BlobLost, match="No such file or directory"):
                await anext(images)
        assert client.connected

    converse(clock, talk, IMAGE)


def test_a_blob_beyond_the_limit_is_lost_and_the_rest_lives(clock: VirtualClock) -> None:
    async def talk(client: Client, peer: Peer) -> None:
        async with client.blobs() as images:
            peer.say(blob(bytes(3_000_000)), blob(b"small"))
            with pytest.raises(BlobLost, match="3000000 bytes; 1000000 are allowed"):
                await anext(images)
            assert (await anext(images)).data == b"small"

    converse(clock, talk, IMAGE, maximum_blob=1_000_000)


def test_wishes_are_told_again_after_a_reconnection(clock: VirtualClock) -> None:
    async def main() -> None:
        watch: list[str | tuple[str, str]] = ["matrix", ("cam", "image")]
        async with ScriptedServer() as server, Client("127.0.0.1", server.port, watch=watch) as client:
            peer = await server.accept()
            greeting = (
                rb'<getProperties device="matrix" version="1.7"/>\s*'
                rb'<getProperties device="cam" name="image" version="1.7"/>\s*'
            )
            await peer.until(rb"^" + greeting + rb"<pingRequest")
            await client.enable_blobs("Only", "cam", "image")
            async with client.blobs("guider"):
                await peer.until(rb'<getProperties device="guider" version="1.7"/>\s*<enableBLOB')
                peer.close()
                peer = await server.accept()
                await peer.until(
                    rb"^" + greeting + rb'<getProperties device="guider" version="1.7"/>\s*'
                    rb'<enableBLOB device="cam" name="image">Only</enableBLOB>\s*'
                    rb'<enableBLOB device="guider">Also</enableBLOB>\s*<pingRequest'
                )

    clock.run(main())


def test_uploads_are_written_for_libindi(clock: VirtualClock, tmp_path: Path) -> None:
    async def talk(client: Client, peer: Peer) -> None:
        path = tmp_path / "flat.fits"
        path.write_bytes(bytes(100))
        uploads: list[tuple[object, bytes, bytes]] = [
            (b"raw", b"", b"raw"),
            (BlobValue(b"named", ".txt"), b".txt", b"named"),
            (path, b".fits", bytes(100)),
        ]
        for value, form, content in uploads:
            setter = asyncio.create_task(client.set("cam", "upload", {"file": value}))
            sent = await peer.until(rb'size="(\d+)" format="([^"]*)" enclen="(\d+)">([^<]*)</oneBLOB>')
            text = sent.group(4)
            # libindi's drivers read as many characters of base64 as it says, and skip line breaks between.
            length = len(text.replace(b"\n", b""))
            assert (int(sent.group(1)), sent.group(2), int(sent.group(3))) == (len(content), form, length)
            assert base64.b64decode(text) == content
            assert max(map(len, text.split(b"\n"))) <= 72
            peer.say(setting("cam", "upload", "Ok", kind="BLOB"))
            await setter
        with pytest.raises(SetRefused, match=r"missing.fits cannot be read: No such file"):
            await client.set("cam", "upload", {"file": tmp_path / "missing.fits"})
        with pytest.raises(SetRefused, match="bytes, a BlobValue or a path is needed, not int"):
            await client.set("cam", "upload", {"file": 1})

    converse(clock, talk, IMAGE, pings=False)
