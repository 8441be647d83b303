"""Running programs together: nobody is left behind, and no error is lost."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Sequence
from typing import Any

from core.programs.pace import begin_together, go_on_from_last, part_of_several
from core.programs.program import Startable, name_of

__all__ = ["raise_all", "run_together"]


async def run_together(parts: tuple[Startable, ...], *, first_wins: bool) -> None:
    """Run `parts` until all have ended, one has failed or (`first_wins`) one has ended; then await every one.

    Raises what they raised, one error bare, several as a group.
    """
    loop = asyncio.get_running_loop()
    tasks: list[asyncio.Task[Any]] = []
    begin_together()
    contexts = [contextvars.copy_context() for _ in parts]
    cancelled: asyncio.CancelledError | None = None
    try:
        for part, context in zip(parts, contexts, strict=True):
            tasks.append(loop.create_task(part_of_several(part), name=name_of(part), context=context))
        pending = set(tasks)
        while pending:
            ended, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            if any(not task.cancelled() and (first_wins or task.exception() is not None) for task in ended):
                break
    except asyncio.CancelledError as error:
        cancelled = error
    finally:
        for task in tasks:
            task.cancel()
        while left := [task for task in tasks if not task.done()]:
            try:
                await asyncio.wait(left)
            except asyncio.CancelledError as error:
                cancelled = error
    errors = [failure for task in tasks if not task.cancelled() and (failure := task.exception()) is not None]
    raise_all(errors)
    if cancelled is not None:
        raise cancelled
    # What follows counts its time from when the last of them, or the winner, was due.
    go_on_from_last(context for task, context in zip(tasks, contexts, strict=True) if not task.cancelled())


def raise_all(errors: Sequence[BaseException]) -> None:
    """Raise one error bare and several as a group; return if there is none."""
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise BaseExceptionGroup("several programs failed", errors)
