"""What a driver in a test of attacks begins with: `write`, `hear`, `define`, and `mark` when its worst is done."""

from __future__ import annotations

import contextlib
import os
import pathlib
import select
import signal
import sys
import time

__all__ = [
    "BEAT",
    "NEW_BEAT",
    "blob",
    "define",
    "hear",
    "mark",
    "os",
    "question",
    "select",
    "set_text",
    "signal",
    "sys",
    "time",
    "wait",
    "write",
]


BEAT = (
    b'<setNumberVector device="heart" name="beat" state="Ok"><oneNumber name="number">1</oneNumber></setNumberVector>'
)
NEW_BEAT = BEAT.replace(b"set", b"new").replace(b' state="Ok"', b"")


def write(data: bytes) -> None:
    """Write all of it; end when nobody reads any more."""
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        while data:
            data = data[os.write(1, data) :]
        return
    sys.exit(1)


def hear() -> bytes:
    """Read what has come, waiting for it; end when stdin does."""
    return os.read(0, 65536) or sys.exit(0)


def define(device: str = "evil", name: str = "p") -> bytes:
    """Return the definition of a text."""
    text = f'<defTextVector device="{device}" name="{name}" state="Ok" perm="rw"><defText name="a">v</defText>'
    return text.encode() + b"</defTextVector>\n"


def set_text(text: bytes) -> bytes:
    """Return a set of that text."""
    return (
        b'<setTextVector device="evil" name="p" state="Ok"><oneText name="a">' + text + b"</oneText></setTextVector>\n"
    )


def blob(body: bytes) -> bytes:
    """Return the beginning of a BLOB vector, with that as its base64."""
    return b'<setBLOBVector device="evil" name="b" state="Ok"><oneBLOB name="a" size="9000000" format=".x">' + body


def question(device: str) -> bytes:
    """Return what asks to snoop a device."""
    return f'<getProperties version="1.7" device="{device}"/>'.encode()


def mark() -> None:
    """Tell the test that the worst is done."""
    pathlib.Path(sys.argv[0] + ".done").touch()


def wait() -> None:
    """Do nothing until killed."""
    while True:
        signal.pause()


hear()
