"""VirtualClock: a loop whose time passes by itself as soon as everything waits.

An hour of a 1 Hz task runs in milliseconds and gives the same nanoseconds every time. Real sockets, pipes and programs
stay usable: what files have to say comes before time passes, and time stands still while child processes (those of
asyncio) or executor jobs run, and inside of `held()`.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Coroutine, Generator
from contextlib import AbstractContextManager
from typing import Any, TypeVar, overload

from core.errors import LoopError
from core.loop import Loop

__all__ = ["VirtualClock"]

T = TypeVar("T")


class VirtualClock:
    """Be the clock of a loop under test; time starts at zero and is told in nanoseconds."""

    virtual = True

    def __init__(self) -> None:
        self._time = 0
        self._holds = 0
        self._loop: Loop | None = None
        self._used = False
        self._lock = threading.Lock()
        self.now: Callable[[], int] = self._tell

    @property
    def loop(self) -> Loop:
        """Return the loop that runs or will run next; tasks can be given to it before `run`."""
        if self._loop is None:
            self._loop = Loop(clock=self)
        return self._loop

    @property
    def seconds(self) -> float:
        """Return the virtual time in seconds."""
        return self._time / 1e9

    @overload
    def run(self, coroutine: Coroutine[Any, Any, T]) -> T: ...
    @overload
    def run(self, coroutine: None = None) -> None: ...
    def run(self, coroutine: Coroutine[Any, Any, T] | None = None) -> T | None:
        """Run a coroutine on a fresh loop with virtual time, as `Loop.run` does; return its result.

        Raises LoopError if all that is left waits for something that can never happen.
        """
        if self._used:
            self._loop = None
        loop = self.loop
        self._used = True
        return loop.run(coroutine)

    @contextlib.contextmanager
    def _hold(self) -> Generator[None, None, None]:
        with self._lock:
            self._holds += 1
        try:
            yield
        finally:
            with self._lock:
                self._holds -= 1
            # The loop may sit in a wait for files that only this ends.
            if self._loop is not None:
                self._loop.wake()

    def held(self) -> AbstractContextManager[None]:
        """Keep time still inside the returned context; for any thread."""
        return self._hold()

    def skip_to(self, deadline: int) -> bool:
        """Move time to `deadline`, unless it is held; for the loop alone."""
        if self._holds:
            return False
        self._time = max(self._time, deadline)
        return True

    def stuck(self, reason: Callable[[], str]) -> None:
        """Raise LoopError: nothing that is waited for can ever happen."""
        if not self._holds:
            raise LoopError(f"virtual time: everything waits, and nothing is left that could end it: {reason()}")

    def _tell(self) -> int:
        return self._time
