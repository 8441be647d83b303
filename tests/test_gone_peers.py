"""What is kept for a peer is bounded, and given up when it goes: at once, not when Python looks for circles."""

from __future__ import annotations

import gc
import socket
import weakref
from collections.abc import Callable, Iterator

import pytest

from core import Connection
from core.drivers.peer import connect_driver
from core.plumbing import PeerLimits
from core.plumbing.interest import MAXIMUM_NAMED
from core.testing import VirtualClock
from core.transports.listening import connect
from tests.test_router import DEFINE, NEW, Hub, with_hub

UNKNOWN = (
    b"<newTextVector device='nobody' name='x'/><setTextVector device='own' name='x'/><enableBLOB>Some</enableBLOB>"
)
SET = b'<setTextVector device="scope" name="where" state="Ok"><oneText name="a">y</oneText></setTextVector>'
QUESTION = b'<getProperties version="1.7" device="%s" name="%s"/>'


@pytest.fixture
def no_collections() -> Iterator[None]:
    """Let nothing go that something still refers to, be it in a circle."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def client(hub: Hub, sock: socket.socket) -> Connection:
    made = connect(hub.router, sock, "client", lambda _: None, only=None, limits=PeerLimits())
    made.feed(QUESTION % (b"scope", b"where") + b"<enableBLOB device='scope'>Also</enableBLOB>" + UNKNOWN + NEW * 5)
    return made


def driver(hub: Hub, sock: socket.socket) -> Connection:
    made = connect_driver(hub.router, sock, "driver")
    made.feed(DEFINE.replace(b"scope", b"dome") + SET * 5 + UNKNOWN)
    return made


def waiting_driver(hub: Hub, sock: socket.socket) -> Connection:
    made = driver(hub, sock)
    made.wait_for(hub.peer()[0].outbox.patience)
    made.hold(made)
    return made


@pytest.mark.parametrize("make", [client, driver, waiting_driver])
@pytest.mark.parametrize("end", [Connection.close, lambda one: one.feed(b"rubbish"), lambda one: one.channel.close()])
@pytest.mark.usefixtures("no_collections")
def test_nothing_refers_to_a_peer_that_has_gone(
    clock: VirtualClock, make: Callable[[Hub, socket.socket], Connection], end: Callable[[Connection], None]
) -> None:
    async def work(hub: Hub) -> None:
        hub.peer("driver")[0].feed(DEFINE)
        ours, theirs = socket.socketpair()
        with theirs:
            connection = make(hub, ours)
            gone = weakref.ref(connection)
            end(connection)
            del connection
            await hub.own.delay(3)
            assert gone() is None

    with_hub(clock, work)


@pytest.mark.usefixtures("no_collections")
def test_a_driver_and_a_client_that_have_talked_do_not_keep_each_other(clock: VirtualClock) -> None:
    async def work(hub: Hub) -> None:
        peers = [hub.peer("driver")[0], hub.peer()[0]]
        peers[0].feed(DEFINE)
        for _ in range(2):
            peers[0].feed(SET * 5)
            peers[1].feed(NEW * 5)
        gone = [weakref.ref(peer) for peer in peers]
        for peer in peers:
            peer.close()
        del peer, peers
        await hub.own.delay(3)
        assert [one() for one in gone] == [None, None]

    with_hub(clock, work)


def test_a_peer_that_has_gone_keeps_nothing_for_those_who_still_know_it(clock: VirtualClock) -> None:
    async def work(hub: Hub) -> None:
        one, _ = hub.peer(ask=b"".join(QUESTION % (b"d%d" % number, b"n" * 1000) for number in range(900)))
        assert 900_000 < one.held < MAXIMUM_NAMED
        one.close()
        assert one.held == 0
        assert not one.interest.named

    with_hub(clock, work)


@pytest.mark.parametrize("name", [b"n" * 1000, "\u00fc".encode() * 500])
def test_the_names_that_a_peer_asks_for_are_bounded_in_bytes(clock: VirtualClock, name: bytes) -> None:
    async def work(hub: Hub) -> None:
        one, seen = hub.peer()
        asked = 0
        while not one.closed:
            one.feed(QUESTION % (b"d%d" % asked, name) * 2)
            asked += 1
        assert MAXIMUM_NAMED - 10_000 < asked * 1000 < MAXIMUM_NAMED
        assert f"more than {MAXIMUM_NAMED} bytes of names" in seen.taken()

    with_hub(clock, work)
