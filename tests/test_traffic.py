"""What `corectl serve -vv` and `-vvv` show of the traffic."""

from __future__ import annotations

import logging

import pytest

from core.plumbing.traffic import Traffic
from core.testing import VirtualClock
from tests.test_router import BLOB, DEFINE, SET, Hub, with_hub


def shown(caplog: pytest.LogCaptureFixture) -> list[str]:
    said = [record.getMessage() for record in caplog.records if record.name == "core.traffic"]
    caplog.clear()
    return said


@pytest.mark.parametrize("whole", [False, True])
def test_each_message_is_shown_on_its_way_in_and_out(
    whole: bool, clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "core.traffic")

    async def work(hub: Hub) -> None:
        hub.router.traffic = Traffic(whole=whole)
        driver, _ = hub.peer("driver")
        _client, seen = hub.peer()
        shown(caplog)
        driver.feed(DEFINE[:20])
        assert shown(caplog) == []
        driver.feed(DEFINE[20:] + SET * 2)
        lines = shown(caplog)
        if whole:
            assert lines[0] == f"from driver 0: {DEFINE.decode()}"
            assert lines[1] == f"to client 1: {DEFINE.decode()}"
            # Those that come as a run are shown one by one too.
            assert lines.count(f"from driver 0: {SET.decode()}") == lines.count(f"to client 1: {SET.decode()}") == 2
        else:
            assert lines[0] == "from driver 0: defTextVector scope.where state='Ok'"
            assert lines[1] == "to client 1: defTextVector scope.where state='Ok'"
            assert lines.count("to client 1: setTextVector scope.where state='Ok'") == 2
        assert len(lines) == 6
        assert seen.taken().encode() == DEFINE + b"\n" + (SET + b"\n") * 2

    with_hub(clock, work)


def test_the_content_of_blobs_is_left_out(clock: VirtualClock, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "core.traffic")

    async def work(hub: Hub) -> None:
        hub.router.traffic = Traffic(whole=True)
        driver, _ = hub.peer("driver")
        client, seen = hub.peer()
        client.feed(b"<enableBLOB>Also</enableBLOB>")
        driver.feed(DEFINE)
        shown(caplog)
        blob = BLOB.replace(b"YWJj", b"YWJj" * 50_000)
        driver.feed(blob[:10_000])
        driver.feed(blob[10_000:])
        lines = shown(caplog)
        assert any('name="image"' in line and "<oneBLOB" in line for line in lines)
        assert sum(map(len, lines)) < 1000
        assert blob in seen.sent

    with_hub(clock, work)


def test_nothing_in_it_steers_a_terminal(clock: VirtualClock, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "core.traffic")

    async def work(hub: Hub) -> None:
        hub.router.traffic = Traffic(whole=True)
        driver, _ = hub.peer("driver")
        driver.feed(DEFINE.replace(b">x<", "> \n a\u009b2J\x7f <".encode()))
        assert "> a\ufffd2J\ufffd <" in shown(caplog)[-1]

    with_hub(clock, work)


def test_a_connection_that_nobody_looks_at_has_its_own_channel(clock: VirtualClock) -> None:
    async def work(hub: Hub) -> None:
        client, seen = hub.peer()
        assert client.channel is seen

    with_hub(clock, work)
