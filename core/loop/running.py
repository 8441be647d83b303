"""Running a loop: the asyncio loop underneath, and how a run ends."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from core.errors import LoopError
from core.loop.agenda import Agenda
from core.loop.clock import Clock
from core.loop.event_loop import CoreEventLoop
from core.loop.settings import LoopSettings, apply_settings

__all__ = ["end_all", "make_asyncio_loop", "outcome"]

T = TypeVar("T")


def make_asyncio_loop(settings: LoopSettings, agenda: Agenda, clock: Clock) -> asyncio.AbstractEventLoop:
    """Return the asyncio loop that the settings ask for, on a machine that is set up for it; raise LoopError."""
    if clock.virtual:
        return CoreEventLoop(agenda, clock)
    apply_settings(settings)
    if settings.event_loop == "core":
        return CoreEventLoop(agenda, clock)
    try:
        uvloop = importlib.import_module("uvloop")
    except ImportError as error:
        raise LoopError("the loop is to run on uvloop, which is not installed: pip install uvloop") from error
    made: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return made


async def end_all(stop: Callable[[], None]) -> asyncio.CancelledError | None:
    """Call `stop`, cancel and await everything but the caller; return the interruption that came meanwhile."""
    interrupted: asyncio.CancelledError | None = None
    asked: set[asyncio.Task[Any]] = set()
    while True:
        stop()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        if not others:
            return interrupted
        for task in others - asked:
            task.cancel()
        asked |= others
        try:
            await asyncio.wait(others)
        except asyncio.CancelledError as error:
            # A second Ctrl-C comes as KeyboardInterrupt; the first must not leave anybody behind.
            interrupted = error


def outcome(
    work: asyncio.Task[T] | None, failures: Sequence[BaseException], interrupted: asyncio.CancelledError | None
) -> T | None:
    """Return what the main task returned; raise its error and the failures of others, several as a group."""
    errors = list(failures)
    if work is not None and not work.cancelled() and (failure := work.exception()) is not None:
        if isinstance(failure, KeyboardInterrupt | SystemExit):
            # asyncio has let it out of the loop already.
            return None
        errors.insert(0, failure)
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise BaseExceptionGroup("several tasks of the loop failed", errors)
    if work is not None and not work.cancelled():
        return work.result()
    if interrupted is not None:
        raise interrupted
    return None if work is None else work.result()
