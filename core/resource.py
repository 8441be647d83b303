"""ManagedResource: one thing, such as a bus, that many tasks use in turn without knowing of each other.

Strictly first come, first served, with hand-over: who releases gives to who waits longest, so that nobody can slip in
between. There is no priority on purpose: on a bus whose holders are short, waiting for all before you is bounded, while
priority starves somebody sooner or later.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Generic, TypeVar

from core.duration import Duration
from core.errors import ResourceError, ResourceTimeout
from core.loop import Loop

__all__ = ["Handle", "ManagedResource", "ResourceStatistics", "to_the_end"]

_log = logging.getLogger("core.resource")

T = TypeVar("T")
R = TypeVar("R")
Callback = Callable[..., Awaitable[object] | object]

_current_task, _running_loop = asyncio.current_task, asyncio.get_running_loop


@dataclass(frozen=True, slots=True)
class ResourceStatistics:
    """Tell how a resource has been used."""

    name: str
    acquired: int
    """How often it was given to somebody."""
    waits: int
    """How often somebody had to wait for it."""
    waiting: int
    """How many wait now."""
    longest_wait: Duration
    """The longest wait that ended with the resource."""
    longest_hold: Duration
    """The longest hold that has ended."""
    timeouts: int
    """Waits and holds that went beyond their limit."""
    holder: str | None
    """The name of the task that has it now."""
    held_for: Duration
    """For how long that task has had it."""


class _Hold:
    """Be one task's turn with the resource."""

    __slots__ = ("expired", "since", "task", "timer", "warned")

    def __init__(self, task: asyncio.Task[Any], since: int) -> None:
        self.task = task
        self.since = since
        self.warned = self.expired = False
        self.timer: asyncio.TimerHandle | None = None


class ManagedResource(Generic[T]):
    """Share `resource` among tasks; each of them enters a Handle with `async with`.

    `on_acquire` and `on_release`, plain or async, are called with the arguments that the handle was made with. If
    `on_acquire` raises or is cancelled, the resource is free again and `on_release` is not called. An async
    `on_release` runs to its end even if the task is cancelled meanwhile. `wait_limit` bounds the wait for the resource,
    with ResourceTimeout; a hold beyond `hold_limit` is warned of, and one twice as long is cancelled, which comes out
    of the `async with` as ResourceTimeout.
    """

    def __init__(
        self,
        resource: T,
        on_acquire: Callback | None = None,
        on_release: Callback | None = None,
        *,
        wait_limit: Duration | None = None,
        hold_limit: Duration | None = None,
        name: str | None = None,
    ) -> None:
        self.resource = resource
        """The thing itself."""
        self.name = name or type(resource).__name__
        """Names it in errors and statistics."""
        self._on_acquire = on_acquire
        self._on_release = on_release
        self._wait_limit = self.limited("wait_limit", wait_limit)
        self._hold_limit = self.limited("hold_limit", hold_limit)
        self._hold: _Hold | None = None
        # Asked for once per asyncio loop: it is needed three times a turn.
        self._asyncio: asyncio.AbstractEventLoop | None = None
        self._now: Callable[[], int] = time.monotonic_ns
        self._waiting: deque[tuple[asyncio.Future[None], asyncio.Task[Any]]] = deque()
        self._acquired = self._waits = self._timeouts = 0
        self._longest_wait = self._longest_hold = 0

    def handle(self, *args: Any, **kwargs: Any) -> Handle[T]:
        """Return a handle; its arguments are passed to `on_acquire` and `on_release`."""
        return Handle(self, args, kwargs)

    def limited(self, name: str, limit: object) -> Duration | None:
        """Return a limit that is above zero or None; raise ResourceError for another."""
        if limit is None or (isinstance(limit, Duration) and limit.nanoseconds > 0):
            return limit
        raise ResourceError(f"{self.name}: {name} must be a Duration above zero, not {limit!r}")

    def statistics(self) -> ResourceStatistics:
        """Return how the resource has been used, and who has it now."""
        hold = self._hold
        return ResourceStatistics(
            name=self.name,
            acquired=self._acquired,
            waits=self._waits,
            waiting=sum(not future.done() for future, _ in self._waiting),
            longest_wait=Duration(self._longest_wait),
            longest_hold=Duration(self._longest_hold),
            timeouts=self._timeouts,
            holder=None if hold is None else hold.task.get_name(),
            held_for=Duration(0 if hold is None else self._now() - hold.since),
        )

    def __repr__(self) -> str:
        holder = "free" if self._hold is None else f"held by {self._hold.task.get_name()}"
        return f"<ManagedResource {self.name}, {holder}, {len(self._waiting)} waiting>"

    # What follows is for handles.

    async def acquire(self, args: tuple[Any, ...], kwargs: dict[str, Any], wait_limit: Duration | None = None) -> T:
        """Wait for the resource and prepare it."""
        task = _current_task()
        if task is None:
            raise ResourceError("a resource is used from within a task")
        loop = _running_loop()
        if loop is not self._asyncio:
            self._asyncio, self._now = loop, Loop.current().now
        hold = self._hold
        if hold is not None and hold.task is task:
            raise ResourceError(
                f"{self.name}: {task.get_name()} holds it already, and would wait for itself for ever; "
                "pass on what `async with` gave"
            )
        if hold is None and not self._waiting:
            self._give(task, self._now())
        else:
            await self._wait(task, wait_limit or self._wait_limit)
        if self._on_acquire is not None:
            try:
                done = self._on_acquire(*args, **kwargs)
                if done is not None and inspect.isawaitable(done):
                    await done
            except BaseException:
                self._free()
                raise
        return self.resource

    async def release(self, args: tuple[Any, ...], kwargs: dict[str, Any], error: BaseException | None) -> None:
        """Put the resource away and give it to who waits longest."""
        hold = self._hold
        if hold is None or hold.task is not _current_task():
            raise ResourceError(f"{self.name}: released by a task that does not hold it")
        try:
            if self._on_release is not None:
                done = self._on_release(*args, **kwargs)
                if done is not None and inspect.isawaitable(done):
                    await to_the_end(done)
        finally:
            expired = hold.expired
            self._free()
        # As asyncio.timeout does: the cancellation was ours, unless somebody else wants it as well.
        if expired and isinstance(error, asyncio.CancelledError) and hold.task.uncancel() <= 0:
            raise ResourceTimeout(
                f"{self.name}: {hold.task.get_name()} held it for longer than twice {self._hold_limit}"
            ) from error

    def _give(self, task: asyncio.Task[Any], now: int) -> None:
        self._acquired += 1
        self._hold = hold = _Hold(task, now)
        if self._hold_limit is not None:
            hold.timer = task.get_loop().call_later(self._hold_limit.as_seconds(), self._held_long, hold)

    def _free(self) -> None:
        """End the hold, and give to who waits longest."""
        hold = self._hold
        if hold is None:
            return
        if hold.timer is not None:
            hold.timer.cancel()
        now = self._now()
        if now - hold.since > self._longest_hold:
            self._longest_hold = now - hold.since
        self._hold = None
        waiting = self._waiting
        while waiting:
            future, task = waiting.popleft()
            if not future.done():
                future.set_result(None)
                self._give(task, now)
                return

    async def _wait(self, task: asyncio.Task[Any], limit: Duration | None) -> None:
        self._waits += 1
        loop = task.get_loop()
        future = loop.create_future()
        place = (future, task)
        self._waiting.append(place)
        timer = None
        if limit is not None:
            timer = loop.call_later(limit.as_seconds(), self._waited_long, future, limit)
        since = self._now()
        try:
            await future
        except BaseException:
            if future.done() and not future.cancelled() and future.exception() is None:
                # Given, and cancelled before it could know: on to the next.
                self._free()
            elif place in self._waiting:
                self._waiting.remove(place)
            raise
        finally:
            if timer is not None:
                timer.cancel()
        waited = self._now() - since
        if waited > self._longest_wait:
            self._longest_wait = waited

    def _waited_long(self, future: asyncio.Future[None], limit: Duration) -> None:
        if not future.done():
            self._timeouts += 1
            holder = "nobody" if self._hold is None else self._hold.task.get_name()
            future.set_exception(ResourceTimeout(f"{self.name}: not free within {limit}; {holder} holds it"))

    def _held_long(self, hold: _Hold) -> None:
        if hold is not self._hold or self._hold_limit is None:
            return
        name = hold.task.get_name()
        if not hold.warned:
            hold.warned = True
            self._timeouts += 1
            _log.warning(
                "%s: %s has held it for %s, %d wait; it is cancelled after as long again",
                self.name, name, self._hold_limit, len(self._waiting),
            )  # fmt: skip
            hold.timer = hold.task.get_loop().call_later(self._hold_limit.as_seconds(), self._held_long, hold)
        else:
            hold.expired = True
            hold.task.cancel(f"{self.name}: held for too long")


class Handle(Generic[T]):
    """Be a way to a resource for one user, such as one chip on a bus; any number of tasks may use one handle."""

    def __init__(self, managed: ManagedResource[T], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self._managed = managed
        self._args = args
        self._kwargs = kwargs
        self._wait_limit: Duration | None = None

    def waiting_at_most(self, limit: Duration | None) -> Handle[T]:
        """Return a handle for the same, whose users wait so long at most; None for the resource's own limit."""
        handle = Handle(self._managed, self._args, self._kwargs)
        handle._wait_limit = self._managed.limited("wait_limit", limit)
        return handle

    # What these two return is awaited by `async with`; to await it here would cost a frame more at every hand-over.

    def __aenter__(self) -> Coroutine[Any, Any, T]:
        return self._managed.acquire(self._args, self._kwargs, self._wait_limit)

    def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> Coroutine[Any, Any, None]:
        return self._managed.release(self._args, self._kwargs, error)

    async def run_in_thread(self, function: Callable[..., R], *args: Any, **kwargs: Any) -> R:
        """Hold the resource, and call `function(resource, *args, **kwargs)` in a thread.

        A cancellation takes effect when the thread has returned, and not before: nobody else gets at the resource while
        the thread still uses it.
        """
        async with self as resource:
            return await to_the_end(asyncio.to_thread(function, resource, *args, **kwargs))


async def to_the_end(work: Awaitable[R]) -> R:
    """Await work to its end even when cancelled; then raise what it raised, or the cancellation."""
    future = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not future.done():
        try:
            await asyncio.wait({future})
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None and (future.cancelled() or future.exception() is None):
        raise cancelled
    return future.result()
