"""Who gets what: clients, drivers behind connections, devices of this process that snoop, the server above."""

from __future__ import annotations

import asyncio
import base64
import itertools
import os
import re
from collections.abc import Awaitable, Callable

import pytest

from core import BlobValue, BlobVector, Connection, Device, NumberVector, Router, TextVector
from core.indi import Frame
from core.plumbing import DeviceDriver, PeerLimits
from core.plumbing.connection import Role
from core.snooped import Snooped
from core.testing import VirtualClock
from tests.memory_channel import Memory

ASK = b'<getProperties version="1.7"/>'
DEFINE = (
    b'<defTextVector device="scope" name="where" state="Ok" perm="rw"><defText name="a">x</defText></defTextVector>'
)
SET = b"<setTextVector state='Ok' name=\"where\"   device='scope'><oneText name='a'>y</oneText></setTextVector>"
NEW = b'<newTextVector device="scope" name="where"><oneText name="a">z</oneText></newTextVector>'
IMAGE = b'<setBLOBVector device="scope" name="image" state="Ok"><oneBLOB name="i" %s>%s</oneBLOB></setBLOBVector>'
BLOB = IMAGE % (b'size="3" format=".bin"', b"YWJj")


class Own(Device):
    """A device of this process that snoops."""

    level = NumberVector("Level", perm="rw", members={"x": 1})

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.news: list[Snooped] = []
        self.takes = 0.0
        self.blocks: Callable[[], object] = lambda: None

    async def on_snoop(self, news: Snooped) -> None:
        self.news.append(news)
        self.blocks()
        if self.takes:
            await self.delay(self.takes)


class Hub:
    """A router with a device of this process."""

    def __init__(self) -> None:
        self.router = Router()
        self.own = Own("own")
        self.driver = DeviceDriver(self.own, self.router)
        self.router.add(self.driver)
        self.driver.begin()

    def peer(
        self, role: Role = "client", ask: bytes = ASK, *, remote: bool = False, limits: PeerLimits | None = None
    ) -> tuple[Connection, Memory]:
        memory = Memory()
        name = f"{role} {len(self.router.peers)}"
        connection = Connection(self.router, memory, name, role=role, remote=remote, limits=limits)
        if role == "client":
            connection.feed(ask)
        if remote:
            self.router.blob_wishes.introduce(connection)
        memory.taken()
        return connection, memory


def with_hub(clock: VirtualClock, work: Callable[[Hub], Awaitable[None]]) -> None:
    async def main() -> None:
        hub = Hub()
        try:
            await work(hub)
        finally:
            await hub.driver.close()

    clock.run(main())


def test_what_a_driver_says_is_passed_on_as_it_came(clock: VirtualClock) -> None:
    async def work(hub: Hub) -> None:
        driver, _ = hub.peer("driver")
        client, seen = hub.peer()
        driver.feed(b"<?xml version='1.0'?>\n<!-- hello -->" + DEFINE + b"\n" + SET)
        assert seen.taken().encode() == DEFINE + b"\n" + SET + b"\n"
        assert client.closed is False

    with_hub(clock, work)


def test_a_command_reaches_the_driver_of_the_device_and_is_shown_to_other_clients(clock: VirtualClock) -> None:
    async def work(hub: Hub) -> None:
        driver, told = hub.peer("driver")
        driver.feed(DEFINE)
        sender, sent = hub.peer()
        _, seen = hub.peer()
        sender.feed(NEW)
        assert told.taken().encode().strip().endswith(NEW)
        assert sent.taken() == ""
        assert seen.taken().encode() == NEW + b"\n"

    with_hub(clock, work)


class Ring(Memory):
    """The way from a server to itself: what it asks there comes back as a client's question."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0
        self.there: Connection | None = None

    def send(self, data: bytes, attachments: object = None) -> None:
        for _ in range(data.count(b"<getProperties")):
            self.asked += 1
            if self.there is not None and self.asked < 1000:
                asyncio.get_running_loop().call_soon(self.there.feed, ASK)


def test_a_question_does_not_race_round_a_ring_of_servers(clock: VirtualClock) -> None:
    async def work(hub: Hub) -> None:
        ring = Ring()
        Connection(hub.router, ring, "ourselves", role="driver", remote=True)
        ring.there, _ = hub.peer(ask=b"")
        _, other = hub.peer("driver", remote=True)
        hub.peer()
        assert ring.asked == 1
        await asyncio.sleep(10)
        assert ring.asked <= 12
        # Who is new is answered at once all the same.
        other.taken()
        hub.peer()
        assert other.taken().encode().strip() == ASK
        ring.there = None
        await asyncio.sleep(3)
        assert ring.asked <= 14

    with_hub(clock, work)


def test_what_a_peer_asks_again_servers_behind_us_are_asked_once_more(clock: VirtualClock) -> None:
    async def work(hub: Hub) -> None:
        _, server = hub.peer("driver", remote=True)
        _, child = hub.peer("driver")
        client, _ = hub.peer(ask=b"")
        client.feed(ASK * 3)
        assert (server.taken().count("<get"), child.taken().count("<get")) == (1, 3)
        await asyncio.sleep(1.5)
        assert server.taken().encode().strip() == ASK
        await asyncio.sleep(3)
        assert server.taken() == ""

    with_hub(clock, work)


LONG_NEW = b'<newBLOBVector device="%s" name="file"><oneBLOB name="a" format=".bin" size="30000" enclen="1">\n'


def test_a_long_new_blob_is_decoded_while_it_arrives(clock: VirtualClock, caplog: pytest.LogCaptureFixture) -> None:
    content = os.urandom(30_000)
    lines = base64.encodebytes(content)
    another = b'</oneBLOB><oneBLOB name="c" format=".c" size="0"/>%s</newBLOBVector>'
    two = b'<oneBLOB name="b" format=".b" size="10">' + base64.b64encode(content[:10]) + b"</oneBLOB>"

    async def work(hub: Hub) -> None:
        vector = hub.own.define(BlobVector("File", name="file", perm="wo", members=dict.fromkeys("abc", BlobValue())))
        hub.own.closed_because = None
        client, told = hub.peer()
        _, shown = hub.peer()
        client.feed(LONG_NEW % b"own")
        for at in range(0, len(lines), 1111):
            client.feed(lines[at : at + 1111])
        assert len(content) - 3 <= client.held < len(lines)
        client.feed(another % two)
        assert vector.values == {
            "a": BlobValue(content, ".bin"),
            "b": BlobValue(content[:10], ".b"),
            "c": BlobValue(b"", ".c"),
        }
        echo = shown.taken().encode()
        bodies = re.findall(rb"<oneBLOB[^>]*>([^<]*)</oneBLOB>", echo)
        assert [base64.b64decode(body) for body in bodies] == [content, b"", content[:10]]
        assert b'enclen="40000"' in echo
        # What is no base64, or goes on behind its end, is refused and told to the sender.
        for torn in (lines[:-2], lines + b"QQ==QUJD", lines[:-3] + b"=" + lines[-2:]):
            told.taken()
            client.feed(LONG_NEW % b"own" + torn + b"</oneBLOB></newBLOBVector>")
            await asyncio.sleep(0)
            assert "not base64" in told.taken()
        assert vector["a"].data == content
        assert client.held == client.interest.named_bytes

    with_hub(clock, work)


def test_a_long_new_blob_goes_on_as_it_came_when_it_is_whole(clock: VirtualClock) -> None:
    raw = LONG_NEW % b"scope" + base64.encodebytes(bytes(30_000)) + b"</oneBLOB></newBLOBVector>"

    async def work(hub: Hub) -> None:
        driver, told = hub.peer("driver")
        driver.feed(DEFINE)
        client, _ = hub.peer()
        _, shown = hub.peer()
        told.taken()
        for at in range(0, len(raw), 5000):
            assert told.sent == shown.sent == b""
            client.feed(raw[at : at + 5000])
        assert told.taken().encode() == shown.taken().encode() == raw + b"\n"

    with_hub(clock, work)


def test_the_end_of_a_driver_deletes_its_devices_everywhere(clock: VirtualClock) -> None:
    async def work(hub: Hub) -> None:
        driver, _ = hub.peer("driver")
        driver.feed(DEFINE)
        hub.own.snoop("scope")
        _, seen = hub.peer()
        driver.close()
        assert seen.taken() == '<delProperty device="scope"/>\n'
        assert hub.router.owners == {}

    with_hub(clock, work)


def test_a_device_belongs_to_the_driver_that_defined_it_first(
    clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    async def work(hub: Hub) -> None:
        first, _ = hub.peer("driver")
        second, _ = hub.peer("driver")
        first.feed(DEFINE)
        _, seen = hub.peer()
        second.feed(SET + DEFINE + DEFINE.replace(b"scope", b"own"))
        assert seen.taken() == ""
        assert hub.router.owners == {"scope": first}

    with_hub(clock, work)
    assert "which belongs to driver 0" in caplog.text
    assert "which is a device of this process" in caplog.text


def test_what_a_client_may_not_say_goes_nowhere(clock: VirtualClock) -> None:
    async def work(hub: Hub) -> None:
        driver, told = hub.peer("driver")
        driver.feed(DEFINE)
        told.taken()
        forger, _ = hub.peer()
        _, seen = hub.peer()
        told.taken()
        forger.feed(
            SET + DEFINE + b'<delProperty device="scope"/><message device="own" message="x"/><message message="y"/>'
        )
        forger.feed(SET.replace(b"scope", b"own").replace(b"where", b"level"))
        assert (seen.taken(), told.taken()) == ("", "")

    with_hub(clock, work)


def test_a_chained_server_relays_foreign_devices_to_those_who_snoop_them(clock: VirtualClock) -> None:
    async def work(hub: Hub) -> None:
        driver, told = hub.peer("driver")
        driver.feed(b'<getProperties version="1.7" device="scope"/>')
        hub.own.snoop("scope", "where")
        chained, _ = hub.peer()
        _, seen = hub.peer()
        told.taken()
        chained.feed(SET)
        assert told.taken().encode() == SET + b"\n"
        assert [(news.kind, news.values) for news in hub.own.news] == [("changed", {"a": "y"})]
        assert seen.taken() == ""

    with_hub(clock, work)


def test_drivers_snoop_each_other_in_process_and_behind_connections(clock: VirtualClock) -> None:
    async def work(hub: Hub) -> None:
        driver, told = hub.peer("driver")
        told.taken()
        # The external one asks for the device of this process: definitions at once, then every change.
        driver.feed(b'<getProperties version="1.7" device="own" name="level"/>')
        assert "<defNumberVector" in told.taken()
        hub.own.level.update(x=5)
        assert ">5<" in told.taken()
        # The device of this process snoops the external one, before that is known and after.
        hub.own.snoop("scope")
        assert '<getProperties device="scope"' in told.taken()
        driver.feed(
            DEFINE + SET + b'<message device="scope" message="hello"/>' + b'<delProperty device="scope" name="where"/>'
        )
        assert [(news.kind, news.name, news.values, news.message) for news in hub.own.news] == [
            ("defined", "where", {"a": "x"}, None),
            ("changed", "where", {"a": "y"}, None),
            ("message", None, {}, "hello"),
            ("deleted", "where", {}, None),
        ]

    with_hub(clock, work)


def test_two_devices_of_this_process_snoop_each_other(clock: VirtualClock) -> None:
    class Other(Device):
        """Another device."""

        text = TextVector("Text", members={"t": "first"})

    async def work(hub: Hub) -> None:
        other = DeviceDriver(device := Other("other"), hub.router)
        hub.router.add(other)
        hub.own.snoop("other", "text")
        device.text.update(t="second")
        hub.router.remove(other)
        assert [(news.kind, news.values) for news in hub.own.news] == [
            ("defined", {"t": "first"}),
            ("changed", {"t": "second"}),
            ("deleted", {}),
        ]
        await other.close()

    with_hub(clock, work)


def test_a_slow_snooper_gets_the_newest(clock: VirtualClock) -> None:
    async def work(hub: Hub) -> None:
        driver, _ = hub.peer("driver")
        hub.own.snoop("scope")
        hub.own.takes = 1.0
        driver.feed(DEFINE)
        for value in range(100):
            driver.feed(SET.replace(b">y<", f">{value}<".encode()))
        await asyncio.sleep(5)
        assert [dict(news.values) for news in hub.own.news] == [{"a": "x"}, {"a": "99"}]

    with_hub(clock, work)


def test_blobs_go_to_those_who_asked_for_them(clock: VirtualClock) -> None:
    async def work(hub: Hub) -> None:
        driver, _ = hub.peer("driver")
        driver.feed(DEFINE)
        never, silent = hub.peer()
        also, heard = hub.peer()
        only, blobs = hub.peer()
        also.feed(b'<enableBLOB device="scope">Also</enableBLOB>')
        only.feed(b'<enableBLOB device="scope" name="image">Only</enableBLOB>')
        never.feed(b'<enableBLOB device="other">Also</enableBLOB>')
        driver.feed(BLOB + SET)
        assert silent.taken().encode() == SET + b"\n"
        assert heard.taken().encode() == BLOB + b"\n" + SET + b"\n"
        assert blobs.taken().encode() == BLOB + b"\n" + SET + b"\n"
        only.feed(b'<enableBLOB device="scope">Only</enableBLOB>')
        driver.feed(BLOB + SET)
        assert blobs.taken().encode() == BLOB + b"\n"

    with_hub(clock, work)


def test_a_snooper_that_blocks_leaves_everybody_else_a_turn_after_each(clock: VirtualClock) -> None:
    async def work(hub: Hub) -> None:
        driver, _ = hub.peer("driver")
        hub.own.snoop("scope")
        driver.feed(DEFINE)
        hub.own.news.clear()
        hub.own.blocks = lambda: clock.skip_to(clock.now() + 50_000_000)
        heard = [0]
        driver.feed(b"".join(SET.replace(b"device", b"message='%d' device" % number, 1) for number in range(20)))
        for _ in range(60):
            heard.append(len(hub.own.news))
            await asyncio.sleep(0)
        assert [news.message for news in hub.own.news] == [str(number) for number in range(20)]
        assert max(after - before for before, after in itertools.pairwise(heard)) == 1

    with_hub(clock, work)


def test_blobs_are_snooped_only_when_asked_for(clock: VirtualClock) -> None:
    async def work(hub: Hub) -> None:
        driver, _ = hub.peer("driver")
        external, told = hub.peer("driver")
        external.feed(b'<getProperties version="1.7" device="scope"/>')
        hub.own.snoop("scope")
        driver.feed(DEFINE + BLOB)
        assert "BLOB" not in told.taken()
        assert [news.kind for news in hub.own.news] == ["defined"]
        external.feed(b'<enableBLOB device="scope">Also</enableBLOB>')
        hub.own.snoop("scope", "image", blobs=True)
        driver.feed(BLOB)
        assert "YWJj" in told.taken()
        assert hub.own.news[-1].values["i"].data == b"abc"
        content = os.urandom(30_000)
        long = IMAGE % (b'size="30000" format=".bin"', base64.b64encode(content))
        for at in range(0, len(long), 9000):
            driver.feed(long[at : at + 9000])
        assert hub.own.news[-1].values["i"].data == content

    with_hub(clock, work)


@pytest.mark.parametrize(
    "named",
    [
        (
            b'<setBLOBVector xmlns="u" device="scope" name="image" state="Ok"><oneBLOB name="i" size="3" format=".bin">'
            b"QUJD</oneBLOB></setBLOBVector>"
        ),
        (
            b'<setTextVector xmlns:q="u" device="scope" name="where" state="Ok"><oneText name="a">1</oneText>'
            b"</setTextVector>"
        ),
        (
            b'<setTextVector xml:lang="en" device="scope" name="where" state="Ok"><oneText name="a">1</oneText>'
            b"</setTextVector>"
        ),
    ],
)
def test_what_has_namespaces_goes_to_nobody_and_costs_nothing_else(clock: VirtualClock, named: bytes) -> None:
    async def work(hub: Hub) -> None:
        driver, _ = hub.peer("driver")
        driver.feed(DEFINE)
        _, seen = hub.peer()
        driver.feed(named + SET)
        assert seen.taken().encode() == SET + b"\n"

    with_hub(clock, work)


def test_one_long_message_after_another_leaves_everybody_else_a_turn(clock: VirtualClock) -> None:
    async def work(hub: Hub) -> None:
        driver, told = hub.peer("driver")
        driver.feed(DEFINE)
        clients = [hub.peer()[0] for _ in range(5)]
        told.taken()
        element = b"<oneText name='a' %s/>" % b" ".join(b"a%d=''" % number for number in range(60))
        long = b'<newTextVector device="scope" name="where">' + element * 1000 + b"</newTextVector>"
        for client in clients:
            client.feed(long[:-10])
        for client in clients:
            client.feed(long[-10:])
        seen = [told.sent.count(b"</newTextVector>")]
        for _ in range(30):
            await asyncio.sleep(0.0005)
            seen.append(told.sent.count(b"</newTextVector>"))
        assert max(after - before for before, after in itertools.pairwise([0, *seen])) == 1
        assert seen[-1] == 5

    with_hub(clock, work)


@pytest.mark.parametrize("sizes", [[], [700]])
def test_what_looks_like_enclen_within_a_value_stays(clock: VirtualClock, sizes: list[int]) -> None:
    async def work(hub: Hub) -> None:
        driver, _ = hub.peer("driver")
        driver.feed(DEFINE)
        client, seen = hub.peer()
        client.feed(b"<enableBLOB>Also</enableBLOB>")
        image = IMAGE % (b"size='75' label=\" enclen='\" enclen = '9' format='.f' about=\" enclen='1' \"", b"A" * 1000)
        for part in (image[: sizes[0]], image[sizes[0] :]) if sizes else (image,):
            driver.feed(part)
        assert seen.taken().encode() == image.replace(b" enclen = '9'", b"") + b"\n"

    with_hub(clock, work)


def test_one_line_base64_loses_its_enclen_and_lines_keep_it(clock: VirtualClock) -> None:
    async def work(hub: Hub) -> None:
        driver, _ = hub.peer("driver")
        driver.feed(DEFINE)
        client, seen = hub.peer()
        client.feed(b"<enableBLOB>Also</enableBLOB>")
        text = base64.b64encode(os.urandom(300))
        attributes = b'size="300" enclen="400" format=".bin"'
        driver.feed(IMAGE % (attributes, text))
        assert seen.taken().encode() == IMAGE % (attributes.replace(b' enclen="400"', b""), text) + b"\n"
        lines = b"\n".join(text[at : at + 72] for at in range(0, 400, 72))
        driver.feed(IMAGE % (attributes, lines))
        assert seen.taken().encode() == IMAGE % (attributes, lines) + b"\n"

    with_hub(clock, work)


@pytest.mark.parametrize(
    "body",
    [b"YW&Jj", b"YW<!-- -->Jj", b"<b/>", b"YW]]>", b"YW\x00Jj", b"\xc3\xa4"],
    ids=["&", "comment", "tag", "]]>", "NUL", "ä"],
)
def test_a_body_that_is_no_base64_is_refused(clock: VirtualClock, body: bytes) -> None:
    async def work(hub: Hub) -> None:
        driver, memory = hub.peer("driver")
        driver.feed(DEFINE + BLOB.replace(b"YWJj", body))
        assert memory.closed

    with_hub(clock, work)


def test_a_question_reaches_drivers_in_a_version_that_they_know_and_without_what_they_do_not(
    clock: VirtualClock,
) -> None:
    async def work(hub: Hub) -> None:
        _, told = hub.peer("driver")
        client, _ = hub.peer(ask=b"<!-- -->")
        for question in (b'<getProperties version="9.9" x="%s"/>' % (b"y" * 99999), b"<getProperties/>"):
            client.feed(question)
            assert told.taken() == '<getProperties version="1.7"/>\n'

    with_hub(clock, work)


def test_a_question_goes_to_the_driver_that_may_know(clock: VirtualClock) -> None:
    async def work(hub: Hub) -> None:
        first, told_first = hub.peer("driver")
        _, told_second = hub.peer("driver")
        first.feed(DEFINE)
        client, _ = hub.peer(ask=b"<!-- -->")
        for question, to_first, to_second in (
            (b'<getProperties device="scope" version="1.7"/>', True, False),
            (b'<getProperties device="unknown" version="1.7"/>', True, True),
            (b'<getProperties version="1.7"/>', True, True),
        ):
            told_first.taken()
            told_second.taken()
            client.feed(question)
            assert (question.decode() in told_first.taken(), question.decode() in told_second.taken()) == (
                to_first,
                to_second,
            )

    with_hub(clock, work)


def test_a_first_question_that_names_a_device_narrows_the_connection(clock: VirtualClock) -> None:
    async def work(hub: Hub) -> None:
        driver, _ = hub.peer("driver")
        client, seen = hub.peer(ask=b'<getProperties version="1.7" device="own"/>')
        client.feed(ASK)
        seen.taken()
        driver.feed(DEFINE)
        assert seen.taken() == ""
        hub.own.level.update(x=2)
        assert ">2<" in seen.taken()

    with_hub(clock, work)


def test_a_ping_is_answered_behind_what_was_queued_before(clock: VirtualClock) -> None:
    async def work(hub: Hub) -> None:
        driver, told = hub.peer("driver")
        client, seen = hub.peer()
        driver.feed(DEFINE + b'<pingRequest uid="SetBLOB/1"/>')
        assert told.taken().endswith('<pingReply uid="SetBLOB/1"/>\n')
        client.feed(NEW + b'<pingRequest uid="2"/>')
        assert seen.taken().endswith('<pingReply uid="2"/>\n')

    with_hub(clock, work)


def test_what_a_port_does_not_show_is_not_there(clock: VirtualClock) -> None:
    async def work(hub: Hub) -> None:
        driver, _ = hub.peer("driver")
        driver.feed(DEFINE)
        memory = Memory()
        narrow = Connection(hub.router, memory, "narrow", only=("own",))
        narrow.feed(ASK)
        assert "scope" not in memory.taken()
        driver.feed(SET)
        assert memory.taken() == ""
        narrow.feed(b'<newTextVector device="moon" name="x"/>')
        assert "there is own" in memory.taken()

    with_hub(clock, work)


def test_a_frame_says_what_its_start_tag_says() -> None:
    frame = Frame(BLOB)
    assert (frame.tag, frame.verb, frame.device, frame.name, frame.is_blob) == (
        "setBLOBVector",
        "set",
        "scope",
        "image",
        True,
    )
    assert Frame(b"<message/>").verb == ""


@pytest.mark.parametrize(
    "odd", [b"<foo/>", b"<enableBLOB>Maybe</enableBLOB>", b"<newTextVector device='own'/>", b"<newThing device='own'/>"]
)
def test_what_is_well_formed_and_not_understood_costs_only_itself(clock: VirtualClock, odd: bytes) -> None:
    async def work(hub: Hub) -> None:
        client, seen = hub.peer()
        server, _ = hub.peer("server")
        client.feed(odd + b'<pingRequest uid="1"/>')
        server.feed(odd)
        assert (client.closed, server.closed) == (False, False)
        assert '<pingReply uid="1"/>' in seen.taken()

    with_hub(clock, work)


def test_many_unknown_tags_are_a_few_lines_of_the_log_and_no_forgeries(
    clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    async def work(hub: Hub) -> None:
        client, seen = hub.peer()
        for number in range(1000):
            client.feed(b"<t%d%s/>" % (number, b"x" * 50))
        assert seen.taken().count("is no INDI message") == 1000

    with_hub(clock, work)
    lines = [record.getMessage() for record in caplog.records if record.name == "core.connection"]
    assert len(lines) == 10
    cut = "t0" + "x" * 38
    assert lines[0] == f"client 0 sent what is not understood; refused (1 times): <{cut}> is no INDI message"
    assert all(len(line) < 200 and "driver" not in line for line in lines)


def test_what_only_a_driver_may_say_is_a_forgery(clock: VirtualClock, caplog: pytest.LogCaptureFixture) -> None:
    async def work(hub: Hub) -> None:
        client, _ = hub.peer()
        client.feed(b'<message device="own" message="x"/><message message="x"/>')

    with_hub(clock, work)
    lines = [record.getMessage() for record in caplog.records if record.name == "core.connection"]
    assert lines == [
        "client 0 sent message of 'own', as only its driver may; refused (1 times)",
        "client 0 sent message, as only its driver may; refused (1 times)",
    ]


def test_a_flood_of_questions_lets_others_have_their_turn_and_waits_for_its_reader(clock: VirtualClock) -> None:
    async def work(hub: Hub) -> None:
        client, seen = hub.peer()
        other, answered = hub.peer()
        client.feed(ASK * 5_000)
        paused = [seen.paused]
        other.feed(b'<pingRequest uid="1"/>')
        assert "pingReply" in answered.taken()
        seen.pending = 2 << 20  # it does not read
        await asyncio.sleep(1)
        assert client.outbox.pending < 4 << 20
        answers = seen.taken().count("<defNumberVector")
        while paused[-1]:
            seen.pending = 0
            seen.progressed()
            answers += seen.taken().count("<defNumberVector")
            await asyncio.sleep(0.1)
            paused.append(seen.paused)
        seen.progressed()
        assert answers + seen.taken().count("<defNumberVector") == 5_000

    with_hub(clock, work)


def test_more_names_than_anybody_needs_end_the_connection(clock: VirtualClock) -> None:
    async def work(hub: Hub) -> None:
        client, memory = hub.peer()
        for block in range(30):
            names = (f'<enableBLOB device="d{block}-{number}">Also</enableBLOB>' for number in range(1000))
            client.feed("".join(names).encode())
            await asyncio.sleep(0.1)
        assert memory.closed

    with_hub(clock, work)


def test_more_members_than_anybody_needs_end_the_connection(clock: VirtualClock) -> None:
    async def work(hub: Hub) -> None:
        client, memory = hub.peer()
        client.feed(b'<newTextVector device="own" name="x">' + b'<oneText name="a"/>' * 30_000 + b"</newTextVector>")
        assert memory.closed

    with_hub(clock, work)


def test_a_command_is_shown_to_many_together_with_its_answer_or_a_moment_later(clock: VirtualClock) -> None:
    async def work(hub: Hub) -> None:
        driver, told = hub.peer("driver")
        driver.feed(DEFINE)
        client, _ = hub.peer()
        others = [hub.peer()[1] for _ in range(40)]
        told.taken()
        client.feed(NEW)
        assert NEW.decode() in told.taken()
        assert {other.taken() for other in others} == {""}
        driver.feed(SET)
        assert {other.taken().replace("\n", "") for other in others} == {(NEW + SET).decode()}
        client.feed(NEW)
        await asyncio.sleep(0.003)
        assert {other.taken().strip() for other in others} == {NEW.decode()}
        for number in range(300):
            client.feed(NEW.replace(b"z", b"%d" % number))
        await asyncio.sleep(0.003)
        for other in others:
            assert [piece.split("<")[0] for piece in other.taken().split('name="a">')[1:]] == list(map(str, range(300)))

    with_hub(clock, work)
