"""Combinators that depend on time, chance and buttons; dimming; and the time that programs keep."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from core import programs as p
from core.duration import Duration
from core.errors import ProgramError
from core.loop import Loop, delay
from core.programs.pace import Pace, keep
from core.testing import VirtualClock


class Lamp:
    """An output that notes when it changed."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.history: list[tuple[float, bool]] = []
        self.lit = False

    def set(self, value: bool) -> None:
        if value is not self.lit:
            self.lit = value
            self.history.append((round(self.clock.seconds, 6), value))


class Knob:
    """A button that is pressed by calling it."""

    def __init__(self) -> None:
        self._pressed: list[asyncio.Future[None]] = []

    async def wait_press(self) -> None:
        future = asyncio.get_running_loop().create_future()
        self._pressed.append(future)
        await future

    def __call__(self) -> None:
        pressed, self._pressed = self._pressed, []
        for future in pressed:
            if not future.done():
                future.set_result(None)


@pytest.fixture
def lamp(clock: VirtualClock) -> Lamp:
    return Lamp(clock)


def test_timeout_ends_what_would_go_on(clock: VirtualClock, lamp: Lamp) -> None:
    clock.run(p.sequence(p.timeout(p.on(lamp), 2), p.timeout(p.blink(lamp, 1, 1), Duration.of_seconds(30)))())
    assert lamp.history == [(0, True), (2, False), (2, True), (3, False)]
    assert clock.seconds == 4  # an end before its time is an end


def test_timeout_lets_errors_out(clock: VirtualClock) -> None:
    async def crash() -> None:
        await delay(1)
        raise ValueError("crashed")

    with pytest.raises(ValueError, match="crashed"):
        clock.run(p.timeout(crash, 2)())


def test_choose_chooses_anew_each_time_with_these_weights(clock: VirtualClock) -> None:
    chosen: list[str] = []

    def note(name: str) -> Callable[[], Coroutine[Any, Any, None]]:
        async def run() -> None:
            chosen.append(name)

        return run

    often = p.choose(note("a"), note("b"), note("never"), weights=[3, 1, 0], chance=random.Random(7))  # noqa: S311 - no secret
    clock.run(p.repeat(often, 1000)())
    assert 690 < chosen.count("a") < 810
    assert chosen.count("a") + chosen.count("b") == 1000
    chosen.clear()
    clock.run(p.repeat(p.choose([note("x"), note("y")]), 100)())
    assert {"x", "y"} == set(chosen)


def test_when_waits_for_a_button(clock: VirtualClock, lamp: Lamp) -> None:
    knob = Knob()

    async def fingers() -> None:
        for _ in range(2):
            await delay(1.003)
            knob()

    clock.run(p.all(p.repeat(p.when(knob, p.blink(lamp, 0.5, 1)), 2), fingers)())
    assert lamp.history == [(1.003, True), (1.503, False), (2.006, True), (2.506, False)]
    assert clock.seconds == 3.006


def test_until_a_button_is_pressed(clock: VirtualClock, lamp: Lamp) -> None:
    knob = Knob()
    clock.run(p.all(p.any(p.on(lamp), p.when(knob)), p.sequence(p.sleep(3), p.when(Pressed(knob))))())
    assert lamp.history == [(0, True), (3, False)]


class Pressed:
    """A button that presses another when it is waited for."""

    def __init__(self, knob: Knob) -> None:
        self.knob = knob

    async def wait_press(self) -> None:
        self.knob()


def flashes(lamp: Lamp) -> list[float]:
    """Return for each 10 ms the share of it in which the lamp shone."""
    shares: dict[int, float] = {}
    for (begin, lit), (end, _) in zip(lamp.history[::2], lamp.history[1::2], strict=True):
        assert lit
        at = begin
        while at < end - 1e-9:
            number = round(at * 1e6) // 10_000
            until = min((number + 1) / 100, end)
            shares[number] = shares.get(number, 0) + (until - at) * 100
            at = until
    return [round(shares.get(number, 0), 3) for number in range(max(shares) + 1)]


def test_fade_brightens_as_the_eye_sees_it(clock: VirtualClock, lamp: Lamp) -> None:
    clock.run(p.fade(lamp, 0.1)())
    assert flashes(lamp) == [0.0, 0.015, 0.047, 0.099, 0.173, 0.268, 0.388, 0.531, 0.699, 0.893]
    assert not lamp.lit
    assert clock.seconds == 0.1


def test_fade_darkens_as_well_and_stays_between_its_levels(clock: VirtualClock, lamp: Lamp) -> None:
    clock.run(p.fade([lamp], Duration.of_milliseconds(40), 1.0, 0.5)())
    assert flashes(lamp) == [0.868, 0.633, 0.439, 0.282]


def test_full_brightness_has_no_gaps(clock: VirtualClock, lamp: Lamp) -> None:
    clock.run(p.fade(lamp, 0.5, 1, 1)())
    assert lamp.history == [(0, True), (0.5, False)]


def test_breathe_goes_up_and_down(clock: VirtualClock, lamp: Lamp) -> None:
    clock.run(p.breathe(lamp, 0.1, 2)())
    shares = flashes(lamp)
    assert shares == pytest.approx(
        [0.006, 0.071, 0.217, 0.456, 0.793, 0.793, 0.456, 0.217, 0.071, 0.006] * 2, abs=0.002
    )
    assert clock.seconds == 0.2


def test_dimming_that_is_cancelled_ends_dark_and_leaves_no_task(clock: VirtualClock, lamp: Lamp) -> None:
    async def main() -> None:
        await p.timeout(p.breathe(lamp), 1.9)()
        assert not lamp.lit
        assert Loop.current().statistics().tasks == ()

    clock.run(main())
    assert clock.seconds == 1.9


def test_a_lamp_that_fails_fails_the_fade(clock: VirtualClock) -> None:
    class Broken:
        def set(self, value: bool) -> None:
            if value:
                raise OSError("line lost")

    with pytest.raises(OSError, match="line lost"):
        clock.run(p.fade(Broken(), 1)())


def test_what_begins_together_stays_together_though_every_wait_ends_late(clock: VirtualClock) -> None:
    """A wait ends late by what the machine was busy with; here a task wastes virtual time at every turn."""
    instants: dict[str, list[int]] = {"slow": [], "quick": []}

    class Output:
        def __init__(self, name: str) -> None:
            self.name = name

        def set(self, value: bool) -> None:
            if value:
                instants[self.name].append(clock.now())
            clock.skip_to(clock.now() + 60_000)  # what it costs

    quick, slow = p.blink(Output("quick"), 0.01, 100), p.blink(Output("slow"), 0.05, 20)
    clock.run(p.all(quick, slow)())
    # Without a grid the quick one would be 100 * 2 * 60 us behind.
    assert max(abs(now - 20_000_000 * turn) for turn, now in enumerate(instants["quick"])) <= 400_000
    assert max(abs(now - 100_000_000 * turn) for turn, now in enumerate(instants["slow"])) <= 400_000


class CreepingClock(VirtualClock):
    """A clock on which a microsecond passes whenever somebody looks at it, as on a machine that is at work."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self._look

    def _look(self) -> int:
        self.skip_to(self._tell() + 1_000)
        return self._tell()


def test_what_begins_together_counts_from_one_moment() -> None:
    clock = CreepingClock()

    async def main() -> None:
        # Begun by one program, and by tasks that have only the turn of the loop in common.
        for together in (True, False):
            lamps = [Lamp(clock) for _ in range(25)]
            blinks = [p.blink(lamp, 0.1 * (1 + number), 1) for number, lamp in enumerate(lamps)]
            if together:
                await p.all(*blinks)()
            else:
                await asyncio.gather(*(blink() for blink in blinks))
            first = lamps[0].history[1][0]
            # Each is a few looks late; had they begun one by one, the last would be seventy later than the first.
            ends = [lamp.history[1][0] for lamp in lamps]
            assert ends == pytest.approx([first + 0.1 * number for number in range(25)], abs=0.00001)

    clock.run(main())


def test_programs_that_one_pace_begins_within_a_moment_count_from_it(clock: VirtualClock) -> None:
    lamps = Lamp(clock), Lamp(clock)
    pace = Pace()

    async def run(lamp: Lamp) -> None:
        keep(pace)
        await p.blink(lamp, 0.1, 1)()

    async def main() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(run(lamps[0]))
            await delay(0.004)
            group.create_task(run(lamps[1]))

    clock.run(main())
    assert [lamp.history for lamp in lamps] == [[(0, True), (0.1, False)], [(0.004, True), (0.1, False)]]


def test_a_machine_that_was_busy_shifts_nothing(clock: VirtualClock) -> None:
    lamps = [Lamp(clock) for _ in range(4)]
    stalls = [(0.07, 0.13), (1.25, 1.36), (2.02, 2.75)]

    async def be_busy() -> None:
        for begin, end in stalls:
            await Loop.current().sleep_until(round(begin * 1e9))
            clock.skip_to(round(end * 1e9))  # the whole machine stood still for so long

    async def main() -> None:
        blinks = [p.blink(lamp, 0.1 * (1 + number)) for number, lamp in enumerate(lamps)]
        await p.timeout(p.all(be_busy, *blinks), 6)()

    clock.run(main())
    for number, lamp in enumerate(lamps):
        steps = [time / (0.1 * (1 + number)) for time, _ in lamp.history if time not in [end for _, end in stalls]]
        assert len(steps) >= 6 / (0.1 * (1 + number)) - 9
        assert steps == pytest.approx([round(step) for step in steps])


def test_what_follows_a_race_counts_from_when_the_winner_was_due(clock: VirtualClock, lamp: Lamp) -> None:
    class Costly:
        def set(self, value: bool) -> None:
            clock.skip_to(clock.now() + 100_000)

    clock.run(p.repeat(p.sequence(p.any(p.on([Costly()]), p.sleep(0.5)), p.all(p.sleep(0.2), p.sleep(0.3))), 50)())
    assert 39.9999 <= clock.seconds <= 40.001


def test_who_was_busy_for_long_counts_anew(clock: VirtualClock, lamp: Lamp) -> None:
    async def work() -> None:
        await delay(0.25)

    clock.run(p.repeat(p.sequence(p.blink(lamp, 1, 1), work), 2)())
    assert lamp.history == [(0, True), (1, False), (2.25, True), (3.25, False)]


def test_a_pace_holds_for_all_that_begins_under_it(clock: VirtualClock, lamp: Lamp) -> None:
    async def main() -> None:
        pace = Pace(2)
        keep(pace)
        await p.all(p.blink(lamp, 1, 1), p.sleep(4))()
        pace.speed = 0.5
        await p.timeout(p.on(lamp), 1)()

    clock.run(main())
    assert lamp.history == [(0, True), (0.5, False), (2, True), (4, False)]


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: p.choose(), "at least one"),
        (lambda: p.choose(p.sleep(1), weights=[1, 2]), "a weight of 0 or more for each"),
        (lambda: p.choose(p.sleep(1), weights=[-1]), "a weight of 0 or more for each"),
        (lambda: p.choose(p.sleep(1), weights=[0]), "a weight of 0 or more for each"),
        (lambda: p.when(5), "wait_press"),  # type: ignore[arg-type]
        (lambda: p.timeout(p.sleep(1), -1), "negative"),
        (lambda: p.fade([], 0), "above zero"),
        (lambda: p.fade([], 1, 0, 1.1), "brightness from 0 to 1"),
        (lambda: p.breathe([], 1, -1), "whole number"),
        (lambda: Pace(11), "0.1 to 10"),
    ],
)
def test_wrong_composition_is_an_error_at_construction(call: Callable[[], Any], says: str) -> None:
    with pytest.raises(ProgramError, match=says):
        call()
