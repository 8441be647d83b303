"""Limits that core.toml and the options of `corectl serve` set, on clients and on drivers."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.system.conftest import CORECTL, SECONDS, RawClient, Serve, Start, wait_until

pytestmark = pytest.mark.system

SENDER = """
import os, re, socket
server = socket.socket(fileno=0)
def say(text):
    server.sendall(text)
seen = b""
while data := server.recv(65536):
    seen += data
    if b"getProperties" in seen:
        say(b'<defTextVector device="sender" name="send" state="Ok" perm="rw"><defText name="bytes"/></defTextVector>')
        say(b'<defBLOBVector device="sender" name="blob" state="Ok" perm="ro"><defBLOB name="b"/></defBLOBVector>')
        seen = b""
    if found := re.search(b"<oneText[^>]*>([0-9]+)</oneText>", seen):
        seen = b""
        size = int(found[1])
        line = b"QUJD" * 18 + bytes([10])
        say(b'<setBLOBVector device="sender" name="blob" state="Ok"><oneBLOB name="b" format=".bin" size="%d">' % size)
        say(line * (size // 54 + 1))
        say(b'</oneBLOB></setBLOBVector>')
"""
"""A driver that sends a BLOB of as many bytes as it is told."""


def send(number: int) -> bytes:
    return (
        f'<newTextVector device="sender" name="send"><oneText name="bytes">{number}</oneText></newTextVector>'.encode()
    )


@pytest.fixture
def sender(tmp_path: Path) -> Path:
    program = tmp_path / "sender"
    program.write_text(f"#!{sys.executable}\n{SENDER}")
    program.chmod(0o755)
    return program


def test_a_driver_whose_blob_is_too_long_is_cut_off_with_the_reason(serve: Serve, sender: Path) -> None:
    server = serve("-v", "-p", "0", "--max-blob", "1", sender)
    with RawClient(server.port) as client:
        client.until(rb"<defBLOBVector")
        client.send(b"<enableBLOB>Also</enableBLOB>" + send(500_000))
        client.until(rb"</setBLOBVector>")
        client.send(send(3_000_000))
        server.log.until("driver sender is disconnected: BLOBs of one message are longer than 1048576 bytes")
        client.until(rb"<delProperty [^>]*device=.sender")
        client.until(rb"<defBLOBVector")  # it has been started again


def test_a_client_that_reads_nothing_is_cut_off_at_its_deadline(serve: Serve, sender: Path) -> None:
    server = serve("-v", "-p", "0", "--write-deadline", "0.2", sender)
    with RawClient(server.port) as client, RawClient(server.port) as other:
        client.until(rb"<defBLOBVector")
        client.send(b"<enableBLOB>Also</enableBLOB>" + send(30_000_000))
        server.log.until(r"client \S+ port \d+ is disconnected: it has read nothing for 0.2 s")
        other.until(rb"<defBLOBVector")


def test_who_holds_most_goes_when_memory_is_short(serve: Serve, sender: Path) -> None:
    server = serve("-v", "-p", "0", "--memory-limit", "128", sender)
    with RawClient(server.port) as client, RawClient(server.port) as other:
        client.until(rb"<defBLOBVector")
        client.send(b"<enableBLOB>Also</enableBLOB>" + send(120_000_000))
        server.log.until(
            r"client \S+ port \d+ is disconnected: memory is short \(\d+ MiB used\), and \d+ bytes are held"
        )
        other.until(rb"<defBLOBVector")


def comes_in(port: int) -> bool:
    try:
        with RawClient(port) as client:
            return bool(client.until(rb"<(?:def|message)").group() == b"<def")
    except ConnectionResetError:  # refused before its question was read
        return False


def test_the_administrator_comes_in_when_all_places_are_taken(start: Start, tmp_path: Path) -> None:
    path = tmp_path / "door"
    run = start(
        "--plain",
        configuration=f'[device.climate]\nplugin = "spi-sensor"\n'
        f'[transport.server]\nport = 0\nsocket = "{path}"\nmaximum_clients = 2\n',
    )
    defined = rb"<defNumberVector"
    with RawClient(run.port) as first, RawClient(run.port) as second, RawClient(run.port) as administrator:
        for client in (first, second, administrator):
            client.until(defined)
        run.log.until(r"client \S+ port \d+ is let in beyond 2 clients")
        with RawClient(run.port) as refused:
            refused.until(rb'<message [^>]*message="refused: 2 clients are connected, and no more are allowed"/>')
        run.log.until(r"client \S+ port \d+ is refused: 2 clients are allowed")
        with socket.socket(socket.AF_UNIX) as own:
            own.settimeout(SECONDS)
            own.connect(str(path))
            own.sendall(b'<getProperties version="1.7"/>')
            assert re.match(rb"<def", own.recv(65536))
        administrator.close()
        wait_until(lambda: comes_in(run.port), "the administrator's place to be free again")


def test_a_newer_version_is_served_and_logged_once(start: Start) -> None:
    run = start("--plain", "--port", "0", configuration='[device.climate]\nplugin = "spi-sensor"\n')
    with RawClient(run.port, b'<getProperties version="1.8"/><getProperties version="2"/>') as client:
        client.until(rb"<defNumberVector")
        client.send(b'<pingRequest uid="1"/>')
        client.until(rb'<pingReply uid="1"/>')
    with RawClient(run.port, b"<getProperties/>") as client:
        client.until(rb"<defNumberVector")
    with RawClient(run.port, b'<getProperties version="1.5"/>') as client:
        client.until(rb"<defNumberVector")
        client.send(b'<getProperties version="odd"/><pingRequest uid="2"/>')
        client.until(rb'<pingReply uid="2"/>')
    run.end()
    assert run.process.stderr is not None
    log = "\n".join(run.log.all) + run.process.stderr.read().decode()
    assert re.findall(r"asks in INDI (\S+), and is answered in 1.7", log) == ["1.8"]


@pytest.mark.parametrize(
    ("option", "value", "why"),
    [
        ("--max-blob", "0", "0 is not in the range x>=1"),
        ("--write-deadline", "0", "0.0 is not in the range 0<x<=86400"),
        ("--max-clients", "none", "'none' is not a valid integer"),
        ("--memory-limit", "1", "1 is not in the range x>=64"),
    ],
)
def test_a_limit_that_cannot_be_is_misuse(option: str, value: str, why: str) -> None:
    done = subprocess.run([CORECTL, "serve", option, value, "indi_x"], capture_output=True, text=True, timeout=SECONDS)
    assert done.returncode == 2
    assert f"Invalid value for '{option}': {why}" in done.stderr
