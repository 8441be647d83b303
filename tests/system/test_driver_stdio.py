"""What drivers may do with their stdin and stdout under `corectl serve`."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.system.conftest import RawClient, Serve

pytestmark = pytest.mark.system

DEFINITION = b'<defTextVector device="odd" name="p" perm="rw" state="Ok"><defText name="a">%s</defText></defTextVector>'
ANSWERING = f"""
import os, socket, time
DEFINITION = {DEFINITION!r}
stream = socket.socket(fileno=os.dup(0))
"""
BOTH = (
    ANSWERING
    + """
heard = stream.recv(65536)
assert heard == b'<getProperties version="1.7"/>\\n', heard
stream.sendall(DEFINITION % b"spoken on stdin")
while heard := stream.recv(65536):
    stream.sendall(DEFINITION % b"again" if b"new" not in heard else b'<message device="odd" message="obeyed"/>')
"""
)
DEAF = (
    ANSWERING
    + """
stream.close()
os.close(0)
for number in range(1000):
    os.write(1, DEFINITION % b"%d" % number)
    time.sleep(0.01)
"""
)
WITHOUT_STDOUT = (
    ANSWERING
    + """
os.write(1, DEFINITION % b"last words")
os.close(1)
time.sleep(600)
"""
)


def script(tmp_path: Path, text: str) -> str:
    path = tmp_path / "odd"
    path.write_text(f"#!{sys.executable} -IS\n{text}")
    path.chmod(0o755)
    return str(path)


def test_one_that_takes_its_stdin_for_both_is_heard_there(serve: Serve, tmp_path: Path) -> None:
    with RawClient(serve("-p", "0", script(tmp_path, BOTH)).port) as client:
        client.until(rb"spoken on stdin|again")
        client.send(b'<newTextVector device="odd" name="p"><oneText name="a">x</oneText></newTextVector>')
        client.until(rb'<message device="odd" message="obeyed"/>')


def test_one_that_closes_its_stdin_may_speak_on(serve: Serve, tmp_path: Path) -> None:
    with RawClient(serve("-p", "0", "-r", "0", script(tmp_path, DEAF)).port) as client:
        seen = int(client.until(rb">(\d+)<").group(1))
        for number in range(seen + 1, seen + 5):
            client.send(b'<newTextVector device="odd" name="p"><oneText name="a">x</oneText></newTextVector>')
            client.until(rb">%d<" % number)


def test_one_that_closes_its_stdout_is_ended(serve: Serve, tmp_path: Path) -> None:
    server = serve("-p", "0", "-r", "0", script(tmp_path, WITHOUT_STDOUT))
    server.log.until("odd: its connection has ended; .*; it is not started again")
