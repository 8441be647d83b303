"""What concerns the real machine: the watchdog, the settings, the kernel's timer, lateness that is counted."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import logging
import math
import os
import threading
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.duration import Duration
from core.errors import LoopError
from core.loop import Loop, LoopSettings, TaskStatistics, Timing, statistics
from core.loop.kernel_timer import KernelTimer

WATCHING = LoopSettings(blocked_limit=Duration.of_milliseconds(30))


def test_a_blocking_tick_is_named_with_its_stack_while_it_blocks(caplog: pytest.LogCaptureFixture) -> None:
    seen: list[str] = []

    async def hog() -> None:
        give_up = time.monotonic() + 10
        # Blocks until the watchdog has spoken.
        while not caplog.records and time.monotonic() < give_up:
            time.sleep(0.001)  # noqa: ASYNC251 - it is to block
        seen.extend(record.getMessage() for record in caplog.records)
        task.stop()

    loop = Loop(settings=WATCHING)
    task = loop.schedule(Timing(1, name="the hog"), hog)
    with caplog.at_level(logging.WARNING, "core.loop"):
        loop.run()
    [message] = seen
    assert "the hog has blocked the loop for" in message
    assert "and still does" in message
    assert "in hog" in message
    assert "test_loop_machine.py" in message


def test_a_call_that_keeps_the_interpreter_lock_is_seen_afterwards(caplog: pytest.LogCaptureFixture) -> None:
    keep_lock = ctypes.PyDLL(None).usleep

    async def main() -> Any:
        keep_lock(60_000)
        await asyncio.sleep(0)
        return Loop.current().statistics()

    with caplog.at_level(logging.WARNING, "core.loop"):
        result = Loop(settings=WATCHING).run(main())
    assert result.blocked == 1
    assert result.blocked_longest >= Duration.of_milliseconds(60)
    assert "blocked the loop for" in caplog.text


def test_the_watchdog_ends_with_the_loop() -> None:
    async def main() -> set[str]:
        return {thread.name for thread in threading.enumerate()}

    assert "core loop watchdog" in Loop(settings=WATCHING).run(main())
    assert "core loop watchdog" not in {thread.name for thread in threading.enumerate()}
    assert "core loop watchdog" not in Loop(settings=LoopSettings(blocked_limit=None)).run(main())


@pytest.mark.parametrize(
    "options",
    [
        {"blocked_limit": Duration(0)},
        {"blocked_limit": 5},
        {"timer_slack": Duration(-1)},
        {"realtime_priority": 0},
        {"realtime_priority": 100},
        {"event_loop": "twisted"},
    ],
)
def test_impossible_settings(options: dict[str, Any]) -> None:
    with pytest.raises(LoopError, match=next(iter(options))):
        LoopSettings(**options)


def test_settings_are_asked_of_the_machine() -> None:
    cpus = os.sched_getaffinity(0)
    one = {min(cpus)}

    async def main() -> tuple[set[int], int, int]:
        slack = ctypes.CDLL(None).prctl(30, 0, 0, 0, 0)
        return os.sched_getaffinity(0), slack, gc.get_freeze_count()

    settings = LoopSettings(affinity=one, freeze_garbage=True, timer_slack=Duration.of_nanoseconds(7))
    try:
        affinity, slack, frozen = Loop(settings=settings).run(main())
    finally:
        os.sched_setaffinity(0, cpus)
        gc.unfreeze()
    assert affinity == one
    assert slack == 7
    assert frozen > 1000


def test_what_the_machine_refuses_is_said_and_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> str:
        return "ran"

    assert Loop(settings=LoopSettings(affinity=[100_000])).run(main()) == "ran"
    assert "without its CPUs" in caplog.text
    assert "taskset" in caplog.text


def test_the_loop_runs_on_uvloop_when_asked_to() -> None:
    uvloop = pytest.importorskip("uvloop")
    ticks: list[int] = []

    async def tick() -> None:
        ticks.append(1)
        await Loop.current().delay(0.0001)
        if len(ticks) == 5:
            task.stop()
            kinds.append(type(asyncio.get_running_loop()))

    kinds: list[type] = []
    loop = Loop(settings=LoopSettings(event_loop="uvloop"))
    task = loop.schedule(1000, tick)
    loop.run()
    assert len(ticks) == 5
    assert issubclass(kinds[0], uvloop.Loop)


def test_the_kernels_timer_fires_not_before_its_deadline() -> None:
    timer = KernelTimer()
    try:
        for ahead in (1_000_000, 50_000, -5):
            deadline = time.monotonic_ns() + ahead
            timer.arm(deadline)
            os.set_blocking(timer.descriptor, True)
            assert os.read(timer.descriptor, 8) == (1).to_bytes(8, "little")
            assert time.monotonic_ns() >= deadline
    finally:
        timer.close()


async def fifty_ticks(precise: bool) -> TaskStatistics:
    loop = Loop.current()
    done = loop.asyncio_loop.create_future()

    async def tick() -> None:
        assert loop.now() >= task.deadline
        if task.statistics.ticks == 50 and not done.done():
            done.set_result(None)

    task = loop.schedule(Timing(500, precise=precise), tick)
    await done
    return task.statistics


def test_real_ticks_come_in_time_and_precise_ones_earlier_still() -> None:
    plain, precise = Loop().run(fifty_ticks(precise=False)), Loop().run(fifty_ticks(precise=True))
    # Generous, for a machine that is busy with others: asyncio's own p50 is above a millisecond.
    assert plain.lateness_p50 < Duration.of_milliseconds(5)
    assert precise.lateness_p50 < plain.lateness_p50


@given(st.lists(st.integers(0, 1_000_000_000), min_size=1, max_size=200), st.sampled_from([0.5, 0.99]))
def test_counted_quantiles_are_near_the_true_ones(latenesses: list[int], share: float) -> None:
    buckets = statistics.new_buckets()
    for lateness in latenesses:
        buckets[statistics.bucket_of(lateness)] += 1
    exact = sorted(latenesses)[math.ceil(share * len(latenesses)) - 1]
    told = statistics.quantile(buckets, share).as_nanoseconds()
    assert exact * 0.79 - 1024 <= told <= exact * 1.26 + 1280


def test_a_scheduled_task_takes_less_than_a_kibibyte() -> None:
    import tracemalloc

    async def tick() -> None:
        """Do nothing."""

    loop = Loop()
    loop.schedule(1.0, tick)
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    kept = [loop.schedule(1.0, tick) for _ in range(1000)]
    size = (tracemalloc.get_traced_memory()[0] - before) / len(kept)
    tracemalloc.stop()
    assert size < 1024
