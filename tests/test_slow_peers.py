"""What waits for a peer that does not keep up, and what becomes of BLOBs on their way."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import re
import socket
from pathlib import Path
from typing import Literal
from xml.parsers import expat

import pytest

from core import BlobValue, BlobVector, Connection
from core.indi import Frame
from core.indi.long_messages import LONG
from core.plumbing import PeerLimits, Router
from core.plumbing.attachments import Attachments
from core.plumbing.memory import Memory as HeldMemory
from core.testing import VirtualClock
from core.transports.ends import SocketEnd, StrayDescriptorsError
from core.transports.listening import connect
from tests.memory_channel import Memory
from tests.system.conftest import wait_until
from tests.test_router import DEFINE, Hub, with_hub

SET = b'<setTextVector device="scope" name="where" state="Ok"%s><oneText name="a">%d</oneText></setTextVector>\n'
LINES = b"\n".join([b"QUJD" * 18] * 120) + b"\n"
OPENING = b'<setBLOBVector device="scope" name="image" state="Ok"><oneBLOB name="i" size="6480" format=".bin">\n'
CLOSING = b"</oneBLOB></setBLOBVector>"


def sets(first: int, last: int, extra: bytes = b"") -> bytes:
    return b"".join(SET % (extra, number) for number in range(first, last))


async def caught_up(memory: Memory) -> None:
    memory.pending = 0
    memory.progressed()


def is_paused(memory: Memory) -> bool:
    return memory.paused


def test_a_peer_that_keeps_up_gets_every_set_as_it_came(clock: VirtualClock) -> None:
    async def work(hub: Hub) -> None:
        driver, _ = hub.peer("driver")
        _, seen = hub.peer()
        driver.feed(DEFINE)
        seen.taken()
        for at in range(0, 2000, 100):
            driver.feed(sets(at, at + 100))
        assert seen.taken().replace("\n", "") == sets(0, 2000).decode().replace("\n", "")

    with_hub(clock, work)


def numbers(sent: str) -> list[int]:
    return [int(piece.split("<")[0]) for piece in sent.split('name="a">')[1:] if piece[0].isdigit()]


def test_behind_four_mebibytes_a_vector_keeps_its_share_and_the_newest_but_never_across_a_definition(
    clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    async def work(hub: Hub) -> None:
        driver, _ = hub.peer("driver")
        client, seen = hub.peer()
        driver.feed(DEFINE + sets(0, 10))
        seen.taken()
        seen.pending = 5 << 20
        for at in range(1000, 9000, 100):
            driver.feed(sets(at, at + 100))
        await asyncio.sleep(0.3)  # the driver is paused for a moment
        driver.feed(sets(9000, 9010, b' message="listen"') + DEFINE + sets(9010, 9020))
        assert seen.taken() == ""
        await caught_up(seen)
        values = numbers(seen.taken())
        assert values == sorted(values)
        assert values[-21:] == [8999, *range(9000, 9010), *range(9010, 9020)]
        assert len(values) < 1000
        assert client.outbox.collapsed == 8020 - len(values)
        assert f"client 1 was behind: {8020 - len(values)} sets were replaced by newer ones" in caplog.text

    with caplog.at_level("INFO"):
        with_hub(clock, work)


def test_a_driver_that_floods_costs_others_no_message_and_does_not_hold_them_up(clock: VirtualClock) -> None:
    async def work(hub: Hub) -> None:
        flooding, _ = hub.peer("driver")
        beating, source = hub.peer("driver")
        client, seen = hub.peer()
        flooding.feed(DEFINE)
        beating.feed(DEFINE.replace(b"scope", b"heart"))
        seen.taken()
        seen.pending = 1 << 20
        flooding.feed(b'<setTextVector device="scope" name="log" state="Ok"><oneText name="a">')
        flooding.feed(b"x" * (14 << 20) + b"</oneText></setTextVector>")
        for beat in range(200):
            beating.feed(sets(beat, beat + 1).replace(b"scope", b"heart"))
            flooding.feed(sets(beat * 100, beat * 100 + 100))
            assert not source.paused
            await asyncio.sleep(0.02)
        assert not client.closed
        seen.progressed()
        assert seen.sent == b""
        await caught_up(seen)
        sent = seen.taken()
        assert numbers("".join(line for line in sent.splitlines() if "heart" in line)) == list(range(200))
        # Their turn comes between those of the flood.
        assert sent.index('"heart"') < sent.index('name="a">19999<')

    with_hub(clock, work)


def test_a_ping_is_answered_behind_everything_that_waits(clock: VirtualClock) -> None:
    async def work(hub: Hub) -> None:
        driver, _ = hub.peer("driver")
        client, seen = hub.peer()
        driver.feed(DEFINE + DEFINE.replace(b"scope", b"heart"))
        seen.taken()
        seen.pending = 1 << 20
        driver.feed(sets(1, 2) + sets(1, 2).replace(b"scope", b"heart"))
        client.feed(b'<pingRequest uid="behind"/>')
        driver.feed(sets(2, 3))
        await caught_up(seen)
        sent = seen.taken()
        assert sent.index("heart") < sent.index("behind") < sent.index('name="a">2<')
        assert sent.index('name="a">1<') < sent.index("behind")

    with_hub(clock, work)


def test_a_driver_waits_a_moment_for_a_slow_client_and_no_longer(clock: VirtualClock) -> None:
    async def work(hub: Hub) -> None:
        driver, source = hub.peer("driver")
        _, seen = hub.peer()
        driver.feed(DEFINE)
        seen.pending = 3 << 20
        driver.feed(sets(0, 1000))
        paused = [source.paused]
        for seconds in (0.05, 0.06):
            await asyncio.sleep(seconds)
            paused.append(source.paused)
        driver.feed(sets(1, 2))
        paused.append(source.paused)
        assert paused == [True, True, False, False]
        assert driver.pauses == 1
        await caught_up(seen)
        seen.pending = 3 << 20
        driver.feed(sets(2, 1000))
        paused = [source.paused]
        await caught_up(seen)
        await asyncio.sleep(0)
        assert [*paused, source.paused] == [True, False]

    with_hub(clock, work)


def test_a_client_whose_kernel_makes_room_in_lumps_is_waited_for_while_it_reads(clock: VirtualClock) -> None:
    async def work(hub: Hub) -> None:
        driver, source = hub.peer("driver")
        client, seen = hub.peer()
        driver.feed(DEFINE)
        seen.taken()
        seen.pending, seen.unconfirmed = 3 << 20, 4 << 20
        driver.feed(sets(0, 50_000))
        for _ in range(12):
            assert is_paused(source)
            await asyncio.sleep(0.05)
            seen.unconfirmed -= 300_000
        await caught_up(seen)
        await asyncio.sleep(0)
        assert not is_paused(source)
        assert numbers(seen.taken()) == list(range(50_000))
        assert client.outbox.collapsed == 0

    with_hub(clock, work)


def test_a_handler_that_says_much_and_takes_its_time_costs_nobody_the_connection(clock: VirtualClock) -> None:
    async def work(hub: Hub) -> None:
        client, seen = hub.peer()
        seen.pending = 1 << 20
        for number in range(3):
            hub.own.level.update(x=number, message="m" * (6 << 20))
            clock.skip_to(clock.now() + 200_000_000)  # it blocks the loop
        for _ in range(3):
            await asyncio.sleep(0)
        seen.pending = 0
        seen.progressed()
        await asyncio.sleep(1)
        assert not client.closed

    with_hub(clock, work)


NEW = b'<newTextVector device="scope" name="where"><oneText name="a">%d</oneText></newTextVector>\n'


def news(first: int, last: int) -> bytes:
    return b"".join(NEW % number for number in range(first, last))


@pytest.mark.parametrize("role", ["client", "driver"])
def test_who_floods_a_driver_waits_until_it_reads_and_the_driver_stays(
    clock: VirtualClock, role: Literal["client", "driver"]
) -> None:
    async def work(hub: Hub) -> None:
        driver, told = hub.peer("driver")
        driver.feed(DEFINE)
        flooding, source = hub.peer(role)
        other, calm = hub.peer()
        told.taken()
        flooding.feed(news(0, 200))
        assert not is_paused(source)
        told.pending = 3 << 20
        flooding.feed(news(200, 400))
        assert is_paused(source)
        for _ in range(30):  # it reads, however little
            await asyncio.sleep(1)
            told.pending -= 1000
            assert is_paused(source)
        other.feed(b'<pingRequest uid="1"/>')
        assert "pingReply" in calm.taken()
        await caught_up(told)
        assert not is_paused(source)
        assert numbers(told.taken()) == list(range(400))
        assert not driver.closed

    with_hub(clock, work)


def test_commands_for_a_driver_that_never_reads_are_refused_at_last(clock: VirtualClock) -> None:
    async def work(hub: Hub) -> None:
        driver, told = hub.peer("driver")
        driver.feed(DEFINE)
        client, seen = hub.peer()
        told.pending = 3 << 20
        client.feed(news(0, 200))
        assert is_paused(seen)
        await asyncio.sleep(10.1)
        assert not is_paused(seen)
        client.feed(news(200, 201) + b'<pingRequest uid="1"/>')
        said = seen.taken()
        assert "scope does not listen: " in said
        assert "pingReply" in said
        driver.feed(sets(1, 2))
        assert numbers(seen.taken()) == [1]
        await caught_up(told)
        told.taken()
        client.feed(news(201, 202))
        assert numbers(told.taken()) == [201]

    with_hub(clock, work)


def test_commands_are_shown_to_others_as_a_courtesy_alone(clock: VirtualClock) -> None:
    async def work(hub: Hub) -> None:
        driver, told = hub.peer("driver")
        driver.feed(DEFINE)
        client, source = hub.peer()
        watching, seen = hub.peer()
        told.taken()
        seen.pending = 3 << 20
        client.feed(news(0, 200))
        assert is_paused(source)
        await asyncio.sleep(0.2)
        assert not is_paused(source)
        for at in range(200, 100_000, 200):
            client.feed(news(at, at + 200))
            assert not is_paused(source)
        assert numbers(told.taken()) == list(range(100_000))
        await asyncio.sleep(1)
        assert not watching.closed
        driver.feed(sets(1, 2))
        await caught_up(seen)
        shown = numbers(seen.taken())
        assert shown[0] == 0
        assert shown[-1] == 1
        assert len(shown) < 1000

    with_hub(clock, work)


def test_what_comes_at_once_is_no_reason_to_part_from_who_reads(clock: VirtualClock) -> None:
    text = b"x" * (15 << 20)

    async def work(hub: Hub) -> None:
        driver, _ = hub.peer("driver")
        reading, seen = hub.peer()
        deaf, unseen = hub.peer()
        driver.feed(DEFINE)
        seen.pending = unseen.pending = 1 << 20
        for number in range(3):
            driver.feed(SET.replace(b"%d", b"%b") % (b' message="%d"' % number, text))
            await asyncio.sleep(0.01)
        seen.pending = 0
        seen.progressed()
        await asyncio.sleep(0.2)
        assert not reading.closed
        assert seen.sent.count(text) == 3
        assert deaf.closed

    with_hub(clock, work)


def test_a_client_that_reads_nothing_for_ten_seconds_is_closed(
    clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    async def work(hub: Hub) -> None:
        driver, _ = hub.peer("driver")
        client, seen = hub.peer()
        driver.feed(DEFINE)
        seen.pending = 1000
        seen.blocked()
        await asyncio.sleep(9.9)
        assert not client.closed
        await asyncio.sleep(0.2)
        assert client.closed

    with_hub(clock, work)
    assert "it has read nothing for 10 s" in caplog.text


PART = LINES * 10


async def with_blobs(hub: Hub) -> tuple[Connection, Memory]:
    """Return a driver, and what a client hears that wants its BLOBs."""
    driver, _ = hub.peer("driver")
    client, seen = hub.peer()
    driver.feed(DEFINE)
    client.feed(b"<enableBLOB>Also</enableBLOB>")
    seen.taken()
    return driver, seen


def test_a_blob_is_cut_through_to_who_keeps_up_and_kept_for_others(clock: VirtualClock) -> None:
    async def work(hub: Hub) -> None:
        driver, seen = await with_blobs(hub)
        late, waiting = hub.peer()
        late.feed(b"<enableBLOB>Also</enableBLOB>")
        waiting.taken()
        waiting.pending = 1 << 19
        driver.feed(OPENING + PART[:70_000])
        assert seen.sent == OPENING + PART[:70_000]
        assert waiting.sent == b""
        # What comes of another driver meanwhile does not get into the middle.
        hub.own.level.update(x=2)
        driver.feed(PART[70_000:] + CLOSING)
        await caught_up(waiting)
        assert seen.sent.startswith(OPENING + PART + CLOSING)
        assert b"setNumberVector" in seen.sent
        assert OPENING + PART + CLOSING in waiting.sent

    with_hub(clock, work)


def parts_of(sent: bytes) -> tuple[bytes, bytes]:
    """Return a BLOB that is well-formed, and what comes behind it."""
    blob, behind = sent.split(b"</setBLOBVector>\n", 1)
    assert Frame(blob + b"</setBLOBVector>").is_blob
    return blob, behind


@pytest.mark.parametrize("end", ["hangs", "dies"])
def test_a_blob_that_stops_half_way_is_closed_as_a_valid_element(clock: VirtualClock, end: str) -> None:
    async def work(hub: Hub) -> None:
        driver, seen = await with_blobs(hub)
        driver.feed(OPENING + PART[:70_000])
        hub.own.level.update(x=2)
        if end == "hangs":
            await asyncio.sleep(0.29)
            assert b"</setBLOBVector>" not in seen.sent
            await asyncio.sleep(0.07)
        else:
            driver.close()
        _, behind = parts_of(seen.sent)
        assert b'state="Alert"' in behind
        assert b"setNumberVector" in behind
        seen.taken()
        if end == "hangs":
            driver.feed(PART[70_000:] + CLOSING + sets(1, 2))
            assert seen.taken() == sets(1, 2).decode()

    with_hub(clock, work)


def test_a_blob_that_drips_keeps_nothing_from_anybody_and_comes_whole(clock: VirtualClock) -> None:
    async def work(hub: Hub) -> None:
        driver, seen = await with_blobs(hub)
        driver.feed(OPENING.replace(b"6480", b"64800"))
        for at in range(0, 70_000, 4000):
            driver.feed(PART[at : at + 4000])
            await asyncio.sleep(0.1)
            hub.own.level.update(x=at)
            assert f">{at}<" in seen.taken()
        driver.feed(PART[at + 4000 :] + CLOSING)
        assert PART + CLOSING in seen.sent

    with_hub(clock, work)


def test_one_of_which_nothing_comes_at_first_is_told_of_and_comes_whole_all_the_same(clock: VirtualClock) -> None:
    async def work(hub: Hub) -> None:
        driver, seen = await with_blobs(hub)
        driver.feed(OPENING + PART[:5000])
        await asyncio.sleep(1)
        assert seen.sent.startswith(b"<setBLOBVector")
        assert b'state="Alert"' in seen.sent
        assert seen.taken().count("<setBLOBVector") == 1
        driver.feed(PART[5000:] + CLOSING)
        assert OPENING + PART + CLOSING in seen.sent

    with_hub(clock, work)


def test_one_that_begins_quickly_and_goes_on_slowly_is_closed(clock: VirtualClock) -> None:
    async def work(hub: Hub) -> None:
        driver, seen = await with_blobs(hub)
        driver.feed(OPENING + PART[:70_000])
        for at in range(70_000, 72_000, 200):
            await asyncio.sleep(0.05)
            driver.feed(PART[at : at + 200])
            hub.own.level.update(x=at)
        _, behind = parts_of(seen.sent)
        assert b"others have waited for it" in behind
        assert b">70000<" in behind
        assert b">71800<" in behind

    with_hub(clock, work)


@pytest.mark.parametrize("endless", [LINES * 3, b'</oneBLOB><oneBLOB name="i" size="0" format="">' * 20])
def test_one_without_end_is_closed_though_its_driver_is_quick(
    clock: VirtualClock, endless: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.plumbing.passage.ENDLESS", 1 << 20)

    async def work(hub: Hub) -> None:
        driver, seen = await with_blobs(hub)
        driver.feed(OPENING + PART[:70_000])
        hub.own.level.update(x=2)
        for _ in range(120):
            seen.pending = 1000  # it reads, but not all at once
            driver.feed(endless)
            await asyncio.sleep(0.005)
        seen.pending = 0
        seen.progressed()
        assert b"no end" in seen.sent
        assert b"setNumberVector" in seen.sent
        expat.ParserCreate().Parse(b"<r>" + seen.sent + b"</r>", True)

    with_hub(clock, work)


def test_a_blob_that_nobody_takes_is_refused_at_its_beginning(clock: VirtualClock) -> None:
    async def work(hub: Hub) -> None:
        client, seen = hub.peer()
        new = OPENING.replace(b"setBLOB", b"newBLOB").replace(b"scope", b"own")
        client.feed(new + LINES[:6000])
        assert "takes no BLOB &#x27;image&#x27;" in seen.taken().replace("'image'", "&#x27;image&#x27;")
        assert client.held < 10_000
        client.feed(LINES[6000:] + CLOSING.replace(b"set", b"new") + b"<pingRequest uid='1'/>")
        assert 'uid="1"' in seen.taken()

    with_hub(clock, work)


@pytest.mark.parametrize("snoops", ["nobody", "the device of a driver", "a driver", "a device of this process"])
def test_what_a_client_says_of_a_blob_is_kept_only_if_somebody_snoops_it(clock: VirtualClock, snoops: str) -> None:
    async def work(hub: Hub) -> None:
        driver, told = hub.peer("driver")
        client, _ = hub.peer()
        if snoops == "the device of a driver":
            hub.peer("driver")[0].feed(DEFINE)
        if snoops in ("a driver", "the device of a driver"):
            driver.feed(b'<getProperties version="1.7" device="scope"/><enableBLOB device="scope">Also</enableBLOB>')
        if snoops == "a device of this process":
            hub.own.snoop("scope", "image", blobs=True)
        told.taken()
        client.feed(OPENING + LINES[:6000])
        kept = snoops in ("a driver", "a device of this process")
        assert (client.held > 6000) is kept
        assert client.held < 10_000
        client.feed(LINES[6000:] + CLOSING + b"<pingRequest uid='1'/>")
        assert not client.closed
        assert (OPENING in told.sent) is (snoops == "a driver")
        await asyncio.sleep(0)
        assert [news.name for news in hub.own.news] == ["image"] * (snoops == "a device of this process")

    with_hub(clock, work)


@pytest.mark.parametrize(
    "much",
    [
        b'<getProperties version="1.7" device="%s"/>' % (b"d" * 2000),
        b"<getProperties %s/>" % b" ".join(b'a%d=""' % number for number in range(100)),
    ],
)
def test_names_and_attributes_beyond_reason_end_the_connection(clock: VirtualClock, much: bytes) -> None:
    async def work(hub: Hub) -> None:
        client, seen = hub.peer()
        client.feed(much)
        assert client.closed
        assert "disconnected" in seen.taken()

    with_hub(clock, work)


def count_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_descriptors_that_belong_to_no_blob_are_not_collected() -> None:
    one, other = socket.socketpair()
    end = SocketEnd(one)
    with other:
        for _ in range(5):
            socket.send_fds(other, [b"<getProperties/>"], [other.fileno()] * 16)
        before = count_descriptors()
        for _ in range(4):
            end.read()
        with pytest.raises(StrayDescriptorsError, match="belong to no BLOB"):
            end.read()
        assert count_descriptors() == before + 80
        end.close()
        assert count_descriptors() == before - 1


def test_what_the_peer_has_not_confirmed_is_known_of_a_real_socket() -> None:
    with socket.create_server(("localhost", 0)) as server, socket.create_connection(server.getsockname()) as peer:
        end = SocketEnd(server.accept()[0])
        sent = 0
        with contextlib.suppress(BlockingIOError):
            while True:
                sent += end.write([bytes(1 << 20)])
        waiting = end.unconfirmed()
        assert 0 < waiting < sent
        received = 0
        while received < sent:
            received += len(peer.recv(1 << 20))
        # The last word of the peer's kernel is on its way still.
        wait_until(lambda: end.unconfirmed() == 0, "all to be confirmed")
        end.close()


def test_who_sends_stray_descriptors_is_named_and_told(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> bytes:
        loop = asyncio.get_running_loop()
        one, other = socket.socketpair()
        with other:
            lost: asyncio.Future[Connection] = loop.create_future()
            connect(Router(), one, "client on a socket", lost.set_result, only=None, limits=PeerLimits())
            for _ in range(6):  # the last one comes when it has been refused already
                socket.send_fds(other, [b" "], [other.fileno()] * 16)
            other.setblocking(False)
            said = await loop.sock_recv(other, 1000)
            await lost
            return said

    before = count_descriptors()
    assert b"disconnected: 80 descriptors have come that belong to no BLOB" in asyncio.run(main())
    assert "client on a socket is disconnected: 80 descriptors have come that belong to no BLOB" in caplog.text
    assert count_descriptors() == before


def test_a_driver_may_define_so_many_devices_and_properties_and_no_more(
    clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    async def work(hub: Hub) -> None:
        driver, _ = hub.peer("driver", limits=PeerLimits(maximum_devices=3, maximum_properties=5))
        _, seen = hub.peer()
        seen.taken()
        for number in range(6):
            driver.feed(DEFINE.replace(b"scope", b"scope%d" % number))
        assert seen.taken().count("<defTextVector") == 3
        for number in range(6):
            driver.feed(DEFINE.replace(b"scope", b"scope0").replace(b'"where"', b'"where%d"' % number))
        assert seen.taken().count("<defTextVector") == 2
        driver.feed(DEFINE.replace(b"scope", b"scope0"))  # what is known may be defined anew
        driver.feed(b'<delProperty device="scope0"/>')
        driver.feed(DEFINE.replace(b"scope", b"scope4"))
        assert seen.taken().count("<defTextVector") == 2
        assert hub.router.owners.keys() == {"scope1", "scope2", "scope4"}

    with_hub(clock, work)
    assert "more than 3 devices of one driver" in caplog.text
    assert "more than 5 properties of one driver" in caplog.text


def test_of_unfinished_messages_a_bounded_number_of_bytes_is_held_for_all_together(clock: VirtualClock) -> None:
    async def work(hub: Hub) -> None:
        clients = [hub.peer()[0] for _ in range(5)]
        for megabytes in range(10):
            for client in clients:
                if not client.closed:
                    client.feed(b"<newTextVector>" + b"x" * (1 << 20) if not megabytes else b"x" * (1 << 20))
            await asyncio.sleep(0)
            hub.router.memory = HeldMemory(maximum_unfinished=42 << 20)  # which looks at once
            hub.router.look_at_memory()
        assert sum(client.closed for client in clients) == 1

    with_hub(clock, work)


def test_a_client_that_is_behind_by_others_messages_is_still_heard(clock: VirtualClock) -> None:
    async def work(hub: Hub) -> None:
        client, seen = hub.peer()
        seen.pending = 3 << 20
        client.feed(b'<pingRequest uid="heard"/>')
        await caught_up(seen)
        assert 'uid="heard"' in seen.taken()

    with_hub(clock, work)


def test_definitions_that_come_together_reach_everybody_who_wants_them(clock: VirtualClock) -> None:
    async def work(hub: Hub) -> None:
        driver, _ = hub.peer("driver")
        asked = (b"", b' device="scope"', b' device="scope" name="b"', b' device="dome"', b"")
        peers = [hub.peer(ask=b'<getProperties version="1.7"%s/>' % what) for what in asked]
        peers[-1][0].feed(b'<enableBLOB device="scope" name="a">Only</enableBLOB>')
        definitions = b"".join(DEFINE.replace(b'"where"', b'"%s"' % name) for name in (b"a", b"b", b"c"))
        scope, dome = [[(device, name) for name in "abc"] for device in ("scope", "dome")]
        for _ in range(3):
            driver.feed(definitions + b"\n" + definitions.replace(b"scope", b"dome"))
            sent = [re.findall(r'<defTextVector device="(\w+)" name="(\w)"', memory.taken()) for _, memory in peers]
            assert sent == [scope + dome, scope, scope[1:2], dome, scope[1:] + dome]
        assert {hub.router.owners["scope"], hub.router.owners["dome"]} == {driver}

    with_hub(clock, work)


class SlowMemory(Memory):
    """A channel that takes as much as it is given, and no more until it is asked to."""

    def send(self, data: bytes, attachments: object = None) -> None:
        super().send(data)
        self.pending += len(data)


@pytest.mark.parametrize("way", ["of a device of ours", "attached"])
def test_a_long_blob_is_made_base64_only_as_fast_as_it_is_taken(clock: VirtualClock, way: str) -> None:
    content = os.urandom(1 << 10) * (4 << 10)

    async def work(hub: Hub) -> None:
        driver, _ = hub.peer("driver")
        driver.feed(DEFINE)
        seen = SlowMemory()
        client = Connection(hub.router, seen, "client")
        client.feed(b'<getProperties version="1.7"/><enableBLOB>Also</enableBLOB>')
        seen.taken()
        seen.pending = 0
        if way == "attached":
            descriptor = os.memfd_create("blob")
            os.write(descriptor, content)
            frame = Frame(
                b'<setBLOBVector device="scope" name="image" state="Ok"><oneBLOB name="i" size="%d" format=".bin"'
                b' attached="true"/></setBLOBVector>' % len(content)
            )
            frame.attachments = Attachments([descriptor])
            hub.router.receive(driver, frame)
        else:
            vector = hub.own.define(BlobVector("Image", name="image", members={"i": BlobValue()}))
            vector.update(i=BlobValue(content, ".bin"))
        driver.feed(sets(0, 1))
        parts = [seen.taken()]
        assert len(parts[0]) < LONG + (1 << 16)
        assert client.outbox.pending > len(content)
        while seen.pending:
            await caught_up(seen)
            parts.append(seen.taken())
            assert len(parts[-1]) < LONG + (1 << 16)
        text = "".join(parts)
        body = re.search(r">\n([^<]{4000000,})</oneBLOB>\s*</setBLOBVector>\s*<setTextVector", text)
        assert body is not None
        assert base64.b64decode(body[1]) == content

    with_hub(clock, work)
