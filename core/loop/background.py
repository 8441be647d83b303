"""BackgroundTask: a coroutine that was given to a loop."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Coroutine, Generator
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from core.loop.loop import Loop

__all__ = ["BackgroundTask"]

T = TypeVar("T")


class BackgroundTask(Generic[T]):
    """Run a coroutine as soon as the loop runs, and be kept until it has ended.

    Made by `Loop.add_task` and `Loop.run_later`. Await it for its result; what it raises then reaches whoever awaits
    it, and otherwise comes out of `run()`.
    """

    def __init__(
        self,
        loop: Loop,
        coroutine: Coroutine[Any, Any, T],
        *,
        name: str | None = None,
        on_error: Callable[[BackgroundTask[Any], BaseException], None] | None = None,
        after: int = 0,
    ) -> None:
        self.name: str = name or str(getattr(coroutine, "__qualname__", "task"))
        """Names the task in logs."""
        self._loop = loop
        self._coroutine = coroutine
        self._after = after
        self._on_error = on_error
        self._context = contextvars.copy_context()
        self._task: asyncio.Task[T] | None = None
        self._ready: list[Callable[[], None]] = []
        self._awaiting = 0
        self._cancelled = False

    def done(self) -> bool:
        """Return True if the coroutine has ended, or will not begin."""
        return self._cancelled or (self._task is not None and self._task.done())

    def cancelled(self) -> bool:
        """Return True if the coroutine was cancelled."""
        return self._cancelled or (self._task is not None and self._task.cancelled())

    def cancel(self) -> bool:
        """Ask the coroutine to end, as `asyncio.Task.cancel` does; return False if it has ended already."""
        if self._task is not None:
            return self._task.cancel()
        if self._cancelled:
            return False
        self._cancelled = True
        self._coroutine.close()
        self._loop.ended(self)
        self._tell()
        return True

    def __await__(self) -> Generator[Any, Any, T]:
        self._awaiting += 1
        try:
            if self._task is None and not self._cancelled:
                begun, tell = self._loop.suspend()
                self._ready.append(tell)
                yield from begun.__await__()
            if self._task is None:
                raise asyncio.CancelledError
            return (yield from self._task.__await__())
        finally:
            self._awaiting -= 1

    def begin(self) -> None:
        """Start now or after the delay; for the loop alone."""
        if not self._cancelled and self._task is None:
            work = self._later() if self._after else self._coroutine
            self._task = self._loop.asyncio_loop.create_task(work, name=self.name, context=self._context)
            self._task.add_done_callback(self._ended)
            self._tell()

    def _tell(self) -> None:
        for tell in self._ready:
            tell()
        self._ready.clear()

    async def _later(self) -> T:
        await self._loop.sleep_until(self._loop.now() + self._after)
        return await self._coroutine

    def _ended(self, task: asyncio.Task[T]) -> None:
        # One that was cancelled before it began is not to be reported as never awaited.
        self._coroutine.close()
        self._loop.ended(self)
        if not task.cancelled() and (error := task.exception()) is not None:
            if isinstance(error, KeyboardInterrupt | SystemExit):
                # asyncio lets these two out of the loop by itself.
                return
            if self._on_error is not None:
                self._on_error(self, error)
            elif not self._awaiting:
                self._loop.fail(error, self.name)
