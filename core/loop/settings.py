"""What a loop may ask of the machine: settings that make it more exact, and what could not be had."""

from __future__ import annotations

import ctypes
import gc
import logging
import os
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Literal

from core.duration import Duration
from core.errors import LoopError

__all__ = ["LoopSettings", "apply_settings"]

_log = logging.getLogger("core.loop")

_SET_TIMER_SLACK = 29
_ALL_MEMORY = 1 | 2  # MCL_CURRENT | MCL_FUTURE
_BLOCKED_LIMIT = Duration.of_milliseconds(100)
_TIMER_SLACK = Duration.of_nanoseconds(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopSettings:
    """Say what a loop asks of the machine when it begins to run; raises LoopError at construction if it cannot be.

    What the machine refuses is logged with the cure and does not stop anything.
    """

    blocked_limit: Duration | None = _BLOCKED_LIMIT
    """A turn of the loop that lasts longer is warned of, with its stack while it lasts; None watches nothing."""
    timer_slack: Duration | None = _TIMER_SLACK
    """By how much the kernel may delay this thread's waits (1 ns or more; Linux has 50 µs); None leaves it alone."""
    freeze_garbage: bool = False
    """Exempt everything that exists at the start from garbage collections (`gc.freeze`), which otherwise take
    milliseconds with 10,000 tasks; what is made later is still collected, in passes as long as it is much."""
    realtime_priority: int | None = None
    """Run under SCHED_FIFO with this priority (1 to 99): before every ordinary process. Needs CAP_SYS_NICE."""
    lock_memory: bool = False
    """Keep all memory of the process in RAM (mlockall). Needs CAP_IPC_LOCK or a sufficient `ulimit -l`."""
    affinity: Collection[int] | None = None
    """The CPUs that the loop's thread may run on."""
    event_loop: Literal["core", "uvloop"] = "core"
    """The asyncio loop underneath. On uvloop sockets are faster; deadlines are as exact, but asyncio's own timers are
    rounded to milliseconds, and `before_wait` comes one turn after it was asked for."""

    def __post_init__(self) -> None:
        for name in ("blocked_limit", "timer_slack"):
            value = getattr(self, name)
            if value is not None and not (isinstance(value, Duration) and value.nanoseconds > 0):
                raise LoopError(f"{name} must be a Duration above zero or None, not {value!r}")
        if self.realtime_priority is not None and self.realtime_priority not in range(1, 100):
            raise LoopError(f"realtime_priority must be from 1 to 99, not {self.realtime_priority!r}")
        if self.event_loop not in ("core", "uvloop"):
            raise LoopError(f'event_loop must be "core" or "uvloop", not {self.event_loop!r}')


def apply_settings(settings: LoopSettings) -> list[str]:
    """Ask the machine for what the settings say; log and return what it refused."""
    refused = []
    for what, cure, wanted, act in _wishes(settings):
        if wanted:
            try:
                act()
            except (OSError, AttributeError, ValueError) as error:
                refused.append(f"{what}: {error}; {cure}")
                _log.warning("the loop runs without %s: %s; %s", what, error, cure)
    return refused


def _wishes(settings: LoopSettings) -> list[tuple[str, str, bool, Callable[[], object]]]:
    slack, priority, affinity = settings.timer_slack, settings.realtime_priority, settings.affinity
    return [
        (
            "timer slack", "only Linux has it", slack is not None,
            lambda: _call("prctl", _SET_TIMER_SLACK, 1 if slack is None else slack.nanoseconds, 0, 0, 0),
        ),
        (
            "real-time priority", "grant CAP_SYS_NICE, or LimitRTPRIO= in the service", priority is not None,
            lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(priority or 1)),
        ),
        (
            "locked memory", "grant CAP_IPC_LOCK, or LimitMEMLOCK=infinity in the service", settings.lock_memory,
            lambda: _call("mlockall", _ALL_MEMORY),
        ),
        (
            "its CPUs", "see the CPUs that `taskset -p` shows", affinity is not None,
            lambda: os.sched_setaffinity(0, affinity or ()),
        ),
        ("frozen garbage", "use CPython", settings.freeze_garbage, _freeze),
    ]  # fmt: skip


def _freeze() -> None:
    gc.collect()
    gc.freeze()


def _call(name: str, *arguments: int) -> None:
    function = getattr(ctypes.CDLL(None, use_errno=True), name)
    if function(*(ctypes.c_ulong(argument) for argument in arguments)):
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
