"""The loop's methods as functions: they act on the loop that runs, and otherwise on the default loop."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, ParamSpec, TypeVar, overload

from core.duration import Duration
from core.loop.background import BackgroundTask
from core.loop.loop import Loop
from core.loop.scheduled import ScheduledTask
from core.loop.timing import Rate

__all__ = ["add_task", "current_loop", "delay", "run", "run_later", "schedule", "schedule_later", "sleep", "suspend"]

P = ParamSpec("P")
T = TypeVar("T")


def current_loop() -> Loop:
    """Return the loop that runs in this thread, else the default loop; see `Loop.current`."""
    return Loop.current()


def add_task(coroutine: Coroutine[Any, Any, T]) -> BackgroundTask[T]:
    """Run a coroutine beside everything else; see `Loop.add_task`."""
    return Loop.current().add_task(coroutine)


def run_later(seconds: float | Duration, coroutine: Coroutine[Any, Any, T]) -> BackgroundTask[T]:
    """Run a coroutine object once, `seconds` from now; see `Loop.run_later`."""
    return Loop.current().run_later(seconds, coroutine)


@overload
def schedule(
    frequency: Rate, coroutine_function: Callable[P, Coroutine[Any, Any, Any]], /, *args: P.args, **kwargs: P.kwargs
) -> ScheduledTask: ...
@overload
def schedule(
    frequency: Rate, /, *, coroutine_function: Callable[..., Coroutine[Any, Any, Any]], **kwargs: Any
) -> ScheduledTask: ...
@overload
def schedule(*args: Any, hz: float, **kwargs: Any) -> ScheduledTask: ...
@overload
def schedule(*args: Any, frequency: Rate, **kwargs: Any) -> ScheduledTask: ...
def schedule(*args: Any, **kwargs: Any) -> ScheduledTask:
    """Run a coroutine function at a frequency (Hz), or with a period (Duration, Timing); see `Loop.schedule`."""
    return Loop.current().schedule(*args, **kwargs)


@overload
def schedule_later(
    frequency: Rate, coroutine_function: Callable[P, Coroutine[Any, Any, Any]], /, *args: P.args, **kwargs: P.kwargs
) -> ScheduledTask: ...
@overload
def schedule_later(
    frequency: Rate, /, *, coroutine_function: Callable[..., Coroutine[Any, Any, Any]], **kwargs: Any
) -> ScheduledTask: ...
@overload
def schedule_later(*args: Any, hz: float, **kwargs: Any) -> ScheduledTask: ...
@overload
def schedule_later(*args: Any, frequency: Rate, **kwargs: Any) -> ScheduledTask: ...
def schedule_later(*args: Any, **kwargs: Any) -> ScheduledTask:
    """Do the same as `schedule`, with the first tick after one period."""
    return Loop.current().schedule_later(*args, **kwargs)


async def delay(seconds: float | Duration) -> None:
    """Wait for `seconds` (a number or a Duration); others run meanwhile."""
    await Loop.current().delay(seconds)


async def sleep(seconds: float | Duration) -> None:
    """Do the same as `delay`."""
    await Loop.current().delay(seconds)


def suspend() -> tuple[Awaitable[None], Callable[[], None]]:
    """Return what a coroutine can wait for, and the function that lets it go on; see `Loop.suspend`."""
    return Loop.current().suspend()


@overload
def run(main: Coroutine[Any, Any, T]) -> T: ...
@overload
def run(main: None = None) -> None: ...
def run(main: Coroutine[Any, Any, T] | None = None) -> T | None:
    """Run the default loop: until `main` ends, without it until nothing is left to do; see `Loop.run`."""
    return Loop.current().run(main)
