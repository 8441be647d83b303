"""Peers that do not read, and floods: only they suffer."""

from __future__ import annotations

import contextlib
import socket

import pytest

from tests.attacks.arena import ASK, Client, Server, wait_until

pytestmark = pytest.mark.system

PERIOD = b'<newNumberVector device="climate" name="sampling"><oneNumber name="period">1</oneNumber></newNumberVector>'
BEAT = b'<newNumberVector device="heart" name="beat"><oneNumber name="number">1</oneNumber></newNumberVector>'
FORGED = b'<setTextVector device="heart" name="q" state="Ok"/>'

FLOODS = {
    "pings": b'<pingRequest uid="%s"/>' % (b"u" * 60_000),
    "questions of one property": b'<getProperties version="1.7" device="climate" name="sampling"/>',
    "commands to a device": PERIOD,
    "commands to an external driver": BEAT,
    "commands to nobody": b'<newTextVector device="nobody" name="x"/>',
    "tags that nobody knows": b"<foo/>",
    "forgeries": FORGED,
    "permissions": b'<enableBLOB device="climate">Also</enableBLOB><enableBLOB device="climate">Never</enableBLOB>',
}


def flood(client: Client, message: bytes, size: int) -> bool:
    """Send so many bytes of a message and read nothing; return whether the server has cut the client off."""
    block = message * max(1, (1 << 16) // len(message))
    sent = 0
    while sent < size:
        try:
            sent += client.socket.send(block, socket.MSG_NOSIGNAL)
        except TimeoutError:
            return False
        except OSError:
            return True
    return False


@pytest.mark.parametrize("name", FLOODS)
def test_a_flood_that_reads_nothing_harms_nobody(server: Server, name: str) -> None:
    with server.client(b"") as client:
        client.socket.settimeout(1)
        flood(client, FLOODS[name], 1 << 18)
        with server.client(b"") as other:
            assert other.is_served()


@pytest.mark.parametrize("name", FLOODS)
def test_a_flood_that_reads_is_served(server: Server, name: str) -> None:
    message = FLOODS[name]
    with server.client(b"") as client:
        client.send(message * (200_000 // len(message)))
        assert client.is_served()


def test_questions_whose_answers_are_megabytes_are_answered_to_who_reads(server: Server) -> None:
    with server.client(b"") as client:
        assert client.send(ASK * 500)
        assert client.is_served()


def test_30000_questions_of_who_reads_nothing(server: Server) -> None:
    with contextlib.ExitStack() as clients:
        for _ in range(3):
            client = clients.enter_context(server.client(b""))
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.push(ASK * 10_000)
        with server.client(b"") as other:
            for _ in range(100):
                assert other.is_served()


def test_a_client_that_asks_and_never_reads_keeps_nothing(server: Server) -> None:
    memory = server.memory()
    with contextlib.ExitStack() as clients:
        for _ in range(20):
            client = clients.enter_context(server.client())
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        with server.client(b"") as other:
            for _ in range(50):
                assert other.is_served()
        assert server.memory() < memory + (32 << 20)


def test_the_log_of_a_flood_of_forgeries_stays_short(server: Server) -> None:
    before = len(server.log())
    with server.client(b"") as client:
        client.send(FORGED * 20_000)
        assert client.is_served()
    assert len(server.log()) - before < 20_000


def test_a_half_closed_client_still_gets_what_it_asked_for_and_costs_nothing(server: Server) -> None:
    with server.client() as client:
        client.socket.shutdown(socket.SHUT_WR)
        before = server.cpu()
        assert b"</defNumberVector>" in client.until_closed()
        assert server.cpu() - before < 1.5


def test_commands_of_a_client_that_has_gone_are_carried_out(server: Server) -> None:
    period = b"".join(PERIOD.replace(b">1<", b">%d<" % value) for value in (2, 3))
    with server.client(b"") as hasty:
        hasty.send(period)
    with server.client(b"") as client:
        value = rb'<defNumber name="period"[^>]*>\s*([^<\s]*)'

        def is_three() -> bool:
            client.send(b'<getProperties version="1.7" device="climate" name="sampling"/>')
            return client.until(value).group(1) == b"3"

        wait_until(is_three, "the command of who has gone")
        client.send(PERIOD)
        assert client.is_served()
