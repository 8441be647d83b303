"""Ticks run in lent tasks: everything that asyncio promises holds from the first step on."""

from __future__ import annotations

import asyncio
import contextvars
import sys
from collections.abc import Coroutine
from typing import Any

import pytest

from core.errors import LoopError
from core.loop import Loop
from core.testing import VirtualClock

variable: contextvars.ContextVar[int] = contextvars.ContextVar("variable", default=0)


class Outcomes:
    """Note what `done` is called with."""

    def __init__(self) -> None:
        self.all: list[tuple[Any, BaseException | None]] = []

    def __call__(self, result: Any, error: BaseException | None) -> None:
        self.all.append((result, error))


def lend(clock: VirtualClock, coroutine: Coroutine[Any, Any, Any]) -> tuple[bool, Outcomes]:
    """Run a coroutine lent, to its end; return whether it waited, and the outcomes."""
    outcomes = Outcomes()

    async def main() -> bool:
        # The first lender parks in the loop's first turn.
        await asyncio.sleep(0)
        task = Loop.current().run_lent(coroutine, outcomes)
        if task is not None:
            await asyncio.wait({task})
        return task is not None

    waited = clock.run(main())
    return bool(waited), outcomes


def test_a_coroutine_that_does_not_wait_ends_at_once(clock: VirtualClock) -> None:
    async def work() -> int:
        return 42

    assert lend(clock, work())[0] is False
    assert lend(VirtualClock(), work())[1].all == [(42, None)]


def test_a_coroutine_that_waits_goes_on_in_the_same_task(clock: VirtualClock) -> None:
    async def work() -> bool:
        before = asyncio.current_task()
        assert before is not None
        await asyncio.sleep(1)
        return asyncio.current_task() is before and before in asyncio.all_tasks()

    waited, outcomes = lend(clock, work())
    assert waited
    assert outcomes.all == [(True, None)]


@pytest.mark.parametrize("waits", [False, True])
def test_errors_reach_done(clock: VirtualClock, waits: bool) -> None:
    async def work() -> None:
        if waits:
            await asyncio.sleep(1)
        raise ValueError("mine")

    waited, outcomes = lend(clock, work())
    assert waited is waits
    [(result, error)] = outcomes.all
    assert (result, str(error)) == (None, "mine")


def test_timeouts_and_task_groups_work_in_the_first_step(clock: VirtualClock) -> None:
    async def work() -> list[str]:
        seen = []
        try:
            async with asyncio.timeout(0.5), asyncio.TaskGroup() as group:
                group.create_task(asyncio.sleep(0.1))
                await asyncio.sleep(10)
        except TimeoutError:
            seen.append(f"timeout at {clock.seconds}")

        async def fail() -> None:
            raise ValueError("child")

        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(fail())
                await asyncio.sleep(10)
        except ExceptionGroup as error:
            seen.append(str(error.exceptions[0]))
        task = asyncio.current_task()
        assert task is not None
        seen.append(str(task.cancelling()))
        return seen

    assert lend(clock, work())[1].all == [(["timeout at 0.5", "child", "0"], None)]


def test_a_timeout_of_zero_in_the_first_step_reaches_the_coroutine(clock: VirtualClock) -> None:
    async def work() -> str:
        try:
            async with asyncio.timeout(0):
                await asyncio.sleep(10)
        except TimeoutError:
            return f"timeout at {clock.seconds}"
        return "none"

    assert lend(clock, work())[1].all == [("timeout at 0.0", None)]


def test_a_cancel_between_lending_and_adoption_reaches_the_coroutine(clock: VirtualClock) -> None:
    log: list[str] = []
    outcomes = Outcomes()

    async def work() -> None:
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError as error:
            log.append(f"cancelled {error.args}")
            await asyncio.sleep(1)
            log.append("cleaned up")
            raise

    async def main() -> None:
        await asyncio.sleep(0)
        task = Loop.current().run_lent(work(), outcomes)
        assert task is not None
        # Not one turn later: the task has not awoken yet.
        assert task.cancel("now")
        await asyncio.wait({task})
        assert task.cancelled()

    clock.run(main())
    assert log == ["cancelled ('now',)", "cleaned up"]
    assert isinstance(outcomes.all[0][1], asyncio.CancelledError)


def test_such_a_cancel_is_passed_on_to_what_is_awaited(clock: VirtualClock) -> None:
    log: list[str] = []

    async def inner() -> str:
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            log.append("inner cancelled")
            return "inner's answer"
        return "slept"

    async def work() -> str:
        task = asyncio.get_running_loop().create_task(inner())
        await asyncio.sleep(0)
        return await task

    async def main() -> str:
        await asyncio.sleep(0)
        outcomes = Outcomes()
        task = Loop.current().run_lent(work(), outcomes)
        assert task is not None
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        return str(await task)

    # As with any Task: a cancel goes to what is awaited, which may answer it.
    assert clock.run(main()) == "inner's answer"
    assert log == ["inner cancelled"]


def test_the_awaited_task_is_cancelled_before_adoption_too(clock: VirtualClock) -> None:
    log: list[str] = []

    async def inner() -> str:
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            log.append("inner cancelled")
            return "inner's answer"
        return "slept"

    async def main() -> str:
        task = asyncio.get_running_loop().create_task(inner())
        await asyncio.sleep(0)

        async def work() -> str:
            return await task

        lent = Loop.current().run_lent(work(), Outcomes())
        assert lent is not None
        lent.cancel()
        return str(await lent)

    assert clock.run(main()) == "inner's answer"
    assert log == ["inner cancelled"]


def test_a_coroutine_that_cancels_itself_in_its_first_step(clock: VirtualClock) -> None:
    async def work() -> str:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            return f"cancelled, {task.cancelling()}"
        return "not cancelled"

    async def plain() -> str:
        return await asyncio.get_running_loop().create_task(work())

    expected = VirtualClock().run(plain())
    assert expected == "cancelled, 1"
    assert lend(clock, work())[1].all == [(expected, None)]


def test_after_a_self_cancel_the_next_tick_is_not_harmed(clock: VirtualClock) -> None:
    times: list[float] = []

    async def tick() -> None:
        times.append(clock.seconds)
        if len(times) == 2:
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
            return
        await asyncio.sleep(0.1)
        if len(times) == 5:
            scheduled.stop()

    scheduled = clock.loop.schedule(1, tick)
    clock.run()
    assert times == [0, 1, 2, 3, 4]
    assert scheduled.statistics.errors == 0


def test_context_variables_belong_to_one_run(clock: VirtualClock) -> None:
    seen: list[tuple[int, int, int]] = []

    async def tick() -> None:
        before = variable.get()
        variable.set(before + 1)
        if len(seen) % 2:
            await asyncio.sleep(0.1)
        child = await asyncio.get_running_loop().create_task(read())
        seen.append((before, variable.get(), child))
        if len(seen) == 4:
            scheduled.stop()

    async def read() -> int:
        return variable.get()

    context = contextvars.copy_context()

    def schedule() -> Any:
        variable.set(7)
        return clock.loop.schedule(1, tick)

    scheduled = context.run(schedule)
    clock.run()
    assert seen == [(7, 8, 8)] * 4
    assert variable.get() == 0


@pytest.mark.skipif(sys.version_info < (3, 12), reason="Task.get_context came with 3.12")
def test_get_context_tells_the_context_of_the_coroutine(clock: VirtualClock) -> None:
    async def work() -> Any:
        variable.set(9)
        await asyncio.sleep(0.1)
        task = asyncio.current_task()
        assert task is not None
        return task.get_context()[variable]  # type: ignore[attr-defined]  # typeshed of 3.11

    assert lend(clock, work())[1].all == [(9, None)]


def test_many_waiting_ticks_at_one_instant_all_run(clock: VirtualClock) -> None:
    ended: list[int] = []

    async def tick(number: int) -> None:
        variable.set(number)
        await asyncio.sleep(0.1)
        assert variable.get() == number
        ended.append(number)

    async def main() -> None:
        for number in range(200):
            Loop.current().schedule(1, tick, number)
        await asyncio.sleep(2.5)

    clock.run(main())
    assert sorted(ended) == sorted([*range(200)] * 3)


def test_lending_within_a_lent_first_step(clock: VirtualClock) -> None:
    log: list[str] = []

    async def inner() -> None:
        log.append("inner")

    async def outer() -> None:
        task = asyncio.current_task()
        loop = Loop.current()
        for _ in range(3):
            waiting = loop.run_lent(inner(), Outcomes())
            assert asyncio.current_task() is task
            if waiting is not None:
                await waiting
        log.append("outer")

    assert lend(clock, outer())[1].all == [(None, None)]
    assert log == ["inner"] * 3 + ["outer"]


def test_parked_tasks_are_not_among_all_tasks(clock: VirtualClock) -> None:
    async def tick() -> None:
        pass

    async def main() -> set[str]:
        Loop.current().schedule(1, tick)
        await asyncio.sleep(5)
        return {task.get_name() for task in asyncio.all_tasks()}

    names = clock.run(main())
    assert names is not None
    assert len(names) == 2  # main, and the run that waits for it


def test_a_stale_cancel_does_not_stop_later_ticks(clock: VirtualClock) -> None:
    kept: list[Any] = []
    times: list[float] = []

    async def tick() -> None:
        times.append(clock.seconds)
        kept.append(asyncio.current_task())

    async def main() -> None:
        Loop.current().schedule(1, tick)
        await asyncio.sleep(1.5)
        for task in kept:
            task.cancel()
        await asyncio.sleep(2)

    clock.run(main())
    assert times == [0, 1, 2, 3]


def test_the_task_is_named_after_the_tick(clock: VirtualClock) -> None:
    names: list[str] = []

    async def tick() -> None:
        await asyncio.sleep(0.1)
        task = asyncio.current_task()
        assert task is not None
        names.append(task.get_name())
        scheduled.stop()

    scheduled = clock.loop.schedule(1, tick)
    clock.run()
    assert names == [tick.__qualname__]


def test_lending_needs_a_running_loop() -> None:
    async def work() -> None:
        raise AssertionError("never to run")

    coroutine = work()
    with pytest.raises(LoopError, match="does not run"):
        Loop().run_lent(coroutine, Outcomes())
    coroutine.close()


def test_adopted_coroutines_are_shown_by_get_coro(clock: VirtualClock) -> None:
    async def work() -> str:
        await asyncio.sleep(0.1)
        task = asyncio.current_task()
        assert task is not None
        coroutine: Any = task.get_coro()
        return str(coroutine.__qualname__)

    assert lend(clock, work())[1].all == [(work.__qualname__, None)]
