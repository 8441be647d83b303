"""The client's stream of messages and BLOBs, however it is split."""

from __future__ import annotations

import asyncio
import base64
import itertools
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.client.content import BlobContent
from core.client.errors import BlobLost
from core.client.mailbox import Mailbox
from core.client.scanner import BlobBegin, BlobEnd, BlobPiece, Item, StreamScanner
from core.errors import ProtocolError
from core.indi import VectorMessage

STREAM = (
    b"<?xml version='1.0'?><!-- <setBLOBVector device='no' name='no'> -->\n<message message='a > b'/>"
    b"<setBLOBVector device='c' name='i' state='Ok' message='x > y'>\n <oneBLOB name='a' size='3' format='.z>'>\nQU\nJD"
    b"\n</oneBLOB >\n<oneBLOB name=\"b\" size='0' format=''/></setBLOBVector>\n"
    b"<setBLOBVector device='c' name='j' state='Busy'/><message message='s'/><newBLOBVector device='c' name='k'>"
    b"<oneBLOB name='d' size='1' format=''>QQ==</oneBLOB></newBLOBVector><delProperty device='c'/>"
)


def flat(items: list[Item]) -> list[object]:
    """Return the items with the pieces of each BLOB put together."""
    result: list[object] = []
    text = b""
    for item in items:
        match item:
            case BlobPiece(piece):
                text += piece
            case BlobBegin(vector, element):
                result.append(("begin", vector.tag, vector.name, element.name, element.attributes["size"]))
                text = b""
            case BlobEnd():
                result.append(("end", text.split()))
            case VectorMessage():
                result.append((item.tag, item.name, [element.name for element in item.elements]))
            case bytes():
                result.append(item)
    return result


WHOLE = [
    b"<message message='a > b'/>",
    ("begin", "setBLOBVector", "i", "a", "3"),
    ("end", [b"QU", b"JD"]),
    ("begin", "setBLOBVector", "i", "b", "0"),
    ("end", []),
    ("setBLOBVector", "i", ["a", "b"]),
    ("setBLOBVector", "j", []),
    b"<message message='s'/>",
    ("begin", "newBLOBVector", "k", "d", "1"),
    ("end", [b"QQ=="]),
    ("newBLOBVector", "k", ["d"]),
    b"<delProperty device='c'/>",
]


@given(cuts=st.lists(st.integers(0, len(STREAM)), max_size=12))
def test_any_splitting_gives_the_same(cuts: list[int]) -> None:
    places = sorted({0, len(STREAM), *cuts})
    scanner = StreamScanner()
    items = [item for start, end in itertools.pairwise(places) for item in scanner.feed(STREAM[start:end])]
    assert flat(items) == WHOLE


def test_byte_by_byte_gives_the_same() -> None:
    scanner = StreamScanner()
    assert flat([item for at in range(len(STREAM)) for item in scanner.feed(STREAM[at : at + 1])]) == WHOLE


def test_a_large_blob_is_held_nowhere() -> None:
    scanner = StreamScanner()
    list(scanner.feed(b"<setBLOBVector device='c' name='i'><oneBLOB name='a' size='9' format=''>"))
    for _ in range(100):
        assert [type(item) for item in scanner.feed(b"A" * 65536)] == [BlobPiece]
    assert sum(len(value) for value in vars(scanner).values() if isinstance(value, (bytes, bytearray))) < 100


@pytest.mark.parametrize(
    "stream",
    [
        b"<setBLOBVector device='c' name='i'>text<oneBLOB",
        b"<setBLOBVector device='c' name='i'><oneText name='a'>",
        b"<setBLOBVector device='c' name='i'><oneBLOB name='a'><b/>",
        b"<setBLOBVector device='c' name='i'></newBLOBVector>",
        b"<setBLOBVector name='i'>",
        b"<setBLOBVector device='c' name='i' x='" + bytes(1 << 17),
        b"HTTP/1.0 200 OK",
    ],
)
def test_what_is_no_stream_is_refused(stream: bytes) -> None:
    with pytest.raises(ProtocolError):
        list(StreamScanner().feed(stream))


def decoded(text: bytes, step: int, maximum: int = 1 << 30, **attributes: str) -> bytes:
    content = BlobContent(attributes, maximum)
    data = b"".join(piece for at in range(0, len(text), step) for piece in content.feed(text[at : at + step]))
    content.finish()
    return data


@given(data=st.binary(max_size=300), step=st.integers(1, 50), width=st.sampled_from([4, 72, 1000]))
def test_base64_in_pieces(data: bytes, step: int, width: int) -> None:
    line = base64.b64encode(data)
    text = b"\n".join(line[at : at + width] for at in range(0, len(line), width))
    assert decoded(text, step, size=str(len(data)), format=".bin") == data


@pytest.mark.parametrize("step", [1, 100, 10_000])
def test_compressed_content_is_inflated(step: int) -> None:
    data = b"SIMPLE" + bytes(5_000_000) + b"END"
    text = base64.b64encode(zlib.compress(data))
    assert decoded(text, step, size=str(len(data)), format=".fits.z") == data


def test_content_ends_where_len_says() -> None:
    # indiserver 1.9.9 sends zeros behind it.
    text = base64.b64encode(b"fpacked" + bytes(100))
    assert decoded(text, 10, size="5000", len="7", format=".fits.fz") == b"fpacked"


@pytest.mark.parametrize(
    ("text", "attributes", "why"),
    [
        (b"QUJD", {"size": "4"}, "3 bytes, and 4 were announced"),
        (b"QUJDQUJD", {"size": "4"}, "more than 4 bytes"),
        (b"QUJ", {"size": "3"}, "middle of a group"),
        (b"QQ==QQ==", {"size": "2"}, "base64"),
        (b"Q!JD", {"size": "3"}, "not base64"),
        (b"QUJD", {"size": "2000"}, "1000 are allowed"),
        (b"QUJD" * 500, {}, "more than 1000"),
        (base64.b64encode(b"no zlib at all"), {"size": "5", "format": ".z"}, "damaged"),
        (base64.b64encode(zlib.compress(bytes(900)))[:8], {"size": "900", "format": ".z"}, "announced|cut off"),
        (base64.b64encode(zlib.compress(bytes(900))), {"size": "899", "format": ".z"}, "more than 899"),
        (base64.b64encode(zlib.compress(bytes(1 << 24))), {"format": ".z"}, "more than 1000"),
    ],
)
def test_damaged_content_is_noticed(text: bytes, attributes: dict[str, str], why: str) -> None:
    with pytest.raises(BlobLost, match=why):
        decoded(text, 4, maximum=1000, **attributes)


async def _all(mailbox: Mailbox[int]) -> list[int]:
    taken = []
    while True:
        try:
            taken.append(await mailbox.take())
        except StopAsyncIteration:
            return taken


def test_a_mailbox_drops_the_oldest_and_keeps_the_newest() -> None:
    async def main() -> None:
        mailbox: Mailbox[int] = Mailbox(100, 5)
        for number in range(10):
            mailbox.put(number, 30)
        mailbox.end()
        assert await _all(mailbox) == [7, 8, 9]
        assert mailbox.dropped == 7
        large: Mailbox[int] = Mailbox(100, 5)
        large.put(1, 30)
        large.put(2, 1000)
        large.end()
        assert await _all(large) == [2]

    asyncio.run(main())
