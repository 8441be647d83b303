"""Our own asyncio event loop: the standard selector loop, with a selector that knows the agenda.

All of asyncio is untouched. What differs happens in the one call by which asyncio's loop waits: there the callbacks of
`before_wait` are run, what is due is found, the kernel's timer is set, and virtual time is advanced. asyncio's own
timers (`asyncio.sleep`, `timeout`, `call_later`) become as exact as ours by the same way.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import math
import select
import selectors
import threading
import time
from collections import deque
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar, TypeVarTuple, Unpack, cast

from core.errors import LoopError
from core.loop.agenda import Agenda
from core.loop.clock import Clock
from core.loop.kernel_timer import KernelTimer
from core.loop.watchdog import Watchdog

__all__ = ["CoreEventLoop", "Waiting"]

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

_log = logging.getLogger("core.loop")

LONGEST_BUSY = 1_000_000
"""Nanoseconds for which a busy loop puts off what was to be done before it waits."""

LOOKING = 20_000
"""Nanoseconds for which a busy loop does not ask again which files are ready: asking costs as much as a turn."""

# asyncio's timers farther off than this are first waited for by epoll, which saves setting the timer at each message of
# a connection that has a timeout; the rest of the way is the kernel timer's.
_FAR = 0.02
_NEAR = 0.005


Reader = tuple[Callable[[], None], contextvars.Context]
"""What is called when a file can be read."""
Event = tuple[selectors.SelectorKey, int]
"""A file that is ready, and for what."""


class Waiting(selectors.EpollSelector):
    """Wait for files and for the agenda's first deadline, whichever comes first.

    What reads from a connection is called from here, and then it is waited again: asyncio's way from a ready file to
    its callback takes as long as most of these callbacks.
    """

    def __init__(self, agenda: Agenda, clock: Clock) -> None:
        super().__init__()
        self.loop: CoreEventLoop
        self.callbacks: list[Callable[[], None]] = []
        self.watchdog: Watchdog | None = None
        self._asked = self._looked = 0
        self._agenda = agenda
        self._clock = clock
        self._timer: KernelTimer | None = None
        self._readers: dict[int, Reader] = {}
        self._called: list[tuple[int, Reader]] = []
        # The selector's own: from a number to what asyncio knows of the file.
        self._fd_to_key: dict[int, selectors.SelectorKey]
        self._selector: select.epoll
        if not clock.virtual:
            try:
                self._timer = KernelTimer()
            except OSError as error:
                _log.info("no timerfd here (%s): deadlines are met to the millisecond only", error)
            else:
                self.register(self._timer.descriptor, selectors.EVENT_READ)

    def before_wait(self, callback: Callable[[], None]) -> None:
        """Run `callback` when nothing is left to do, at latest a millisecond from now."""
        if not self.callbacks:
            self._asked = self._agenda.now()
        self.callbacks.append(callback)

    def call_at_once(self, descriptor: int, callback: Callable[[], None]) -> None:
        """Call `callback` without asyncio's ways when a file that it watches can be read and nothing else waits."""
        self._readers[descriptor] = (callback, contextvars.copy_context())

    def forget(self, descriptor: int) -> None:
        """Leave a file to asyncio."""
        self._readers.pop(descriptor, None)

    def select(self, timeout: float | None = None) -> list[Event]:
        """Return the files that are ready, after at most `timeout` seconds; None waits for ever."""
        loop = self.loop
        ready, scheduled = loop._ready, loop._scheduled
        while True:
            events, goes_on = self._select_once(timeout)
            if events or not goes_on or ready or loop._stopping:
                return events
            # Nothing is to be done by asyncio, so its own look at what is next can be spared.
            timeout = scheduled[0].when() - loop.time() if scheduled else None
            if timeout is not None and timeout <= 0:
                return events

    def _select_once(self, timeout: float | None) -> tuple[list[Event], bool]:
        """Return the files that are ready, and whether to go on waiting after those that were called at once."""
        agenda, watchdog = self._agenda, self.watchdog
        now = agenda.now()
        if self.callbacks:
            first = agenda.first()
            about_to_wait = timeout != 0 and (first is None or first > now)
            if about_to_wait or now - self._asked >= LONGEST_BUSY:
                if self._run_callbacks():
                    # They have made something ready: its turn comes before we wait.
                    timeout = 0
                now = agenda.now()
        goes_on = False
        if timeout == 0:
            if now - self._looked < LOOKING and not self._clock.virtual:
                events = []
            else:
                events = self._look()
                self._looked = now = agenda.now()
            if watchdog is not None:
                watchdog.turn_follows(now)
        else:
            if watchdog is not None:
                watchdog.turn_ends(now)
            events = self._wait(timeout, now)
            self._looked = now = agenda.now()
            if watchdog is not None:
                watchdog.turn_follows(now)
            if self._called:
                goes_on = True
                self._call_readers()
        agenda.turn = None
        first = agenda.first()
        if first is not None and first <= now:
            if timeout == 0:
                # What was ready before has its turn first.
                self.loop.call_soon(agenda.run_due)
            else:
                # A Handle would cost as much as a tick. In a context of its own, as it would be there.
                contextvars.copy_context().run(agenda.run_due)
        return events, goes_on

    def _call_readers(self) -> None:
        called, self._called = self._called, []
        for descriptor, reader in called:
            # One that was called before it may have taken it away.
            if self._readers.get(descriptor) is not reader:
                continue
            callback, context = reader
            try:
                context.run(callback)
            except Exception as error:
                self.loop.call_exception_handler({"message": f"{callback!r}, a reader, failed", "exception": error})

    def close(self) -> None:
        """Give everything back."""
        super().close()
        if self._timer is not None:
            self._timer.close()

    def _run_callbacks(self) -> bool:
        """Run what was to be done before waiting; return whether there is something to do now."""
        loop = self.loop
        timers = len(loop._scheduled)
        callbacks, self.callbacks = self.callbacks, []
        for callback in callbacks:
            try:
                callback()
            except Exception as error:
                self.loop.call_exception_handler(
                    {"message": f"{callback!r}, called before the loop waits, failed", "exception": error}
                )
        return bool(self.callbacks or loop._ready) or len(loop._scheduled) != timers

    def _look(self) -> list[Event]:
        events: list[Event] = super().select(0)
        return self._without_timer(events) if events else events

    def _without_timer(self, events: list[Event]) -> list[Event]:
        timer = self._timer
        if timer is not None and timer.deadline is not None and timer.deadline <= time.monotonic_ns():
            return [event for event in events if event[0].fd != timer.descriptor]
        return events

    def _wait(self, timeout: float | None, now: int) -> list[Event]:
        if self._clock.virtual:
            return self._wait_virtually(timeout, self._agenda.first(), now)
        first = self._agenda.wake_at(now)
        if first is not None and first <= now:
            return self._look()
        if timeout is not None:
            if timeout > _FAR:
                timeout -= _NEAR
            else:
                deadline = now + int(timeout * 1e9)
                first = deadline if first is None or deadline < first else first
                timeout = None
        timer = self._timer
        if timer is None:
            if first is not None:
                until = (first - now) / 1e9
                timeout = until if timeout is None else min(timeout, until)
            events = super().select(timeout)
        else:
            if first != timer.deadline:
                timer.arm(first)
            events = self._gather(timeout)
        return events

    def _gather(self, timeout: float | None) -> list[Event]:
        """Wait; remember the readers that are called at once, and return the other files."""
        try:
            ready = self._selector.poll(-1 if timeout is None else math.ceil(timeout * 1e3) * 1e-3)
        except InterruptedError:
            return []
        events: list[Event] = []
        readers, called = self._readers, self._called
        for descriptor, event in ready:
            if event == select.EPOLLIN and (reader := readers.get(descriptor)) is not None:
                called.append((descriptor, reader))
            elif (key := self._fd_to_key.get(descriptor)) is not None:
                wanted = (event & ~select.EPOLLIN and selectors.EVENT_WRITE) | (
                    event & ~select.EPOLLOUT and selectors.EVENT_READ
                )
                events.append((key, wanted & key.events))
        return self._without_timer(events) if events else events

    def _wait_virtually(self, timeout: float | None, first: int | None, now: int) -> list[Event]:
        # What real files have to say comes first; only then may time pass.
        events = self._look()
        if events or (first is not None and first <= now):
            return events
        if self.loop.outside_work():
            # The moment at which it ends is not ours to choose: virtual time stands still until then.
            return super().select(None)
        deadline = first
        if timeout is not None:
            timer = now + max(round(timeout * 1e9), 1)
            deadline = timer if deadline is None else min(deadline, timer)
        if deadline is None:
            # One file is the loop's own, by which other threads and signals wake it.
            if len(self.get_map()) <= 1 and threading.active_count() == 1 and not self.loop.has_signals():
                self._clock.stuck(self.loop.describe_waiting)
            return super().select(None)
        if not self._clock.skip_to(deadline):
            return super().select(None)
        return []


class CoreEventLoop(asyncio.SelectorEventLoop):
    """Be asyncio's selector event loop on a clock of our choice, counting the work that goes on outside of it."""

    def __init__(self, agenda: Agenda, clock: Clock) -> None:
        self.waiting = Waiting(agenda, clock)
        self._virtual = clock.virtual
        self._now = clock.now
        # asyncio's own: what is to be called next, and the timers. Nothing else tells whether the loop may wait.
        self._ready: deque[asyncio.Handle]
        self._scheduled: list[asyncio.TimerHandle]
        self._stopping: bool
        self._jobs = 0
        self._children: list[asyncio.SubprocessTransport] = []
        self._signals: set[int] = set()
        super().__init__(self.waiting)
        self.waiting.loop = self
        self._executor: Executor | None = None

    def time(self) -> float:
        """Return the loop's time in seconds: the machine's monotonic clock, or the virtual one."""
        return self._now() / 1e9 if self._virtual else time.monotonic()

    def add_quick_reader(self, descriptor: int, callback: Callable[[], None]) -> None:
        """Call `callback` when a file can be read, as `add_reader`, but sooner where nothing else waits."""
        self.add_reader(descriptor, callback)
        self.waiting.call_at_once(descriptor, callback)

    def remove_reader(self, fd: Any) -> bool:
        """Watch a file no more for reading, as asyncio does."""
        self.waiting.forget(fd if isinstance(fd, int) else fd.fileno())
        return super().remove_reader(fd)

    def outside_work(self) -> bool:
        """Return True while executor jobs or child processes run."""
        if self._jobs:
            return True
        if self._children:
            self._children = [child for child in self._children if child.get_returncode() is None]
        return bool(self._children)

    def has_signals(self) -> bool:
        """Return True while a signal is waited for."""
        return bool(self._signals)

    def describe_waiting(self) -> str:
        """Return which tasks wait, and where."""
        lines = []
        for task in asyncio.all_tasks(self):
            frames = task.get_stack(limit=1)
            where = f"{Path(frames[0].f_code.co_filename).name}:{frames[0].f_lineno}" if frames else "its begin"
            lines.append(f"{task.get_name()} at {where}")
        return "; ".join(sorted(lines))

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[Unpack[Ts]], T], *args: *Ts
    ) -> asyncio.Future[T]:
        """Run `func(*args)` in a thread or process of the executor, as asyncio does."""
        # On the real clock nothing depends on the count.
        if not self._virtual:
            return super().run_in_executor(executor, func, *args)
        if executor is None:
            if self._executor is None:
                self.set_default_executor(ThreadPoolExecutor(thread_name_prefix="core"))
            executor = self._executor
        if executor is None:
            raise LoopError("no executor to run in")
        job = executor.submit(func, *args)
        self._jobs += 1
        future = asyncio.wrap_future(job, loop=self)
        # After wrap_future's own callback: time may pass only when the result has arrived.
        job.add_done_callback(lambda _: self._job_done())
        return future

    def set_default_executor(self, executor: Executor) -> None:
        """Set the executor that `run_in_executor(None, ...)` uses."""
        self._executor = executor
        super().set_default_executor(cast("ThreadPoolExecutor", executor))

    async def shutdown_default_executor(self, *args: Any, **options: Any) -> None:
        """Wait until the default executor's threads have ended."""
        self._jobs += 1
        try:
            await super().shutdown_default_executor(*args, **options)
        finally:
            self._jobs -= 1

    async def subprocess_exec(self, *args: Any, **options: Any) -> Any:
        """Start a child process, as asyncio does."""
        return await self._child(super().subprocess_exec(*args, **options))

    async def subprocess_shell(self, *args: Any, **options: Any) -> Any:
        """Start a shell, as asyncio does."""
        return await self._child(super().subprocess_shell(*args, **options))

    def add_signal_handler(self, sig: int, callback: Callable[[Unpack[Ts]], object], *args: *Ts) -> None:
        """Call `callback` when the signal comes, as asyncio does."""
        super().add_signal_handler(sig, callback, *args)
        self._signals.add(sig)

    def remove_signal_handler(self, sig: int) -> bool:
        """Take a signal's handler away, as asyncio does."""
        self._signals.discard(sig)
        return super().remove_signal_handler(sig)

    async def _child(self, starting: Coroutine[Any, Any, Any]) -> Any:
        self._jobs += 1
        try:
            started = await starting
        finally:
            self._jobs -= 1
        if self._virtual:
            self._children.append(started[0])
        return started

    def _job_done(self) -> None:
        def count() -> None:
            self._jobs -= 1

        # The loop may have been closed while a thread still worked for it.
        if not self.is_closed():
            self.call_soon_threadsafe(count)
