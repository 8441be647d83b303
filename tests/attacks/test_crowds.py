"""Many connections: idle, hasty, dripping, reset; and the administrator among them."""

from __future__ import annotations

import contextlib
import select
import socket
import struct
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.attacks.arena import ASK, Client, Server, wait_until

pytestmark = pytest.mark.system

RESET = struct.pack("ii", 1, 0)
OPEN = b'<newTextVector device="climate" name="x"><oneText name="y">'


def dial(server: Server) -> socket.socket:
    """Connect and say nothing."""
    return socket.create_connection(("127.0.0.1", server.port), 10)


@contextlib.contextmanager
def crowd_of(count: int, enter: Callable[[], socket.socket | Client]) -> Iterator[list[Any]]:
    """Let so many in, and out again."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(enter()) for _ in range(count)]


@pytest.mark.parametrize("how", ["closed", "reset", "in the middle of a message", "half-closed"])
def test_hasty_clients_leave_nothing_behind(server: Server, how: str) -> None:
    for _ in range(600):
        hasty = dial(server)
        hasty.sendall(OPEN if how == "in the middle of a message" else ASK)
        if how == "reset":
            hasty.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        elif how == "half-closed":
            hasty.shutdown(socket.SHUT_WR)
        hasty.close()
    with server.client(b"") as client:
        assert client.is_served()


def test_200_clients_that_drip_a_byte_each_10_ms_cost_little(server: Server) -> None:
    before = server.cpu()
    with crowd_of(200, lambda: dial(server)) as crowd:
        for byte in OPEN[:40]:
            for one in crowd:
                one.sendall(bytes([byte]))
            select.select([], [], [], 0.01)
        with server.client(b"") as client:
            assert client.is_served()
    # Eight thousand bytes one by one: what a read costs, and no more for those before it.
    assert server.cpu() - before < 5


def test_100_clients_in_the_middle_of_a_message_hold_up_nobody(server: Server) -> None:
    with crowd_of(100, lambda: server.client(OPEN + b"x" * 10_000)), server.client(b"") as client:
        assert client.is_served()


def test_50_clients_that_talk_all_at_once_are_all_served(server: Server) -> None:
    with crowd_of(50, lambda: server.client(b"")) as crowd:
        for number, one in enumerate(crowd):
            one.send(ASK + b'<pingRequest uid="%d"/>' % number)
        for number, one in enumerate(crowd):
            one.until(b'<pingReply uid="%d"/>' % number)


def test_a_thousand_idle_clients_leave_room_for_the_administrator(server: Server) -> None:
    with crowd_of(1050, lambda: dial(server)) as crowd:
        with server.administrator() as administrator:
            assert administrator.is_served()
        server.says("is refused: 1000 clients are allowed")
        refused = select.poll()
        for one in crowd:
            refused.register(one, select.POLLIN)
        # The watchers are clients too.
        wait_until(lambda: len(refused.poll(0)) >= 50, "those beyond the limit to be refused")

    def served() -> bool:
        with server.client(b"") as client:
            return client.send(b'<pingRequest uid="x"/>') and bool(client.socket.recv(100))

    wait_until(served, "room again after the crowd has gone")
