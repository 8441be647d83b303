"""Cutting a stream into messages, however it is split."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import ProtocolError
from core.indi import Framer

MESSAGES = [
    b'<getProperties version="1.7"/>',
    b'<newSwitchVector device="a>b" name=\'x"y\'><oneSwitch name="s">On</oneSwitch></newSwitchVector>',
    b'<setTextVector device="d" name="n"><oneText name="t"><![CDATA[</setTextVector>]]></oneText></setTextVector>',
    b'<setTextVector device="d" name="n"><!-- </setTextVector> --><oneText name="t">x</oneText></setTextVector>',
    b'<enableBLOB device="d">Also</enableBLOB >',
    b'<newTextVector device="a/b" name=\'/\'><oneText name="/>"/></newTextVector>',
]
BETWEEN = [b"", b"\n", b"<?xml version='1.0'?>\n", b"<!-- a comment with <tags> -->", b" \r\n\t"]


def cut(stream: bytes, sizes: list[int]) -> list[bytes]:
    framer = Framer()
    found: list[bytes] = []
    at = 0
    for size in sizes:
        found += framer.feed(stream[at : at + size])
        at += size
    found += framer.feed(stream[at:])
    return found


@given(
    st.lists(st.tuples(st.sampled_from(BETWEEN), st.sampled_from(MESSAGES)), max_size=6),
    st.lists(st.integers(1, 40), max_size=30),
)
def test_any_splitting_gives_the_same_messages(parts: list[tuple[bytes, bytes]], sizes: list[int]) -> None:
    stream = b"".join(between + message for between, message in parts)
    assert cut(stream, sizes) == [message for _, message in parts]


def test_one_byte_at_a_time_costs_a_look_each() -> None:
    framer = Framer()
    message = b'<newTextVector device="d" name="' + b"n" * 200_000 + b'"/>'
    found = [element for at in range(len(message)) for element in framer.feed(message[at : at + 1])]
    assert found == [message]
    assert framer.pending == 0


def test_what_lies_between_messages_is_not_kept() -> None:
    framer = Framer()
    assert list(framer.feed(b"<!-- " + b"x" * 100_000)) == []
    assert framer.pending < 10
    assert list(framer.feed(b" -->" + MESSAGES[0])) == [MESSAGES[0]]


@pytest.mark.parametrize(
    ("stream", "why"),
    [
        (b"rubbish<getProperties/>", "text between messages"),
        (b"<!DOCTYPE x [<!ENTITY a 'b'>]>", "document type"),
        (b"<1x/>", "not the beginning"),
        (b"</end>", "an end without a beginning"),
        (b"<a>" * 40, "levels deep"),
        (b"<![CDATA[x]]>", "CDATA between"),
        (b"<a / >", "cannot end"),
        (b"<a/ b='c'>", "cannot end"),
        (b"<a><b c='d' /e", "cannot end"),
        (b"<a//", "cannot end"),
        (b'<a b="' + b"x" * 2000, "longer than 1000"),
    ],
)
def test_what_is_no_message_is_refused(stream: bytes, why: str) -> None:
    with pytest.raises(ProtocolError, match=why):
        list(Framer(maximum_size=1000).feed(stream))
    dripped = Framer(maximum_size=1000)
    with pytest.raises(ProtocolError, match=why):
        [list(dripped.feed(stream[at : at + 1])) for at in range(len(stream))]


NAME = b"n" * 64
LONG = b"n" * 65


@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.parametrize(
    "stream",
    [
        b"<%s/>" % LONG,
        b"<a %s='1'/>" % LONG,
        b"<a b='1' %s = \"1\">" % LONG,
        b"<a><b c='1'/><%s></%s></a>" % (LONG, LONG),
        b"<a %s/>" % LONG,
        b"<a></%s%s>" % (LONG, b" " * 1000),
    ],
)
def test_names_are_bounded_however_they_come(stream: bytes, size: int) -> None:
    with pytest.raises(ProtocolError, match=r"a name is longer than 64 bytes|end tag without"):
        cut(stream, [size] * (len(stream) // size))


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_what_is_no_name_may_be_long(size: int) -> None:
    message = b"<%s %s='%s' b=\"<%s>\"><!-- <%s> --><![CDATA[<%s]]>%s</%s>" % (NAME, NAME, *[LONG] * 5, NAME)
    assert cut(message, [size] * (len(message) // size)) == [message]
