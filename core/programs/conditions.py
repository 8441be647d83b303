"""Combinators that depend on something: on time, on chance, on a button."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from typing import Protocol, runtime_checkable

from core.duration import Duration
from core.errors import ProgramError
from core.programs.combinators import any as first_of
from core.programs.combinators import sleep
from core.programs.pace import count_anew
from core.programs.program import PreparedRun, Startable, program_of, programs_of

__all__ = ["Pressable", "choose", "timeout", "when"]


@runtime_checkable
class Pressable(Protocol):
    """Be something that can be waited for: a button."""

    async def wait_press(self) -> object:
        """Wait until it is pressed."""


def timeout(program: Startable, seconds: float | Duration) -> PreparedRun:
    """Return a program that runs `program` and cancels it after `seconds`; what `program` raises comes out."""
    limited = first_of(program_of("timeout", program), sleep(seconds))
    return PreparedRun("timeout", limited)


def choose(
    *programs: Startable | Iterable[Startable],
    weights: Sequence[float] | None = None,
    chance: random.Random | None = None,
) -> PreparedRun:
    """Return a program that runs one of `programs`, which chance chooses anew each time it is started.

    `weights` are how often each comes in proportion; `chance` is the generator, for those who want to know beforehand.
    Raises ProgramError if there is no program, or not a weight of 0 or more for each and one above 0.
    """
    parts = programs_of("choose", programs)
    if not parts:
        raise ProgramError("choose() needs at least one program: there is nothing to choose from")
    if weights is not None:
        shares = tuple(weights)
        if len(shares) != len(parts) or min(shares) < 0 or not 0 < sum(shares) < float("inf"):
            raise ProgramError(f"choose() takes a weight of 0 or more for each of its programs, not {weights!r}")
    else:
        shares = (1.0,) * len(parts)
    generator = chance or random.Random()  # noqa: S311 - nothing secret hangs on it

    async def run() -> None:
        (chosen,) = generator.choices(parts, shares)
        await chosen()

    return PreparedRun("choose", run)


def when(button: Pressable, program: Startable | None = None) -> PreparedRun:
    """Return a program that waits until `button` is pressed and then runs `program`; without it that ends the wait."""
    if not isinstance(button, Pressable):
        raise ProgramError(f"when() takes a button, which has wait_press(); {button!r} has not")
    part = None if program is None else program_of("when", program)

    async def run() -> None:
        await button.wait_press()
        count_anew()  # from the press
        if part is not None:
            await part()

    return PreparedRun("when", run)
