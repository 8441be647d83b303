"""Lent tasks: run a coroutine's first step without making a Task for it.

Most ticks and most handlers end without waiting, and making an asyncio Task costs several times their work. But a
coroutine stepped outside of any Task cannot use asyncio.timeout or TaskGroup. So a parked, real Task is made current
for the first step. A coroutine that ends there costs nothing more; one that waits is adopted: the Task awakes and goes
on with it, and whoever asked `asyncio.current_task()` in the first step holds the Task that it still runs in.

A parked Task is kept out of `asyncio.all_tasks()`: programs that wait for all tasks must not wait for it.
"""

from __future__ import annotations

import asyncio
import contextvars
import sys
import types
from collections.abc import Callable, Coroutine, Generator
from typing import Any

from core.errors import LoopError

__all__ = ["Lenders", "LentTask", "native"]

AnyCoroutine = Coroutine[Any, Any, Any]

_current: dict[asyncio.AbstractEventLoop, asyncio.Task[Any]] | None = None
if sys.version_info >= (3, 12):
    from asyncio.tasks import _swap_current_task as _swap  # type: ignore[attr-defined]
else:
    _current = asyncio.tasks._current_tasks  # type: ignore[attr-defined]

    def _swap(
        loop: asyncio.AbstractEventLoop, task: asyncio.Task[Any] | None, current: Any = _current
    ) -> asyncio.Task[Any] | None:
        previous: asyncio.Task[Any] | None = current.get(loop)
        if task is None:
            del current[loop]
        else:
            current[loop] = task
        return previous


_register: Callable[[asyncio.Task[Any]], None] = asyncio.tasks._register_task
_unregister: Callable[[asyncio.Task[Any]], None] = asyncio.tasks._unregister_task


_ENDED = object()


@types.coroutine
def _runner(lenders: Lenders) -> Generator[Any, AnyCoroutine, None]:
    """Run coroutines to their ends, one at a time, and say so after each.

    A coroutine that ends within another one costs no StopIteration, which is most of what a first step costs.
    """
    while True:
        coroutine = yield _ENDED
        lenders.result = yield from coroutine


async def _awaited(coroutine: AnyCoroutine) -> Any:
    return await coroutine


class LentTask(asyncio.Task[Any]):
    """Be a parked Task that runs a coroutine from its second step on; `lend` makes the first."""

    def __init__(self, loop: asyncio.AbstractEventLoop, lenders: Lenders, **eager: bool) -> None:
        self.awaits_work: asyncio.Future[None] = loop.create_future()
        self.coroutine: AnyCoroutine | None = None
        self.context: contextvars.Context | None = None
        self._awaited: Any = None
        self._lenders = lenders
        self.renew()
        super().__init__(self._life(), loop=loop, name="lent task", context=contextvars.Context(), **eager)
        self._log_destroy_pending = False

    def get_context(self) -> contextvars.Context:
        """Return the context of the adopted coroutine, as `Task.get_context` does."""
        return contextvars.Context() if self.context is None else self.context

    def get_coro(self) -> Any:
        """Return the adopted coroutine, as `Task.get_coro` does."""
        return super().get_coro() if self.coroutine is None else self.coroutine

    def adopt(self, coroutine: AnyCoroutine, context: contextvars.Context, awaited: Any) -> None:
        """Go on with a coroutine that has made its first step and waits for `awaited`."""
        self.coroutine, self.context, self._awaited = coroutine, context, awaited
        _register(self)
        # Cancelled in the first step (by the coroutine itself): the Task is on its way already.
        if not self.awaits_work.done():
            self.awaits_work.set_result(None)

    def renew(self) -> None:
        """Get ready for first steps, at the beginning and after one that raised."""
        self._runner = _runner(self._lenders)
        self._runner.send(None)  # type: ignore[arg-type]
        self.first: Callable[[AnyCoroutine], Any] = self._runner.send

    def discard(self) -> None:
        """End the parked Task."""
        self.cancel()

    async def _life(self) -> Any:
        self._lenders.park(self)
        cancelled: asyncio.CancelledError | None = None
        try:
            await self.awaits_work
        except asyncio.CancelledError as error:
            if self.coroutine is None:
                raise
            # It was meant for the coroutine, unless that has taken it back meanwhile.
            if self.cancelling():
                cancelled = error
        if self.coroutine is None or self.context is None:
            return None
        await _rest(self._runner, self.context, self._awaited, cancelled)
        return self._lenders.result


@types.coroutine
def _rest(
    runner: Generator[Any, Any, None],
    context: contextvars.Context,
    awaited: Any,
    cancelled: asyncio.CancelledError | None,
) -> Generator[Any, Any, None]:
    """Run a runner's coroutine in its context from the second step to the end, within the Task that adopted it."""
    run, send, throw = context.run, runner.send, runner.throw
    if cancelled is not None:
        # As Task.cancel does: what is awaited is cancelled first and may answer in its own way.
        if not (asyncio.isfuture(awaited) and awaited.cancel(*cancelled.args)):
            if asyncio.isfuture(awaited):
                awaited._asyncio_future_blocking = False
            awaited = run(throw, cancelled)
    elif awaited is None:
        # A bare yield asks for one turn, and being adopted took one.
        awaited = run(send, None)
    while awaited is not _ENDED:
        try:
            value = yield awaited
        except GeneratorExit:
            run(runner.close)
            raise
        except BaseException as error:  # whatever the Task throws belongs to the coroutine
            thrown: BaseException | None = error
        else:
            thrown = None
        if thrown is None:
            awaited = run(send, value)
        else:
            awaited = run(throw, thrown)
            thrown = None


def native(coroutine: AnyCoroutine, name: str | None) -> AnyCoroutine:
    """Return a coroutine, one of another make (Cython's, say) as one of Python's own; raise LoopError if it is none."""
    if isinstance(coroutine, types.CoroutineType):
        return coroutine
    if not isinstance(coroutine, Coroutine):
        raise LoopError(f"{name}: made {coroutine!r} instead of a coroutine; is it an `async def`?")
    return _awaited(coroutine)


class Lenders:
    """Keep parked Tasks of one asyncio loop, and run first steps under them."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._parked: list[LentTask] = []
        self._wanted = 1
        self._coming: set[LentTask] = set()
        self._closed = False
        self.result: Any = None
        """What the coroutine returned that last ended in its first step."""

    def first_step(
        self, coroutine: AnyCoroutine, context: contextvars.Context, name: str | None = None
    ) -> asyncio.Task[Any] | None:
        """Make the first step; return None if the coroutine ended there, else the Task that goes on with it.

        What the coroutine raises comes out. Without a parked Task at hand it becomes an ordinary Task, whose first step
        is made in the loop's next turn.
        """
        parked = self._parked
        if coroutine.__class__ is not types.CoroutineType:
            coroutine = native(coroutine, name)
        if not parked:
            return self._without_lender(coroutine, context, name)
        # Taken off, because what runs within may lend as well and must find another one.
        lender = parked.pop()
        loop = self._loop
        previous: asyncio.Task[Any] | None
        if _current is None:
            previous = _swap(loop, lender)
        else:
            previous = _current.get(loop)
            _current[loop] = lender
        try:
            awaited = context.run(lender.first, coroutine)
        except BaseException:  # the error of its coroutine, of whatever kind, has ended the runner too
            lender.renew()
            awaited = _ENDED
            raise
        finally:
            if _current is None:
                _swap(loop, previous)
            elif previous is None:
                del _current[loop]
            else:
                _current[loop] = previous
            if awaited is _ENDED:
                if lender.awaits_work.done() or self._closed:
                    self._discard(lender)
                else:
                    parked.append(lender)
        if awaited is _ENDED:
            return None
        lender.adopt(coroutine, context, awaited)
        if name is not None:
            lender.set_name(name)
        self.refill()
        return lender

    def _discard(self, lender: LentTask) -> None:
        # One that was cancelled in the step is spent, and so are all when the loop has ended meanwhile.
        if self._closed:
            lender.discard()
        else:
            self.refill()

    def refill(self) -> None:
        """Make as many parked Tasks as are wanted; they can be lent from the next turn on (3.12: at once)."""
        while not self._closed and len(self._parked) + len(self._coming) < self._wanted:
            if sys.version_info >= (3, 12) and self._loop.is_running():
                # An eager Task enters all_tasks() only after its first step.
                _unregister(LentTask(self._loop, self, eager_start=True))
            else:
                self._coming.add(LentTask(self._loop, self))

    def close(self) -> None:
        """End all parked Tasks; those that have adopted a coroutine are not concerned."""
        self._closed = True
        if not self._loop.is_closed():
            for lender in (*self._parked, *self._coming):
                lender.discard()
        self._parked.clear()
        self._coming.clear()

    def park(self, lender: LentTask) -> None:
        """Take a Task that can be lent from now on; for the Task."""
        self._coming.discard(lender)
        _unregister(lender)
        lender.awaits_work.add_done_callback(lambda _: self._unpark(lender))
        if not self._closed:
            self._parked.append(lender)

    def _unpark(self, lender: LentTask) -> None:
        # Cancelled by somebody who kept `current_task()` for longer than the coroutine lived.
        if lender.coroutine is None and lender in self._parked:
            self._parked.remove(lender)
            self.refill()

    def _without_lender(
        self, coroutine: AnyCoroutine, context: contextvars.Context, name: str | None
    ) -> asyncio.Task[Any]:
        # Many coroutines that wait have come in one turn: keep more Tasks ready for the next time.
        self._wanted = min(2 * self._wanted, 64)
        self.refill()
        return asyncio.Task(coroutine, loop=self._loop, name=name, context=context)
