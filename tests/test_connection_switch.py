"""CONNECTION: clients see whether a device is open, close it and open it again; one that has gone comes back."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from core import Device, NumberVector, SwitchVector, ValueRefused
from core.instance import Instance
from core.properties import Event
from core.testing import VirtualClock


class Dome(Device):
    """A device that is there or not, as a test says."""

    speed = NumberVector("Speed", perm="rw", members={"rpm": 1.0})

    def __init__(self) -> None:
        super().__init__("dome")
        self.there = True
        self.patience = 0.0
        self.calls: list[str] = []
        self.shown: list[tuple[str, str]] = []
        self.observe(self._note)

    def _note(self, event: Event) -> None:
        if event.kind == "changed" and event.vector is not None and event.vector.name == "CONNECTION":
            self.shown.append((next(name for name, on in event.vector.values.items() if on), event.vector.state))

    async def open(self) -> None:
        self.calls.append("open")
        await asyncio.sleep(self.patience)
        if not self.there:
            raise OSError("it is not plugged in")

    async def close(self) -> None:
        self.calls.append("close")


@contextlib.asynccontextmanager
async def living(device: Dome) -> AsyncIterator[Instance]:
    instance = Instance(device, "test")
    life = asyncio.create_task(instance.live())
    await asyncio.sleep(0.01)
    try:
        yield instance
    finally:
        life.cancel()
        await asyncio.wait([life])


def state_of(instance: Instance) -> str:
    return instance.state


async def choose(device: Device, switch: str) -> None:
    await device.take_new(device.vectors["CONNECTION"], {switch: True})


def test_it_is_the_first_property_and_follows_the_life(clock: VirtualClock) -> None:
    async def main() -> None:
        device = Dome()
        async with living(device):
            assert next(iter(device.vectors)) == "CONNECTION"
        assert device.shown == [("DISCONNECT", "Busy"), ("CONNECT", "Ok"), ("DISCONNECT", "Idle")]

    clock.run(main())


def test_a_client_disconnects_and_connects(clock: VirtualClock) -> None:
    async def main() -> None:
        device = Dome()
        async with living(device) as instance:
            device.shown.clear()
            await choose(device, "DISCONNECT")
            await asyncio.sleep(0.01)
            assert state_of(instance) == "disconnected"
            assert device.calls == ["open", "close"]
            assert device.shown == [("CONNECT", "Busy"), ("DISCONNECT", "Idle")]
            with pytest.raises(ValueRefused, match=r"it is disconnected; set dome\.CONNECTION\.CONNECT=On"):
                await device.take_new(device.speed, {"rpm": 2.0})
            await asyncio.sleep(1000)
            assert device.calls == ["open", "close"]
            await choose(device, "CONNECT")
            await asyncio.sleep(0.01)
            assert state_of(instance) == "ready"
            await device.take_new(device.speed, {"rpm": 2.0})
            assert device.speed["rpm"] == 2

    clock.run(main())


def test_what_is_so_already_is_answered_all_the_same(clock: VirtualClock) -> None:
    async def main() -> None:
        device = Dome()
        async with living(device):
            device.shown.clear()
            await choose(device, "CONNECT")
            await asyncio.sleep(10)
            assert device.shown == [("CONNECT", "Ok")]
            assert device.calls == ["open"]

    clock.run(main())


def test_an_absent_device_is_alert_and_joins_when_it_appears(clock: VirtualClock) -> None:
    async def main() -> None:
        device = Dome()
        device.there = False
        async with living(device) as instance:
            assert device.shown[-1] == ("DISCONNECT", "Alert")
            assert state_of(instance) == "failed"
            assert instance.retry_seconds == pytest.approx(0.99, abs=0.01)
            await asyncio.sleep(100)
            assert len(device.calls) == 2 * 7  # after 0, 1, 3, 7, 15, 31 and 63 s
            device.there = True
            await asyncio.sleep(60)
            assert (state_of(instance), instance.cause, instance.retry_seconds) == ("ready", "", None)
            assert device.shown[-1] == ("CONNECT", "Ok")

    clock.run(main())


def test_connect_tries_a_failed_device_at_once(clock: VirtualClock) -> None:
    async def main() -> None:
        device = Dome()
        device.there = False
        async with living(device) as instance:
            await asyncio.sleep(64)  # the next attempt would come after 60 s
            device.there = True
            await choose(device, "CONNECT")
            await asyncio.sleep(0.01)
            assert state_of(instance) == "ready"

    clock.run(main())


def test_disconnect_ends_the_attempts(clock: VirtualClock) -> None:
    async def main() -> None:
        device = Dome()
        device.there = False
        async with living(device) as instance:
            await choose(device, "DISCONNECT")
            await asyncio.sleep(1000)
            assert state_of(instance) == "disconnected"
            assert device.calls == ["open", "close"]
            assert device.shown[-1] == ("DISCONNECT", "Idle")

    clock.run(main())


def test_disconnect_breaks_off_an_opening_that_takes_long(clock: VirtualClock) -> None:
    async def main() -> None:
        device = Dome()
        device.patience = 1000
        async with living(device) as instance:
            assert state_of(instance) == "opening"
            await choose(device, "DISCONNECT")
            await asyncio.sleep(0.01)
            assert state_of(instance) == "disconnected"
            assert device.calls == ["open", "close"]
            device.patience = 0
            await choose(device, "CONNECT")
            await asyncio.sleep(0.01)
            assert state_of(instance) == "ready"

    clock.run(main())


def test_disconnect_and_connect_in_one_breath_open_it_anew(clock: VirtualClock) -> None:
    async def main() -> None:
        device = Dome()
        async with living(device) as instance:
            await choose(device, "DISCONNECT")
            await choose(device, "CONNECT")
            await asyncio.sleep(0.01)
            assert state_of(instance) == "ready"
            assert device.calls == ["open", "close", "open"]

    clock.run(main())


def test_a_device_that_is_lost_is_closed_and_opened_again(
    clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        device = Dome()
        async with living(device) as instance:
            device.there = False
            device.lose(OSError("the cable was pulled; plug it in"))
            device.lose(OSError("said twice"))
            await asyncio.sleep(0.01)
            assert (state_of(instance), instance.cause) == ("failed", "the cable was pulled; plug it in")
            assert device.shown[-1] == ("DISCONNECT", "Alert")
            await asyncio.sleep(1)
            assert instance.cause == "it is not plugged in"
            device.there = True
            await asyncio.sleep(2)
            assert state_of(instance) == "ready"
            assert device.lost_with is None

    clock.run(main())
    assert "test 'dome' has been lost: the cable was pulled; plug it in" in caplog.text


def test_a_device_that_has_its_own_keeps_it(clock: VirtualClock) -> None:
    class Own(Dome):
        """A device that does this by itself."""

        link = SwitchVector("Link", name="CONNECTION", members={"CONNECT": True, "DISCONNECT": False})

    async def main() -> None:
        device = Own()
        async with living(device) as instance:
            assert state_of(instance) == "ready"
            await choose(device, "DISCONNECT")
            assert state_of(instance) == "ready"
            assert device.link.chosen == "DISCONNECT"

    clock.run(main())


def test_the_end_of_the_run_while_a_failed_device_is_closed_waits_for_that(clock: VirtualClock) -> None:
    class Slow(Dome):
        """A device that takes its time to close."""

        async def close(self) -> None:
            await asyncio.sleep(0.2)
            await super().close()

    async def main() -> None:
        device = Slow()
        device.there = False
        life = asyncio.create_task(Instance(device, "test").live())
        await asyncio.sleep(0.1)
        life.cancel()
        await asyncio.wait([life])
        assert device.calls == ["open", "close"]
        assert life.cancelled()
        assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("dome")]

    clock.run(main())
