"""A run whose plugins misbehave: only what fails is concerned, and people are told."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

import core
from core import Device, Loop, NumberVector
from core.app import App
from core.assembly import Assembly
from core.observing_device import ObservingDevice
from core.plugins import PluginSet
from core.plumbing import DeviceDriver, Router
from core.properties import Event, Listener
from core.status import status
from core.testing import VirtualClock


def app_with(*devices: Device, said: list[str] | None = None) -> App:
    named = {device.name: device for device in devices}
    assembly = Assembly(devices=named, plugins=dict.fromkeys(named, "test"))
    return App(assembly, PluginSet([]), say=(said if said is not None else []).append)


class Silent(Device):
    """A device that cannot say what it is."""

    def summary(self) -> str:
        raise ZeroDivisionError("no words")


def test_a_summary_that_raises_stops_nobody(clock: VirtualClock) -> None:
    said: list[str] = []
    app = app_with(Silent("silent"), Device("plain"), said=said)
    app.assembly.failed["broken"] = "it has a mistake"

    async def main() -> None:
        running = asyncio.create_task(app.serve())
        await asyncio.sleep(1)
        found = status("test", app)
        assert {one["name"]: one["state"] for one in found["devices"]} == {"silent": "ready", "plain": "ready"}
        assert "no words" in found["devices"][0]["summary"]
        assert found["failed"] == [{"instance": "broken", "cause": "it has a mistake"}]
        app.stop()
        await running

    clock.run(main())
    assert "silent: (it cannot say what it is: ZeroDivisionError: no words)" in said


class Scheduler(Device):
    """A device that schedules by itself what fails at first."""

    ticks = 0

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.has_recovered = asyncio.Event()
        self.states: list[str] = []

    async def open(self) -> None:
        self.task = core.schedule(1, self.work)

    async def close(self) -> None:
        self.task.cancel()

    async def work(self) -> None:
        self.ticks += 1
        if self.ticks == 1:
            raise OSError("not yet")
        self.states += [task.state for task in Loop.current().statistics().tasks]
        self.has_recovered.set()


def test_what_a_plugin_has_scheduled_goes_on_after_an_error(caplog: pytest.LogCaptureFixture) -> None:
    device = Scheduler("scheduler")
    app = app_with(device)

    async def watch(_app: App) -> None:
        async with asyncio.timeout(20):
            await device.has_recovered.wait()
        app.stop()

    app.add_companion(watch)
    with caplog.at_level(logging.ERROR):
        assert app.run() == 0
    assert "a tick failed: OSError('not yet'); it is tried again, ever more rarely" in caplog.text
    assert "has failed and ends" not in caplog.text
    assert device.states[0] == "failing"


class Oven(Device):
    """A device whose command takes long."""

    heat = NumberVector("Heat", perm="rw", members={"degrees": 0.0})
    calls: list[str]

    async def open(self) -> None:
        self.calls = []

    async def close(self) -> None:
        self.calls.append("close")

    @heat.on_new
    async def warm_up(self, _new: dict[str, float]) -> None:
        try:
            await self.delay(1000)
        finally:
            self.calls.append("command ended")


def test_a_command_is_ended_before_the_device_is_closed_under_it(clock: VirtualClock) -> None:
    async def main() -> None:
        from core.instance import Instance
        from core.plumbing import Connection
        from tests.memory_channel import Memory

        oven, router, channel = Oven("oven"), Router(), Memory()
        driver = DeviceDriver(oven, router)
        router.add(driver)
        instance = Instance(oven, "test")
        instance.end_commands = driver.end_commands
        living: asyncio.Task[Any] = asyncio.create_task(instance.live())
        await asyncio.sleep(1)
        peer = Connection(router, channel, "a test")
        peer.feed(b'<getProperties version="1.7"/>')
        peer.feed(
            b'<newNumberVector device="oven" name="heat"><oneNumber name="degrees">5</oneNumber></newNumberVector>'
        )
        await asyncio.sleep(1)
        assert 'state="Busy"' in channel.taken()
        living.cancel()
        await asyncio.wait([living])
        assert oven.calls == ["command ended", "close"]
        told = channel.taken()
        assert 'name="heat" state="Alert"' in told
        assert "oven.heat: broken off: it is being closed" in told
        peer.ended()

    clock.run(main())


class Heater(Device):
    """A device that is switched off when it is closed, and says so."""

    power = NumberVector("Power", members={"watts": 40.0})

    async def close(self) -> None:
        await self.delay(0.1)
        self.power.update(watts=0.0)


class Notebook(ObservingDevice):
    """A device that writes down what the others tell, as long as it is open."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.heard: list[float] = []
        self.is_open = False

    async def open(self) -> None:
        self.is_open = True

    async def close(self) -> None:
        self.is_open = False

    def watch(self, device: Device) -> Listener | None:
        def take(event: Event) -> None:
            if self.is_open and event.vector is not None and event.vector.name == "power":
                self.heard.append(event.vector.values["watts"])

        return take


@pytest.mark.parametrize("order", [("heater", "notebook"), ("notebook", "heater")])
def test_who_observes_hears_how_the_others_are_left(clock: VirtualClock, order: tuple[str, ...]) -> None:
    notebook = Notebook("notebook")
    named = {"heater": Heater("heater"), "notebook": notebook}
    app = app_with(*(named[name] for name in order))

    async def main() -> None:
        running = asyncio.create_task(app.serve())
        await asyncio.sleep(1)
        app.stop()
        await running

    clock.run(main())
    assert notebook.heard == [0.0]
    assert not notebook.is_open
