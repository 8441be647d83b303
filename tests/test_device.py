"""Devices through the plumbing: commands, events, ticks, and what a failing plugin costs."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import pytest

from core import Connection, Device, Duration, Loop, Number, NumberVector, Router, SwitchVector, ValueRefused, every
from core.errors import DefinitionError, PluginConflict
from core.instance import Instance
from core.plumbing import DeviceDriver, PeerLimits
from core.testing import VirtualClock
from tests.memory_channel import Memory

ASK = b'<getProperties version="1.7"/>'


class Lamp(Device):
    """A lamp that takes a second to change."""

    power = NumberVector("Power", perm="rw", members={"level": Number(0, min=0, max=10)})
    speed = NumberVector("Speed", perm="rw", members={"rate": Number(1, min=0.1, max=100)})
    age = NumberVector("Age", members={"seconds": 0})
    abort = SwitchVector("Abort", rule="AtMostOne", members={"now": False})

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.calls: list[str] = []

    @age.every(Duration.of_seconds(1))
    async def grow(self) -> None:
        if self.age["seconds"] == 2 and "mended" not in self.calls:
            self.calls.append("mended")
            raise OSError("the bulb is loose")
        self.age.update(seconds=self.age["seconds"] + 1)

    @power.on_new
    async def change(self, new: dict[str, float]) -> None:
        self.calls.append(f"begin {new['level']:g}")
        if new["level"] == 7:
            raise ValueRefused("seven is refused")
        if new["level"] == 8:
            raise OSError("eight burns")
        if new["level"] == 9:
            self.power.update(level=9.5)
            return
        if new["level"] > 1:
            await self.delay(1)
        self.calls.append(f"end {new['level']:g}")

    @speed.on_new
    async def change_speed(self, new: dict[str, float]) -> None:
        self.grow.change_rate(new["rate"])

    @abort.on_new
    async def stop(self, new: dict[str, bool]) -> None:
        self.calls.append("abort")


class House:
    """A lamp, its driver, and two clients that have asked for everything."""

    def __init__(self) -> None:
        self.router = Router()
        self.lamp = Lamp("lamp")
        self.lamp.closed_because = None
        self.driver = DeviceDriver(self.lamp, self.router)
        self.router.add(self.driver)
        self.one, self.two = Memory(), Memory()
        self.first = Connection(self.router, self.one, "first")
        self.second = Connection(self.router, self.two, "second")
        self.first.feed(ASK)
        self.second.feed(ASK)
        self.one.taken()
        self.two.taken()

    def new(self, level: object) -> None:
        self.first.feed(
            b'<newNumberVector device="lamp" name="power"><oneNumber name="level">'
            + str(level).encode()
            + b"</oneNumber></newNumberVector>"
        )

    async def close(self) -> None:
        await self.driver.close()
        await self.lamp.end_work()


def in_house(clock: VirtualClock, work: Any) -> None:
    async def main() -> None:
        house = House()
        try:
            await work(house)
        finally:
            await house.close()

    clock.run(main())


def test_definitions_come_when_asked_and_to_who_asked(clock: VirtualClock) -> None:
    async def work(house: House) -> None:
        house.first.feed(b'<getProperties version="1.7" device="lamp" name="power"/>')
        assert "<defNumberVector" in (said := house.one.taken())
        assert said.count("<def") == 2
        assert house.two.taken() == ""
        house.first.feed(b'<getProperties version="1.7" device="unknown"/>')
        assert house.one.taken() == ""

    in_house(clock, work)


def test_nothing_is_sent_before_a_client_has_asked(clock: VirtualClock) -> None:
    async def work(house: House) -> None:
        silent = Memory()
        Connection(house.router, silent, "silent")
        house.lamp.age.update(seconds=5)
        assert silent.taken() == ""
        assert ">5<" in house.one.taken()

    in_house(clock, work)


def test_a_handler_that_does_not_wait_is_answered_at_once(clock: VirtualClock) -> None:
    async def work(house: House) -> None:
        house.new(1)
        assert house.lamp.calls == ["begin 1", "end 1"]
        said = house.one.taken()
        assert said.count("<setNumberVector") == 1
        assert 'state="Ok"' in said
        assert ">1<" in said
        echoed = house.two.taken()
        assert echoed.index("<newNumberVector") < echoed.index("<setNumberVector")

    in_house(clock, work)


def test_a_handler_that_waits_makes_the_vector_busy_and_stores_at_its_end(clock: VirtualClock) -> None:
    async def work(house: House) -> None:
        house.new(5)
        said = house.one.taken()
        assert 'state="Busy"' in said
        assert ">0<" in said
        await asyncio.sleep(1.5)
        said = house.one.taken()
        assert 'state="Ok"' in said
        assert ">5<" in said

    in_house(clock, work)


def test_commands_for_one_vector_run_in_order_and_hold_up_no_other(clock: VirtualClock) -> None:
    async def work(house: House) -> None:
        house.new(2)
        house.new(3)
        house.first.feed(
            b'<newSwitchVector device="lamp" name="abort"><oneSwitch name="now">On</oneSwitch></newSwitchVector>'
        )
        await asyncio.sleep(0)
        assert house.lamp.calls == ["begin 2", "abort"]
        await asyncio.sleep(3)
        assert house.lamp.calls == ["begin 2", "abort", "end 2", "begin 3", "end 3"]

    in_house(clock, work)


def test_handlers_that_block_leave_everybody_else_a_turn_after_each(clock: VirtualClock) -> None:
    """The time of a handler that keeps the processor is virtual here, as all time is."""

    async def work(house: House) -> None:
        lamp, begun, seen = house.lamp, [0], []

        async def keep_the_processor(_new: object) -> None:
            begun[0] += 1
            clock.skip_to(Loop.current().now() + 50_000_000)

        for number in range(20):
            vector = lamp.define(NumberVector("V", name=f"v{number}", perm="rw", members={"level": 0}))
            lamp.serve_always(vector, keep_the_processor)
        for _ in range(3):
            for number in range(20):
                house.first.feed(
                    b'<newNumberVector device="lamp" name="v%d"><oneNumber name="level">1</oneNumber></newNumberVector>'
                    % number
                )
        seen.append(begun[0])
        while house.driver.busy:
            await asyncio.sleep(0)
            seen.append(begun[0])
        assert seen[-1] == 60
        assert max(after - before for before, after in itertools.pairwise([0, *seen])) == 1

    in_house(clock, work)


def test_the_handlers_own_word_stands(clock: VirtualClock) -> None:
    async def work(house: House) -> None:
        house.new(9)
        assert house.lamp.power["level"] == 9.5

    in_house(clock, work)


@pytest.mark.parametrize(("level", "why"), [("11", "out of range"), ("x", "not a number"), ("7", "seven is refused")])
def test_a_refusal_reaches_the_sender_alone(clock: VirtualClock, level: str, why: str) -> None:
    async def work(house: House) -> None:
        house.new(level)
        said = house.one.taken()
        assert 'state="Alert"' in said
        assert why in said
        assert "set" not in house.two.taken()
        assert (house.lamp.power["level"], house.lamp.power.state) == (0, "Idle")

    in_house(clock, work)


def test_an_exception_of_a_handler_is_an_alert_with_its_text_and_the_old_values(clock: VirtualClock) -> None:
    async def work(house: House) -> None:
        house.new(8)
        for said in (house.one.taken(), house.two.taken()):
            assert 'state="Alert"' in said
            assert "eight burns" in said
        assert house.lamp.power["level"] == 0
        house.new(1)
        assert house.lamp.power.state == "Ok"

    in_house(clock, work)


def test_a_refused_command_is_shown_to_nobody_and_an_accepted_one_before_its_result(clock: VirtualClock) -> None:
    async def work(house: House) -> None:
        house.new(7)
        assert house.two.taken() == ""
        house.new(1)
        said = house.two.taken()
        assert said.index("<newNumberVector") < said.index("<setNumberVector")

    in_house(clock, work)


def test_what_a_tick_says_meanwhile_loses_no_accepted_value(clock: VirtualClock) -> None:
    async def work(house: House) -> None:
        house.new(5)
        await asyncio.sleep(0.5)
        house.lamp.power.update(message="still busy")
        assert house.lamp.power.state == "Busy"
        await asyncio.sleep(1)
        assert (house.lamp.power["level"], house.lamp.power.state) == (5, "Ok")

    in_house(clock, work)


@pytest.mark.parametrize("error", [SystemExit(3), BaseException("odd"), asyncio.CancelledError()])
def test_nothing_that_a_plugin_raises_stops_more_than_itself(clock: VirtualClock, error: BaseException) -> None:
    async def work(house: House) -> None:
        async def broken(_new: object) -> None:
            await house.lamp.delay(0.1)
            raise error

        house.lamp.change = broken  # type: ignore[method-assign, assignment]
        house.new(1)
        await asyncio.sleep(1)
        assert house.lamp.power.state == "Alert"
        house.lamp.observe(lambda _event: (_ for _ in ()).throw(SystemExit(4)))
        house.lamp.age.update(seconds=77)
        assert ">77<" in house.one.taken()

    in_house(clock, work)


def test_a_command_to_a_device_that_is_not_open_is_refused_with_the_cause(clock: VirtualClock) -> None:
    async def work(house: House) -> None:
        house.lamp.closed_because = "nothing is plugged in"
        house.new(1)
        assert "lamp: nothing is plugged in" in house.one.taken()
        assert house.lamp.calls == []

    in_house(clock, work)


def test_a_vector_that_its_own_handler_deletes_is_not_set_any_more(clock: VirtualClock) -> None:
    async def work(house: House) -> None:
        async def delete(_new: object) -> None:
            house.lamp.delete(house.lamp.power)

        house.lamp.change = delete  # type: ignore[method-assign, assignment]
        house.new(1)
        said = house.one.taken()
        assert "<delProperty" in said
        assert "<setNumberVector" not in said

    in_house(clock, work)


def test_a_tick_that_was_stopped_before_it_began_can_be_started(clock: VirtualClock) -> None:
    async def work(house: House) -> None:
        house.lamp.grow.stop()
        living = asyncio.create_task(Instance(house.lamp, "test").live())
        await asyncio.sleep(3)
        assert house.lamp.age["seconds"] == 0
        house.lamp.grow.start()
        await asyncio.sleep(1.5)
        assert house.lamp.age["seconds"] == 2
        living.cancel()
        await asyncio.wait([living])

    in_house(clock, work)


def test_a_property_or_device_that_does_not_exist_is_told_to_the_sender(clock: VirtualClock) -> None:
    async def work(house: House) -> None:
        house.first.feed(b'<newTextVector device="lamp" name="colour"/><newTextVector device="moon" name="x"/>')
        said = house.one.taken()
        assert "no property 'colour'; it has power, speed, age, abort" in said
        assert "there is no device 'moon'; there is lamp" in said
        assert house.two.taken() == ""

    in_house(clock, work)


def test_many_commands_pause_their_sender_until_they_are_done(clock: VirtualClock) -> None:
    async def work(house: House) -> None:
        house.new(2)
        filler = " " * 60_000
        for _ in range(20):
            house.new(f"{filler}1")
        paused = [house.one.paused]
        await asyncio.sleep(1.5)
        assert [*paused, house.one.paused] == [True, False]
        assert house.lamp.calls.count("end 1") == 20

    in_house(clock, work)


def test_a_peer_that_reads_nothing_is_closed_at_the_limit_and_delays_nobody(clock: VirtualClock) -> None:
    async def work(house: House) -> None:
        lazy = Memory()
        connection = Connection(house.router, lazy, "lazy", limits=PeerLimits(maximum_pending=1000))
        connection.feed(ASK)
        lazy.pending = 1001
        house.lamp.age.update(seconds=1)
        await asyncio.sleep(0.2)  # in which it might have read
        assert lazy.closed
        house.lamp.age.update(seconds=2)
        assert ">2<" in house.one.taken()
        assert ">2<" not in lazy.taken()

    in_house(clock, work)


def test_a_tick_that_raises_is_an_alert_and_the_next_one_comes(clock: VirtualClock) -> None:
    async def work(house: House) -> None:
        instance = Instance(house.lamp, "test")
        living = asyncio.create_task(instance.live())
        await asyncio.sleep(2.5)
        said = house.one.taken()
        assert 'state="Alert"' in said
        assert "the bulb is loose" in said
        await asyncio.sleep(1)
        assert house.lamp.age["seconds"] == 3
        assert house.lamp.age.state == "Ok"
        house.first.feed(
            b'<newNumberVector device="lamp" name="speed"><oneNumber name="rate">10</oneNumber></newNumberVector>'
        )
        await asyncio.sleep(1.01)
        assert house.lamp.age["seconds"] >= 12
        statistics = house.lamp.vectors["grow_statistics"]
        assert statistics["ticks"] >= 10  # told each two seconds
        assert statistics["errors"] == 1
        assert statistics["late_max"] == 0  # the virtual clock is exact
        living.cancel()
        await asyncio.wait([living])
        assert instance.state == "closed"

    in_house(clock, work)


def test_vectors_come_and_go_while_running(clock: VirtualClock) -> None:
    async def work(house: House) -> None:
        extra = house.lamp.define(NumberVector("Extra", name="extra", members={"x": 1}))
        assert '<defNumberVector device="lamp" name="extra"' in house.one.taken()
        house.lamp.define(NumberVector("Extra", name="extra", members={"x": 1, "y": 2}))
        said = house.one.taken()
        assert said.index("<delProperty") < said.index("<defNumberVector")
        house.lamp.delete(house.lamp.vectors["extra"])
        assert '<delProperty device="lamp" name="extra"' in house.one.taken()
        with pytest.raises(DefinitionError, match="no vector 'extra'"):
            house.lamp.delete(extra)

    in_house(clock, work)


def test_a_device_belongs_to_its_first_driver(clock: VirtualClock) -> None:
    async def work(house: House) -> None:
        with pytest.raises(PluginConflict, match="'lamp' has a driver already"):
            house.router.add(DeviceDriver(Lamp("lamp"), house.router))

    in_house(clock, work)


def test_a_device_that_cannot_be_opened_is_tried_again_and_joins(clock: VirtualClock) -> None:
    class Late(Device):
        """A device that is plugged in later."""

        tries = 0

        async def open(self) -> None:
            self.tries += 1
            if self.tries < 4:
                raise OSError("nothing is plugged in")

    async def main() -> None:
        device = Late("late")
        instance = Instance(device, "test")
        living = asyncio.create_task(instance.live())
        await asyncio.sleep(0.5)
        assert (instance.state, instance.cause) == ("failed", "nothing is plugged in")
        await asyncio.sleep(1 + 2 + 4)
        assert (instance.state, device.tries) == ("ready", 4)
        living.cancel()
        await asyncio.wait([living])

    clock.run(main())


def test_a_tick_that_runs_ends_with_its_device(clock: VirtualClock) -> None:
    ended: list[str] = []

    class Slow(Device):
        """A device whose tick takes its time."""

        @every(1)
        async def measure(self) -> None:
            try:
                await self.delay(0.5)
            finally:
                ended.append("tick")

        async def close(self) -> None:
            ended.append("closed")

    async def main() -> None:
        living = asyncio.create_task(Instance(Slow("slow"), "test").live())
        await asyncio.sleep(0.25)
        living.cancel()
        await asyncio.wait([living])
        assert ended == ["tick", "closed"]

    clock.run(main())


def test_one_word_about_what_fails_again_and_again(clock: VirtualClock) -> None:
    async def work(house: House) -> None:
        for text in ("loose", "loose", "broken", "broken"):
            house.lamp.report_failure("lamp.grow", OSError(text), house.lamp.age)
        assert house.one.taken().count("Alert") == 2

    in_house(clock, work)


def test_what_a_device_spawns_ends_with_it(clock: VirtualClock) -> None:
    ended: list[str] = []

    class Busy(Device):
        """A device with a task."""

        async def open(self) -> None:
            self.spawn(self.work())

        async def work(self) -> None:
            try:
                await self.delay(1000)
            finally:
                await self.delay(0.1)
                ended.append("cleaned up")

    async def main() -> None:
        living = asyncio.create_task(Instance(Busy("busy"), "test").live())
        await asyncio.sleep(1)
        living.cancel()
        await asyncio.wait([living])
        assert ended == ["cleaned up"]

    clock.run(main())


def test_declarations_are_inherited_in_order_and_names_are_unique() -> None:
    class Brighter(Lamp):
        """A lamp with colours."""

        colour = NumberVector("Colour", perm="rw", members={"hue": 0})

        @every(10)
        async def flicker(self) -> None: ...

    assert list(Brighter("b").vectors) == ["power", "speed", "age", "abort", "colour"]
    assert Brighter("b").flicker.name == "b.flicker"
    with pytest.raises(DefinitionError, match="two vectors of the name power"):
        type("Wrong", (Lamp,), {"other": NumberVector("P", name="power", members={"x": 1})})


@pytest.mark.parametrize(
    ("attribute", "declared"),
    [
        ("tick", every(10)(Lamp.open)),
        ("message", NumberVector("M", members={"x": 1})),
        ("name", NumberVector("N", members={"x": 1})),
    ],
)
def test_what_every_device_has_is_no_name_for_a_vector_or_a_tick(attribute: str, declared: object) -> None:
    with pytest.raises(DefinitionError, match=f'device Wrong declares {attribute}, .* call it .*name="{attribute}"'):
        type("Wrong", (Lamp,), {attribute: declared})
    called_otherwise = type("Right", (Lamp,), {"other": NumberVector("X", name=attribute, members={"x": 1})})
    assert attribute in called_otherwise("r").vectors
