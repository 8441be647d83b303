"""Runs of like messages and BLOBs in pieces: however a stream is split, the same comes out, and all of it is XML."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from xml.parsers import expat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import ProtocolError
from core.indi import Frame, MessageStream, Run
from core.indi.framing import LONGEST_TAG
from core.indi.message_stream import BlobClosing, BlobOpening, BlobPart, Definitions, Skipped

SET = (
    b'<setNumberVector device="Bench" name="NUM" state="%s" timestamp="2026-11-21T08:00:00.123" message="%s">\n'
    b"    <oneNumber name=\"SEQ\">\n%s\n    </oneNumber>\n    <oneNumber name='VAL'>-1.5</oneNumber>\n"
    b"</setNumberVector>\n"
)
PLAIN = SET % (b"Ok", b"a text", b"000000001")
OTHER = b"<setTextVector name='b'  device='Bench' state='Ok'><oneText name='t'>%s</oneText></setTextVector>"
LINES = b"\n".join([b"QUJD" * 18] * 200) + b"\n"
IMAGE = (
    b'<setBLOBVector device="cam" name="CCD1" state="Ok">\n'
    b'<oneBLOB name="a" size="10800" enclen="14400" format=".fits">\n' + LINES + b"</oneBLOB>\n"
    b'<oneBLOB name="empty" size="0" format=""/>\n'
    b'<oneBLOB name="b" size="10800" format=".fits">' + LINES + b"</oneBLOB>\n</setBLOBVector>"
)


def taken(stream: MessageStream, data: bytes) -> Iterable[bytes]:
    """Yield what comes out, as bytes for others; elements are learnt as a connection does."""
    stream.append(data)
    while (piece := stream.next_piece()) is not None:
        if isinstance(piece, bytes):
            stream.learn(Frame(piece))
            yield piece
        elif isinstance(piece, Frame):
            stream.learn(piece)
            yield piece.raw
        elif isinstance(piece, Definitions):
            yield piece.data
        elif not isinstance(piece, Skipped):
            yield piece.data if isinstance(piece, Run) else piece.raw


IMAGE_OF_MANY = (
    b'<setBLOBVector device="d" name="n"><oneBLOB name="a" size="3" format=".x">QUJD</oneBLOB>%s</setBLOBVector>'
)


def through(stream: bytes, sizes: Iterable[int]) -> bytes:
    cutter = MessageStream()
    found: list[bytes] = []
    at = 0
    for size in sizes:
        found += taken(cutter, stream[at : at + size])
        at += size
    found += taken(cutter, stream[at:])
    assert cutter.pending == 0
    return b"".join(found)


def without_space_between(data: bytes) -> bytes:
    return data.replace(b"\n", b"")


@given(
    st.lists(st.sampled_from([PLAIN, OTHER % b"x", OTHER % b"&lt;]", SET % (b"Busy", b"", b"2"), IMAGE]), max_size=12),
    st.lists(st.integers(1, 9000), max_size=30),
)
def test_any_splitting_gives_the_same_bytes(parts: list[bytes], sizes: list[int]) -> None:
    stream = b"".join(parts)
    assert without_space_between(through(stream, sizes)) == without_space_between(stream)


def learnt() -> MessageStream:
    stream = MessageStream()
    for _ in range(3):
        list(taken(stream, PLAIN))
    return stream


def test_like_messages_come_in_one_run_after_a_few() -> None:
    stream = learnt()
    changed = SET % (b"Busy", "Grüße".encode(), b"2")
    stream.append(PLAIN + changed + PLAIN)
    run = stream.next_piece()
    assert isinstance(run, Run)
    assert run.data == PLAIN + changed + PLAIN
    assert run.skeleton.count(run.data) == 3
    assert run.skeleton.last(run.data) == PLAIN
    assert list(run.skeleton.each(run.data)) == [PLAIN, changed, PLAIN]
    assert run.skeleton.said(run.data) == [b"a text", "Grüße".encode(), b"a text"]
    assert run.skeleton.texts(changed + changed) == [(b"\n2\n    ", b"-1.5")] * 2
    assert run.skeleton.members == ("SEQ", "VAL")


@pytest.mark.parametrize("cut", range(1, len(PLAIN) - 1))
def test_a_torn_message_is_never_part_of_a_run(cut: int) -> None:
    stream = learnt()
    stream.append(PLAIN * 2 + PLAIN[:cut])
    run = stream.next_piece()
    assert isinstance(run, Run)
    assert run.data == PLAIN * 2
    rest = list(taken(stream, b""))
    rest += taken(stream, PLAIN[cut:])
    assert b"".join(rest).strip() == PLAIN.strip()


FORBIDDEN = [b"<b", b"&nope;", b"]]>", b"\x0b", b"\x00", b"\xff", b"\xc3", b"\xef\xbf\xbe", b"\xed\xa0\x80", b"<!-- "]


@pytest.mark.parametrize("text", FORBIDDEN)
@pytest.mark.parametrize("place", ["text", "value"])
def test_what_xml_forbids_never_passes(text: bytes, place: str) -> None:
    stream = learnt()
    found: list[bytes] = []
    bad = SET % ((b"Ok", b"", text) if place == "text" else (b"Ok", text, b"1"))
    if (text, place) == (b"]]>", "value"):
        assert b"".join(taken(stream, bad)) == bad  # XML allows it there
        return
    with contextlib.suppress(ProtocolError):
        found += taken(stream, PLAIN + bad)
    assert b"".join(found).strip() == PLAIN.strip()


@given(st.binary(max_size=40), st.binary(max_size=20))
def test_whatever_comes_out_is_well_formed(text: bytes, value: bytes) -> None:
    stream = learnt()
    found: list[bytes] = []
    with contextlib.suppress(ProtocolError):
        found += taken(stream, PLAIN + (SET % (value, b"", text)) + PLAIN)
    parser = expat.ParserCreate()
    parser.Parse(b"<r>" + b"".join(found) + b"</r>", True)
    assert b"".join(found).startswith(PLAIN.strip())


def test_a_long_blob_comes_in_pieces_and_keeps_its_lines() -> None:
    stream = MessageStream()
    stream.append(IMAGE[:6000])
    opening = stream.next_piece()
    assert isinstance(opening, BlobOpening)
    assert (opening.frame.device, opening.frame.name, opening.frame.verb) == ("cam", "CCD1", "set")
    part = stream.next_piece()
    assert isinstance(part, BlobPart)
    assert opening.raw + part.raw == IMAGE[:6000]
    assert stream.next_piece() is None
    assert stream.missing_end == b"</oneBLOB></setBLOBVector>\n"
    stream.append(IMAGE[6000:] + PLAIN)
    rest = list(iter(stream.next_piece, None))
    assert isinstance(rest[-2], BlobClosing)
    assert rest[-1] == PLAIN.strip()
    assert b"".join(piece.raw for piece in rest if isinstance(piece, (BlobPart, BlobClosing))) == IMAGE[6000:] + b"\n"
    assert stream.missing_end == b""


def test_one_long_line_loses_its_enclen() -> None:
    tag = b'<oneBLOB name="a" size="9000" enclen="12000" format=".x">'
    stream = b'<setBLOBVector device="d" name="n" state="Ok">' + tag + b"QUJD" * 3000 + b"</oneBLOB></setBLOBVector>"
    for sizes in ([], [5000]):
        assert b"enclen" not in through(stream, sizes).replace(tag, b"") or sizes == []
    assert b"enclen" not in through(stream, [5000])


@pytest.mark.parametrize(
    "bad",
    [b"QUJ\x00", b"<!-- x -->", b"&amp;", b"<b/>", b"</setBLOBVector>", b"</oneBLOB>text", b"</oneBLOB><oneText/>"],
)
def test_a_blob_that_is_none_is_refused_half_way(bad: bytes) -> None:
    at = IMAGE.index(b"</oneBLOB>")
    with pytest.raises(ProtocolError, match="BLOB"):
        through(IMAGE[:at] + bad + IMAGE[at:], [5000])


@pytest.mark.parametrize("spaces", [100, LONGEST_TAG - 1, LONGEST_TAG, LONGEST_TAG + 200, 5 * LONGEST_TAG])
@pytest.mark.parametrize(
    ("tag", "rest"),
    [
        (b"<oneBLOB%s>", LINES + b"</oneBLOB></setBLOBVector>"),
        (b"<oneBLOB%s/>", b"<oneBLOB>" + LINES + b"</oneBLOB></setBLOBVector>"),
        (b"</setBLOBVector>", b""),
    ],
)
def test_any_number_of_spaces_may_be_between_the_tags_of_a_long_blob(spaces: int, tag: bytes, rest: bytes) -> None:
    at = IMAGE.index(b"</oneBLOB>") + 10
    longest = tag.replace(b"%s", b" " * (LONGEST_TAG - len(tag) + 2))
    stream = IMAGE[:at] + b" " * spaces + longest + rest
    for sizes in ([6000], [6000, at + spaces - 6100, 100, 50, 4000]):
        assert through(stream + PLAIN, sizes) == stream + b"\n" + PLAIN.strip()


def test_spaces_between_blobs_count_as_their_message_and_not_as_a_blob() -> None:
    stream = MessageStream(maximum_size=20_000)
    list(taken(stream, IMAGE[: IMAGE.index(b"</oneBLOB>") - 8000]))
    with pytest.raises(ProtocolError, match="longer than 20000"):
        list(taken(stream, b"</oneBLOB>" + b" " * 40_000))


@pytest.mark.parametrize("tag", [b"<setBLOBVector%s>", b"<oneBLOB%s/>", b"<oneBLOB%s>"])
def test_a_tag_of_a_blob_vector_has_a_limit(tag: bytes) -> None:
    vector = b"<setBLOBVector><oneBLOB/><oneBLOB></oneBLOB></setBLOBVector>"
    at_limit, beyond = (tag % (b" " * (length - len(tag) + 2)) for length in (LONGEST_TAG, LONGEST_TAG + 1))
    assert Frame(vector.replace(tag % b"", at_limit)).is_blob
    with pytest.raises(ProtocolError, match=f"longer than {LONGEST_TAG}"):
        Frame(vector.replace(tag % b"", beyond))


def test_a_blob_that_hides_in_an_attribute_is_none() -> None:
    with pytest.raises(ProtocolError):
        Frame(b"<setBLOBVector><oneBLOB a='" + b'<oneBLOB "' * 999 + b"'></oneBLOB></setBLOBVector>")


def test_blobs_beyond_the_limit_are_refused() -> None:
    stream = MessageStream(maximum_blob=20_000, maximum_size=1000)
    begin = IMAGE[: IMAGE.index(b"QUJD") + 5000]
    assert len(b"".join(taken(stream, begin))) == len(begin)
    with pytest.raises(ProtocolError, match="longer than 20000"):
        list(taken(stream, b"QUJD" * 20_000))


def test_a_driver_with_ever_new_properties_costs_bounded_memory() -> None:
    stream = MessageStream()
    for number in range(700):
        message = PLAIN.replace(b"NUM", b"N%d" % number)
        for _ in range(3):
            assert list(taken(stream, message))
    for _ in range(4):
        assert b"".join(taken(stream, PLAIN)).strip() == PLAIN.strip()


def test_comments_between_messages_are_skipped_some_at_a_time() -> None:
    stream = learnt()
    stream.append(b" <!-- a - > b --> <?xml version='1.0'?>\n" * 2000 + PLAIN)
    pieces = list(iter(stream.next_piece, None))
    assert 4 <= len(pieces) <= 20
    assert all(isinstance(piece, Skipped) for piece in pieces[:-1])
    assert isinstance(pieces[-1], Run)


@given(st.lists(st.integers(1, 300), max_size=30))
def test_comments_that_are_torn_are_skipped_as_well(sizes: list[int]) -> None:
    data = b" <!-- a - > b -->\n<?xml version='1.0'?>" * 40 + PLAIN
    assert without_space_between(through(data, sizes)) == without_space_between(PLAIN)


@pytest.mark.parametrize(
    "much",
    [
        b"<newTextVector " + b'a="" ' * 65,
        b"<newTextVector>" + b"<a/>" * 10_001,
        b"<newTextVector><oneText>" + b"<!-- -->" * 10_001,
        b"<newTextVector><oneText>" + b"<![CDATA[ ]]>" * 10_001,
        b"<newTextVector><oneText>" + b"<?x?>" * 10_001,
        b"<newTextVector><oneText>" + b"&lt;" * 200_001 + b"</oneText></newTextVector>",
    ],
)
def test_what_would_keep_the_parser_busy_is_refused_before_its_end(much: bytes) -> None:
    stream = MessageStream()
    with pytest.raises(ProtocolError, match="more than"):
        list(taken(stream, much))


def test_a_message_that_came_in_parts_is_a_run_too_and_not_learnt_again() -> None:
    stream = learnt()
    for _ in range(9):
        stream.append(PLAIN + PLAIN[:50])
        assert [type(piece) for piece in iter(stream.next_piece, None)] == [Run]
        stream.append(PLAIN[50:])
        torn = stream.next_piece()
        assert isinstance(torn, Run)
        assert torn.data == PLAIN
        assert stream.next_piece() is None


def test_what_is_a_run_as_a_whole_is_told_at_once_and_nothing_else_is() -> None:
    stream = learnt()
    changed = PLAIN.replace(b"000000001", b"2")
    list(taken(stream, PLAIN))
    assert isinstance(stream.whole_run(changed), Run)
    for data in (
        changed[:-5],
        changed + b"<",
        b" " + changed,
        changed.replace(b"\n2\n", b"\n\xff\n"),
        changed[:50],
        IMAGE,
        b"",
    ):
        assert stream.whole_run(data) is None
    stream.append(changed[:50])
    assert stream.next_piece() is None
    assert stream.whole_run(changed) is None
    assert list(taken(stream, changed[50:])) == [changed]
    assert isinstance(stream.whole_run(changed), Run)
    stream.append(b"<!-- ")
    assert stream.next_piece() is None
    assert stream.whole_run(changed) is None


def expat_reads(data: bytes) -> bool:
    """Return whether expat takes what is given out, under a root of its own, as clients read it."""
    try:
        expat.ParserCreate().Parse(b"<r>" + data + b"</r>", True)
    except expat.ExpatError:
        return False
    return True


@pytest.mark.parametrize("whole", [True, False])
def test_a_vector_has_no_more_blobs_than_a_message_has_elements(whole: bool) -> None:
    cutter = MessageStream()
    stream = IMAGE_OF_MANY % (b"<oneBLOB/>" * 10_000)
    if not whole:
        list(taken(cutter, stream[:6000]))
        stream = stream[6000:]
    with pytest.raises(ProtocolError, match="a message has more than 10000 elements"):
        list(taken(cutter, stream))


@pytest.mark.parametrize(
    "named",
    [
        '<getProperties version="1.7" \u0221="1"/>',
        "<getProperties version='1.7' device='\u00e9' \u0221='1'/>",
        "<a\U00010000/>",
        "<\u00e9/>",
        "<message><a\u0221/></message>",
        '<message xmlns:\u0221="u"/>',
        '<message device="a>b" message="/>" \u0221="1"/>',
        "<message><!-- --><b \u0221='1'/></message>",
        '<setBLOBVector device="d" name="n"><oneBLOB \u0221="1">QUJD</oneBLOB></setBLOBVector>',
    ],
)
def test_names_that_lxml_takes_and_expat_does_not_are_refused(named: str) -> None:
    with pytest.raises(ProtocolError, match=r"not ASCII|not the beginning|namespaces"):
        list(taken(MessageStream(), named.encode()))


@pytest.mark.parametrize(
    "odd",
    [
        "<message device='\u0221' message=\"\u00e9'>\U00010000\"/>",
        "<message>\u00e9 > \u0221 \" '<a>\U00010000</a>\u0221</message>",
        "<message>\u00e9<!-- <\u0221/> --></message>",
        "<message>\u00e9<?\u0221 \u00e9?></message>",
        "<message>\u00e9<![CDATA[<\u0221 \u0221='1'/>]]]]><![CDATA[>&amp;]]></message>",
        "<message a='&#10;&#13;&lt;'>&#13;&#x10000;&gt;<!-- --></message>",
    ],
)
def test_what_is_not_ascii_elsewhere_is_passed_on_and_expat_reads_it(odd: str) -> None:
    (passed,) = taken(MessageStream(), odd.encode())
    assert expat_reads(Frame(passed).for_passing_on())


VECTOR = b'<newBLOBVector device="d" name="n">'
BODY = b'<oneBLOB name="a" size="3" format=".x">' + b"QUJD" * 5000 + b"</oneBLOB>"
EMPTY = b'<oneBLOB name="e" size="0" format=""/>'


def dripped(stream: MessageStream, data: bytes, size: int) -> list[bytes]:
    """Return what comes out of pieces of that size."""
    return [piece for at in range(0, len(data), size) for piece in taken(stream, data[at : at + size])]


def test_a_blob_vector_whose_start_tag_drips_costs_a_look_for_each_byte() -> None:
    stream = MessageStream()
    message = VECTOR[:-2] + b"n" * 200_000 + b'"></newBLOBVector>'
    with pytest.raises(ProtocolError, match="a tag of a BLOB vector is longer than 8192 bytes"):
        dripped(stream, message, 1)


@pytest.mark.parametrize(
    "message",
    [
        VECTOR + EMPTY + BODY + b"</newBLOBVector>",
        VECTOR + b" " * 20_000 + BODY + b"</newBLOBVector>",
    ],
)
@pytest.mark.parametrize("size", [1000, 6000])
def test_a_blob_that_cannot_be_given_out_in_pieces_comes_whole(message: bytes, size: int) -> None:
    stream = MessageStream(maximum_size=25_000)
    assert dripped(stream, message, size) == [message]


@pytest.mark.parametrize("size", [100, 1000, 5000])
@pytest.mark.parametrize(
    "begin",
    [
        b"",
        b"<oneBLOB",
        b"<oneBLOB name='a'",
        b"<oneText>",
        b"<!--",
        EMPTY,
        EMPTY + BODY,
        b"<oneText><oneBLOB>",
        BODY,
    ],
)
def test_only_what_is_in_blobs_is_counted_as_blob(begin: bytes, size: int) -> None:
    stream = MessageStream(maximum_size=25_000)
    message = VECTOR + begin + b" " * 50_000
    with pytest.raises(ProtocolError, match=r"longer than 25000 bytes|other than BLOBs"):
        dripped(stream, message, size)


@pytest.mark.parametrize("size", [1000, 5000])
def test_tags_without_end_behind_a_blob_are_not_counted_as_blob(size: int) -> None:
    with pytest.raises(ProtocolError, match="longer than 25000 bytes"):
        dripped(MessageStream(maximum_size=25_000), VECTOR + BODY + EMPTY * 1000, size)


def test_blobs_that_come_whole_have_a_limit_as_well() -> None:
    stream = MessageStream(maximum_size=1000, maximum_blob=15_000)
    message = VECTOR + EMPTY + BODY * 2
    with pytest.raises(ProtocolError, match="BLOBs of one message are longer than 15000 bytes"):
        dripped(stream, message, 100)
