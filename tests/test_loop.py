"""The loop: tasks on the grid, and what is asked for before and while it runs."""

from __future__ import annotations

import asyncio
import itertools
import math
import threading
from collections.abc import Callable
from typing import Any

import pytest

import core.loop as loop_functions
from core.duration import Duration
from core.errors import TimingError
from core.loop import Loop, ScheduledTask, Timing
from core.testing import VirtualClock

MS = 1_000_000
SECOND = 1_000_000_000


class Recorder:
    """Note when it was called, in milliseconds of virtual time."""

    def __init__(self, clock: VirtualClock, takes: float = 0, enough: int = 0) -> None:
        self.clock = clock
        self.takes = takes
        self.enough = enough
        self.times: list[float] = []
        self.task: ScheduledTask | None = None
        self.at_once = 0
        self.most_at_once = 0

    async def __call__(self) -> None:
        self.times.append(self.clock.now() / MS)
        self.at_once += 1
        self.most_at_once = max(self.at_once, self.most_at_once)
        if self.takes:
            await loop_functions.delay(self.takes)
        self.at_once -= 1
        if self.enough and len(self.times) >= self.enough and self.task:
            self.task.stop()


def test_ticks_stand_on_the_grid(clock: VirtualClock) -> None:
    tick = Recorder(clock)

    async def main() -> None:
        Loop.current().schedule(3, tick)
        await loop_functions.delay(Duration.of_hours(1))

    clock.run(main())
    period = Duration.of_frequency(3).as_nanoseconds()
    assert tick.times == [k * period / MS for k in range(3600 * 3 + 1)]


def test_schedule_later_begins_after_one_period(clock: VirtualClock) -> None:
    tick = Recorder(clock)

    async def main() -> None:
        Loop.current().schedule_later(Duration.of_seconds(10), tick)
        await loop_functions.delay(35)

    clock.run(main())
    assert tick.times == [10_000, 20_000, 30_000]


def test_an_overrunning_task_skips_counts_and_stays_on_the_grid(clock: VirtualClock) -> None:
    tick = Recorder(clock, takes=0.25)

    async def main() -> ScheduledTask:
        task = Loop.current().schedule(10, tick)
        await loop_functions.delay(1)
        return task

    task = clock.run(main())
    assert task is not None
    assert tick.times == [0, 300, 600, 900]
    assert tick.most_at_once == 1
    assert task.statistics.misses == 2 * 3


def test_a_tick_that_ends_exactly_at_the_next_deadline_misses_nothing(clock: VirtualClock) -> None:
    tick = Recorder(clock, takes=0.1)

    async def main() -> ScheduledTask:
        task = Loop.current().schedule(10, tick)
        await loop_functions.delay(0.35)
        return task

    task = clock.run(main())
    assert task is not None
    assert tick.times == [0, 100, 200, 300]
    assert task.statistics.misses == 0


def test_run_without_main_ends_when_nothing_is_left(clock: VirtualClock) -> None:
    tick = Recorder(clock, enough=3)
    tick.task = clock.loop.schedule(1, tick)
    clock.run()
    assert tick.times == [0, 1000, 2000]


def test_run_waits_for_the_tick_of_a_stopped_task(clock: VirtualClock) -> None:
    ended: list[float] = []

    async def tick() -> None:
        task.stop()
        await loop_functions.delay(5)
        ended.append(clock.seconds)

    task = clock.loop.schedule(1, tick)
    clock.run()
    assert ended == [5]


def test_everything_can_be_asked_for_before_run(clock: VirtualClock) -> None:
    log: list[tuple[str, float]] = []

    async def note(what: str) -> None:
        log.append((what, clock.seconds))

    async def begin() -> None:
        await note("task")

    loop = clock.loop
    task = loop.schedule(Duration.of_seconds(4), note, "tick")
    loop.before_wait(lambda: log.append(("before wait", clock.seconds)))
    loop.run_later(1.2, note("once"))
    loop.run_later(Duration.of_seconds(2), note("twice"))
    loop.add_task(begin())

    async def end() -> None:
        task.stop()

    loop.run_later(5, end())
    clock.run()
    assert log == [("task", 0), ("tick", 0), ("before wait", 0), ("once", 1.2), ("twice", 2), ("tick", 4)]


def test_a_cancelled_later_coroutine_never_begins(clock: VirtualClock) -> None:
    log: list[str] = []

    async def note(what: str) -> None:
        log.append(what)

    before = clock.loop.run_later(1, note("before"))
    assert before.cancel()
    assert not before.cancel()

    async def main() -> None:
        task = Loop.current().run_later(1, note("while"))
        await loop_functions.delay(0.5)
        assert task.cancel()
        await loop_functions.delay(1)
        assert task.cancelled()

    clock.run(main())
    assert before.cancelled()
    assert log == []


def test_delay_and_sleep_take_seconds_and_durations(clock: VirtualClock) -> None:
    async def main() -> list[float]:
        loop = Loop.current()
        times = []
        for wait in (
            loop.delay(1),
            loop.sleep(seconds=0.5),
            loop_functions.delay(seconds=0.25),
            loop_functions.sleep(Duration.of_milliseconds(250)),
            loop.delay(0),
        ):
            await wait
            times.append(clock.seconds)
        return times

    assert clock.run(main()) == [1, 1.5, 1.75, 2, 2]


@pytest.mark.parametrize("seconds", [-1, math.nan, math.inf, "1", None, True, Duration(-1)])
def test_impossible_delays(clock: VirtualClock, seconds: Any) -> None:
    async def main() -> None:
        with pytest.raises(TimingError):
            await loop_functions.delay(seconds)
        never = asyncio.sleep(0)
        with pytest.raises(TimingError):
            loop_functions.run_later(seconds, never)

    clock.run(main())


@pytest.mark.parametrize(
    "rate", [0, -1, math.nan, math.inf, -math.inf, "1", None, True, Duration(0), Duration(-5), 3e9]
)
def test_impossible_rates_are_errors_at_the_call(clock: VirtualClock, rate: Any) -> None:
    async def tick() -> None:
        raise AssertionError("never to run")

    with pytest.raises(TimingError):
        clock.loop.schedule(rate, tick)
    with pytest.raises(TimingError):
        Timing(rate)
    task = clock.loop.schedule(1, tick)
    with pytest.raises(TimingError):
        task.change_rate(rate)
    assert task.statistics.period == Duration.of_seconds(1)


@pytest.mark.parametrize(
    "options",
    [
        {"phase": 1.0},
        {"phase": -0.1},
        {"phase": Duration.of_seconds(1)},
        {"phase": "scattered"},
        {"phase": None},
        {"on_error": "ignore"},
        {"cpu_share": 0},
        {"cpu_share": 1},
        {"cpu_share": "all"},
        {"retry_after": Duration(0)},
        {"retry_at_most": 1},
    ],
)
def test_impossible_timings(options: dict[str, Any]) -> None:
    with pytest.raises(TimingError, match=next(iter(options))):
        Timing(1, **options)


def test_the_words_of_schedule(clock: VirtualClock) -> None:
    seen: list[Any] = []

    async def tick(*args: Any, **kwargs: Any) -> None:
        seen.append((args, kwargs))

    loop = clock.loop
    tasks = [
        loop.schedule(1, tick, 1, key=1),
        loop.schedule(hz=1, coroutine_function=tick, key=2),
        loop.schedule(frequency=Duration.of_seconds(1), coroutine_function=tick),
        loop.schedule(1, coroutine_function=tick),
        loop.schedule(tick, 5, hz=1),
    ]

    async def main() -> None:
        await loop_functions.delay(0.5)

    clock.run(main())
    assert seen == [((1,), {"key": 1}), ((), {"key": 2}), ((), {}), ((), {}), ((5,), {})]
    assert {task.name for task in tasks} == {tick.__qualname__}


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda loop, f: loop.schedule(hz=5, corouting_function=f), "did you mean coroutine_function="),
        (lambda loop, f: loop.schedule(frequenzy=5, coroutine_function=f), "did you mean frequency="),
        (lambda loop, f: loop.schedule(1), "needs a coroutine_function"),
        (lambda loop, f: loop.schedule(coroutine_function=f), "needs a frequency"),
        (lambda loop, f: loop.schedule(hz=5, frequency=5, coroutine_function=f), "not both"),
        (lambda loop, f: loop.schedule(5, f()), "leave the brackets away"),
        (lambda loop, f: loop.schedule(5, 6), "needs a coroutine function, not 6"),
        (lambda loop, f: loop.schedule_later(hz=5, corouting_function=f), r"schedule_later\(\)"),
    ],
)
def test_wrong_calls_say_what_to_write(clock: VirtualClock, call: Callable[..., Any], says: str) -> None:
    async def tick() -> None:
        raise AssertionError("never to run")

    with pytest.raises(TimingError, match=says):
        call(clock.loop, tick)


def test_generators_are_no_coroutine_functions(clock: VirtualClock) -> None:
    async def ticks() -> Any:
        yield 1

    with pytest.raises(TimingError, match="generator"):
        clock.loop.schedule(1, coroutine_function=ticks)


def test_change_rate_takes_effect_while_the_old_period_lasts(clock: VirtualClock) -> None:
    tick = Recorder(clock)

    async def main() -> None:
        task = Loop.current().schedule(Duration.of_hours(1), tick)
        await loop_functions.delay(10)
        task.change_rate(Duration.of_seconds(20))
        await loop_functions.delay(35)
        task.change_rate(Duration.of_seconds(3))
        await loop_functions.delay(10)

    clock.run(main())
    # 10 s: the next is due at 20 s. 45 s: 40 + 3 has passed, so now.
    assert [time / 1000 for time in tick.times] == [0, 20, 40, 45, 48, 51, 54]


def test_change_rate_from_within_the_tick(clock: VirtualClock) -> None:
    times: list[float] = []

    async def tick() -> None:
        times.append(clock.seconds)
        task.change_rate(Duration.of_seconds(len(times)))
        if len(times) % 2:
            await loop_functions.delay(0.5)
        if len(times) == 5:
            task.stop()

    task = clock.loop.schedule(1, tick)
    clock.run()
    assert times == [0, 1, 3, 6, 10]


def test_stop_then_start_does_not_double_a_task(clock: VirtualClock) -> None:
    tick = Recorder(clock)

    async def main() -> None:
        task = Loop.current().schedule(1, tick)
        await loop_functions.delay(1.5)
        for _ in range(100):
            task.stop()
            task.start()
            task.start()
        await loop_functions.delay(2)
        task.stop()
        assert not task.active
        await loop_functions.delay(5)

    clock.run(main())
    assert tick.times == [0, 1000, 1500, 2500, 3500]


def test_restart_while_a_tick_runs_keeps_one_instance(clock: VirtualClock) -> None:
    tick = Recorder(clock, takes=2.5)

    async def main() -> None:
        task = Loop.current().schedule(1, tick)
        await loop_functions.delay(0.5)
        task.stop()
        task.start()
        await loop_functions.delay(4)

    clock.run(main())
    assert tick.most_at_once == 1
    assert tick.times == [0, 2500]


def test_cancel_ends_the_running_tick_and_finished_waits_for_its_cleanup(clock: VirtualClock) -> None:
    log: list[str] = []

    async def tick() -> None:
        try:
            await loop_functions.delay(100)
        finally:
            await loop_functions.delay(1)
            log.append("clean")

    async def main() -> None:
        task = Loop.current().schedule(1, tick)
        await loop_functions.delay(0.5)
        assert task.running
        task.cancel()
        await task.finished()
        assert log == ["clean"]
        assert clock.seconds == 1.5
        assert task.statistics.state == "stopped"

    clock.run(main())


def test_phases_spread_equal_periods(clock: VirtualClock) -> None:
    times: list[float] = []

    async def tick() -> None:
        times.append(clock.seconds)

    async def main() -> None:
        for _ in range(10):
            Loop.current().schedule(Timing(1, phase="spread"), tick)
        await loop_functions.delay(0.9999)
        times.sort()

    clock.run(main())
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert len(times) == 10
    assert max(gaps) < 0.16


def test_a_phase_shifts_the_grid(clock: VirtualClock) -> None:
    one, other = Recorder(clock), Recorder(clock)

    async def main() -> None:
        Loop.current().schedule(Timing(1, phase=0.25), one)
        Loop.current().schedule_later(Timing(1, phase=Duration.of_milliseconds(100)), other)
        await loop_functions.delay(2.5)

    clock.run(main())
    assert one.times == [250, 1250, 2250]
    assert other.times == [1100, 2100]


def test_suspend_and_resume(clock: VirtualClock) -> None:
    async def main() -> tuple[float, float]:
        loop = Loop.current()
        waiting, resume = loop.suspend()
        loop.run_later(3, call(resume))
        await waiting
        first = clock.seconds
        waiting, resume = loop.suspend()
        resume()
        resume()
        await waiting
        return first, clock.seconds

    async def call(function: Callable[[], None]) -> None:
        function()

    assert clock.run(main()) == (3, 3)


def test_resume_from_another_thread() -> None:
    async def main() -> bool:
        waiting, resume = loop_functions.suspend()
        thread = threading.Thread(target=resume)
        thread.start()
        await waiting
        thread.join()
        return True

    assert Loop().run(main())


def test_before_wait_runs_in_order_when_nothing_is_ready(clock: VirtualClock) -> None:
    log: list[str] = []

    async def busy() -> None:
        for number in range(3):
            await asyncio.sleep(0)
            log.append(str(number))

    def broken() -> None:
        raise ValueError("broken")

    async def main() -> None:
        loop = Loop.current()
        errors: list[Any] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: errors.append(context["exception"]))
        loop.before_wait(lambda: log.append("first"))
        loop.before_wait(broken)
        loop.before_wait(lambda: log.append("second"))
        await asyncio.gather(busy(), busy())
        assert "first" not in log
        await loop.delay(1)
        assert log[-2:] == ["first", "second"]
        assert [str(error) for error in errors] == ["broken"]

    clock.run(main())


def test_before_wait_comes_within_a_millisecond_of_a_busy_loop() -> None:
    async def main() -> float:
        loop = Loop.current()
        called: list[int] = []
        began = loop.now()
        loop.before_wait(lambda: called.append(loop.now()))
        while not called:  # noqa: ASYNC110 - it is to be busy
            await asyncio.sleep(0)
        return (called[0] - began) / MS

    assert 1 <= Loop().run(main()) < 50


def test_what_before_wait_makes_ready_runs_before_time_passes(clock: VirtualClock) -> None:
    async def main() -> float:
        loop = Loop.current()
        waiting, resume = loop.suspend()
        loop.before_wait(resume)
        loop.run_later(1, asyncio.sleep(0))
        await waiting
        return clock.seconds

    assert clock.run(main()) == 0


def test_statistics_of_the_loop(clock: VirtualClock) -> None:
    async def tick() -> None:
        await loop_functions.delay(0.15)

    async def main() -> None:
        loop = Loop.current()
        stopped = loop.schedule(10, tick)
        await loop.delay(1)
        stopped.stop()
        task = loop.schedule(Timing(1, name="named"), tick)
        loop.run_later(100, asyncio.sleep(0))
        await loop.delay(0.5)
        statistics = loop.statistics()
        assert [one.name for one in statistics.tasks] == ["named"]
        assert statistics.background == 1
        assert statistics.ticks == stopped.statistics.ticks + task.statistics.ticks == 7
        assert statistics.misses == stopped.statistics.misses > 0
        assert statistics.errors == 0
        assert task.statistics.duration_mean == Duration.of_milliseconds(150)
        assert task.statistics.duration_max == Duration.of_milliseconds(150)
        assert task.statistics.lateness_max == Duration(0)

    clock.run(main())
