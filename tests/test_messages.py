"""Messages from bytes and to bytes."""

from __future__ import annotations

import base64
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import NotUnderstood, ProtocolError
from core.indi import (
    DelProperty,
    Element,
    EnableBlob,
    Frame,
    GetProperties,
    Message,
    Notice,
    PingReply,
    PingRequest,
    VectorMessage,
    decode,
    encode,
)
from core.indi.blobs import LINES_AT_ONCE, decode_base64, encode_base64, written_length
from core.indi.messages import LONGEST_UID

# What XML can carry, without the white space that a parser may normalise and INDI trims.
plain = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"), min_size=1).filter(
    lambda text: text == text.strip()
)


@given(plain, plain, plain, plain)
def test_a_vector_comes_back_equal(device: str, name: str, member: str, text: str) -> None:
    said = VectorMessage("set", "Text", device, name, {"state": "Ok", "message": text}, [Element(member, text)])
    raw = encode(said)
    assert decode(raw) == said
    expat = ET.fromstring(raw)  # noqa: S314 - our own words
    assert expat[0].text == text
    assert expat.attrib["device"] == device


@pytest.mark.parametrize(
    "message",
    [
        GetProperties("d", "n", "1.7"),
        GetProperties(),
        EnableBlob("d", None, "Also"),
        Notice('say "it" & <go>', "d", "2026-01-01T00:00:00"),
        DelProperty("d", "n"),
        PingRequest("SetBLOB/1"),
        PingReply("x"),
    ],
)
def test_the_others_come_back_equal(message: Message) -> None:
    assert decode(encode(message)) == message


@pytest.mark.parametrize("tag", ["pingRequest", "pingReply"])
def test_the_uid_of_a_ping_has_a_limit(tag: str) -> None:
    raw = f"<{tag} uid='{{}}'/>"
    assert decode(raw.format('"' * LONGEST_UID).encode()) in (
        PingRequest('"' * LONGEST_UID),
        PingReply('"' * LONGEST_UID),
    )
    with pytest.raises(NotUnderstood, match="more than 1024"):
        decode(raw.format('"' * (LONGEST_UID + 1)).encode())


def test_forbidden_characters_become_replacements() -> None:
    raw = encode(Notice("a\x00b\x0bc\ud800d\ufffe"))
    assert decode(raw) == Notice("a\ufffdb\ufffdc\ufffdd\ufffd")


def test_white_space_around_a_value_is_no_part_of_it() -> None:
    raw = b'<newNumberVector device="d" name="n">\n <oneNumber name="x">\n  5\n </oneNumber>\n</newNumberVector>'
    said = decode(raw)
    assert isinstance(said, VectorMessage)
    assert said.elements == [Element("x", "5")]


def test_a_comment_inside_is_no_command() -> None:
    raw = b'<newSwitchVector device="d" name="n"><!--<oneSwitch name="a">On</oneSwitch>--></newSwitchVector>'
    said = decode(raw)
    assert isinstance(said, VectorMessage)
    assert said.elements == []


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b'<newTextVector device="d" name="n"><oneText name="a">&x;</oneText></newTextVector>', "not well-formed"),
        (b'<newTextVector device="d" device="e" name="n"/>', "not well-formed"),
        (b"<newTextVector name='n'/>", "without device"),
        (b"<newTextVector device='d'/>", "without name"),
        (b"<newTextVector device='d' name='n'><oneNumber name='a'>1</oneNumber></newTextVector>", "plain oneText"),
        (b"<newTextVector device='d' name='n'><oneText name='a'><b/></oneText></newTextVector>", "plain oneText"),
        (b"<enableBLOB device='d'>Sometimes</enableBLOB>", "Never, Also, Only"),
        (b"<html/>", "no INDI message"),
        (b"<a>\xff</a>", "not well-formed"),
        (b"<pingRequest/>", "without uid"),
    ],
)
def test_what_is_none_is_refused(raw: bytes, why: str) -> None:
    with pytest.raises(ProtocolError, match=why):
        decode(raw)


@given(st.binary(max_size=500))
def test_base64_comes_back_in_lines_of_72(data: bytes) -> None:
    text = encode_base64(data)
    assert all(len(line) <= 72 for line in text.split(b"\n"))
    assert decode_base64(text) == data
    assert decode_base64(text.replace(b"\n", b"")) == data


@pytest.mark.parametrize("size", [LINES_AT_ONCE * 54 + more for more in (-1, 0, 1, 54, LINES_AT_ONCE * 54 + 55)])
def test_thousands_of_lines_are_broken_as_few_are(size: int) -> None:
    data = bytes(range(251)) * (size // 251) + bytes(size % 251)
    text = encode_base64(data)
    pieces = (base64.b64encode(data[at : at + 54]) + b"\n" for at in range(0, size, 54))
    assert text == b"".join(pieces)
    assert len(text) == written_length(size)


def test_what_is_no_base64_is_refused() -> None:
    with pytest.raises(ProtocolError, match="base64"):
        decode_base64("a$b=")


def test_what_is_too_long_when_it_is_written_anew_is_refused_before() -> None:
    begin, end = b'<newTextVector device="d" name="n"><!-- --><oneText name="a">', b"</oneText></newTextVector>"
    text = b">" * (5 << 20)
    with pytest.raises(ProtocolError, match="longer than 16777216 bytes when it is written anew"):
        Frame(begin + text + end)
    assert len(Frame(begin.replace(b"<!-- -->", b"") + text + end).raw) < 6 << 20
    assert len(Frame(begin + b">" * (3 << 20) + end).raw) > 12 << 20
