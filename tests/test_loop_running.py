"""run(): what it returns, what comes out of it, and that nothing is left behind."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from typing import Any

import pytest

import core.loop as loop_functions
from core.errors import LoopError
from core.loop import Loop
from core.testing import VirtualClock


def test_run_returns_what_main_returns_and_awaits_all_else(clock: VirtualClock) -> None:
    log: list[str] = []

    async def background(name: str) -> None:
        try:
            await loop_functions.delay(1000)
        finally:
            await loop_functions.delay(1)
            log.append(name)

    async def main() -> int:
        loop = Loop.current()
        loop.add_task(background("added"))
        loop.schedule(1, background, "tick")
        plain = asyncio.get_running_loop().create_task(background("plain"))
        await loop.delay(0.5)
        assert not plain.done()
        return 42

    assert clock.run(main()) == 42
    assert sorted(log) == ["added", "plain", "tick"]


def test_an_added_task_is_awaitable_and_its_error_reaches_the_awaiter(clock: VirtualClock) -> None:
    async def answer() -> int:
        await loop_functions.delay(1)
        return 42

    async def fail() -> None:
        await loop_functions.delay(1)
        raise ValueError("mine")

    early = clock.loop.add_task(answer())

    async def main() -> int:
        loop = Loop.current()
        assert not early.done()
        with pytest.raises(ValueError, match="mine"):
            await loop.add_task(fail())
        return await loop.add_task(answer()) + await early

    assert clock.run(main()) == 84


def test_an_error_of_an_added_task_comes_out_of_run(clock: VirtualClock) -> None:
    async def fail() -> None:
        await loop_functions.delay(1)
        raise ValueError("nobody's")

    async def main() -> None:
        loop_functions.add_task(fail())
        await loop_functions.delay(100)

    with pytest.raises(ValueError, match="nobody's"):
        clock.run(main())
    assert clock.seconds == 1


def test_several_errors_come_out_as_a_group(clock: VirtualClock) -> None:
    async def fail(error: Exception) -> None:
        try:
            await loop_functions.delay(1)
        finally:
            raise error

    clock.loop.add_task(fail(ValueError("one")))
    clock.loop.add_task(fail(KeyError("two")))
    with pytest.raises(ExceptionGroup) as caught:
        clock.run()
    assert [type(error) for error in caught.value.exceptions] == [ValueError, KeyError]


def test_on_error_takes_the_error_of_an_added_task(clock: VirtualClock) -> None:
    caught: list[str] = []

    async def fail() -> None:
        raise ValueError("mine")

    clock.loop.add_task(fail(), name="failing", on_error=lambda task, error: caught.append(f"{task.name}: {error}"))
    clock.run()
    assert caught == ["failing: mine"]


@pytest.mark.parametrize("wrong", [lambda: 5, lambda: asyncio.sleep, lambda: None])
def test_add_task_wants_a_coroutine(clock: VirtualClock, wrong: Callable[[], Any]) -> None:
    with pytest.raises(LoopError, match="takes a coroutine"):
        clock.loop.add_task(wrong())


def test_a_loop_runs_again_with_nothing_left_of_the_last_run(clock: VirtualClock) -> None:
    loop = Loop()
    ticks: list[int] = []

    async def tick() -> None:
        ticks.append(1)

    async def main(count: int) -> int:
        if count:
            loop.schedule(1, tick)
            while not ticks:
                await loop.delay(0)
        return loop.statistics().background + len(loop.statistics().tasks)

    assert loop.run(main(1)) == 1
    ticks.clear()
    assert loop.run(main(0)) == 0
    assert ticks == []


def test_running_within_a_running_loop_is_refused() -> None:
    async def main() -> None:
        with pytest.raises(LoopError, match="already"):
            Loop().run(asyncio.sleep(0))
        with pytest.raises(LoopError, match="already"):
            Loop.current().run()

    Loop().run(main())


def test_what_needs_a_running_loop_says_so() -> None:
    loop = Loop()
    with pytest.raises(LoopError, match="does not run"):
        loop.call_from_thread(print)
    with pytest.raises(LoopError, match="does not run"):
        _ = loop.asyncio_loop


def test_another_thread_is_told_how_to_schedule() -> None:
    async def tick() -> None:
        done.append("ticked")

    done: list[str] = []
    caught: list[str] = []

    async def main() -> None:
        loop = Loop.current()

        def work() -> None:
            try:
                loop.schedule(1, tick)
            except LoopError as error:
                caught.append(str(error))
            loop.call_from_thread(loop.schedule, 1, tick)

        await asyncio.to_thread(work)
        while not done:
            await loop.delay(0)

    Loop().run(main())
    assert "call_from_thread" in caught[0]


def test_ctrl_c_cancels_main_awaits_all_and_raises() -> None:
    log: list[str] = []

    async def background() -> None:
        try:
            await loop_functions.delay(1000)
        finally:
            await asyncio.sleep(0)
            log.append("background")

    async def main() -> None:
        loop_functions.add_task(background())
        try:
            await asyncio.sleep(0)
            os.kill(os.getpid(), signal.SIGINT)
            await loop_functions.delay(1000)
        finally:
            log.append("main")

    with pytest.raises(KeyboardInterrupt):
        Loop().run(main())
    assert sorted(log) == ["background", "main"]


def test_main_may_answer_ctrl_c_with_a_result() -> None:
    async def main() -> str:
        try:
            os.kill(os.getpid(), signal.SIGINT)
            await loop_functions.delay(1000)
        except asyncio.CancelledError:
            return "in order"
        return "never"

    assert Loop().run(main()) == "in order"


def test_system_exit_in_a_tick_ends_the_run() -> None:
    async def tick() -> None:
        raise SystemExit(3)

    loop = Loop()
    loop.schedule(1, tick)
    with pytest.raises(SystemExit) as caught:
        loop.run()
    assert caught.value.code == 3
