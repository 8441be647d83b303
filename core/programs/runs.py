"""Runs: which programs run and wait on the outputs of one device, and who gets them next.

A run claims its whole region at one instant or waits for all of it, so no two ever wait for each other.
"""

from __future__ import annotations

import asyncio
import functools
import itertools
from collections.abc import Callable, Coroutine, Hashable, Iterable, Mapping
from typing import Any, Literal, Protocol, get_args

from core.errors import ProgramError
from core.programs.pace import Pace, keep
from core.programs.program import PreparedRun
from core.programs.regions import Region

__all__ = ["IF_BUSY", "IfBusy", "Run", "RunState", "Runs"]

IfBusy = Literal["take-over", "wait", "refuse"]
"""What a program does that wants outputs which another one has: end that one, wait for it, or not begin."""

IF_BUSY: tuple[IfBusy, ...] = get_args(IfBusy)

RunState = Literal["waiting", "running", "ending", "ended", "failed", "cancelled"]

QUEUE_LENGTH = 100
"""How many programs may wait on one device."""


class Run:
    """Be one run of a program, from its start or its place in the queue to its end."""

    def __init__(
        self, number: int, prepared: PreparedRun, region: Region, settings: Mapping[str, Any], asked_by: str
    ) -> None:
        self.number = number
        """Which one it is, counted from 1 over the life of the device."""
        self.program = prepared.name
        self.region = region
        self.settings = dict(settings)
        self.state: RunState = "waiting"
        self.takes_over = False
        self.begun = asyncio.Event()
        """Is set when it runs, or never will."""
        self.over = asyncio.Event()
        """Is set when it has ended and its outputs are free."""
        self.task: asyncio.Task[Any] | None = None
        self.title = f"program {prepared.name} ({asked_by})" if asked_by else f"program {prepared.name}"
        """What it is called where it fails."""
        self._prepared = prepared

    def __str__(self) -> str:
        """Tell number, program and region."""
        return f"{self.number} {self.program} on {self.region.name}"

    def __repr__(self) -> str:
        return f"<run {self}, {self.state}>"

    async def work(self, pace: Pace) -> None:
        """Do what the program does."""
        keep(pace)
        await self._prepared()


class Spawn(Protocol):
    """Be how tasks are made."""

    def __call__(self, coroutine: Coroutine[Any, Any, None], *, name: str) -> asyncio.Task[None]:
        """Return the task."""
        ...


class Runs:
    """Begin, queue and end programs; `spawn` makes tasks, `freed` darkens a region, `changed` is told of every step."""

    def __init__(self, spawn: Spawn, freed: Callable[[Run], None], changed: Callable[[Run], None]) -> None:
        self.running: list[Run] = []
        """Those that hold their outputs, the newest last."""
        self.waiting: list[Run] = []
        """Those that wait, in the order in which they get what they wait for."""
        self.pace = Pace()
        self._spawn = spawn
        self._freed = freed
        self._changed = changed
        self._numbers = itertools.count(1)

    def holder(self, keys: Iterable[Hashable]) -> Run | None:
        """Return the run that has any of these outputs."""
        wanted = frozenset(keys)
        return next((run for run in self.running if not run.region.keys.isdisjoint(wanted)), None)

    async def start(
        self, prepared: PreparedRun, region: Region, settings: Mapping[str, Any], if_busy: IfBusy, asked_by: str = ""
    ) -> Run:
        """Begin a program on a region, or queue it; return when it runs, or waits where that was asked for.

        Raises ProgramError if the region is taken and `if_busy` is "refuse", or if another one took over meanwhile.
        """
        rivals = [run for run in (*self.running, *self.waiting) if run.region.meets(region)]
        if rivals and if_busy == "refuse":
            raise ProgramError(
                f"program {prepared.name} cannot have {region.name}: program {rivals[0]} has LEDs of it; "
                'end that, or start this with if_busy "wait" or "take-over"'
            )
        if len(self.waiting) >= QUEUE_LENGTH:
            raise ProgramError(f"{QUEUE_LENGTH} programs wait already; program {prepared.name} is one too many")
        run = Run(next(self._numbers), prepared, region, settings, asked_by)
        if if_busy == "take-over":
            await self._take_over(run, rivals)
        else:
            self.waiting.append(run)
            self._begin_what_can()
            if run.state == "waiting":
                self._changed(run)
        return run

    async def stop(self, runs: Iterable[Run]) -> None:
        """End runs and take those that wait off the queue; return when all have cleaned up."""
        listed = tuple(runs)
        for run in listed:
            if run in self.waiting:
                self._withdraw(run)
        tasks = [task for run in listed if (task := self._cancel(run)) is not None]
        if tasks:
            # What a program raised is reported by the device that spawned it.
            await asyncio.wait(tasks)

    async def _take_over(self, run: Run, rivals: list[Run]) -> None:
        run.takes_over = True
        for rival in rivals:
            if rival.takes_over and rival in self.waiting:
                self._withdraw(rival)  # the latest wins; those that queued keep their place behind it
            self._cancel(rival)
        self.waiting.insert(0, run)
        self._begin_what_can()
        try:
            await run.begun.wait()
        except asyncio.CancelledError:
            if run in self.waiting:
                self._withdraw(run)
            raise
        if run.state == "cancelled":
            raise ProgramError(f"program {run} has not begun: another one took over")

    def _cancel(self, run: Run) -> asyncio.Task[Any] | None:
        if run.task is None or run.task.done():
            return None
        if run.state == "running":
            run.state = "ending"
            run.task.cancel()
        return run.task

    def _withdraw(self, run: Run) -> None:
        self.waiting.remove(run)
        self._over(run, "cancelled")
        self._begin_what_can()

    def _begin_what_can(self) -> None:
        taken: set[Hashable] = set().union(*(run.region.keys for run in self.running))
        for run in tuple(self.waiting):
            if run.region.keys.isdisjoint(taken):
                self._begin(run)
            # What one waits for is nobody's behind it, or it might wait for ever.
            taken |= run.region.keys

    def _begin(self, run: Run) -> None:
        self.waiting.remove(run)
        self.running.append(run)
        run.state = "running"
        run.task = self._spawn(run.work(self.pace), name=run.title)
        run.task.add_done_callback(functools.partial(self._ended, run))
        run.begun.set()
        self._changed(run)

    def _ended(self, run: Run, task: asyncio.Task[None]) -> None:
        self.running.remove(run)
        failed = not task.cancelled() and task.exception() is not None
        # In this order, so that LEDs which a successor lights at once never go dark in between.
        self._freed(run)
        self._begin_what_can()
        self._over(run, "failed" if failed else "cancelled" if task.cancelled() else "ended")

    def _over(self, run: Run, state: RunState) -> None:
        run.state = state
        run.begun.set()
        run.over.set()
        self._changed(run)
