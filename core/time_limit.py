"""Plugin code under a time limit: it may be late, it may swallow its cancellation, and nobody waits for it longer."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from core.guard import is_failure

GRACE_SECONDS = 0.02
"""How long code that was late has to react to its cancellation."""


class TooLate(TimeoutError):  # noqa: N818 - reads as what happened
    """Be what run_within returns for code that was late, as against a TimeoutError of its own."""


async def run_within(seconds: float, work: Coroutine[Any, Any, object], name: str) -> BaseException | None:
    """Run plugin code for at most `seconds`; return what it raised, TooLate if it was late, None if all is well.

    What does not end when it is cancelled is left running as the task `name`.
    """
    task = start_contained(work, name)
    try:
        await asyncio.wait({task}, timeout=seconds)
        if not task.done():
            task.cancel()
            await asyncio.wait({task}, timeout=GRACE_SECONDS)
            return TooLate(f"{name} took longer than {seconds:g} s")
    except asyncio.CancelledError:
        task.cancel()
        raise
    return failure_of(task)


def start_contained(work: Coroutine[Any, Any, object], name: str) -> asyncio.Task[BaseException | None]:
    """Begin plugin code in a task of its own, which returns what it raised: `sys.exit` in it ends nothing else."""
    return asyncio.create_task(_contained(work), name=name)


def failure_of(task: asyncio.Task[BaseException | None]) -> BaseException | None:
    """Return what the plugin code of a contained task that is done has raised; None if it was cancelled as well."""
    return None if task.cancelled() else task.result()


async def _contained(work: Coroutine[Any, Any, object]) -> BaseException | None:
    try:
        await work
    except BaseException as error:  # SystemExit would leave the loop by itself, and the run with it
        if not is_failure(error):
            raise
        return error
    return None


__all__ = ["TooLate", "failure_of", "run_within", "start_contained"]
