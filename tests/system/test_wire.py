"""The wire between real programs: names, numbers, long texts and BLOBs, settings of drivers."""

from __future__ import annotations

import base64
import os
import re
import sys
from pathlib import Path

import pytest

from tests.system.conftest import RawClient, Serve, Start, connect, indiserver, need
from tests.system.test_limits import SENDER, send

pytestmark = pytest.mark.system

SENSOR = '[device.climate]\nplugin = "spi-sensor"\n[transport.server]\nport = 0\n'
TEACHER = f"""#!{sys.executable}
import os, socket
server = socket.socket(fileno=0)
def text(name, value):
    server.sendall(("<defTextVector device='%s' name='%s' state='Ok' perm='ro'><defText name='a'>%s</defText>"
        "</defTextVector>" % (os.environ.get("INDIDEV", "teacher"), name, value)).encode())
while server.recv(65536):
    for name in ("INDICONFIG", "INDISKEL", "INDIPREFIX"):
        text(name, os.environ.get(name, "-"))
    text("long", "x" * 3_000_000)
"""
"""A driver that tells its environment, and a long text."""


@pytest.fixture
def teacher(home: Path) -> Path:
    program = home / "teacher"
    program.write_text(TEACHER)
    program.chmod(0o755)
    return program


def test_unknown_names_are_answered_with_silence(start: Start) -> None:
    run = start("--plain", configuration=SENSOR)
    first = b"<?xml version='1.0'?>\n<!-- hello -->\n"
    for device, name in (("nobody", ""), ("climate", "nothing")):
        named = f' name="{name}"' if name else ""
        question = f'<getProperties version="1.7" device="{device}"{named}/><pingRequest uid="u"/>'
        with RawClient(run.port, first + question.encode()) as client:
            assert client.until(rb"^\s*<[^>]*>").group().strip() == b'<pingReply uid="u"/>'


@pytest.mark.parametrize("text", ["0:30:00", "0;30;00", "0 30 00", " 5e-1 ", "0.5", "+.5"])
def test_numbers_are_read_in_every_way_of_writing(start: Start, text: str) -> None:
    run = start("--plain", configuration=SENSOR)
    with RawClient(run.port) as client:
        client.until(rb'<defNumberVector device="climate" name="sampling"')
        client.send(
            '<newNumberVector device="climate" name="sampling">'
            f'<oneNumber name="period">{text}</oneNumber></newNumberVector>'.encode()
        )
        taken = client.until(rb'<setNumberVector device="climate" name="sampling"[^>]*state="Ok".*?</setNumberVector>')
        assert re.search(rb'<oneNumber name="period">\s*0\.50*\s*<', taken.group())


def test_a_text_of_megabytes_arrives_whole(serve: Serve, teacher: Path) -> None:
    with RawClient(serve("-v", "-p", "0", teacher).port) as client:
        found = client.until(rb"name='long'[^>]*><defText name='a'>(x*)</defText></defTextVector>")
    assert len(found.group(1)) == 3_000_000


def test_a_long_blob_is_held_once_at_most(serve: Serve, home: Path) -> None:
    size = 200_000_000
    sender = home / "sender"
    sender.write_text(f"#!{sys.executable}\n{SENDER}")
    sender.chmod(0o755)
    server = serve("-v", "-p", "0", sender)
    with RawClient(server.port) as client:
        client.until(rb"<defBLOBVector")
        client.send(b"<enableBLOB>Also</enableBLOB>" + send(size))
        client.until(rb"<oneBLOB[^>]*>")
        count = len(client.seen)
        tail = client.seen[-100:]
        while b"</setBLOBVector>" not in tail:
            data = client.socket.recv(1 << 20)
            assert data
            count += len(data)
            tail = tail[-100:] + data[-100:]
    assert count > size * 4 // 3
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    peak = re.search(r"VmHWM:\s*(\d+) kB", status)
    assert peak is not None
    # In kB, of which the interpreter has about 60,000; all is kept only of what comes too slowly to be cut through.
    assert int(peak[1]) < 100_000 + count // 1024


def test_an_image_passes_our_server_behind_debians(serve: Serve, home: Path) -> None:
    need("indi_simulator_ccd")
    inner = serve("-v", "-p", "0", "indi_simulator_ccd").port
    outer = indiserver(serve, home, f"CCD Simulator@localhost:{inner}")
    connect(outer, "CCD Simulator")
    with RawClient(outer) as client:
        client.send(b'<enableBLOB device="CCD Simulator">Also</enableBLOB>')
        for _ in range(2):
            client.send(
                b'<newNumberVector device="CCD Simulator" name="CCD_EXPOSURE">'
                b'<oneNumber name="CCD_EXPOSURE_VALUE">0.1</oneNumber></newNumberVector>'
            )
            found = client.until(rb"<setBLOBVector .*?<oneBLOB([^>]*)>([^<]*)</oneBLOB>")
            size = re.search(rb"\ssize=['\"](\d+)", found.group(1))
            image = base64.b64decode(found.group(2))
            assert size is not None
            assert len(image) == int(size[1])
            assert image.startswith(b"SIMPLE  =                    T")


def test_a_fifo_gives_drivers_their_settings(serve: Serve, home: Path, teacher: Path) -> None:
    fifo = home / "fifo"
    os.mkfifo(fifo)
    server = serve("-v", "-p", "0", "-f", str(fifo))
    with RawClient(server.port) as client:

        def say(line: str) -> None:
            with fifo.open("w") as control:
                control.write(line + "\n")

        def told(device: str) -> dict[str, str]:
            found = client.until(
                rb"device='" + device.encode() + rb"' name='INDICONFIG'.*?>([^<>]*)</defText>.*?name='INDISKEL'.*?>"
                rb"([^<>]*)</defText>.*?name='INDIPREFIX'.*?>([^<>]*)</defText>"
            )
            return dict(zip(("config", "skeleton", "prefix"), (one.decode() for one in found.groups()), strict=True))

        say(f'start {teacher} -n "One" -c "{home}/one.xml" -s "{home}/one.skel"')
        assert told("One") == {"config": f"{home}/one.xml", "skeleton": f"{home}/one.skel", "prefix": "-"}
        (home / "bin").mkdir()
        (home / "bin" / "tutor").symlink_to(teacher)
        say(f'start tutor -n "Two" -p "{home}"')
        assert told("Two")["prefix"] == str(home)
        say(f'restart {teacher} -n "One"')
        client.until(rb'<delProperty device="One"/>')
        assert told("One")["config"] == f"{home}/one.xml"
        say('stop tutor -n "Two"')
        client.until(rb'<delProperty device="Two"/>')
