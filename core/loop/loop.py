"""Loop: tasks at exact frequencies on asyncio.

Longer than its siblings because all that users call stands here; half of it are signatures and what they mean.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import itertools
import threading
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AbstractContextManager
from typing import Any, ClassVar, Literal, ParamSpec, TypeVar, overload

from core.duration import Duration
from core.errors import LoopError
from core.loop.agenda import Agenda, Sleeper
from core.loop.arguments import checked_coroutine, scheduled_call
from core.loop.background import BackgroundTask
from core.loop.clock import Clock, MonotonicClock
from core.loop.event_loop import CoreEventLoop
from core.loop.foreign import ForeignLoop
from core.loop.lending import Lenders
from core.loop.running import end_all, make_asyncio_loop, outcome
from core.loop.scheduled import ScheduledTask
from core.loop.settings import LoopSettings
from core.loop.statistics import LoopStatistics
from core.loop.suspension import Suspension
from core.loop.timing import Rate, delay_of
from core.loop.watchdog import Watchdog

__all__ = ["Loop"]

_ATTACHED = "_core_loop"

P = ParamSpec("P")
T = TypeVar("T")


class Loop:
    """Run coroutines at exact frequencies, with asyncio underneath.

    Everything can be asked for before `run()`, and waits until then. All methods belong to the thread that the loop
    runs in, `call_from_thread` excepted. `clock` is for tests (see core.testing.VirtualClock); `settings` ask for what
    the machine can do to be more exact.
    """

    unhandled: ClassVar[Literal["raise", "retry"]] = "raise"
    """What follows a tick that raises where its Timing names neither a policy nor a handler; see Timing.on_error."""

    def __init__(self, *, clock: Clock | None = None, settings: LoopSettings | None = None) -> None:
        self.settings = settings or LoopSettings()
        """Say what is asked of the machine; they can be replaced until `run()`."""
        self._clock: Clock = MonotonicClock() if clock is None else clock
        self.virtual = self._clock.virtual
        """True if time is virtual."""
        self.agenda = Agenda(self._clock)
        """Holds what is due when; for the loop alone."""
        self.lenders: Lenders
        """Hold the Tasks that first steps run under, while the loop runs; for the loop alone."""
        self._asyncio: asyncio.AbstractEventLoop | None = None
        self._driver: CoreEventLoop | ForeignLoop | None = None
        self._thread = 0
        self._numbers = itertools.count()
        self._background: dict[BackgroundTask[Any], None] = {}
        self._scheduled: dict[ScheduledTask, None] = {}
        self._ending: dict[ScheduledTask, None] = {}
        self._callbacks: list[Callable[[], None]] = []
        self._failures: list[BaseException] = []
        self._over: asyncio.Future[None] | None = None
        self._until_idle = False
        self._gone = [0, 0, 0]
        self._watchdog: Watchdog | None = None

    @classmethod
    def current(cls) -> Loop:
        """Return the Loop that runs in this thread, else the default one; to a foreign asyncio loop one is attached."""
        try:
            running = asyncio.get_running_loop()
        except RuntimeError:
            return default_loop()
        attached: Loop | None = getattr(running, _ATTACHED, None)
        if attached is None:
            attached = cls()
            attached._attach(running, ForeignLoop(running, attached.agenda, attached._foreign_ends))
        if isinstance(attached._driver, ForeignLoop):
            attached._driver.notice_shutdown()
        return attached

    @property
    def asyncio_loop(self) -> asyncio.AbstractEventLoop:
        """Return the asyncio loop underneath; raise LoopError while there is none."""
        if self._asyncio is None:
            raise LoopError("the loop does not run; its asyncio loop exists from run() until its end")
        return self._asyncio

    def now(self) -> int:
        """Return the loop's monotonic time in nanoseconds."""
        return self._clock.now()

    def held(self) -> AbstractContextManager[None]:
        """Keep virtual time still inside the returned context; without effect on real time."""
        return self._clock.held()

    def add_task(
        self,
        coroutine: Coroutine[Any, Any, T],
        *,
        name: str | None = None,
        on_error: Callable[[BackgroundTask[Any], BaseException], None] | None = None,
    ) -> BackgroundTask[T]:
        """Run a coroutine beside everything else, and keep it until it has ended.

        What it raises reaches who awaits the returned task, else `on_error`, else it comes out of `run()`.
        """
        return self._add(BackgroundTask(self, checked_coroutine(coroutine, "add_task"), name=name, on_error=on_error))

    def run_later(
        self,
        seconds: float | Duration,
        coroutine: Coroutine[Any, Any, T],
    ) -> BackgroundTask[T]:
        """Run a coroutine object once, `seconds` from now (or from the begin of `run()`); as add_task otherwise."""
        checked = checked_coroutine(coroutine, "run_later")
        try:
            after = delay_of(seconds)
        except BaseException:  # nobody else would close the coroutine, whatever is wrong with the time
            checked.close()
            raise
        return self._add(BackgroundTask(self, checked, after=after))

    @overload
    def schedule(
        self,
        frequency: Rate,
        coroutine_function: Callable[P, Coroutine[Any, Any, Any]],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> ScheduledTask: ...
    @overload
    def schedule(
        self, frequency: Rate, /, *, coroutine_function: Callable[..., Coroutine[Any, Any, Any]], **kwargs: Any
    ) -> ScheduledTask: ...
    @overload
    def schedule(self, /, *args: Any, hz: float, **kwargs: Any) -> ScheduledTask: ...
    @overload
    def schedule(self, /, *args: Any, frequency: Rate, **kwargs: Any) -> ScheduledTask: ...
    def schedule(self, /, *args: Any, **kwargs: Any) -> ScheduledTask:
        """Run a coroutine function at a frequency in Hz, with a period (Duration) or as a Timing says; begin at once.

        `schedule(frequency, coroutine_function, *args, **kwargs)`; the first two also by keyword, as `hz=` or
        `frequency=` and `coroutine_function=`. All other arguments are the function's. Raises TimingError.
        """
        return self._schedule("schedule", 0, args, kwargs)

    @overload
    def schedule_later(
        self,
        frequency: Rate,
        coroutine_function: Callable[P, Coroutine[Any, Any, Any]],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> ScheduledTask: ...
    @overload
    def schedule_later(
        self, frequency: Rate, /, *, coroutine_function: Callable[..., Coroutine[Any, Any, Any]], **kwargs: Any
    ) -> ScheduledTask: ...
    @overload
    def schedule_later(self, /, *args: Any, hz: float, **kwargs: Any) -> ScheduledTask: ...
    @overload
    def schedule_later(self, /, *args: Any, frequency: Rate, **kwargs: Any) -> ScheduledTask: ...
    def schedule_later(self, /, *args: Any, **kwargs: Any) -> ScheduledTask:
        """Do the same as `schedule`, with the first tick after one period."""
        return self._schedule("schedule_later", 1, args, kwargs)

    async def delay(self, seconds: float | Duration) -> None:
        """Wait for `seconds` (a number or a Duration); others run meanwhile. Raises TimingError for no such time."""
        after = delay_of(seconds)
        if after == 0:
            await asyncio.sleep(0)
        else:
            await self.sleep_until(self._clock.now() + after)

    async def sleep(self, seconds: float | Duration) -> None:
        """Do the same as `delay`."""
        await self.delay(seconds)

    async def sleep_until(self, deadline: int) -> None:
        """Wait until the loop's time is `deadline` (nanoseconds, as of `now`)."""
        sleeper = Sleeper(self.asyncio_loop.create_future())
        self.agenda.enter(deadline, sleeper)
        try:
            await sleeper.future
        finally:
            self.agenda.forget(sleeper)

    def suspend(self) -> tuple[Awaitable[None], Callable[[], None]]:
        """Return what a coroutine can wait for, and the function (for any thread) that lets it go on."""
        suspension = Suspension()
        return suspension, suspension.resume

    def before_wait(self, callback: Callable[[], None]) -> None:
        """Run `callback` once, when nothing is left to do in this turn; at latest a millisecond from now.

        Callbacks run in the order in which they were given; what one raises is reported and stops nothing. On a
        foreign asyncio loop they run in its next turn.
        """
        driver = self._driver
        if isinstance(driver, CoreEventLoop):
            driver.waiting.before_wait(callback)
        elif driver is not None:
            driver.before_wait(callback)
        else:
            self._callbacks.append(callback)

    def call_from_thread(self, callback: Callable[..., object], *args: Any) -> None:
        """Have `callback(*args)` called in the loop; the one method for other threads."""
        self.asyncio_loop.call_soon_threadsafe(callback, *args)

    def run_lent(
        self,
        coroutine: Coroutine[Any, Any, T],
        done: Callable[[T | None, BaseException | None], None],
        *,
        name: str | None = None,
    ) -> asyncio.Task[T] | None:
        """Run a coroutine up to its first wait at once, without the cost of a Task if it ends there.

        Returns None if it ended, else the Task that goes on with it (await it, cancel it). `done(result, error)` is
        called once in either case, in the first case before this returns; a cancelled one has a CancelledError.
        contextvars, current_task(), timeouts and TaskGroup work from the first step on.
        """
        self._check_runs()
        lenders = self.lenders
        try:
            task = lenders.first_step(coroutine, contextvars.copy_context(), name)
        except (Exception, asyncio.CancelledError) as error:
            done(None, error)
            return None
        if task is None:
            done(lenders.result, None)
            return None

        def ended(task: asyncio.Task[Any]) -> None:
            error = asyncio.CancelledError() if task.cancelled() else task.exception()
            done(None if error is not None else task.result(), error)

        task.add_done_callback(ended)
        return task

    @overload
    def run(self, main: Coroutine[Any, Any, T]) -> T: ...
    @overload
    def run(self, main: None = None) -> None: ...
    def run(self, main: Coroutine[Any, Any, T] | None = None) -> T | None:
        """Make an asyncio loop and run it: with `main` until that ends, without it until nothing is left to do.

        Then all else is stopped, cancelled and awaited. Returns what `main` returns. An error that nobody handles ends
        the run and comes out, several as an ExceptionGroup. Ctrl-C cancels and raises KeyboardInterrupt, as in
        asyncio.run. Raises LoopError if an asyncio loop runs in this thread already.
        """
        try:
            self._refuse_nesting()
        except LoopError:
            if main is not None:
                main.close()
            raise
        main = None if main is None else checked_coroutine(main, "run")
        try:
            with asyncio.Runner(loop_factory=self._make_asyncio_loop) as runner:
                return runner.run(self._supervise(main))
        finally:
            if self._asyncio is not None:
                self._detach()
            if main is not None:
                main.close()

    def statistics(self) -> LoopStatistics:
        """Return how the loop and its scheduled tasks have fared."""
        tasks = tuple(task.statistics for task in (*self._scheduled, *self._ending))
        ticks, misses, errors = (
            gone + sum(getattr(task, what) for task in tasks)
            for gone, what in zip(self._gone, ("ticks", "misses", "errors"), strict=True)
        )
        blocked, longest = (0, 0) if self._watchdog is None else (self._watchdog.blocked, self._watchdog.longest)
        return LoopStatistics(tasks, len(self._background), ticks, misses, errors, blocked, Duration(longest))

    # What follows is for the parts of the loop.

    def wake(self) -> None:
        """Have the loop look at the time anew; for any thread."""
        if self._asyncio is not None and threading.get_ident() != self._thread:
            # Closed in this very moment: then nobody waits.
            with contextlib.suppress(RuntimeError):
                self._asyncio.call_soon_threadsafe(_nothing)

    def started(self, task: ScheduledTask) -> None:
        """Take a task that was scheduled or started again."""
        self._check_thread()
        self._ending.pop(task, None)
        self._scheduled[task] = None
        self._count(task, -1)
        if self._asyncio is not None:
            task.begin(self.agenda.start())

    def stopped(self, task: ScheduledTask, running: bool) -> None:
        """Let go of a task that was stopped; one whose tick still runs is told about again when that ends."""
        self._scheduled.pop(task, None)
        self._ending.pop(task, None)
        if running:
            self._ending[task] = None
        else:
            self._count(task, 1)
        self._look_for_end()

    def ended(self, task: BackgroundTask[Any]) -> None:
        """Let go of a coroutine that has ended."""
        self._background.pop(task, None)
        self._look_for_end()

    def fail(self, error: BaseException, name: str) -> None:
        """End the run with an error that nobody handles; a foreign loop is told about it."""
        if self._over is None:
            if self._asyncio is not None and not self._asyncio.is_closed():
                self._asyncio.call_exception_handler({"message": f"{name} failed", "exception": error})
            return
        self._failures.append(error)
        if not self._over.done():
            self._over.set_result(None)

    def _schedule(self, what: str, periods: int, args: tuple[Any, ...], kwargs: dict[str, Any]) -> ScheduledTask:
        timing, make, name = scheduled_call(what, args, kwargs)
        task = ScheduledTask(self, timing, make, name, next(self._numbers), periods)
        task.start()
        return task

    def _add(self, task: BackgroundTask[T]) -> BackgroundTask[T]:
        self._check_thread()
        self._background[task] = None
        if self._asyncio is not None:
            task.begin()
        return task

    def _check_runs(self) -> None:
        if self._asyncio is None:
            raise LoopError("the loop does not run")

    def _check_thread(self) -> None:
        if self._thread and threading.get_ident() != self._thread:
            raise LoopError("the loop runs in another thread: use loop.call_from_thread(loop.schedule, ...)")

    def _refuse_nesting(self) -> None:
        if self._asyncio is not None:
            raise LoopError("the loop runs already")
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return
        raise LoopError("an asyncio loop runs in this thread already: await, or use Loop.current() on it")

    def _attach(self, loop: asyncio.AbstractEventLoop, driver: CoreEventLoop | ForeignLoop) -> None:
        self._asyncio, self._driver = loop, driver
        self._thread = threading.get_ident()
        setattr(loop, _ATTACHED, self)
        self.lenders = Lenders(loop)
        self.lenders.refill()
        for callback in self._callbacks:
            self.before_wait(callback)
        self._callbacks.clear()
        self.agenda.turn = None
        for task in tuple(self._scheduled):
            task.begin(self.agenda.start())
        for background in tuple(self._background):
            background.begin()

    def _make_asyncio_loop(self) -> asyncio.AbstractEventLoop:
        return make_asyncio_loop(self.settings, self.agenda, self._clock)

    def _foreign_ends(self) -> None:
        # One that run() made is let go of by run(), and serves until then.
        if self._over is None:
            self._detach()

    def _detach(self) -> None:
        if self._watchdog is not None:
            self._watchdog.close()
        self._end_schedules()
        self.agenda.clear()
        self.lenders.close()
        if isinstance(self._driver, ForeignLoop):
            self._driver.close()
        self._asyncio = self._driver = self._over = None
        self._thread = 0

    def _end_schedules(self) -> None:
        for task in tuple(self._scheduled):
            task.stop()

    def _look_for_end(self) -> None:
        over = self._over if self._until_idle else None
        if over is not None and not (self._background or self._scheduled or self._ending or over.done()):
            over.set_result(None)

    def _count(self, task: ScheduledTask, sign: int) -> None:
        for index, count in enumerate(task.counts):
            self._gone[index] += sign * count

    async def _supervise(self, main: Coroutine[Any, Any, T] | None) -> T | None:
        """Run until the end and through it: the runner's main task."""
        loop = asyncio.get_running_loop()
        self._failures = []
        self._over = loop.create_future()
        self._until_idle = main is None
        if isinstance(loop, CoreEventLoop):
            self._attach(loop, loop)
            if self.settings.blocked_limit is not None and not self.virtual:
                self._watchdog = Watchdog(self.settings.blocked_limit.nanoseconds, self.agenda.describe_current)
                loop.waiting.watchdog = self._watchdog
        else:
            self._attach(loop, ForeignLoop(loop, self.agenda, self._foreign_ends))
        work = None if main is None else loop.create_task(main, name="main")
        interrupted: asyncio.CancelledError | None = None
        try:
            if work is None:
                self._look_for_end()
                await self._over
            else:
                awaited: set[asyncio.Future[Any]] = {work, self._over}
                await asyncio.wait(awaited, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError as error:
            interrupted = error
        interrupted = await end_all(self._end_schedules) or interrupted
        self.lenders.close()
        failures, self._failures = self._failures, []
        return outcome(work, failures, interrupted)


def _nothing() -> None:
    pass


_default: Loop | None = None


def default_loop() -> Loop:
    """Return the loop that the functions of this package use where none is running."""
    global _default
    if _default is None:
        _default = Loop()
    return _default
