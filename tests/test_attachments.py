"""BLOBs that come beside the bytes: how much of the memory counts, and what is no memory."""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.errors import ProtocolError
from core.indi import Frame
from core.indi.long_messages import LONG, LongMessage
from core.plumbing.attachments import Attachments


@pytest.fixture
def memory() -> Iterator[int]:
    """Return a descriptor of ten bytes of shared memory."""
    descriptor = os.memfd_create("blob")
    os.write(descriptor, b"0123456789")
    yield descriptor
    os.close(descriptor)


def attached(descriptor: int, attributes: str) -> Frame:
    one = f'<oneBLOB name="i" {attributes} attached="true"/>'
    frame = Frame(f'<setBLOBVector device="d" name="v" state="Ok">{one}</setBLOBVector>'.encode())
    frame.attachments = Attachments([os.dup(descriptor)])
    return frame


def in_base64(frame: Frame) -> bytes:
    assert isinstance(frame.attachments, Attachments)
    written = frame.attachments.in_base64(frame)
    return written if isinstance(written, bytes) else b"".join(written)


@pytest.mark.parametrize(
    ("attributes", "content"),
    [
        ('size="10" format=".bin" len="10"', b"0123456789"),
        ('size="10" format=".bin"', b"0123456789"),
        # The memory may be larger than what counts.
        ('size="7" format=".bin" len="7"', b"0123456"),
        # Compressed: `size` is what it becomes, `len` what is there.
        ('size="4096" format=".fits.fz" len="6"', b"012345"),
        ('size="4096" format=".bin.z" len="10"', b"0123456789"),
        ('size="0" format="" len="0"', b""),
    ],
)
def test_as_many_bytes_count_as_len_says(memory: int, attributes: str, content: bytes) -> None:
    inlined = in_base64(attached(memory, attributes)).decode()
    body = re.search(r"<oneBLOB ([^>]*)>([^<]*)</oneBLOB>", inlined)
    assert body is not None
    assert base64.b64decode(body[2]) == content
    assert re.findall(r'(?:size|format)="[^"]*"', body[1]) == re.findall(r'(?:size|format)="[^"]*"', attributes)
    assert "attached" not in inlined
    assert "len" not in re.findall(r"(\w+)=", body[1])


@pytest.mark.parametrize(
    ("length", "why"),
    [
        ("11", "shorter than 11 bytes"),
        ("-1", "'-1' bytes long; 0 to 1073741824 is allowed"),
        ("abc", "'abc' bytes long"),
        ("\u0663", "bytes long"),
        ("9" * 5000, "bytes long"),
        (str(6 << 30), "bytes long"),
    ],
)
def test_a_length_that_cannot_be_is_refused(memory: int, length: str, why: str) -> None:
    os.ftruncate(memory, 10 if length == "11" else 8 << 30)  # promised only: nothing is written there
    with pytest.raises(ProtocolError, match=re.escape(why)):
        in_base64(attached(memory, f'size="3" format=".bin" len="{length}"'))


def test_what_is_no_file_that_can_be_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"0123456789")
    reading, writing = os.pipe()
    descriptors = {
        "a folder": os.open(tmp_path, os.O_RDONLY),
        "a pipe": reading,
        "a file to be written": os.open(tmp_path / "file", os.O_WRONLY),
    }
    try:
        for what, descriptor in descriptors.items():
            frame = attached(descriptor, 'size="3" format=""')
            with pytest.raises(ProtocolError, match="an attached BLOB"):
                in_base64(frame)
            assert isinstance(frame.attachments, Attachments), what
    finally:
        os.close(writing)
        for descriptor in descriptors.values():
            os.close(descriptor)


def test_long_memory_is_read_piece_by_piece_and_let_go_of(memory: int) -> None:
    content = bytes(range(256)) * (LONG // 256) + b"end"
    os.pwrite(memory, content, 0)
    frame = attached(memory, f'size="{len(content)}" format=".bin"')
    assert isinstance(frame.attachments, Attachments)
    (descriptor,) = frame.attachments.descriptors
    written = frame.attachments.in_base64(frame)
    assert isinstance(written, LongMessage)
    assert frame.attachments.in_base64(frame) is written  # one for all who get it
    pieces = list(written)
    assert len(written) == len(b"".join(pieces))
    assert max(map(len, pieces)) < len(written) / 2
    said = re.search(rb">\n([^<]+)</oneBLOB>", b"".join(pieces))
    assert said is not None
    assert base64.b64decode(said[1]) == content
    # Who shrinks it meanwhile harms nobody else: what was promised comes, as zeros.
    os.ftruncate(memory, 10)
    assert len(b"".join(written)) == len(written)
    del frame, written
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)
