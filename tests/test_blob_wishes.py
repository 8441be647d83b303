"""What servers behind us are told of BLOBs: the wishes of all clients as one."""

from __future__ import annotations

import re

import pytest

from core.plumbing.connection import Role
from core.plumbing.interest import MAXIMUM_NAMES
from core.testing import VirtualClock
from tests.memory_channel import Memory
from tests.test_router import Hub, with_hub

ALSO, NEVER, ONLY = b"Also", b"Never", b"Only"


def define(device: str, name: str) -> bytes:
    return (
        f'<defBLOBVector device="{device}" name="{name}" state="Ok" perm="ro"><defBLOB name="b"/></defBLOBVector>'
    ).encode()


def enable(mode: bytes, device: bytes = b"", name: bytes = b"") -> bytes:
    attributes = (b' device="' + device + b'"' if device else b"") + (b' name="' + name + b'"' if name else b"")
    return b"<enableBLOB" + attributes + b">" + mode + b"</enableBLOB>"


def told(memory: Memory) -> list[str]:
    """Return what has been said of BLOBs since the last look, as "device.name mode"."""
    said = re.findall(r'<enableBLOB(?: device="(.*?)")?(?: name="(.*?)")?>(\w+)<', memory.taken())
    return [f"{device}.{name} {mode}" for device, name, mode in said]


def test_a_server_is_told_what_anybody_wants_and_when_nobody_does_any_more(clock: VirtualClock) -> None:
    async def work(hub: Hub) -> None:
        _, server = hub.peer("driver", remote=True)
        _, child = hub.peer("driver")
        first, _ = hub.peer()
        second, _ = hub.peer()
        first.feed(enable(ALSO, b"camera"))
        assert told(server) == ["camera. Also"]
        second.feed(enable(ONLY, b"camera"))
        first.feed(enable(ALSO, b"camera"))
        assert told(server) == []  # it knows already, and is never told Only: others want the rest
        second.feed(enable(NEVER, b"camera"))
        assert told(server) == []
        first.feed(enable(NEVER, b"camera"))
        assert told(server) == [". Never"]
        assert told(child) == []  # we see to that for it

    with_hub(clock, work)


def test_who_leaves_wants_nothing_any_more(clock: VirtualClock) -> None:
    async def work(hub: Hub) -> None:
        _, server = hub.peer("driver", remote=True)
        clients = [hub.peer()[0] for _ in range(2)]
        for client in clients:
            client.feed(enable(ALSO))
        assert told(server) == [". Also"]
        clients[0].close()
        assert told(server) == []
        clients[1].close()
        assert told(server) == [". Never"]

    with_hub(clock, work)


def test_what_others_still_want_goes_on_and_the_rest_is_declined_by_its_names(clock: VirtualClock) -> None:
    async def work(hub: Hub) -> None:
        connection, server = hub.peer("driver", remote=True)
        connection.feed(define("east", "image") + define("west", "image") + define("west", "guide"))
        first, _ = hub.peer()
        second, _ = hub.peer()
        first.feed(enable(ALSO, b"east"))
        # indiserver takes this for all devices, so it is told what of that nobody wants.
        assert told(server) == ["east. Also", "west.image Never", "west.guide Never"]
        second.feed(enable(ALSO, b"west", b"image"))
        assert told(server) == ["west.image Also"]
        second.feed(enable(ALSO, b"west"))
        assert told(server) == ["west. Also"]
        second.close()
        assert told(server) == ["west.guide Never", "west.image Never"]
        connection.feed(define("west", "late"))
        assert told(server) == ["west.late Never"]
        first.close()
        assert told(server) == [". Never"]

    with_hub(clock, work)


def test_a_server_that_comes_back_is_told_at_once(clock: VirtualClock) -> None:
    async def work(hub: Hub) -> None:
        client, _ = hub.peer()
        client.feed(enable(ALSO, b"camera", b"image") + enable(ALSO, b"guider"))
        connection, server = hub.peer("driver")
        hub.router.blob_wishes.introduce(connection)
        assert told(server) == ["camera.image Also", "guider. Also"]
        connection.close()
        connection, server = hub.peer("driver")
        hub.router.blob_wishes.introduce(connection, "camera")
        assert told(server) == ["camera.image Also"]

    with_hub(clock, work)


def test_each_server_is_told_of_its_own_devices(clock: VirtualClock) -> None:
    async def work(hub: Hub) -> None:
        one, first = hub.peer("driver", remote=True)
        other, second = hub.peer("driver", remote=True)
        one.feed(define("camera", "image"))
        client, _ = hub.peer()
        client.feed(enable(ALSO, b"camera") + enable(ALSO, b"own"))
        assert (told(first), told(second)) == (["camera. Also"], [])
        one.close()
        other.feed(define("camera", "image"))
        assert told(second) == ["camera. Also"]

    with_hub(clock, work)


@pytest.mark.parametrize("role", ["client", "driver"])
def test_who_names_too_many_is_cut_off_and_its_wishes_go_with_it(
    clock: VirtualClock, caplog: pytest.LogCaptureFixture, role: Role
) -> None:
    async def work(hub: Hub) -> None:
        _, server = hub.peer("driver", remote=True)
        peer, _ = hub.peer(role)
        words = []
        for first in range(0, MAXIMUM_NAMES + 1, 100):
            peer.feed(b"".join(enable(ALSO, b"camera", b"%d" % name) for name in range(first, first + 100)))
            words += told(server)
        assert peer.closed
        assert words.count(". Never") == 1
        assert words[-1] == ". Never"
        assert len(words) == MAXIMUM_NAMES + 1

    with_hub(clock, work)
    assert f"is disconnected: more than {MAXIMUM_NAMES} devices and properties were named" in caplog.text


def test_what_is_said_of_a_whole_makes_room_for_other_names(clock: VirtualClock) -> None:
    async def work(hub: Hub) -> None:
        peer, _ = hub.peer("driver")
        for _ in range(3):
            for name in range(MAXIMUM_NAMES // 2):
                peer.interest.blobs.set("camera", str(name), "Also")
            peer.interest.blobs.set("camera", None, "Never")
        assert not peer.interest.blobs.allows("camera", "1", blob=True)

    with_hub(clock, work)


def test_a_device_of_ours_that_snoops_blobs_is_a_wish_too(clock: VirtualClock) -> None:
    async def work(hub: Hub) -> None:
        _, server = hub.peer("driver", remote=True)
        hub.own.snoop("camera", "image", blobs=True)
        assert told(server) == ["camera.image Also"]
        hub.router.remove(hub.driver)
        assert told(server) == [". Never"]

    with_hub(clock, work)
