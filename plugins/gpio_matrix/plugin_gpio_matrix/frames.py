"""Frames: all changes of one instant, which go to the lines in one call."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from core.loop import Loop
from plugin_gpio_matrix.lines import Lines

__all__ = ["Frames"]


class Frames:
    """Collect changes of LEDs, by their numbers, and set the lines when the loop is about to wait, at latest in 1 ms.

    `shown` is called after each frame, `failed` with what the lines raised instead.
    """

    def __init__(self, count: int, shown: Callable[[], None], failed: Callable[[OSError], None]) -> None:
        self.lit = [False] * count
        """What the LEDs show."""
        self.calls = 0
        """How many frames have gone out."""
        self.changes = 0
        """How many LEDs have been switched by them."""
        self._shown = shown
        self._failed = failed
        self._lines: Lines | None = None
        self._offsets: Sequence[int] = ()
        self._next: dict[int, bool] = {}

    def attach(self, lines: Lines, offsets: Sequence[int]) -> None:
        """Take open lines, inactive all of them, and the offset of each LED."""
        self._lines, self._offsets = lines, offsets
        self.lit = [False] * len(offsets)
        self._next = {}

    def detach(self) -> None:
        """Switch nothing any more."""
        self._lines = None
        self._next = {}

    def switch(self, number: int, value: bool) -> None:
        """Take a change into the next frame."""
        if self._lines is None:
            return
        if not self._next:
            Loop.current().before_wait(self.flush)
        self._next[number] = bool(value)

    def flush(self) -> None:
        """Show the next frame now; nothing changed, no call."""
        frame, self._next = self._next, {}
        lit = self.lit
        changed = {number: value for number, value in frame.items() if lit[number] is not value}
        if not changed or self._lines is None:
            return
        offsets = self._offsets
        for number, value in changed.items():
            lit[number] = value
        try:
            self._lines.set_values({offsets[number]: value for number, value in changed.items()})
        except OSError as error:
            self._failed(error)
            return
        self.calls += 1
        self.changes += len(changed)
        self._shown()
