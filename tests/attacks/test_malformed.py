"""What is not INDI: the culprit is told why, cut off where nothing can be read any more, and named in the log."""

from __future__ import annotations

import os
import re

import pytest

from tests.attacks.arena import Server

pytestmark = pytest.mark.system

TEXT = b'<newTextVector device="climate" name="x"><oneText name="y">%s</oneText></newTextVector>'
SAMPLING = (
    b'<newNumberVector device="climate" name="sampling"><oneNumber name="period">%s</oneNumber></newNumberVector>'
)
BLOB = b'<newBLOBVector device="%s" name="b"><oneBLOB name="x" %s format=".x">%s</oneBLOB></newBLOBVector>'
DEFINITION = b'<defTextVector device="%s" name="x" state="Ok" perm="rw"><defText name="a">b</defText></defTextVector>'
COMMAND = SAMPLING % b"77"
LAUGHS = b"".join(b'<!ENTITY %c "%s">' % (98 + level, (b"&%c;" % (97 + level)) * 10) for level in range(8))
HELLO = bytes.fromhex("16030100a5010000a10303") + bytes(range(160))

CUT_OFF = {
    "invalid UTF-8": (TEXT % b"\xff\xfe", "not well-formed"),
    "overlong UTF-8": (TEXT % b"\xc0\x80", "not well-formed"),
    "UTF-8 of a surrogate": (TEXT % b"\xed\xa0\x80", "not well-formed"),
    "UTF-8 beyond Unicode": (TEXT % b"\xf5\x80\x80\x80", "not well-formed"),
    "UTF-8 torn by a tag": (TEXT % b"\xe2\x82", "not well-formed"),
    "invalid UTF-8 in an attribute": (b'<newTextVector device="\xff" name="x"/>', "not well-formed"),
    "NUL in text": (TEXT % b"a\0b", "not well-formed"),
    "NUL in an attribute": (b'<newTextVector device="a\0b" name="x"/>', "not well-formed"),
    "NUL between messages": (b"\0\0\0", "text between messages"),
    "vertical tab": (TEXT % b"\x0b", "not well-formed"),
    "U+FFFE": (TEXT % "\ufffe".encode(), "not well-formed"),
    "U+FFFF": (TEXT % "\uffff".encode(), "not well-formed"),
    "character reference to NUL": (TEXT % b"&#0;", "not well-formed"),
    "character reference to a surrogate": (TEXT % b"&#xD800;", "not well-formed"),
    "character reference beyond Unicode": (TEXT % b"&#x11FFFFF;", "not well-formed"),
    "character reference without an end": (TEXT % b"&#65", "not well-formed"),
    "entity that is not defined": (TEXT % b"&foo;", "not well-formed"),
    "bare ampersand": (TEXT % b"a & b", "not well-formed"),
    "document type": (
        b'<!DOCTYPE a [<!ENTITY b "c">]><getProperties version="1.7"/>',
        "a document type is not allowed",
    ),
    "document type of elsewhere": (b'<!DOCTYPE a SYSTEM "http://127.0.0.1:9/a.dtd">', "a document type is not allowed"),
    "entity bomb": (b'<!DOCTYPE l [<!ENTITY a "aaaaaaaaaa">' + LAUGHS + b"]>", "a document type is not allowed"),
    "file as an entity": (
        b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]>' + TEXT % b"&b;",
        "a document type is not allowed",
    ),
    "document type inside a message": (TEXT % b"<!DOCTYPE a>", ""),
    "attribute twice": (b'<getProperties version="1.7" version="1.7"/>', "not well-formed"),
    "attribute without quotes": (b"<getProperties version=1.7/>", "not well-formed"),
    "attribute without value": (b"<getProperties version/>", "not well-formed"),
    "slash that ends no tag": (b'<getProperties version="1.7" / >', "a start tag that cannot end"),
    "no space between attributes": (b'<getProperties version="1.7"device="x"/>', "not well-formed"),
    "smaller-than in an attribute": (b'<getProperties version="1<7"/>', "not well-formed"),
    "name that begins with a digit": (b"<1abc/>", "not the beginning of a message"),
    "space before the name": (b"< getProperties/>", "not the beginning of a message"),
    "end of a CDATA section in text": (TEXT % b"]]>", "not well-formed"),
    "declaration inside a message": (TEXT % b'<?xml version="1.0"?>', "not well-formed"),
    "two hyphens in a comment inside": (TEXT % b"<!-- a -- b -->", "not well-formed"),
    "CDATA section between messages": (b"<![CDATA[" + COMMAND + b"]]>", "CDATA between messages"),
    "end tag of another element": (b'<newTextVector device="climate" name="x"></newNumberVector>', "not well-formed"),
    "end tag alone": (b"</newTextVector>", ""),
    "end tags crossed": (b'<newTextVector device="d" name="x"><a><b></a></b></newTextVector>', "not well-formed"),
    "prefix that is not declared": (b"<y:foo/>", "not well-formed"),
    "ten thousand levels": (b"<a>" * 10_000, "nested more than"),
    "forty levels of members": (
        b'<newTextVector device="climate" name="x">' + b'<oneText name="a">' * 40,
        "nested more than",
    ),
    "ten thousand attributes": (
        b"<newTextVector " + b" ".join(b'a%d="1"' % number for number in range(10_000)) + b"/>",
        "more than 64 attributes",
    ),
    "HTTP": (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "text between messages"),
    "TLS": (HELLO, "text between messages"),
    "SSH": (b"SSH-2.0-OpenSSH_9.2\r\n", "text between messages"),
    "UTF-16": ('<getProperties version="1.7"/>'.encode("utf-16"), "text between messages"),
    "UTF-32": ('<getProperties version="1.7"/>'.encode("utf-32-le"), ""),
    "Latin-1 as declared": (b'<?xml version="1.0" encoding="latin-1"?>' + TEXT % b"\xe9", "not well-formed"),
    "random bytes": (b"\x80" + os.urandom(20_000), "text between messages"),
    "BLOB attached to nothing": (BLOB % (b"heart", b'size="3" len="3" attached="true"', b""), "attached and is not"),
    "BLOB that is no base64": (BLOB % (b"heart", b'size="3"', b"!!!!"), "not base64"),
    "BLOB with a comment inside": (BLOB % (b"heart", b'size="3"', b"QU<!-- -->JD"), ""),
    "BLOB with an element inside": (BLOB % (b"heart", b'size="3"', b"QU<a/>JD"), ""),
}
"""What cannot be resynchronised, and what is said of it."""

GOES_ON = {
    "comment with a command": b"<!-- " + COMMAND + b" -->",
    "comment with an end of a message": b"<!-- /> </newNumberVector> -->",
    "CDATA with a command": TEXT % (b"<![CDATA[</oneText></newTextVector>" + COMMAND + b"]]>"),
    "command as text": TEXT % COMMAND.replace(b"<", b"&lt;"),
    "command in an attribute": b"<getProperties version='1.7' device='>" + COMMAND.replace(b"<", b"&lt;") + b"'/>",
    "processing instruction with a command": b"<?foo " + COMMAND + b"?>",
    "processing instruction inside": TEXT % b"<?foo bar?>",
    "comment inside a command": b"<newNumberVector device='climate' name='sampling'><!-- "
    + COMMAND
    + b" --></newNumberVector>",
    "command inside a command": b"<newTextVector device='climate' name='x'>" + COMMAND + b"</newTextVector>",
    "greater-than in an attribute": b'<getProperties version="1>7" device="none"/>',
    "spaces in an end tag": b'<getProperties version="1.7" device="none"></getProperties   \n\n >',
    "declarations between messages": b"<?xml version='1.0'?>" * 100,
    "encoding that is not so": b'<?xml version="1.0" encoding="UTF-16"?><getProperties version="1.7" device="none"/>',
    "tags that nobody knows": b"<foo/>" * 1000,
    "vector of a kind that is none": b'<newFooVector device="climate" name="x"/>',
    "prefix that is declared": b'<x:newTextVector xmlns:x="u" device="climate" name="x"/>',
    "namespace": b'<newTextVector xmlns="u" device="climate" name="x"/>',
    "no device": b"<newTextVector/>",
    "empty names": b'<newTextVector device="" name=""/>',
    "device that is not there": b'<newTextVector device="nobody" name="x"/>',
    "property that is not there": TEXT % b"",
    "member that is not there": SAMPLING.replace(b'"period"', b'"nothing"') % b"1",
    "member twice": SAMPLING.replace(b"</newNumber", b'<oneNumber name="period">9</oneNumber></newNumber') % b"8",
    "member without a name": SAMPLING.replace(b' name="period"', b"") % b"8",
    "text for a number": SAMPLING.replace(b"oneNumber", b"oneText") % b"8",
    "text vector for a number vector": SAMPLING.replace(b"newNumberVector", b"newTextVector") % b"8",
    "number beyond its range": SAMPLING % b"1e300",
    "number of 100,000 digits": SAMPLING % (b"9" * 100_000),
    "number with a large exponent": SAMPLING % b"1e999999999",
    "number that is none": SAMPLING % b"nan",
    "number that is infinite": SAMPLING % b"-inf",
    "number that is empty": SAMPLING % b"",
    "number that is text": SAMPLING % b"__import__('os')",
    "number in other digits": SAMPLING % "٣".encode(),
    "sexagesimal number without end": SAMPLING % (b"1:" * 10_000),
    "switch that is no switch": b'<newSwitchVector device="climate" name="CONNECTION"><oneSwitch name="CONNECT">Maybe'
    b"</oneSwitch></newSwitchVector>",
    "permission that is none": b'<enableBLOB device="climate">Perhaps</enableBLOB>',
    "ping without a name": b"<pingRequest/>",
    "ping with markup": b'<pingRequest uid="&quot;/&gt;&lt;foo"/>',
    "BLOB of no size": BLOB % (b"heart", b'size="abc"', b"QUJD"),
    "BLOB of a negative size": BLOB % (b"climate", b'size="-5"', b"QUJD"),
    "BLOB of a false length": BLOB % (b"heart", b'size="3" enclen="999999999999"', b"QUJD"),
    "definition by a client": DEFINITION % b"heart",
    "definition of a new device by a client": DEFINITION % b"ghost",
    "beat by a client": b'<setNumberVector device="heart" name="beat" state="Ok"><oneNumber name="number">1</oneNumber>'
    b"</setNumberVector>",
    "deletion by a client": b'<delProperty device="heart"/><delProperty device="climate"/>',
    "message by a client": b'<message device="heart" message="forged"/>',
    "ping reply that nobody asked for": b'<pingReply uid="x"/>',
}
"""What is refused or left alone, and what comes behind it is carried out."""


@pytest.mark.parametrize("pieces", [0, 7], ids=["whole", "in pieces"])
@pytest.mark.parametrize("name", CUT_OFF)
def test_who_cannot_be_read_is_told_why_and_cut_off(server: Server, name: str, pieces: int) -> None:
    stream, reason = CUT_OFF[name]
    with server.client(b"") as client:
        # Only the beginning drips: what comes behind the mistake is read by nobody.
        drip = stream[: 2000 if pieces else 0]
        if client.drip(drip, pieces or 1):
            client.send(stream[len(drip) :] + b"\n")
        said = client.until_closed().decode()
        culprit = re.escape(client.name)
    server.says(f"{culprit} is disconnected: .*{reason}")
    # What is thrown at a closed connection resets it, and takes the last words along.
    assert "disconnected: " in said or len(stream) > 1000


@pytest.mark.parametrize("pieces", [0, 7], ids=["whole", "in pieces"])
@pytest.mark.parametrize("name", GOES_ON)
def test_what_is_only_wrong_costs_nothing_but_itself(server: Server, name: str, pieces: int) -> None:
    with server.client(b"") as client:
        drip = GOES_ON[name][: 2000 if pieces else 0]
        client.drip(drip, pieces or 1)
        client.send(GOES_ON[name][len(drip) :])
        assert client.is_served()
        client.send(b'<getProperties version="1.7" device="climate" name="sampling"/>')
        assert client.until(rb'<defNumber name="period"[^>]*>\s*([^<\s]*)').group(1) == b"1"
