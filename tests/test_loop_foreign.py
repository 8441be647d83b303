"""On an asyncio loop that somebody else runs, and on uvloop where that is installed."""

from __future__ import annotations

import asyncio
import gc
import importlib.util
import os
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from core.duration import Duration
from core.loop import Loop, Timing, add_task, current_loop, delay, run_later, schedule

Runner = Callable[[Coroutine[Any, Any, Any]], Any]


def by_uvloop(main: Coroutine[Any, Any, Any]) -> Any:
    uvloop = pytest.importorskip("uvloop")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main)


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Runner:
    if request.param == "asyncio":
        return asyncio.run
    if importlib.util.find_spec("uvloop") is None:
        pytest.skip("uvloop is not installed")
    return by_uvloop


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - the shorter way


def test_everything_works_on_a_foreign_loop_and_nothing_is_left(run: Runner) -> None:
    async def main() -> tuple[int, int, list[str]]:
        ticks: list[int] = []
        log: list[str] = []
        enough = asyncio.get_running_loop().create_future()

        async def tick() -> None:
            ticks.append(current_loop().now())
            if len(ticks) % 2:
                await delay(0.0005)
            if len(ticks) == 20 and not enough.done():
                enough.set_result(None)

        async def note(what: str) -> str:
            log.append(what)
            return what

        loop = current_loop()
        assert loop is current_loop()
        assert loop.asyncio_loop is asyncio.get_running_loop()
        task = schedule(1000, tick)
        flushed, resume = loop.suspend()
        loop.before_wait(resume)
        await flushed
        assert await add_task(note("task")) == "task"
        assert await run_later(0.001, note("later")) == "later"
        await enough
        return len(ticks), task.statistics.ticks, log

    # uvloop keeps two descriptors of its own from the first loop on.
    run(asyncio.sleep(0))
    gc.collect()
    before = descriptors()
    counted, ticked, log = run(main())
    gc.collect()
    assert counted == ticked
    assert counted >= 20
    assert log == ["task", "later"]
    assert descriptors() == before


def test_an_error_reaches_the_foreign_loops_handler(run: Runner) -> None:
    async def main() -> list[Any]:
        errors: asyncio.Queue[Any] = asyncio.Queue()
        asyncio.get_running_loop().set_exception_handler(lambda _, context: errors.put_nowait(context["exception"]))

        async def fail() -> None:
            raise ValueError("mine")

        task = schedule(100, fail)
        add_task(fail())
        seen = [await errors.get(), await errors.get()]
        assert not task.active
        return seen

    assert [str(error) for error in run(main())] == ["mine", "mine"]


def test_a_waiting_tick_is_cancelled_with_the_loop(run: Runner) -> None:
    log: list[str] = []

    async def main() -> None:
        began = asyncio.get_running_loop().create_future()

        async def tick() -> None:
            began.set_result(None)
            try:
                await delay(Duration.of_hours(1))
            finally:
                log.append("cleaned up")

        schedule(Timing(1), tick)
        await began

    run(main())
    assert log == ["cleaned up"]


def test_each_asyncio_loop_has_its_own() -> None:
    async def main() -> Loop:
        return Loop.current()

    assert asyncio.run(main()) is not asyncio.run(main())
    assert Loop.current() is Loop.current()


def test_what_is_scheduled_after_a_rest_begins_then_and_all_of_one_turn_together(run: Runner) -> None:
    async def tick() -> None: ...

    async def main() -> None:
        await delay(0.001)
        first = schedule(1, tick).deadline
        resting = asyncio.Event()
        asyncio.get_running_loop().call_later(0.02, resting.set)
        await resting.wait()
        deadlines = {schedule(1, tick).deadline for _ in range(25)}
        assert len(deadlines) == 1
        assert min(deadlines) - first >= 10_000_000  # uvloop counts milliseconds from the begin of its turn

    run(main())
