"""Two clients, a driver behind a connection and a device of this process, which say anything to each other."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Iterator
from typing import Any
from xml.parsers import expat

from core import (
    Blob,
    BlobVector,
    Connection,
    Device,
    Number,
    NumberVector,
    Router,
    Switch,
    SwitchVector,
    Text,
    TextVector,
)
from core.plumbing import DeviceDriver
from core.testing import VirtualClock
from tests.memory_channel import Memory

VECTOR = b'<%sVector device="%s" name="%s"%s><%s name="%s">%s</%s></%sVector>'


def vector(verb: bytes, kind: bytes, device: bytes, name: bytes, member: bytes, text: bytes) -> bytes:
    """Return a vector of one member."""
    one = (b"def" if verb == b"def" else b"one") + kind
    more = {b"def": b' state="Ok" perm="rw"', b"set": b' state="Ok"', b"new": b""}[verb]
    return VECTOR % (verb + kind, device, name, more, one, member, text, one, verb + kind)


SAID = (
    b'<getProperties version="1.7"/>',
    b'<getProperties version="1.7" device="own"/>',
    b'<getProperties version="1.7" device="far" name="p"/>',
    b'<getProperties version="9" device="*"/>',
    b"<enableBLOB>Also</enableBLOB>",
    b'<enableBLOB device="far">Only</enableBLOB>',
    b'<enableBLOB device="far" name="b">Never</enableBLOB>',
    vector(b"def", b"Text", b"far", b"p", b"a", b"v"),
    vector(b"set", b"Text", b"far", b"p", b"a", b"w"),
    vector(b"set", b"Text", b"far", b"p", b"a", b"w") * 5,
    vector(b"new", b"Text", b"far", b"p", b"a", b"x"),
    vector(b"def", b"Number", b"own", b"level", b"x", b"1"),
    vector(b"set", b"Number", b"own", b"level", b"x", b"1"),
    vector(b"new", b"Number", b"own", b"level", b"x", b"2"),
    vector(b"new", b"Number", b"own", b"level", b"x", b"1e99"),
    vector(b"new", b"Number", b"own", b"level", b"x", b"12:30") * 3,
    vector(b"new", b"Text", b"own", b"words", b"t", b"&lt;&amp;&gt;]]&gt;"),
    vector(b"new", b"Text", b"own", b"words", b"t", b"<![CDATA[<a>]]>"),
    vector(b"new", b"Switch", b"own", b"power", b"on", b"On"),
    vector(b"new", b"Switch", b"own", b"power", b"on", b"Perhaps"),
    vector(b"new", b"BLOB", b"own", b"image", b"i", b"QUJD").replace(b' name="i"', b' name="i" size="3" format=".x"'),
    vector(b"set", b"BLOB", b"far", b"b", b"i", b"QUJD").replace(b' name="i"', b' name="i" size="3" format=".x"'),
    vector(b"set", b"BLOB", b"far", b"b", b"i", b"QUJD\n" * 1200)[:5000],
    b"</oneBLOB></setBLOBVector>",
    b'<delProperty device="far"/>',
    b'<delProperty device="far" name="p"/>',
    b'<delProperty device="own"/>',
    b'<message device="far" message="hello"/>',
    b'<message message="a &lt; b"/>',
    b'<pingRequest uid="&quot;1&quot;"/>',
    b'<pingReply uid="1"/>',
    b"<!-- <a> -->",
    b"<?xml version='1.0'?>",
    b"<foo><bar/></foo>",
    b"<foo",
    b">",
    b"\xff",
    b"\n",
)


class Own(Device):
    """Be a device whose handlers take their time."""

    level = NumberVector("Level", perm="rw", members={"x": Number(0.0, min=0, max=100)})
    words = TextVector("Words", perm="rw", members={"t": Text("")})
    power = SwitchVector("Power", perm="rw", rule="AnyOfMany", members={"on": Switch()})
    image = BlobVector("Image", perm="rw", members={"i": Blob()})

    @level.on_new
    async def take_level(self, new: dict[str, float]) -> None:
        """Wait."""
        await self.delay(0.1)

    @words.on_new
    async def take_words(self, new: dict[str, str]) -> None:
        """Say it back."""
        self.words.update(t=new["t"], message=new["t"])


class Peer:
    """Be one end of a conversation, and read what comes there as one document."""

    def __init__(self, router: Router, role: Any) -> None:
        self.memory = Memory()
        self.connection = Connection(router, self.memory, role, role=role)
        self._parser = expat.ParserCreate()
        self._parser.Parse(b"<stream>", False)

    def say(self, data: bytes) -> None:
        """Send bytes, unless the connection is closed or is not read."""
        if not self.connection.closed and not self.memory.paused:
            self.connection.feed(data)

    def hear(self) -> None:
        """Read what has come; raise expat.ExpatError where it is not well-formed."""
        sent, self.memory.sent = self.memory.sent, b""
        if sent:
            self._parser.Parse(sent, False)


class Failures(logging.Handler):
    """Keep the exceptions that are logged."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[BaseException] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Take one."""
        if record.exc_info and record.exc_info[1] is not None:
            self.found.append(record.exc_info[1])


def words_in(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Yield who does what, and the bytes that are said, if any."""
    numbers = iter(data)
    for number in numbers:
        who, what = number % 3, number // 3 % 8
        if what < 5:
            yield who, 0, SAID[next(numbers, 0) % len(SAID)]
        elif what == 5:
            yield who, 0, bytes(itertools.islice(numbers, next(numbers, 0) % 64))
        else:
            yield who, what, b""


async def talk(data: bytes) -> None:
    """Let everybody say what `data` is."""
    failed: list[BaseException] = []
    asyncio.get_running_loop().set_exception_handler(
        lambda _, context: failed.append(context.get("exception") or RuntimeError(context["message"]))
    )
    router = Router()
    driver = DeviceDriver(Own("own"), router)
    router.add(driver)
    driver.begin()
    roles = ("client", "client", "driver")
    peers = [Peer(router, role) for role in roles]
    try:
        for who, what, said in words_in(data):
            peer = peers[who]
            if what == 6 and peer.connection.closed:
                peers[who] = Peer(router, roles[who])
            elif what == 6:
                peer.connection.close()
            elif what == 7:
                peer.memory.pending = 0 if peer.memory.pending else 5 << 20
                peer.memory.progressed()
                await asyncio.sleep(0.2)
            else:
                peer.say(said)
            await asyncio.sleep(0)
            for one in peers:
                one.hear()
        await asyncio.sleep(1)
        for peer in peers:
            peer.hear()
            peer.connection.close()
            peer.hear()
    finally:
        await driver.close()
    if failed:
        raise failed[0]


def converse(data: bytes) -> None:
    """No exception comes of what anybody says, and what leaves towards each is well-formed XML."""
    failures = Failures()
    logger = logging.getLogger("core")
    propagates, level = logger.propagate, logger.level
    logger.addHandler(failures)
    logger.propagate = False
    try:
        VirtualClock().run(talk(data))
    finally:
        logger.removeHandler(failures)
        logger.propagate = propagates
        logger.setLevel(level)
    if failures.found:
        raise failures.found[0]
