"""What lxml is given leaves nothing behind."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from lxml import etree

from core.errors import ProtocolError
from core.indi.proof import FORGETS_AFTER, prove, write

MEBI = 1 << 20
BLANKS = bytes.maketrans(b"01", b" \n")


def memory() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def long_name(number: int) -> bytes:
    return b"n%d" % number + b"x" * 49_000


def blanks(number: int) -> bytes:
    """Return a message with a thousand texts of spaces and line feeds, each another one."""
    texts = (b"<b>%s</b>" % format(number * 1000 + at, "058b").encode().translate(BLANKS) for at in range(1000))
    return b"<a>" + b"".join(texts) + b"</a>"


@pytest.mark.parametrize(
    ("make", "count"),
    [
        pytest.param(lambda number: b"<%s/>" % long_name(number), 2_000, id="tag"),
        pytest.param(lambda number: b"<a %s='1'/>" % long_name(number), 2_000, id="attribute"),
        pytest.param(lambda number: b"<a xmlns='%s'/>" % long_name(number), 2_000, id="namespace"),
        pytest.param(lambda number: b"<a xmlns:%s='u'/>" % long_name(number), 2_000, id="prefix"),
        pytest.param(lambda number: b"<a><?%s x?></a>" % long_name(number), 2_000, id="instruction"),
        pytest.param(lambda number: b"<a>&%s;</a>" % long_name(number), 2_000, id="entity"),
        pytest.param(lambda number: b"<a></%s>" % long_name(number), 2_000, id="end tag"),
        pytest.param(blanks, 500, id="blanks"),
    ],
)
def test_names_are_not_kept_for_ever(make: Callable[[int], bytes], count: int) -> None:
    prove(b"<a/>")
    before = memory()
    for number in range(count):
        with contextlib.suppress(ProtocolError):
            prove(make(number))
    assert memory() - before < 20 * MEBI


def prove_much() -> None:
    """Let lxml forget its names at least once."""
    filling = b"<a b='%s'/>" % (b"x" * MEBI)
    for _ in range(FORGETS_AFTER // MEBI + 1):
        prove(filling)


def test_what_has_been_proven_keeps_its_names() -> None:
    elements = []
    for number in range(5):
        elements.append(prove(b"<r><t%d a%d='1'>x</t%d>y</r>" % (number, number, number)))
        prove_much()
    for number, element in enumerate(elements):
        assert write(element) == b'<r><t%d a%d="1">x</t%d>y</r>' % (number, number, number)
        assert element[0].get(f"a{number}") == "1"
    together = etree.Element("together")
    together.extend(elements)
    assert [child[0].tag for child in together] == [f"t{number}" for number in range(5)]


def test_every_thread_forgets_its_own() -> None:
    found = []

    def work() -> None:
        first = prove(b"<first/>")
        prove_much()
        found.append((first, prove(b"<second/>")))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    prove_much()
    for thread in threads:
        thread.join()
    assert [(first.tag, second.tag) for first, second in found] == [("first", "second")] * 3


def test_the_default_parser_of_somebody_else_stays() -> None:
    own = etree.XMLParser(remove_comments=True)
    etree.set_default_parser(own)
    try:
        prove_much()
        assert etree.get_default_parser() is own
    finally:
        etree.set_default_parser()
