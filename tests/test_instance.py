"""The life of a device whose plugin misbehaves."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
from typing import Any

import pytest

from core import Device
from core.instance import Instance
from core.properties import Event
from core.testing import VirtualClock


class Odd(Device):
    """A device that does what a test says."""

    def __init__(self, opening: Any = None, closing: Any = None) -> None:
        super().__init__("odd")
        self.calls: list[str] = []
        self.messages: list[str] = []
        self._opening, self._closing = opening, closing
        self.observe(self._note)

    def _note(self, event: Event) -> None:
        if event.message:
            self.messages.append(event.message)

    async def open(self) -> None:
        self.calls.append("open")
        if self._opening is not None:
            await self._opening(self)

    async def close(self) -> None:
        self.calls.append("close")
        if self._closing is not None:
            await self._closing(self)


async def end(living: asyncio.Task[None]) -> float:
    began = asyncio.get_running_loop().time()
    living.cancel()
    await asyncio.wait([living])
    return asyncio.get_running_loop().time() - began


async def leave_nobody(name: str) -> None:
    """End the tasks that swallow cancellation, so that the loop of the test can end."""
    for task in asyncio.all_tasks():
        if task.get_name().startswith(name):
            task.get_coro().close()
            task.cancel()


def raises(error: BaseException) -> Any:
    async def work(_device: Device) -> None:
        raise error

    return work


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (RuntimeError(), "RuntimeError"),
        (TimeoutError(), "TimeoutError"),
        (SystemExit(3), "it called sys.exit(3)"),
        (asyncio.CancelledError(), "CancelledError"),
        (BaseException("odd"), "odd"),
    ],
)
def test_whatever_open_raises_is_logged_told_and_tried_again(
    clock: VirtualClock, caplog: pytest.LogCaptureFixture, error: BaseException, cause: str
) -> None:
    async def main() -> None:
        device = Odd(raises(error))
        instance = Instance(device, "test")
        living = asyncio.create_task(instance.live())
        await asyncio.sleep(0.5)
        assert (instance.state, instance.cause, device.closed_because) == ("failed", cause, cause)
        assert device.messages == [f"odd cannot be opened: {cause}"]
        await asyncio.sleep(1)
        assert device.calls == ["open", "close", "open", "close"]
        assert len(device.messages) == 1
        await end(living)

    with caplog.at_level(logging.INFO):
        clock.run(main())
    # Once, and not again as what the device says to clients.
    assert [record.message for record in caplog.records] == [f"test 'odd' cannot be opened: {cause}"]


def test_why_a_device_takes_no_commands(clock: VirtualClock) -> None:
    said: list[str | None] = []

    async def note(device: Odd) -> None:
        said.append(device.closed_because)

    async def main() -> None:
        device = Odd(note, note)
        living = asyncio.create_task(Instance(device, "test").live())
        await asyncio.sleep(0.1)
        said.append(device.closed_because)
        await end(living)

    clock.run(main())
    assert said == ["it is being opened", None, "it is being closed"]


def test_sys_exit_in_close_ends_nothing(clock: VirtualClock, caplog: pytest.LogCaptureFixture) -> None:
    async def leave(_device: Device) -> None:
        sys.exit(8)

    async def main() -> None:
        instance = Instance(Odd(closing=leave), "test")
        living = asyncio.create_task(instance.live())
        await asyncio.sleep(0.1)
        await end(living)
        assert instance.state == "closed"

    clock.run(main())
    assert "failed while closing: it called sys.exit(8)" in caplog.text


def test_a_slow_clean_up_does_not_cost_the_close(clock: VirtualClock, caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> None:
        try:
            await asyncio.sleep(100)
        finally:
            await asyncio.sleep(0.8)

    async def opening(device: Device) -> None:
        device.spawn(work())

    async def main() -> None:
        device = Odd(opening)
        living = asyncio.create_task(Instance(device, "test").live())
        await asyncio.sleep(0.1)
        assert await end(living) < 0.8
        assert device.calls == ["open", "close"]

    clock.run(main())
    assert "odd: end_work took longer than 0.3 s" in caplog.text


@pytest.mark.parametrize("where", ["opening", "closing"])
def test_what_swallows_its_cancellation_is_left_behind(
    clock: VirtualClock, caplog: pytest.LogCaptureFixture, where: str
) -> None:
    async def stay(_device: Device) -> None:
        while True:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(100)

    async def main() -> None:
        device = Odd(**{where: stay})
        living = asyncio.create_task(Instance(device, "test").live())
        await asyncio.sleep(0.1)
        assert await end(living) < 0.8
        assert device.calls == ["open", "close"]
        await leave_nobody("odd: ")

    clock.run(main())
    assert ("does not stop opening" if where == "opening" else "odd: close took longer than") in caplog.text


def test_a_device_that_is_lost_is_closed_and_opened_again(clock: VirtualClock) -> None:
    async def main() -> Odd:
        device = Odd()
        instance = Instance(device, "plugin")
        living = asyncio.create_task(instance.live())
        await asyncio.sleep(0)
        device.spawn(asyncio.sleep(1000))
        await asyncio.sleep(5)
        assert instance.state == "ready"
        device.lose(OSError("the cable is out"))
        device.lose(OSError("it is told twice"))
        await asyncio.sleep(0.1)
        assert (instance.state, device.closed_because) == ("failed", "the cable is out")
        assert (device.calls, len(device._tasks)) == (["open", "close"], 0)
        await asyncio.sleep(1.1)
        assert (instance.state, device.calls[2:]) == ("ready", ["open"])
        assert device.messages == ["odd has been lost: the cable is out", "odd could be opened"]
        await end(living)
        device.lose(OSError("it is closed"))
        return device

    assert clock.run(main()).calls == ["open", "close", "open", "close"]


def test_cancelled_while_it_closes_it_is_closed_all_the_same(clock: VirtualClock) -> None:
    async def closing(device: Odd) -> None:
        await asyncio.sleep(0.1)
        device.calls.append("closed")

    async def main() -> None:
        before = asyncio.all_tasks()
        device = Odd(raises(OSError("no luck")), closing)
        living = asyncio.create_task(Instance(device, "test").live())
        await asyncio.sleep(0.05)  # it could not be opened, and is being closed
        await end(living)
        assert device.calls == ["open", "close", "closed"]
        assert asyncio.all_tasks() == before

    clock.run(main())
