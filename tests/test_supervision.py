"""sd_notify: what a real Unix datagram socket in the service manager's place gets."""

from __future__ import annotations

import os
import select
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.supervision import Notifier


class Manager:
    """A service manager's socket."""

    def __init__(self, address: str) -> None:
        self.variable = address
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + address[1:] if address.startswith("@") else address)
        self.socket.settimeout(10)

    def next(self) -> list[str]:
        return self.socket.recv(65536).decode().split("\n")


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Manager]:
    address = str(tmp_path / "notify") if request.param == "path" else f"@core-test-{os.getpid()}"
    made = Manager(address)
    yield made
    made.socket.close()


def test_what_is_said_arrives(manager: Manager) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": manager.variable})
    assert notifier.active
    notifier.send(READY="1", STATUS="two\nlines")
    assert manager.next() == ["READY=1", "STATUS=two lines"]
    notifier.close()
    notifier.send(READY="1")
    assert not select.select([manager.socket], [], [], 0)[0]


def test_nobody_listens(tmp_path: Path) -> None:
    for environment in ({}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "vsock:2:1"}):
        assert not Notifier(environment).active
    alone = Notifier({"NOTIFY_SOCKET": str(tmp_path / "nobody")})
    alone.send(READY="1")
    alone.close()


def test_a_manager_that_does_not_read_is_not_waited_for(manager: Manager) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": manager.variable})
    for _ in range(2000):
        notifier.send(STATUS="x" * 1000)
    notifier.close()
    assert manager.next() == ["STATUS=" + "x" * 1000]


@pytest.mark.parametrize(
    ("environment", "seconds"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "500000", "WATCHDOG_PID": str(os.getpid())}, 0.5),
        ({"WATCHDOG_USEC": "500000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_when_the_watchdog_is_fed(environment: dict[str, str], seconds: float | None) -> None:
    assert Notifier(environment).watchdog_seconds == seconds
