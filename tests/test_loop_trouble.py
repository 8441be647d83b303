"""Ticks that raise: who is told, who goes on."""

from __future__ import annotations

import asyncio
import logging
from typing import Any, Literal

import pytest

from core.duration import Duration
from core.errors import LoopError
from core.loop import Loop, ScheduledTask, Timing, delay
from core.testing import VirtualClock


class Failing:
    """Fail at the ticks of the given numbers, before or after a wait."""

    def __init__(self, clock: VirtualClock, fails: set[int], waits: bool) -> None:
        self.clock = clock
        self.fails = fails
        self.waits = waits
        self.times: list[float] = []

    async def __call__(self) -> None:
        self.times.append(self.clock.seconds)
        number = len(self.times) - 1
        if self.waits:
            await delay(0.1)
        if number in self.fails:
            raise ValueError(f"tick {number}")


@pytest.mark.parametrize("waits", [False, True])
def test_an_error_of_a_bare_program_comes_out_of_run(clock: VirtualClock, waits: bool) -> None:
    clock.loop.schedule(1, Failing(clock, {2}, waits))
    with pytest.raises(ValueError, match="tick 2"):
        clock.run()
    assert 2 <= clock.seconds < 2.5


@pytest.mark.parametrize("waits", [False, True])
def test_an_owner_is_told_and_the_task_goes_on(
    clock: VirtualClock, waits: bool, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[tuple[str, str]] = []
    tick = Failing(clock, {1, 2}, waits)

    async def main() -> ScheduledTask:
        timing = Timing(1, name="sensor", handler=lambda task, error: told.append((task.name, str(error))))
        task = Loop.current().schedule(timing, tick)
        await delay(4.5)
        return task

    task = clock.run(main())
    assert task is not None
    assert told == [("sensor", "tick 1"), ("sensor", "tick 2")]
    assert tick.times == [0, 1, 2, 3, 4]
    assert task.statistics.errors == 2
    # Of failures in a row the first is logged.
    assert [record.levelno for record in caplog.records if record.levelno >= logging.ERROR] == [logging.ERROR]
    assert "sensor" in caplog.text
    assert "tick 1" in caplog.text


def test_a_failing_handler_stops_nothing(clock: VirtualClock, caplog: pytest.LogCaptureFixture) -> None:
    tick = Failing(clock, {0}, waits=False)

    def handler(task: ScheduledTask, error: BaseException) -> None:
        raise KeyError("the handler's own")

    async def main() -> None:
        task = Loop.current().schedule(1, tick)
        task.handler = handler
        await delay(1.5)
        assert task.handler is handler

    clock.run(main())
    assert tick.times == [0, 1]
    assert "the handler's own" in caplog.text


def test_the_policy_stop(clock: VirtualClock, caplog: pytest.LogCaptureFixture) -> None:
    tick = Failing(clock, {1}, waits=False)
    other = Failing(clock, set(), waits=False)

    async def main() -> None:
        task = Loop.current().schedule(Timing(1, on_error="stop"), tick)
        Loop.current().schedule(1, other)
        await delay(3.5)
        assert not task.active

    clock.run(main())
    assert tick.times == [0, 1]
    assert other.times == [0, 1, 2, 3]
    assert "tick 1" in caplog.text


@pytest.mark.parametrize("waits", [False, True])
def test_the_policy_retry_backs_off_on_the_grid(clock: VirtualClock, waits: bool) -> None:
    tick = Failing(clock, {0, 1, 2, 3, 6}, waits)
    timing = Timing(1, on_error="retry", retry_after=Duration.of_seconds(1.5), retry_at_most=Duration.of_seconds(4.5))

    async def main() -> None:
        Loop.current().schedule(timing, tick)
        await delay(18)

    clock.run(main())
    # Pauses of 1.5, 3, 4.5, 4.5 s up to the next second; a success resets them.
    expected = [0, 2, 5, 10, 15, 16, 17] if not waits else [0, 2, 6, 11, 16, 17]
    assert tick.times[: len(expected)] == expected


def test_a_tick_that_is_cancelled_goes_on_and_is_no_error(clock: VirtualClock) -> None:
    times: list[float] = []
    running: list[Any] = []

    async def tick() -> None:
        times.append(clock.seconds)
        running.append(asyncio.current_task())
        await delay(0.5)

    async def main() -> ScheduledTask:
        task = Loop.current().schedule(1, tick)
        await delay(1.2)
        running[-1].cancel()
        await delay(1)
        return task

    task = clock.run(main())
    assert task is not None
    assert times == [0, 1, 2]
    assert task.statistics.errors == 0


def test_a_function_that_returns_no_coroutine(clock: VirtualClock) -> None:
    wrong: Any = lambda: 5  # noqa: E731 - of any type
    clock.loop.schedule(1, coroutine_function=wrong)
    with pytest.raises(LoopError, match="made 5 instead of a coroutine"):
        clock.run()


@pytest.mark.parametrize("policy", ["raise", "stop", "retry"])
def test_other_tasks_run_on_with_every_policy(clock: VirtualClock, policy: Literal["raise", "stop", "retry"]) -> None:
    tick = Failing(clock, set(range(100)), waits=False)
    other = Failing(clock, set(), waits=True)

    async def main() -> None:
        Loop.current().schedule(Timing(10, on_error=policy, handler=lambda task, error: None), tick)
        Loop.current().schedule(10, other)
        await delay(0.95)

    clock.run(main())
    assert len(other.times) == 10


def test_a_machine_that_slept_wakes_up_without_a_burst(clock: VirtualClock) -> None:
    tick = Failing(clock, set(), waits=False)

    async def main() -> ScheduledTask:
        task = Loop.current().schedule(10, tick)
        await delay(0.25)
        # As a resumed machine whose clock counts the hour would have it, or a loop that was blocked for it.
        clock.skip_to(clock.now() + 3_600_000_000_000)
        await delay(0.1)
        return task

    task = clock.run(main())
    assert tick.times == [0, 0.1, 0.2, pytest.approx(3600.25), pytest.approx(3600.3)]
    assert task.statistics.misses == 35_999


def test_forgotten_deadlines_do_not_pile_up(clock: VirtualClock) -> None:
    async def main() -> int:
        loop = Loop.current()
        for _ in range(2_000):
            sleeper = asyncio.create_task(delay(100_000))
            await asyncio.sleep(0)
            sleeper.cancel()
            await asyncio.wait({sleeper})
        return len(loop.agenda)

    assert clock.run(main()) < 200
