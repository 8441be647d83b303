"""Skeletons by all of their ways, the quick one, that of a form and the complete one: nothing else than lxml reads."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from core.indi import Frame, MessageStream, Run
from core.indi.character_set import BASE64, PLAIN, CharacterSet
from core.indi.skeletons import MOST_MISSES, Skeleton
from tests.fuzz.targets import framing

SET = (
    b'<setNumberVector device="CCD 1" name="NUM" state="Ok" timestamp="2026-11-21T08:00:00.123" message="a text">\n'
    b'    <oneNumber name="S1">\n%s\n    </oneNumber>\n    <oneNumber name="VAL">-1.5</oneNumber>\n'
    b"</setNumberVector>\n"
)
MESSAGE = SET % b"000000001"
RUN = b"".join(SET % (b"%09d" % number) for number in range(40))


def pieces(stream: MessageStream, data: bytes) -> list[bytes | Run]:
    found: list[bytes | Run] = []
    stream.append(data)
    while (piece := stream.next_piece()) is not None:
        assert isinstance(piece, bytes | Run | Frame)
        if not isinstance(piece, Run):
            raw = piece.raw if isinstance(piece, Frame) else piece
            stream.learn(Frame(raw))
            piece = raw
        found.append(piece)
    return found


def learnt() -> Skeleton:
    stream = MessageStream()
    *_, last = pieces(stream, MESSAGE * 3 + RUN)
    assert isinstance(last, Run)
    return last.skeleton


def taken(skeleton: Skeleton, data: bytes) -> bytes:
    """Return all runs from the beginning on."""
    at = 0
    while run := skeleton.run_at(data, at):
        at += len(run)
    return data[:at]


@pytest.mark.parametrize("form", [False, True])
@pytest.mark.parametrize("cut", range(1, len(MESSAGE)))
def test_a_torn_message_ends_the_run(cut: int, *, form: bool) -> None:
    skeleton = learnt()
    before = RUN if form else MESSAGE + SET % b"1"
    assert taken(skeleton, before) == before
    run = taken(skeleton, before + MESSAGE[:cut])
    assert run.strip() == (before + MESSAGE).strip() if cut == len(MESSAGE) - 1 else run == before


FOREIGN = {
    "a command in an attribute": (b'message="a text"', b'message="<oneNumber name="'),
    "a tag in an attribute": (b'message="a text"', b'message="</setNumberVector>"'),
    "the first member in an attribute": (b'state="Ok"', b'state="<oneNumber name="S1">"'),
    "a lesser sign in an attribute": (b'"Ok"', b'"O<"'),
    "a reference in an attribute": (b'"a text"', b'"&quot;"'),
    "an unknown reference": (b"-1.5", b"&x;"),
    "a reference to no character": (b"-1.5", b"&#0;"),
    "the end of a section": (b"-1.5", b"]]>"),
    "a vertical tab": (b"-1.5", b"\x0b"),
    "a vertical tab in an attribute": (b"a text", b"\x0b"),
    "a NUL": (b"-1.5", b"\0"),
    "a NUL in an attribute": (b"a text", b"\0"),
    "no UTF-8": (b"-1.5", b"\xff"),
    "no UTF-8 in an attribute": (b"a text", b"\xff"),
    "no character": (b"-1.5", b"\xef\xbf\xbe"),
    "a comment": (b"-1.5", b"<!---->"),
    "another device": (b"CCD 1", b"CCD 2"),
    "another member": (b"S1", b"S2"),
    "another order": (b'"VAL"', b'"S1"'),
    "another tag": (b"</oneNumber>\n</set", b"</oneSwitch>\n</set"),
}


@pytest.mark.parametrize("place", ["first", "second", "middle", "last"])
@pytest.mark.parametrize("what", FOREIGN)
def test_what_does_not_fit_is_no_part_of_a_run(what: str, place: str) -> None:
    old, new = FOREIGN[what]
    foreign = MESSAGE.replace(old, new)
    assert foreign != MESSAGE
    before = {"first": 0, "second": 1, "middle": 20, "last": 40}[place] * MESSAGE
    run = taken(learnt(), before + foreign + (40 * MESSAGE)[len(before) :])
    assert run == before


def test_letters_of_all_kinds_come_in_runs_too() -> None:
    skeleton = learnt()
    run = SET % "é".encode() + SET % b"1"
    for _ in range(MOST_MISSES + 2):
        assert taken(skeleton, run) == run
    assert taken(skeleton, run + RUN) == run + RUN


def test_messages_before_one_that_is_not_proper_are_a_run() -> None:
    skeleton = learnt()
    good = SET % "é".encode()
    assert taken(skeleton, good * 5 + SET % b"\xc3" + good) == good * 5


def test_widths_may_change_at_any_time() -> None:
    skeleton = learnt()
    run = b"".join(SET % (b"%d" % number) for number in range(85, 120))
    assert taken(skeleton, run) == run
    assert taken(skeleton, run + RUN) == run + RUN
    assert taken(skeleton, RUN) == RUN


def test_what_a_run_says_to_people_is_one_line() -> None:
    skeleton = learnt()
    run = skeleton.run_at(MESSAGE.replace(b"a text", b"two\nlines"), 0)
    assert run
    assert skeleton.said(run) == [b"two lines"]


@given(
    st.integers(0, len(MESSAGE) - 1),
    st.binary(max_size=3),
    st.integers(0, 3),
    st.integers(0, 40),
    st.sampled_from([63, 255]),
)
@example(position=MESSAGE.index(b'Ok"'), put=b"<", gone=0, number=18, size=255)
@settings(deadline=None, max_examples=40)
def test_a_message_that_is_spoilt_in_the_middle_of_a_run(
    position: int, put: bytes, gone: int, number: int, size: int
) -> None:
    spoilt = MESSAGE[:position] + put + MESSAGE[position + gone :]
    framing(bytes([size]) + MESSAGE * 3 + RUN[: number * len(MESSAGE)] + spoilt + RUN[: 4 * len(MESSAGE)])


@given(st.binary(), st.sampled_from([BASE64, PLAIN]))
@example(b"QUJD\0QUJD", BASE64)
@example(b"QUJD" * 1000 + b"\0", BASE64)
@example(b"", PLAIN)
def test_a_set_covers_what_is_of_its_characters_alone(data: bytes, characters: CharacterSet) -> None:
    allowed = characters._characters
    assert characters.covers(data) == all(byte in allowed for byte in data)
    assert characters.covers(data.translate(None, bytes(set(range(256)) - set(allowed))))


def test_no_set_has_nul() -> None:
    with pytest.raises(ValueError, match="NUL"):
        CharacterSet(b"a\0b")
