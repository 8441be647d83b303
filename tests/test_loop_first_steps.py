"""What the cheap way of running ticks must not change: errors, coroutines of another make, contexts, sockets, spins."""

from __future__ import annotations

import asyncio
import contextvars
import socket
import time
from collections.abc import Coroutine, Generator
from typing import Any

import pytest

from core.errors import LoopError
from core.loop import Loop, ScheduledTask, Timing
from core.loop.precise import Spin
from core.testing import VirtualClock

MS = 1_000_000


class OfAnotherMake(Coroutine[Any, Any, int]):
    """Be a coroutine that is none of Python's own, as Cython makes them."""

    def __init__(self, coroutine: Coroutine[Any, Any, int]) -> None:
        self.coroutine = coroutine

    def __await__(self) -> Generator[Any, Any, int]:
        return self.coroutine.__await__()

    def send(self, value: Any) -> Any:
        return self.coroutine.send(value)

    def throw(self, *error: Any) -> Any:
        return self.coroutine.throw(*error)

    def close(self) -> None:
        self.coroutine.close()


@pytest.mark.parametrize("waits", [False, True])
def test_a_coroutine_of_another_make(clock: VirtualClock, waits: bool) -> None:
    results = []

    async def work() -> int:
        if waits:
            await asyncio.sleep(1)
        return 42

    async def main() -> None:
        await asyncio.sleep(0)
        task = Loop.current().run_lent(OfAnotherMake(work()), lambda result, error: results.append((result, error)))
        assert (task is not None) == waits
        if task is not None:
            assert await task == 42

    clock.run(main())
    assert results == [(42, None)]


def test_a_first_step_after_one_that_raised(clock: VirtualClock) -> None:
    results: list[Any] = []

    async def fail() -> None:
        raise ValueError("no")

    async def work() -> bool:
        async with asyncio.timeout(1):  # noqa: ASYNC100 - it needs a current task to begin
            return asyncio.current_task() is not None

    async def main() -> None:
        await asyncio.sleep(0)
        loop = Loop.current()
        for coroutine in (fail(), work(), fail(), work()):
            assert loop.run_lent(coroutine, lambda result, error: results.append(result or type(error))) is None

    clock.run(main())
    assert results == [ValueError, True, ValueError, True]


def test_results_of_waiting_coroutines_are_not_mixed_up(clock: VirtualClock) -> None:
    results: list[Any] = []

    async def work(number: int) -> int:
        if number % 2:
            await asyncio.sleep(1 + number % 3)
        return number

    async def main() -> None:
        loop = Loop.current()
        tasks = []
        for number in range(20):
            await asyncio.sleep(0)
            task = loop.run_lent(work(number), lambda result, error: results.append(result))
            tasks += [task] if task is not None else []
        assert await asyncio.gather(*tasks) == list(range(1, 20, 2))

    clock.run(main())
    assert sorted(results) == list(range(20))


def test_what_handlers_set_does_not_reach_the_program(clock: VirtualClock) -> None:
    variable = contextvars.ContextVar("variable", default=0)
    seen = []

    def handler(task: ScheduledTask, error: BaseException) -> None:
        seen.append(variable.get())
        variable.set(variable.get() + 1)

    async def fail() -> None:
        raise ValueError("no")

    loop = clock.loop
    loop.schedule(Timing(1, handler=handler), fail)
    clock.run(loop.delay(3.5))
    assert seen == [0, 0, 0, 0]
    assert variable.get() == 0


def test_a_busy_loop_still_looks_at_its_sockets() -> None:
    async def main() -> int:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            ours.setblocking(False)
            came = asyncio.get_running_loop().create_task(asyncio.get_running_loop().sock_recv(ours, 1))
            await asyncio.sleep(0)
            theirs.send(b"x")
            began = time.monotonic_ns()
            while not came.done() and time.monotonic_ns() - began < 5_000 * MS:  # noqa: ASYNC110 - it is to be busy
                await asyncio.sleep(0)
            assert came.done()
            return time.monotonic_ns() - began

    assert Loop().run(main()) < 1_000 * MS


def test_a_precise_task_needs_a_coroutine_too() -> None:
    wrong: Any = lambda: 5  # noqa: E731 - of any type
    loop = Loop()
    loop.schedule(Timing(100, precise=True), coroutine_function=wrong)
    with pytest.raises(LoopError, match="made 5 instead of a coroutine"):
        loop.run()


class Moments:
    """Be a clock that goes on by a microsecond whenever it is read."""

    def __init__(self) -> None:
        self.time = 0

    def __call__(self) -> int:
        self.time += 1000
        return self.time


def test_the_lead_follows_the_latency_and_leaves_out_what_is_seldom() -> None:
    now = Moments()
    spin = Spin(10 * MS, 0.2, now)
    for number in range(1, 1000):
        deadline = number * 10 * MS
        # Every wake-up is 80 us late, two of 256 by three milliseconds.
        now.time = max(now.time, spin.aim(deadline)) + (3 * MS if number % 130 == 0 else 80_000)
        met = spin.wait()
        if number % 130:
            assert deadline <= met <= deadline + 1000
    assert 80_000 < spin.lead < 120_000


def test_the_lead_stays_within_its_share() -> None:
    now = Moments()
    spin = Spin(MS, 0.2, now)
    for number in range(1, 1000):
        now.time = max(now.time, spin.aim(number * MS)) + 700_000
        spin.wait()
    assert spin.lead == MS // 5
