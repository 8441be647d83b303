"""BLOBs of Debian's camera behind Debian's indiserver behind our server: each client gets what it asked for."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.system.conftest import Process, RawClient, Serve, connect, free_port, need

pytestmark = pytest.mark.system

CAMERA = "CCD Simulator"
IMAGE = rb"<setBLOBVector [^>]*device=.CCD Simulator.*?<oneBLOB[^>]*>[^<]*</oneBLOB>"


def wish(mode: str, name: str = "") -> bytes:
    return f'<enableBLOB device="{CAMERA}"{f" name={name!r}" if name else ""}>{mode}</enableBLOB>'.encode()


def expose(client: RawClient) -> None:
    client.send(
        f'<newNumberVector device="{CAMERA}" name="CCD_EXPOSURE">'
        '<oneNumber name="CCD_EXPOSURE_VALUE">0.1</oneNumber></newNumberVector>'.encode()
    )


def test_one_clients_words_take_nothing_from_another(serve: Serve, home: Path) -> None:
    need("indi_simulator_ccd")
    inner_port = free_port()

    def inner() -> Process:
        words = ("-v", "-p", str(inner_port), "-u", str(home / "inner"), "indi_simulator_ccd")
        server = serve(*words, program=Path(need("indiserver")), command="")
        server.log.until("listening to port|Listening")
        return server

    first_server = inner()
    port = serve("-v", "-p", "0", f"@localhost:{inner_port}").port
    connect(port, CAMERA)
    with RawClient(port) as client:
        client.send(wish("Also"))
        with RawClient(port) as other:
            other.send(wish("Only") + b'<pingRequest uid="said"/>')
            other.until(rb'<pingReply uid="said"/>')
            expose(client)
            client.until(rb"<setNumberVector [^>]*name=.CCD_EXPOSURE")
            client.until(IMAGE)
            # What Only means: nothing of this device but BLOBs. The other client's command is one that concerns it.
            seen = other.until(rb"^.*?" + IMAGE).group()
            assert b"<setNumberVector" not in seen
            other.send(wish("Never"))
            expose(client)
            client.until(IMAGE)
        # It has left, and nobody else's wish with it.
        expose(client)
        client.until(IMAGE)
        # Nobody wants any, and then somebody does again.
        client.send(wish("Never") + wish("Also", "CCD1"))
        expose(client)
        client.until(IMAGE)
        first_server.process.send_signal(signal.SIGTERM)
        client.until(rb"<delProperty [^>]*device=.CCD Simulator[^>]*/>")
        inner()
        client.until(rb"<defSwitchVector\s+device=.CCD Simulator.\s+name=.CONNECTION.")
        connect(port, CAMERA)
        expose(client)
        client.until(IMAGE)
