"""Memory after those are gone for whom much was held."""

from __future__ import annotations

import pytest

from tests.attacks.arena import Server, wait_until

pytestmark = pytest.mark.system

MEBI = 1 << 20


def test_unfinished_messages_of_many_are_given_back(server: Server) -> None:
    before = server.memory()
    clients = [server.client(b"") for _ in range(40)]
    for client in clients:
        client.send(b'<newTextVector device="climate" name="x"><oneText name="y">')
        for _ in range(15):
            if not client.send(b"x" * MEBI):
                break
    for client in clients:
        client.close()
    wait_until(lambda: server.memory() < before + 64 * MEBI, "memory to be as before")
