"""What a test leaves behind: tasks, descriptors, threads."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import inspect
import threading
import time
from collections.abc import Callable, Collection, Coroutine, Iterator
from pathlib import Path
from typing import Any

from core.loop import Loop

__all__ = ["Holdings", "loops_watched", "tasks_left"]

DESCRIPTORS = Path("/proc/self/fd")
GRACE_SECONDS = 2.0
"""How long threads and descriptors have to go that are on their way out."""
POLL_SECONDS = 0.005
TURNS = 3
"""How many turns of the loop tasks have to go that are on their way out."""
HOUSE = ("core loop watchdog",)
POOLS = ("asyncio_", "core_")
"""How asyncio, and our own loop, name the threads of a loop's default executor."""


def tasks_left(before: Collection[asyncio.Task[Any]] = ()) -> list[str]:
    """Return the names of the tasks of the running loop that were not among `before` and have not ended."""
    known = {*before, asyncio.current_task()}
    return sorted(_named(task) for task in asyncio.all_tasks() if task not in known)


class Holdings:
    """Be the descriptors and threads of this process at one moment."""

    def __init__(self) -> None:
        self._descriptors = _descriptors()
        self._threads = set(threading.enumerate())

    def left(self, grace: float = GRACE_SECONDS) -> list[str]:
        """Return what has come since and is still there after `grace` seconds, in words."""
        deadline = time.monotonic() + grace
        while (found := self._new()) and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
        return found

    def _new(self) -> list[str]:
        threads = [thread for thread in threading.enumerate() if thread not in self._threads]
        descriptors = _descriptors()
        return [
            *(f"thread {thread.name!r}" for thread in threads if thread.is_alive() and not _of_the_loop(thread)),
            *(
                f"descriptor {number}, {target}"
                for number, target in descriptors.items()
                if self._descriptors.get(number) != target
            ),
        ]


@contextlib.contextmanager
def loops_watched() -> Iterator[list[str]]:
    """Give a list to which each loop that is run inside adds the tasks that its main coroutine leaves behind.

    Loops cancel such tasks when they end, so that later nothing of them is to be seen.
    """
    left: list[str] = []

    def watching(run: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(run)
        def watched(runner: Any, main: Any = None, *more: Any, **context: Any) -> Any:
            return run(runner, _watched(main, left) if inspect.iscoroutine(main) else main, *more, **context)

        return watched

    original, original_core = asyncio.Runner.run, Loop.run
    asyncio.Runner.run = watching(original)  # type: ignore[method-assign]
    Loop.run = watching(original_core)  # type: ignore[method-assign]
    try:
        yield left
    finally:
        asyncio.Runner.run = original  # type: ignore[method-assign]
        Loop.run = original_core  # type: ignore[method-assign]


async def _watched(main: Coroutine[Any, Any, Any], left: list[str]) -> Any:
    before = asyncio.all_tasks()
    result = await main
    for _ in range(TURNS):
        await asyncio.sleep(0)
    left += [f"task {name}" for name in tasks_left(before)]
    return result


def _of_the_loop(thread: threading.Thread) -> bool:
    """Return whether a thread belongs to the loop: its watchdog, and while it runs the pool that it ends itself."""
    if not thread.name.startswith(POOLS):
        return thread.name in HOUSE
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _named(task: asyncio.Task[Any]) -> str:
    return f"{task.get_name()!r} ({getattr(task.get_coro(), '__qualname__', task.get_coro())})"


def _descriptors() -> dict[str, str]:
    found: dict[str, str] = {}
    if not DESCRIPTORS.is_dir():  # not Linux
        return found
    for path in DESCRIPTORS.iterdir():
        # The directory's own descriptor is gone when it is looked at.
        with contextlib.suppress(OSError):
            found[path.name] = str(path.readlink())
    return found
