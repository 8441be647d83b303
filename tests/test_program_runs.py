"""Programs on regions of outputs: claimed whole, queued, taken over, refused; and their settings over INDI."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Annotated, Any

import pytest
from msgspec import Meta

from core import ProgramDevice, ValueRefused
from core import programs as p
from core.errors import ProgramError
from core.instance import Instance
from core.program_device import NONE
from core.programs.regions import Region
from core.programs.runs import QUEUE_LENGTH
from core.testing import VirtualClock


class Lamp:
    """An output that notes when it was switched."""

    def __init__(self, clock: VirtualClock, name: str, log: list[tuple[float, str, bool]]) -> None:
        self.clock = clock
        self.name = name
        self.log = log
        self.lit = False

    def set(self, value: bool) -> None:
        if value is not self.lit:
            self.lit = value
            self.log.append((round(self.clock.seconds, 6), self.name, value))


class Lamps(ProgramDevice):
    """Four lamps, a to d; the name of a region is the names of its lamps."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__("lamps")
        self.history: list[tuple[float, str, bool]] = []
        self.lamps = {name: Lamp(clock, name, self.history) for name in "abcd"}

    def outputs(self) -> Iterable[Lamp]:
        return self.lamps.values()

    def region(self, name: str) -> Region:
        if name == "all":
            name = "abcd"
        if not set(name) <= set(self.lamps):
            raise ProgramError(f"there is no region {name!r}")
        chosen = tuple(self.lamps[one] for one in name)
        return Region(name, chosen, chosen, frozenset(name))

    @property
    def lit(self) -> str:
        return "".join(name for name, lamp in self.lamps.items() if lamp.lit)


@p.program
async def steady(lamps: Any) -> None:
    """Shine."""
    await p.on(lamps)()


@p.program
async def short(lamps: Any, *, seconds: Annotated[float, Meta(ge=0.1, le=60)] = 1.0, name: str = "x") -> None:
    """Shine for a while."""
    await p.timeout(p.on(lamps), seconds)()


@p.program
async def clinging(lamps: Any) -> None:
    """Shine, and take a second to go dark."""
    try:
        await p.on(lamps)()
    finally:
        await asyncio.sleep(1)


@p.program
async def broken(lamps: Any) -> None:
    """Fail after a second."""
    lamps[0].set(True)
    await p.sleep(1)()
    raise OSError("a wire is loose")


@p.program
async def blinking(lamps: Any, *, interval: float = 1.0, twice: bool = False, ntimes: int | None = None) -> None:
    """Blink."""
    await p.blink(lamps, interval, ntimes)()


PROGRAMS = {one.name: one for one in (steady, short, clinging, broken, blinking)}


def on_lamps(clock: VirtualClock, work: Callable[[Lamps], Awaitable[None]]) -> Lamps:
    async def main() -> Lamps:
        lamps = Lamps(clock)
        lamps.offer(PROGRAMS)
        living = asyncio.create_task(Instance(lamps, "test").live())
        await asyncio.sleep(0.001)
        try:
            await work(lamps)
        finally:
            living.cancel()
            await asyncio.wait([living])
        return lamps

    return clock.run(main())


def names(runs: Iterable[Any]) -> list[str]:
    return [f"{run.program}:{run.region.name}" for run in runs]


def test_several_run_at_once_on_lamps_of_their_own(clock: VirtualClock) -> None:
    async def work(lamps: Lamps) -> None:
        await lamps.begin_program("steady", region="ab")
        await lamps.begin_program("blinking", region="c")
        await asyncio.sleep(0.5)
        assert lamps.lit == "abc"
        assert names(lamps.running) == ["steady:ab", "blinking:c"]
        assert lamps.running_program == "blinking"
        await asyncio.sleep(1)
        assert lamps.lit == "ab"
        await lamps.end_program("steady")
        assert lamps.lit == ""
        assert names(lamps.running) == ["blinking:c"]

    assert on_lamps(clock, work).lit == ""


def test_the_later_takes_over_and_the_earlier_has_cleaned_up_before(clock: VirtualClock) -> None:
    async def work(lamps: Lamps) -> None:
        await lamps.begin_program("clinging", region="ab")
        await lamps.begin_program("steady", region="d")
        await asyncio.sleep(1)
        before = clock.seconds
        second = await lamps.begin_program("steady", region="bc")
        assert clock.seconds == before + 1
        assert second.state == "running"
        await asyncio.sleep(0.1)
        assert lamps.lit == "bcd"  # who is not in its way goes on
        assert names(lamps.running) == ["steady:d", "steady:bc"]

    on_lamps(clock, work)


def test_a_lamp_that_the_successor_lights_never_goes_dark_for_others(clock: VirtualClock) -> None:
    seen: list[str] = []

    async def work(lamps: Lamps) -> None:
        lamps.settle = lambda: seen.append(lamps.lit)  # type: ignore[method-assign]  # what is brought out at once
        await lamps.begin_program("steady")
        await asyncio.sleep(1)
        await lamps.begin_program("short")
        await asyncio.sleep(0.5)
        assert seen == []
        await lamps.end_program()
        assert seen == [""]

    on_lamps(clock, work)


def test_the_later_waits_for_all_of_its_lamps_at_once(clock: VirtualClock) -> None:
    async def work(lamps: Lamps) -> None:
        await lamps.begin_program("short", {"seconds": 1}, region="a")
        await lamps.begin_program("short", {"seconds": 2}, region="b")
        third = await lamps.begin_program("short", {"seconds": 1}, region="ab", if_busy="wait")
        fourth = await lamps.begin_program("short", {"seconds": 1}, region="a", if_busy="wait")
        fifth = await lamps.begin_program("short", {"seconds": 9}, region="c", if_busy="wait")
        assert [one.state for one in (third, fourth, fifth)] == ["waiting", "waiting", "running"]
        await asyncio.sleep(1.5)
        # `a` is free, but the third has waited longer and wants it together with `b`.
        assert lamps.lit == "bc"
        assert [third.state, fourth.state] == ["waiting", "waiting"]
        await third.begun.wait()
        assert round(clock.seconds, 3) == 2.001
        await fourth.begun.wait()
        assert round(clock.seconds, 3) == 3.001
        await fourth.over.wait()
        assert fourth.state == "ended"

    lamps = on_lamps(clock, work)
    assert [time for time, name, lit in lamps.history if name == "a" and lit] == [0.001, 2.001, 3.001]


def test_the_later_is_refused_and_told_by_whom(clock: VirtualClock) -> None:
    async def work(lamps: Lamps) -> None:
        await lamps.begin_program("steady", region="ab")
        with pytest.raises(ProgramError, match=r'cannot have bc: program 1 steady on ab has LEDs of it; .* "wait"'):
            await lamps.begin_program("blinking", region="bc", if_busy="refuse")
        assert names(lamps.running) == ["steady:ab"]
        with pytest.raises(ProgramError, match="if_busy is 'maybe'; take-over, wait, refuse is allowed"):
            await lamps.begin_program("steady", if_busy="maybe")  # type: ignore[arg-type]  # what a user may type

    on_lamps(clock, work)


def test_of_two_that_take_over_the_latest_wins_and_the_queue_stays(clock: VirtualClock) -> None:
    async def work(lamps: Lamps) -> None:
        await lamps.begin_program("clinging")
        queued = await lamps.begin_program("blinking", if_busy="wait")
        first = asyncio.create_task(lamps.begin_program("short"))
        await asyncio.sleep(0.1)
        last = await lamps.begin_program("steady")
        with pytest.raises(ProgramError, match="short on abcd has not begun: another one took over"):
            await first
        assert (last.state, queued.state) == ("running", "waiting")
        await lamps.end_program(last.number)
        assert queued.state == "running"

    on_lamps(clock, work)


def test_one_that_is_cancelled_while_it_takes_over_leaves_nothing(clock: VirtualClock) -> None:
    async def work(lamps: Lamps) -> None:
        await lamps.begin_program("clinging")
        starting = asyncio.create_task(lamps.begin_program("steady"))
        await asyncio.sleep(0.1)
        starting.cancel()
        await asyncio.wait([starting])
        await asyncio.sleep(2)
        assert (lamps.running, lamps.waiting, lamps.lit) == ((), (), "")

    on_lamps(clock, work)


def test_the_queue_has_an_end(clock: VirtualClock) -> None:
    async def work(lamps: Lamps) -> None:
        await lamps.begin_program("steady")
        for _ in range(QUEUE_LENGTH):
            await lamps.begin_program("blinking", if_busy="wait")
        with pytest.raises(ProgramError, match="100 programs wait already"):
            await lamps.begin_program("blinking", if_busy="wait")
        await lamps.end_program("blinking")
        assert names(lamps.running) == ["steady:abcd"]
        assert lamps.waiting == ()
        with pytest.raises(ProgramError, match="runs no program 'blinking'; it runs 1 steady on abcd"):
            await lamps.end_program("blinking")

    on_lamps(clock, work)


def test_one_that_fails_frees_its_lamps_for_the_next(clock: VirtualClock) -> None:
    async def work(lamps: Lamps) -> None:
        failed = await lamps.begin_program("broken")
        await lamps.begin_program("steady", region="ab", if_busy="wait")
        said: list[Any] = []
        lamps.observe(lambda event: said.append(event.message))
        await asyncio.sleep(2)
        assert failed.state == "failed"
        assert lamps.lit == "ab"
        assert lamps.running_program == lamps.program.chosen == "steady"
        assert any(message and "a wire is loose" in message for message in said)
        assert lamps.program.state == "Alert"

    on_lamps(clock, work)


def test_closing_ends_what_runs_and_what_waits(clock: VirtualClock) -> None:
    async def work(lamps: Lamps) -> None:
        await lamps.begin_program("steady")
        await lamps.begin_program("blinking", if_busy="wait")

    lamps = on_lamps(clock, work)
    assert (lamps.running, lamps.waiting, lamps.lit) == ((), (), "")
    assert [name for _, name, lit in lamps.history if lit] == list("abcd")


def test_clients_choose_a_region_and_end_what_runs_there(clock: VirtualClock) -> None:
    async def work(lamps: Lamps) -> None:
        async def choose(name: str) -> None:
            await lamps.take_new(lamps.program, {name: True})

        with pytest.raises(ValueRefused, match="there is no region 'xy'"):
            await lamps.take_new(lamps.program_region, {"region": "xy"})
        await lamps.take_new(lamps.program_region, {"region": "ab"})
        await choose("steady")
        await lamps.take_new(lamps.program_region, {"region": "cd"})
        await choose("blinking")
        await asyncio.sleep(0.1)
        assert lamps.lit == "abcd"
        assert lamps.program_runs.values == {"running": "1 steady on ab; 2 blinking on cd", "waiting": ""}
        await choose(NONE)
        assert lamps.lit == "ab"
        assert lamps.program.chosen == "steady"
        await lamps.take_new(lamps.program_if_busy, {"wait": True})
        await lamps.take_new(lamps.program_region, {"region": "bc"})
        await choose("blinking")
        assert lamps.program.chosen == "steady"
        assert lamps.program_runs["waiting"] == "3 blinking on bc"
        await lamps.take_new(lamps.program_if_busy, {"refuse": True})
        await choose("short")
        assert lamps.program.state == "Alert"

    on_lamps(clock, work)


def test_settings_are_properties_of_the_program_that_was_chosen(clock: VirtualClock) -> None:
    async def work(lamps: Lamps) -> None:
        assert "program_numbers" not in lamps.vectors
        await lamps.begin_program("short", {"seconds": 30})
        numbers, texts = lamps.vectors["program_numbers"], lamps.vectors["program_texts"]
        assert (numbers.values, texts.values) == ({"seconds": 30.0}, {"name": "x"})
        limits = numbers.members["seconds"]
        assert (limits.min, limits.max) == (0.1, 60)
        with pytest.raises(ValueRefused, match="out of range"):
            await lamps.take_new(numbers, {"seconds": 100.0})
        before = clock.seconds
        await lamps.take_new(numbers, {"seconds": 2.0})
        (run,) = lamps.running
        await run.over.wait()
        assert round(clock.seconds - before, 6) == 2
        await lamps.take_new(texts, {"name": "y"})  # kept for the next start
        await lamps.take_new(lamps.program, {"short": True})
        assert lamps.running[0].settings == {"seconds": 2.0, "name": "y"}
        await lamps.begin_program("blinking")
        assert set(lamps.vectors["program_numbers"].values) == {"interval"}
        assert lamps.vectors["program_switches"].values == {"twice": False}
        await lamps.take_new(lamps.vectors["program_texts"], {"ntimes": "1"})
        assert lamps.running[0].settings == {"ntimes": 1}
        await asyncio.sleep(3)
        assert lamps.running == ()
        await lamps.take_new(lamps.vectors["program_texts"], {"ntimes": ""})
        await lamps.begin_program("steady")
        assert not {"program_numbers", "program_texts", "program_switches"} & set(lamps.vectors)

    on_lamps(clock, work)


def test_speed_holds_from_the_next_wait_on(clock: VirtualClock) -> None:
    async def work(lamps: Lamps) -> None:
        await lamps.begin_program("blinking")
        await asyncio.sleep(0.5)
        await lamps.take_new(lamps.program_speed, {"factor": 4.0})
        await asyncio.sleep(1.1)
        with pytest.raises(ValueRefused, match=r"out of range, 0.1 to 10"):
            await lamps.take_new(lamps.program_speed, {"factor": 11.0})
        with pytest.raises(ProgramError, match=r"a speed is a number from 0.1 to 10, not 0"):
            lamps.speed = 0

    lamps = on_lamps(clock, work)
    assert [time for time, name, _ in lamps.history if name == "a"] == [0.001, 1.001, 1.251, 1.501]


def test_a_setting_may_not_be_called_what_core_toml_uses() -> None:
    with pytest.raises(ProgramError, match="cannot be called 'region'"):

        @p.program
        async def greedy(lamps: Any, *, region: str = "") -> None:
            """Want too much."""
