"""Keep questions from going round and round where servers are chained in a ring, or one to itself.

INDI gives a question no mark by which one could know it again, and none may be left out: it may be that of a new client
of the server that passes it on. So what the same peer asks again at once waits a moment before servers behind us hear
of it, all that came meanwhile as one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from core.plumbing.connection import Connection

AGAIN_AFTER = 1.0
"""For how many seconds what a peer asks again is held back."""

Question = tuple["Connection", str | None, str | None]
"""Who asks, and the device and property that it names."""


class Questions:
    """Tell which questions servers behind us are asked at once; `pass_on` is called with the others when it is time."""

    def __init__(self, pass_on: Callable[[Connection, str | None, str | None], None]) -> None:
        self._pass_on = pass_on
        self._asked: dict[Question, bool] = {}
        """What has been passed on just now, and whether it has come again."""

    def is_new(self, origin: Connection, device: str | None, name: str | None) -> bool:
        """Return whether a question may be passed on at once; another one is later."""
        question = (origin, device, name)
        if question in self._asked:
            self._asked[question] = True
            return False
        self._note(question)
        return True

    def _note(self, question: Question) -> None:
        self._asked[question] = False
        asyncio.get_running_loop().call_later(AGAIN_AFTER, self._look, question)

    def _look(self, question: Question) -> None:
        if self._asked.pop(question) and not question[0].closed:
            self._note(question)
            self._pass_on(*question)
