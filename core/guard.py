"""What counts as a failure of plugin code, and what is meant for the house."""

from __future__ import annotations

import asyncio


def is_failure(error: BaseException) -> bool:
    """Return whether an exception that came out of a plugin is the plugin's failure.

    SystemExit is: a plugin may not end the run. KeyboardInterrupt and GeneratorExit are not, and neither is the
    CancelledError of a task that is really being cancelled; one that comes out of nowhere is.
    """
    if isinstance(error, asyncio.CancelledError):
        try:
            task = asyncio.current_task()
        except RuntimeError:  # no loop runs, so nobody cancels
            return True
        return task is None or task.cancelling() == 0
    return not isinstance(error, KeyboardInterrupt | GeneratorExit)
