"""Suspension: what a coroutine waits for until somebody lets it go on."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Generator
from typing import Any

__all__ = ["Suspension"]


class Suspension:
    """Be waited for until somebody resumes it."""

    def __init__(self) -> None:
        self._resumed = False
        self._waiting: list[tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]] = []

    def __await__(self) -> Generator[Any, Any, None]:
        if not self._resumed:
            loop = asyncio.get_running_loop()
            future = loop.create_future()
            self._waiting.append((loop, future))
            # Resumed by another thread between the two lines above.
            if not self._resumed:
                yield from future

    def resume(self) -> None:
        """Let all go on that wait, and all that will; for any thread."""
        self._resumed = True
        while self._waiting:
            loop, future = self._waiting.pop()
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(_complete, future)


def _complete(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
