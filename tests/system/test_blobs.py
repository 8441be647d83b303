"""BLOBs of a device of ours: large ones under Debian's indiserver, and through our own server."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.system.conftest import CORECTL, SECONDS, Lines, RawClient, free_port, need

pytestmark = pytest.mark.system

SIZE = 30_000_000
CAMERA = f"""
import core

core_api = 1


class Camera(core.Device):
    '''A camera that makes images of {SIZE} bytes.'''

    shoot = core.SwitchVector("Shoot", rule="AtMostOne", members={{"now": False}})
    image = core.BlobVector("Image", members={{"raw": core.BlobValue()}})
    got = core.TextVector("Got", members={{"size": ""}})
    upload = core.BlobVector("Upload", perm="wo", members={{"file": core.BlobValue()}})

    @shoot.on_new
    async def take(self, new):
        data = (b"\\x00\\x01\\xfe\\xff" * {SIZE // 4})
        self.image.update(raw=core.BlobValue(data, ".bin"))
        self.shoot.update(now=False)

    @upload.on_new
    async def receive(self, new):
        self.got.update(size=str(len(new["file"].data)) + new["file"].format)


@core.hookimpl
def core_register_devices():
    return [Camera]
"""
WHOLE = hashlib.sha256(b"\x00\x01\xfe\xff" * (SIZE // 4)).hexdigest()
SHOOT = b'<newSwitchVector device="camera" name="shoot"><oneSwitch name="now">On</oneSwitch></newSwitchVector>'


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "camera_plugin.py").write_text(CAMERA)
    information = tmp_path / "camera_plugin-1.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: camera-plugin\nVersion: 1\n")
    (information / "entry_points.txt").write_text("[core.plugins]\ncamera = camera_plugin\n")
    (tmp_path / "core.toml").write_text('[device.camera]\nplugin = "camera"\n')
    driver = tmp_path / "our_camera"
    driver.write_text(f"#!/bin/sh\nexec {CORECTL} run --stdin camera {tmp_path}/core.toml\n")
    driver.chmod(0o755)
    return tmp_path


def image_of(client: RawClient) -> bytes:
    """Read the next BLOB; joined once, since searching 40 MB anew at each read would take minutes."""
    client.until(rb"<setBLOBVector")
    parts = [client.seen]
    while b"</setBLOBVector>" not in parts[-1][-200:] and b"</setBLOBVector>" not in b"".join(parts[-2:]):
        parts.append(client.socket.recv(1 << 20))
        assert parts[-1], "the server closed in the middle of a BLOB"
    whole, _, client.seen = b"".join(parts).partition(b"</setBLOBVector>")
    found = re.search(rb"<oneBLOB([^>]*)>([^<]*)</oneBLOB>", whole)
    assert found is not None
    assert str(SIZE).encode() in found.group(1)
    return base64.b64decode(found.group(2))


def environment(site: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(site), "XDG_CONFIG_HOME": str(site), "XDG_RUNTIME_DIR": str(site)}


def test_thirty_megabytes_through_debians_indiserver(site: Path) -> None:
    port = free_port()
    words: list[str | Path] = [
        need("indiserver"),
        "-v",
        "-p",
        str(port),
        "-u",
        str(site / "socket"),
        site / "our_camera",
    ]
    with subprocess.Popen(words, cwd=site, env=environment(site), stderr=subprocess.PIPE) as server:
        assert server.stderr is not None
        try:
            Lines(server.stderr).until("listening to port|Listening")
            with RawClient(
                port, b'<getProperties version="1.7"/><enableBLOB device="camera">Also</enableBLOB>'
            ) as client:
                client.until(rb"upload")
                for _ in range(2):
                    client.send(SHOOT)
                    assert hashlib.sha256(image_of(client)).hexdigest() == WHOLE
        finally:
            server.terminate()


def test_thirty_megabytes_through_our_server_and_back(site: Path) -> None:
    words: list[str | Path] = [CORECTL, "run", "--port", "0"]
    with subprocess.Popen(
        words, cwd=site, env=environment(site), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as server:
        assert server.stdout is not None
        try:
            port = int(Lines(server.stdout).until(r"INDI server on \S*:(\d+)").group(1))
            with RawClient(port, b'<getProperties version="1.7"/><enableBLOB>Also</enableBLOB>') as client:
                client.until(rb"upload")
                client.send(SHOOT)
                image = image_of(client)
                assert hashlib.sha256(image).hexdigest() == WHOLE
                body = base64.encodebytes(image)
                client.socket.settimeout(SECONDS)
                client.send(
                    b'<newBLOBVector device="camera" name="upload"><oneBLOB name="file" size="%d" format=".bin">%s'
                    b"</oneBLOB></newBLOBVector>" % (SIZE, body)
                )
                client.until(rb'<oneText name="size">30000000.bin</oneText>')
        finally:
            server.terminate()
