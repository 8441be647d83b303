"""ScheduledTask: a coroutine function that runs at a frequency."""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from core.duration import Duration
from core.errors import LoopError
from core.loop import statistics as counting
from core.loop.lending import native
from core.loop.precise import Spin
from core.loop.timing import ErrorHandler, Rate, Timing, timing_of

if TYPE_CHECKING:
    from core.loop.agenda import Entry
    from core.loop.loop import Loop

__all__ = ["ScheduledTask"]

_log = logging.getLogger("core.loop")
# A fiftieth of the period: what a loop with very many deadlines may be late by to save wake-ups (see Agenda.wake_at).
_SLACK_SHARE = 50
_LOWEST, _HIGHEST, _OFFSET = counting.LOWEST, counting.HIGHEST, counting.OFFSET


class ScheduledTask:
    """Run a coroutine function on the grid start + k * period, one instance at a time.

    Made by `Loop.schedule`. A tick that still runs at its next deadline, or that the loop came too late for, skips
    what it missed, counts it, and goes on on the grid.
    """

    __slots__ = (
        "__weakref__",
        "_active",
        "_began",
        "_buckets",
        "_context",
        "_deadline",
        "_duration_max",
        "_duration_sum",
        "_errors",
        "_failures",
        "_lateness_max",
        "_loop",
        "_make",
        "_misses",
        "_number",
        "_period",
        "_periods",
        "_running",
        "_spin",
        "_ticks",
        "_timing",
        "entry",
        "name",
    )

    def __init__(
        self, loop: Loop, timing: Timing, make: Callable[[], Any], name: str, number: int, periods: int
    ) -> None:
        self.name = name
        """Names the task in logs and statistics."""
        self.entry: Entry | None = None
        """Where the task stands in the loop's agenda; for the loop alone."""
        self._loop = loop
        self._make = make
        self._number = number
        self._periods = periods
        self._context = contextvars.copy_context()
        self._active = False
        self._running: asyncio.Task[Any] | None = None
        # The last deadline that was met, or one period before the first.
        self._deadline = 0
        self._began = 0
        self._buckets = counting.new_buckets()
        self._ticks = self._misses = self._errors = self._failures = 0
        self._lateness_max = self._duration_sum = self._duration_max = 0
        self._timing: Timing
        self._spin: Spin | None
        self._period: int
        self._set_timing(timing)

    @property
    def timing(self) -> Timing:
        """Return the Timing in force."""
        return self._timing

    @property
    def active(self) -> bool:
        """Return True unless the task is stopped."""
        return self._active

    @property
    def deadline(self) -> int:
        """Return the deadline of the latest tick, as of `Loop.now`; before the first, one period earlier."""
        return self._deadline

    @property
    def running(self) -> bool:
        """Return True while a tick runs or waits for something in its midst."""
        return self._running is not None or self._loop.agenda.current is self

    @property
    def handler(self) -> ErrorHandler | None:
        """Return the owner's error handler; it can be set at any time."""
        return self._timing.handler

    @handler.setter
    def handler(self, handler: ErrorHandler | None) -> None:
        self._timing = replace(self._timing, handler=handler)

    @property
    def statistics(self) -> counting.TaskStatistics:
        """Return counts and quantiles since the task was made."""
        finished = self._ticks - (self._running is not None)
        latest = Duration(self._lateness_max)
        return counting.TaskStatistics(
            name=self.name,
            period=Duration(self._period),
            state=self._state(),
            ticks=self._ticks,
            misses=self._misses,
            errors=self._errors,
            lateness_p50=min(counting.quantile(self._buckets, 0.5), latest),
            lateness_p99=min(counting.quantile(self._buckets, 0.99), latest),
            lateness_max=latest,
            duration_mean=Duration(self._duration_sum // finished if finished else 0),
            duration_max=Duration(self._duration_max),
        )

    def _state(self) -> str:
        if self._running is not None:
            return "running"
        if not self._active:
            return "stopped"
        return "failing" if self._failures else "waiting"

    def start(self) -> None:
        """Begin a new grid now, as `schedule` or `schedule_later` did; without effect on a task that is not stopped."""
        if not self._active:
            self._active = True
            self._loop.agenda.count_slack(self.slack, 1)
            self._loop.started(self)

    def stop(self) -> None:
        """Have no further tick; one that runs goes on to its end (see `cancel`)."""
        if self._active:
            self._active = False
            self._loop.agenda.count_slack(self.slack, -1)
            self._loop.agenda.forget(self)
            self._loop.stopped(self, self.running)

    def cancel(self) -> None:
        """Stop, and cancel the tick that runs, if one does (see `finished`)."""
        self.stop()
        if self._running is not None:
            self._running.cancel()

    async def finished(self) -> None:
        """Wait until no tick runs; what the tick raises goes the way of all ticks' errors."""
        while (running := self._running) is not None:
            if running is asyncio.current_task():
                raise LoopError(f"{self.name}: a tick cannot wait for its own end")
            await asyncio.wait({running})

    def change_rate(self, frequency: Rate) -> None:
        """Run at another frequency (Hz), period (Duration) or Timing from now on, also while the old period lasts.

        The next deadline is one new period after the last one, or now if that has passed already. Raises TimingError
        and changes nothing if no clock can keep the rate.
        """
        agenda = self._loop.agenda
        if isinstance(frequency, Timing):
            # The owner remains the owner unless another is named.
            timing = replace(frequency, handler=frequency.handler or self._timing.handler)
            self.name = frequency.name or self.name
        else:
            timing = replace(self._timing, rate=timing_of(frequency).rate, phase=0.0)
        before = self.slack
        self._set_timing(timing)
        if self._active:
            agenda.count_slack(before, -1)
            agenda.count_slack(self.slack, 1)
        # In its own first step the task is entered anew when the step ends.
        if self.entry is not None and agenda.current is not self:
            agenda.enter(self._stand(max(self._deadline + self._period, agenda.now())), self)

    def __repr__(self) -> str:
        return f"<ScheduledTask {self.name} every {Duration(self._period)}, {self.statistics.state}>"

    # What follows is for the loop.

    @property
    def counts(self) -> tuple[int, int, int]:
        """Return ticks, misses and errors."""
        return self._ticks, self._misses, self._errors

    @property
    def slack(self) -> int:
        """Return by how many nanoseconds a wake-up may be put off in order to serve others as well."""
        return 0 if self._spin is not None else self._period // _SLACK_SHARE

    def begin(self, start: int) -> None:
        """Lay the grid from `start` on and enter its first deadline."""
        first = start + self._timing.offset(self._number) + self._periods * self._period
        self._deadline = first - self._period
        self._failures = 0
        self._loop.agenda.enter(self._stand(first), self)

    def due(self, deadline: int, now: int) -> int:
        """Run a tick up to its first wait; return the deadline to stand at next, or 0 if it waits or is stopped."""
        spin = self._spin
        if spin is not None:
            deadline = spin.deadline
        if self._running is not None:
            # Restarted while a tick of the old grid still runs: its end looks at the grid again.
            self._deadline = deadline - self._period
            return 0
        self._deadline = deadline
        self._ticks += 1
        loop = self._loop
        agenda = loop.agenda
        try:
            coroutine = self._make()
            self._began = now
            if spin is not None:
                coroutine = self._spun(spin, native(coroutine, self.name))
            else:
                lateness = now - deadline
                if lateness > self._lateness_max:
                    self._lateness_max = lateness
                # As counting.bucket_of, written out: every tick passes here.
                if lateness < _LOWEST:
                    lateness = _LOWEST
                elif lateness > _HIGHEST:
                    lateness = _HIGHEST
                bits = lateness.bit_length()
                self._buckets[(bits << 2 | lateness >> bits - 3 & 3) - _OFFSET] += 1
            running = loop.lenders.first_step(coroutine, self._context.copy(), self.name)
        except (Exception, asyncio.CancelledError) as error:  # any error of a tick is its policy's
            following = self._after(error)
            agenda.time = agenda.now()
            if not self._active:
                loop.stopped(self, False)
            return self._stand(following)
        if running is not None:
            self._running = running
            running.add_done_callback(self._run_ended)
            agenda.time = agenda.now()
            return 0
        agenda.time = now = agenda.now()
        took = now - self._began
        self._duration_sum += took
        if took > self._duration_max:
            self._duration_max = took
        self._failures = 0
        if not self._active:
            loop.stopped(self, False)
        following = deadline + self._period
        if following >= now and self._spin is None:
            return following
        return self._stand(self._following(deadline, now))

    async def _spun(self, spin: Spin, coroutine: Any) -> Any:
        """Run a tick when all else is done: nothing lies between the end of the spin and the tick's first line."""
        self._began = spin.wait()
        lateness = self._began - spin.deadline
        try:
            return await coroutine
        finally:
            self._lateness_max = max(self._lateness_max, lateness)
            self._buckets[counting.bucket_of(lateness)] += 1

    def _set_timing(self, timing: Timing) -> None:
        self._timing = timing
        self._period = timing.period
        spins = timing.precise and not self._loop.virtual
        self._spin = Spin(self._period, timing.cpu_share, self._loop.agenda.now) if spins else None

    def _stand(self, deadline: int) -> int:
        """Return where on the agenda to stand for a deadline."""
        return deadline if self._spin is None or not deadline else self._spin.aim(deadline)

    def _following(self, deadline: int, now: int) -> int:
        """Return the first deadline of the grid that has not passed, and count those that have."""
        following = deadline + self._period
        if following < now:
            missed = (now - deadline - 1) // self._period
            self._misses += missed
            following += missed * self._period
        return following

    def _run_ended(self, running: asyncio.Task[Any]) -> None:
        """Go on on the grid after a tick that had to wait."""
        self._running = None
        error: BaseException | None = asyncio.CancelledError() if running.cancelled() else running.exception()
        if isinstance(error, KeyboardInterrupt | SystemExit):
            # The loop is on its way out with it.
            return
        if error is not None:
            following = self._after(error)
        else:
            self._took(self._loop.agenda.now())
            self._failures = 0
            following = self._following(self._deadline, self._loop.agenda.now())
        if not self._active:
            self._loop.stopped(self, False)
        elif following and self.entry is None:
            self._loop.agenda.enter(self._stand(following), self)

    def _took(self, now: int) -> None:
        took = now - self._began
        self._duration_sum += took
        self._duration_max = max(self._duration_max, took)

    def _after(self, error: BaseException) -> int:
        """Do what the policy says about a tick that raised; return the next deadline, or 0 for none."""
        now = self._loop.agenda.now()
        self._took(now)
        if isinstance(error, asyncio.CancelledError):
            return self._following(self._deadline, now)
        timing = self._timing
        self._errors += 1
        self._failures += 1
        policy = timing.on_error
        if policy == "raise" and timing.handler is None:
            policy = self._loop.unhandled
        if policy == "raise" and timing.handler is None:
            self.stop()
            self._loop.fail(error, self.name)
            return 0
        # Once with its trace: a task that fails a thousand times a second must not fill the disk.
        level = logging.ERROR if self._failures == 1 else logging.DEBUG
        again = "; it is tried again, ever more rarely" if policy == "retry" else ""
        _log.log(level, "%s: a tick failed: %r%s", self.name, error, again, exc_info=error)
        if policy == "stop":
            self.stop()
        if timing.handler is not None:
            try:
                timing.handler(self, error)
            except Exception:  # the owner's trouble is not the other tasks'
                _log.exception("%s: the handler of its errors failed", self.name)
        if not self._active:
            return 0
        if policy != "retry":
            return self._following(self._deadline, now)
        # Doubling beyond 2**40 is beyond every limit, and keeps the number small.
        pause = min(timing.retry_after.nanoseconds << min(self._failures - 1, 40), timing.retry_at_most.nanoseconds)
        periods = max(1, -((self._deadline - now - pause) // self._period))
        return self._deadline + periods * self._period
