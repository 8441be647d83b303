"""The combinators: programs made of programs."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Iterable

from core.duration import Duration
from core.errors import ProgramError
from core.programs.checks import checked_count, checked_pause
from core.programs.outputs import Lit, Output, Outputs, outputs_of, steps_of
from core.programs.pace import pause
from core.programs.program import PreparedRun, Startable, name_of, program_of, programs_of
from core.programs.together import run_together

__all__ = ["all", "any", "blink", "cycle", "forever", "on", "repeat", "sequence", "sleep", "walk"]

INSTANT_TURNS = 1_000
"""How many turns in a row `forever` lets a program end without having waited."""


def on(outputs: Outputs) -> PreparedRun:
    """Return a program that lights `outputs` until it is cancelled, and darkens them then."""
    targets = outputs_of("on", outputs)

    async def run() -> None:
        with Lit(targets):
            await asyncio.get_running_loop().create_future()

    return PreparedRun("on", run)


def sleep(seconds: float | Duration) -> PreparedRun:
    """Return a program that waits for `seconds` (a number of 0 or more, or a Duration)."""
    length = checked_pause("sleep", seconds, zero=True)
    return PreparedRun("sleep", lambda: pause(length))


def blink(outputs: Outputs, interval: float | Duration = 0.5, ntimes: int | None = None) -> PreparedRun:
    """Return a program that lights `outputs` for `interval` and darkens them for `interval`, `ntimes` or for ever."""
    targets = outputs_of("blink", outputs)
    length = checked_pause("blink", interval)
    if ntimes is not None:
        checked_count("blink", ntimes)

    async def run() -> None:
        turn = 0
        while ntimes is None or turn < ntimes:
            turn += 1
            with Lit(targets):
                await pause(length)
            await pause(length)

    return PreparedRun("blink", run)


def walk(outputs: Iterable[Outputs], interval: float | Duration) -> PreparedRun:
    """Return a program that lights one after another of `outputs` for `interval` each, once through.

    Each step is one Output or several of them (a row).
    """
    steps = steps_of("walk", outputs)
    length = checked_pause("walk", interval)
    return PreparedRun("walk", lambda: _walk(steps, length))


def cycle(outputs: Iterable[Outputs], interval: float | Duration) -> PreparedRun:
    """Return a program that walks over `outputs` for ever; raise ProgramError if there are none."""
    steps = steps_of("cycle", outputs)
    length = checked_pause("cycle", interval)
    if not steps:
        raise ProgramError("cycle() needs at least one output")

    async def run() -> None:
        while True:
            await _walk(steps, length)

    return PreparedRun("cycle", run)


def sequence(*programs: Startable | Iterable[Startable]) -> PreparedRun:
    """Return a program that runs `programs` one after another; without any it ends at once."""
    parts = programs_of("sequence", programs)

    async def run() -> None:
        for part in parts:
            await part()

    return PreparedRun("sequence", run)


def repeat(program: Startable, ntimes: int) -> PreparedRun:
    """Return a program that runs `program` `ntimes` (0 or more) times, one after another."""
    part = program_of("repeat", program)
    checked_count("repeat", ntimes)

    async def run() -> None:
        for _ in range(ntimes):
            await _instant(part)

    return PreparedRun("repeat", run)


def forever(program: Startable) -> PreparedRun:
    """Return a program that runs `program` again and again until it is cancelled.

    It raises ProgramError when `program` has ended 1,000 times in a row without waiting for anything.
    """
    part = program_of("forever", program)

    async def run() -> None:
        instant = 0
        while instant < INSTANT_TURNS:
            instant = instant + 1 if await _instant(part) else 0
        raise ProgramError(f"forever({name_of(part)}) never waits for anything: put a sleep() into it")

    return PreparedRun("forever", run)


def all(*programs: Startable | Iterable[Startable]) -> PreparedRun:
    """Return a program that runs `programs` together and ends when all have; without any it ends at once.

    The first error cancels the others and waits for their cleanup; one error comes out bare, several as a group.
    """
    parts = programs_of("all", programs)

    async def run() -> None:
        if parts:
            await run_together(parts, first_wins=False)

    return PreparedRun("all", run)


def any(*programs: Startable | Iterable[Startable]) -> PreparedRun:
    """Return a program that runs `programs` together and ends when the first has ended.

    The others are cancelled, and have cleaned up before this ends. An error of any of them comes out, one bare, several
    as a group. Raises ProgramError if there is no program.
    """
    parts = programs_of("any", programs)
    if not parts:
        raise ProgramError("any() needs at least one program: none could ever be the first")

    async def run() -> None:
        await run_together(parts, first_wins=True)

    return PreparedRun("any", run)


async def _walk(steps: tuple[tuple[Output, ...], ...], length: Duration) -> None:
    for step in steps:
        with Lit(step):
            await pause(length)


class _Watch:
    """Notice whether the loop had a turn, those apart that we gave it ourselves."""

    def __init__(self, outer: _Watch | None) -> None:
        self.outer = outer
        self.turned = False
        self._handle: asyncio.Handle | None = None

    def go_on(self) -> None:
        self._handle = asyncio.get_running_loop().call_soon(self._turn)

    def pause(self) -> None:
        if self._handle is not None:
            self._handle.cancel()

    def _turn(self) -> None:
        self.turned = True


_watch: contextvars.ContextVar[_Watch | None] = contextvars.ContextVar("_watch", default=None)


async def _instant(part: Startable) -> bool:
    """Run a program once; return True, after having let others run, if it ended without waiting."""
    watch = _Watch(_watch.get())
    token = _watch.set(watch)
    watch.go_on()
    try:
        await part()
    finally:
        watch.pause()
        _watch.reset(token)
    if not watch.turned:
        around = []
        outer = watch.outer
        while outer is not None:
            around.append(outer)
            outer.pause()
            outer = outer.outer
        await asyncio.sleep(0)
        for outer in around:
            outer.go_on()
    return not watch.turned
