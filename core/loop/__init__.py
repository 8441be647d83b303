"""The loop: coroutines at exact frequencies, on asyncio.

`loop.py` is what users see; `agenda.py` holds what is due; `scheduled.py` is a task at a frequency, `lending.py` runs
its ticks; `event_loop.py` is our asyncio loop and `foreign.py` the way onto any other; `kernel_timer.py` and
`precise.py` are what makes it exact; `clock.py` is the seam for virtual time.
"""

from core.loop.background import BackgroundTask
from core.loop.clock import Clock, MonotonicClock
from core.loop.default import add_task, current_loop, delay, run, run_later, schedule, schedule_later, sleep, suspend
from core.loop.loop import Loop
from core.loop.scheduled import ScheduledTask
from core.loop.settings import LoopSettings
from core.loop.statistics import LoopStatistics, TaskStatistics
from core.loop.timing import ErrorHandler, Rate, Timing

__all__ = [
    "BackgroundTask",
    "Clock",
    "ErrorHandler",
    "Loop",
    "LoopSettings",
    "LoopStatistics",
    "MonotonicClock",
    "Rate",
    "ScheduledTask",
    "TaskStatistics",
    "Timing",
    "add_task",
    "current_loop",
    "delay",
    "run",
    "run_later",
    "schedule",
    "schedule_later",
    "sleep",
    "suspend",
]
