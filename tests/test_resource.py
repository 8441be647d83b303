"""ManagedResource: first come, first served, whatever is cancelled or raises."""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import Any, Literal

import pytest

from core.duration import Duration
from core.errors import ResourceError, ResourceTimeout
from core.loop import delay
from core.resource import ManagedResource
from core.testing import VirtualClock


class Bus:
    """Note who is selected, and that it is never two."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.selected: str | None = None

    def select(self, pin: str) -> None:
        assert self.selected is None
        self.selected = pin
        self.log.append(f"+{pin}")

    def deselect(self, pin: str) -> None:
        assert self.selected == pin
        self.selected = None
        self.log.append(f"-{pin}")


def managed(bus: Bus, **options: Any) -> ManagedResource[Bus]:
    return ManagedResource(bus, on_acquire=bus.select, on_release=bus.deselect, **options)


def test_handles_call_back_with_their_arguments(clock: VirtualClock) -> None:
    log: list[Any] = []
    resource = ManagedResource(
        "bus", lambda *args, **kwargs: log.append(("+", args, kwargs)), lambda *args, **kwargs: log.append("-")
    )

    async def main() -> None:
        async with resource.handle(1, pin="cs") as bus:
            log.append(bus)
        async with resource.handle():
            pass

    clock.run(main())
    assert log == [("+", (1,), {"pin": "cs"}), "bus", "-", ("+", (), {}), "-"]


def test_first_come_first_served(clock: VirtualClock) -> None:
    bus = Bus()
    resource = managed(bus)

    async def use(name: str) -> None:
        for _ in range(3):
            async with resource.handle(pin=name):
                await delay(0.1)

    async def main() -> None:
        async with asyncio.TaskGroup() as group:
            for name in "abc":
                group.create_task(use(name))

    clock.run(main())
    assert bus.log == [sign + name for _ in range(3) for name in "abc" for sign in "+-"]


def test_who_releases_cannot_overtake_those_who_wait(clock: VirtualClock) -> None:
    bus = Bus()
    resource = managed(bus)

    async def greedy() -> None:
        for _ in range(3):
            async with resource.handle(pin="greedy"):
                await asyncio.sleep(0)

    async def modest() -> None:
        async with resource.handle(pin="modest"):
            pass

    async def main() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(greedy())
            group.create_task(modest())

    clock.run(main())
    assert bus.log.index("+modest") == 2


def test_a_handle_can_be_used_by_many_tasks(clock: VirtualClock) -> None:
    bus = Bus()
    handle = managed(bus).handle(pin="shared")

    async def use() -> None:
        async with handle:
            await delay(1)

    async def main() -> None:
        await asyncio.gather(use(), use(), use())

    clock.run(main())
    assert bus.log == ["+shared", "-shared"] * 3
    assert clock.seconds == 3


@pytest.mark.parametrize("kind", ["plain", "async"])
@pytest.mark.parametrize("where", ["on_acquire", "on_release"])
def test_a_raising_callback_frees_the_resource_and_reaches_the_caller(
    clock: VirtualClock, kind: Literal["plain", "async"], where: str
) -> None:
    fails = [True]

    def plain() -> None:
        if fails.pop() if fails else False:
            raise OSError("no such pin")

    async def waiting() -> None:
        await delay(0.1)
        plain()

    callback: Any = plain if kind == "plain" else waiting
    resource: ManagedResource[str] = ManagedResource("bus", **{where: callback})
    log: list[str] = []

    async def first() -> None:
        with pytest.raises(OSError, match="no such pin"):
            async with resource.handle():
                log.append("first body")
        log.append("first caught")

    async def second() -> None:
        async with resource.handle() as bus:
            log.append(bus)

    async def main() -> None:
        await asyncio.gather(first(), second())

    clock.run(main())
    assert log == (["first body"] if where == "on_release" else []) + ["first caught", "bus"]
    assert resource.statistics().holder is None


def test_an_error_of_the_body_passes_and_releases(clock: VirtualClock) -> None:
    bus = Bus()
    resource = managed(bus)

    async def main() -> None:
        with pytest.raises(KeyError):
            async with resource.handle(pin="a"):
                raise KeyError
        async with resource.handle(pin="b"):
            pass

    clock.run(main())
    assert bus.log == ["+a", "-a", "+b", "-b"]


def test_a_cancelled_waiter_loses_its_place_only(clock: VirtualClock) -> None:
    bus = Bus()
    resource = managed(bus)

    async def use(name: str) -> None:
        async with resource.handle(pin=name):
            await delay(1)

    async def main() -> None:
        tasks = [asyncio.create_task(use(name)) for name in "abc"]
        await delay(0.5)
        tasks[1].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert tasks[1].cancelled()

    clock.run(main())
    assert bus.log == ["+a", "-a", "+c", "-c"]


def test_one_who_is_cancelled_when_just_given_passes_it_on(clock: VirtualClock) -> None:
    bus = Bus()
    resource = managed(bus)

    async def use(name: str) -> None:
        async with resource.handle(pin=name):
            pass

    async def main() -> None:
        async with resource.handle(pin="a"):
            tasks = [asyncio.create_task(use(name)) for name in "bc"]
            await delay(1)
        # Given to b in this very turn, and b has not run yet.
        tasks[0].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert tasks[0].cancelled()

    clock.run(main())
    assert bus.log == ["+a", "-a", "+c", "-c"]


def test_an_async_release_runs_to_its_end_when_cancelled(clock: VirtualClock) -> None:
    log: list[str] = []

    async def release() -> None:
        log.append("releasing")
        await delay(1)
        log.append("released")

    resource = ManagedResource("bus", on_release=release)

    async def use() -> None:
        async with resource.handle():
            await delay(100)

    async def main() -> None:
        task = asyncio.create_task(use())
        await delay(1)
        task.cancel()
        await delay(0.5)
        task.cancel()
        async with resource.handle():
            log.append("next")
        assert task.cancelled()

    clock.run(main())
    assert log[:3] == ["releasing", "released", "next"]


def test_an_async_acquire_that_is_cancelled_frees_the_resource(clock: VirtualClock) -> None:
    log: list[str] = []

    async def acquire() -> None:
        await delay(10)

    resource = ManagedResource("bus", acquire, lambda: log.append("released"))

    async def use() -> None:
        async with resource.handle():
            log.append("body")

    async def main() -> None:
        task = asyncio.create_task(use())
        await delay(1)
        task.cancel()
        await asyncio.wait({task})
        assert task.cancelled()
        assert resource.statistics().holder is None

    clock.run(main())
    assert log == []


def test_reentry_by_the_same_task_is_an_error_that_says_so(clock: VirtualClock) -> None:
    resource = ManagedResource("bus", name="spi0")

    async def main() -> None:
        async with resource.handle(1):
            with pytest.raises(ResourceError, match=r"spi0: main holds it already"):
                async with resource.handle(2):
                    raise AssertionError("never")
        async with resource.handle(2):
            pass

    clock.run(main())
    assert resource.statistics().acquired == 2


def test_a_wait_beyond_the_limit_names_the_holder(clock: VirtualClock) -> None:
    resource = ManagedResource("bus", name="spi0", wait_limit=Duration.of_seconds(2))

    async def hold() -> None:
        async with resource.handle():
            await delay(5)

    async def main() -> None:
        task = asyncio.create_task(hold(), name="the holder")
        await delay(1)
        with pytest.raises(ResourceTimeout, match="the holder holds it"):
            async with resource.handle():
                raise AssertionError("never")
        assert clock.seconds == 3
        # A handle may have a limit of its own.
        with pytest.raises(ResourceTimeout, match="spi0: not free within 500 ms; the holder holds it"):
            async with resource.handle().waiting_at_most(Duration.of_milliseconds(500)):
                raise AssertionError("never")
        assert clock.seconds == 3.5
        await task
        async with resource.handle():
            pass

    clock.run(main())
    assert resource.statistics().timeouts == 2


def test_a_hold_beyond_the_limit_warns_then_cancels_and_releases_after_cleanup(
    clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    resource = ManagedResource("bus", name="spi0", hold_limit=Duration.of_seconds(2))
    log: list[tuple[str, float]] = []

    async def hold() -> None:
        try:
            async with resource.handle():
                try:
                    await delay(100)
                finally:
                    await delay(1)
                    log.append(("clean", clock.seconds))
        except ResourceTimeout as error:
            log.append((str(error), clock.seconds))
            task = asyncio.current_task()
            assert task is not None
            assert task.cancelling() == 0

    async def wait() -> None:
        async with resource.handle():
            log.append(("next", clock.seconds))

    async def main() -> None:
        task = asyncio.create_task(hold(), name="the holder")
        waiting = asyncio.create_task(wait())
        await delay(3)
        [record] = caplog.records
        assert record.levelno == logging.WARNING
        assert "the holder has held it for 2 s" in record.getMessage()
        await asyncio.gather(task, waiting)

    clock.run(main())
    assert [time for _, time in log] == [5, 5, 5]
    assert [what.split()[0] for what, _ in log] == ["clean", "spi0:", "next"]


@pytest.mark.parametrize("limit", [0, 1.5, Duration(0), Duration(-1)])
def test_impossible_limits(limit: Any) -> None:
    with pytest.raises(ResourceError, match="hold_limit"):
        ManagedResource("bus", hold_limit=limit)


def test_a_thread_keeps_the_resource_until_it_has_returned(clock: VirtualClock) -> None:
    bus = Bus()
    handle = managed(bus).handle(pin="a")
    release = threading.Event()
    log: list[str] = []

    def transfer(got: Bus, count: int) -> int:
        assert got is bus
        release.wait(10)
        log.append(f"transferred, {bus.selected} selected")
        return 2 * count

    async def main() -> None:
        task = asyncio.create_task(handle.run_in_thread(transfer, 3))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.sleep(0)
        threading.Timer(0.02, release.set).start()
        async with handle:
            log.append("next")
        await asyncio.wait({task})
        assert task.cancelled()
        assert await handle.run_in_thread(transfer, count=4) == 8

    clock.run(main())
    assert log == ["transferred, a selected", "next", "transferred, a selected"]


def test_statistics(clock: VirtualClock) -> None:
    resource = ManagedResource("bus", name="spi0")

    async def use(seconds: float) -> None:
        async with resource.handle():
            await delay(seconds)

    async def main() -> None:
        tasks = [asyncio.create_task(use(seconds), name=f"user {seconds}") for seconds in (3, 1, 2)]
        await delay(1)
        now = resource.statistics()
        assert (now.holder, now.held_for, now.waiting) == ("user 3", Duration.of_seconds(1), 2)
        assert "user 3" in repr(resource)
        await asyncio.gather(*tasks)

    clock.run(main())

    statistics = resource.statistics()
    assert statistics.acquired == 3
    assert statistics.waits == 2
    assert statistics.longest_hold == Duration.of_seconds(3)
    assert statistics.longest_wait == Duration.of_seconds(4)
    assert statistics.holder is None


def test_release_by_another_task_is_an_error(clock: VirtualClock) -> None:
    resource = ManagedResource("bus")
    handle = resource.handle()

    async def main() -> None:
        async with handle:
            with pytest.raises(ResourceError, match="does not hold it"):
                await asyncio.create_task(handle.__aexit__(None, None, None))

    clock.run(main())
