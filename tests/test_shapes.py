"""Messages of a known shape: found at once, and never anything that lxml would refuse."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.indi import Frame, MessageStream
from core.indi import shapes as shapes_module
from core.indi.message_stream import Definitions
from core.indi.proof import prove
from core.indi.shapes import MAXIMUM_SHAPES, Shapes

DEFINITION = (
    b'<defNumberVector device="scope" name="where" label="Where it looks" group="Main" state=\'Idle\' perm="rw">\n'
    b'  <defNumber name="ra" label="RA &gt;" format="%10.6m" min="0" max="24" step="0">\n12.5\n  </defNumber>\n'
    b'  <defNumber name="dec" label="Dec" format="%10.6m" min="-90" max="90" step="0">45</defNumber>\n'
    b"</defNumberVector>"
)
PLAIN = DEFINITION.replace(b"&gt;", b">")
SET = b'<setSwitchVector device="scope" name="track" state="Ok"><oneSwitch name="on">On</oneSwitch></setSwitchVector>'


def knowing(*messages: bytes) -> Shapes:
    shapes = Shapes()
    for message in messages:
        shapes.learn(Frame(message))
    return shapes


def test_a_message_of_the_shape_is_found_with_other_values_and_where_it_ends() -> None:
    shapes = knowing(PLAIN)
    other = (
        PLAIN.replace(b"12.5", b"-1e9")
        .replace(b"scope", b"dome")
        .replace(b'"where"', b'"x"')
        .replace(b"RA", "Ü".encode())
    )
    assert shapes.find(b"  " + other + SET, 2) == (2 + len(other), "defNumberVector", "dome", "x")


@pytest.mark.parametrize(
    "broken",
    [
        PLAIN.replace(b"12.5", b"<b/>"),
        PLAIN.replace(b"12.5", b"1 & 2"),
        PLAIN.replace(b"12.5", b"]]>"),
        PLAIN.replace(b"12.5", b"\x0b"),
        PLAIN.replace(b"12.5", b"\xff"),
        PLAIN.replace(b"12.5", b"\xef\xbf\xbf"),
        PLAIN.replace(b"12.5", b"<!-- -->"),
        PLAIN.replace(b'label="Dec"', b'label="D<c"'),
        PLAIN.replace(b'label="Dec"', b'label="D\x01c"'),
        PLAIN.replace(b'label="Dec"', b'name="Dec"'),
        PLAIN.replace(b'label="Dec"', b"label=>Dec<"),
        PLAIN.replace(b'label="Dec"', b'label="Dec'),
        PLAIN.replace(b'label="Dec"', b"label=\"Dec'"),
        PLAIN.replace(b">45<", b'"45"'),
        PLAIN.replace(b' label="Dec"', b'label="Dec"'),
        PLAIN.replace(b"</defNumber>\n</", b"</defText>\n</"),
    ],
)
def test_what_does_not_fit_goes_the_complete_way(broken: bytes) -> None:
    assert knowing(PLAIN).find(broken, 0) is None


@pytest.mark.parametrize("unfit", [DEFINITION, PLAIN.replace(b"Dec", b"D\tc"), PLAIN.replace(b"45", b"<![CDATA[45]]>")])
def test_messages_with_references_control_characters_or_sections_are_not_learnt(unfit: bytes) -> None:
    assert knowing(unfit).find(unfit, 0) is None


PIECES = [
    b'"',
    b"'",
    b"<",
    b">",
    b"&",
    b"]]>",
    b"=",
    b"/",
    b" ",
    b"\t",
    b"a",
    b"\x00",
    b"<a>",
    b"</a>",
    b'b="1"',
    b"\xc3",
]


@settings(max_examples=400)
@given(st.data())
def test_what_is_found_lxml_takes_as_well(data: st.DataObject) -> None:
    shapes = knowing(PLAIN, SET)
    message = bytearray(data.draw(st.sampled_from([PLAIN, SET])))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(message)))
        message[at : at + data.draw(st.integers(0, 8))] = data.draw(st.sampled_from(PIECES))
    found = shapes.find(bytes(message), 0)
    if found is not None:
        end, *names = found
        element = prove(bytes(message[:end]))
        assert [element.tag, element.get("device"), element.get("name")] == names
        assert [child.tag for child in element] in (["defNumber"] * 2, ["oneSwitch"])


@given(st.lists(st.integers(1, 60), max_size=20))
def test_a_stream_gives_the_same_however_it_is_split(cuts: list[int]) -> None:
    shapes = knowing(PLAIN)
    messages = [PLAIN.replace(b"12.5", b"%d" % number) for number in range(6)]
    data = b"\n".join(messages)
    stream = MessageStream(shapes=shapes)
    seen = []
    at = 0
    for cut in [*cuts, len(data)]:
        stream.append(data[at : at + cut])
        at += cut
        while (piece := stream.next_piece()) is not None:
            if isinstance(piece, Definitions):
                seen += [frame.raw for frame in piece.frames()]
                assert piece.data == b"\n".join(frame.raw for frame in piece.frames()) + b"\n"
            else:
                assert isinstance(piece, bytes | Frame)
                seen.append(piece.raw if isinstance(piece, Frame) else piece)
    assert seen == messages


def test_of_endless_shapes_a_bounded_number_is_kept() -> None:
    shapes = Shapes()
    for number in range(MAXIMUM_SHAPES + 2):
        shapes.learn(Frame(SET.replace(b"state=", b'a%d="" state=' % number)))
    assert shapes.find(SET.replace(b"state=", b'a0="" state='), 0) is None
    assert shapes.find(SET.replace(b"state=", b'a%d="" state=' % (MAXIMUM_SHAPES + 1)), 0) is not None


STAMPED = PLAIN.replace(b' perm="rw"', b' perm="rw" timestamp="2026-11-21T15:00:00.000"')


@pytest.mark.parametrize(
    ("other", "found"),
    [
        (STAMPED, True),
        (STAMPED.replace(b"15:00:00.000", b"9:00"), True),
        (STAMPED.replace(b"12.5", b"13.5"), True),
        (STAMPED.replace(b"15:00:00.000", b'" a="'), False),
        (STAMPED.replace(b"15:00:00.000", b"<"), False),
        (STAMPED.replace(b"15:00:00.000", b"&"), False),
        (STAMPED.replace(b"</defNumberVector>", b"</defNumberVecto>"), False),
        (STAMPED[:-1], False),
    ],
)
def test_a_definition_is_the_same_but_for_its_time(other: bytes, found: bool) -> None:
    shapes = knowing(STAMPED)
    assert shapes.find(STAMPED, 0) is not None  # from now on it is compared
    names = ("defNumberVector", "scope", "where")
    assert shapes.find(other + b"<next", 0) == ((len(other), *names) if found else None)


class CountedHoles:
    """Be the expression that takes a message apart, and count the bytes."""

    def __init__(self, holes: re.Pattern[bytes]) -> None:
        self._holes = holes
        self.bytes = 0

    def split(self, raw: bytes) -> list[bytes | None]:
        self.bytes += len(raw)
        return self._holes.split(raw)


@pytest.mark.parametrize("end", [b"/>", b' a=">"/>', b" / >", b"></defTextVector >", b"><!-- --></defTextVector >"])
def test_nothing_behind_a_message_is_taken_apart(end: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    holes = CountedHoles(shapes_module._HOLE)
    monkeypatch.setattr(shapes_module, "_HOLE", holes)
    heads = [b'<defTextVector device="x" name="y%d"' % number for number in range(500)]
    data = b"".join(head + end for head in heads) + heads[0] + b"></defTextVector>"
    shapes = Shapes()
    for head in heads:
        assert shapes.find(data, data.index(head + end)) is None
    assert holes.bytes <= len(data)
