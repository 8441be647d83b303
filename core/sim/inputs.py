"""Simulated input lines: levels, and edges with the kernel's timestamps, numbers, debounce and buffer.

The rules are those of the kernel's GPIO character device (drivers/gpio/gpiolib-cdev.c): an edge within the debounce
period begins the period anew; after a still one the level is looked at, and what differs from the last one told is an
event with the time of that moment. A full buffer loses its oldest event, which the numbers show.
"""

from __future__ import annotations

import asyncio
import errno
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from core.errors import DeviceUnavailable
from core.loop import Loop
from core.sim.lines import Bias, SimulatedChip

__all__ = ["InputWiring", "LineEdge", "SimulatedInputs"]

EVENTS_OF_A_LINE = 16
"""How many events the kernel keeps for each line of a request."""


class LineEdge(NamedTuple):
    """Be one change of an input line: `timestamp` in ns of CLOCK_MONOTONIC, `number` counts the line's edges from 1."""

    offset: int
    active: bool
    timestamp: int
    number: int


@dataclass(frozen=True)
class InputWiring:
    """Be how an input line is wired, and for how many seconds it has to be still before a change counts."""

    active_low: bool = False
    bias: Bias = "as-is"
    debounce: float = 0.0


class SimulatedInputs:
    """Be a request for input lines of a simulated chip, with edges in both directions."""

    def __init__(self, chip: SimulatedChip, wirings: Mapping[int, InputWiring], *, consumer: str) -> None:
        self.chip = chip
        self._wirings = dict(wirings)
        chip.claim(wirings, consumer)
        self._life = chip.life
        self._gone = False
        for offset, wiring in wirings.items():
            chip.apply_bias(offset, wiring.bias)
        self._told = {offset: chip.levels[offset] for offset in wirings}
        self._numbers = dict.fromkeys(wirings, 0)
        self._events: deque[LineEdge] = deque(maxlen=EVENTS_OF_A_LINE * len(wirings))
        self._settling: dict[int, asyncio.TimerHandle] = {}
        self._readable: Callable[[], None] | None = None
        self._calling: asyncio.Handle | None = None
        self._unwatch = chip.when_gone(self._chip_gone)
        self._released = False
        for offset in wirings:
            chip.listen(offset, self._changed)

    def get_values(self) -> dict[int, bool]:
        """Return which lines are active; debounced ones as they were told last."""
        self._check()
        return {
            offset: (self._told[offset] if wiring.debounce else self.chip.levels[offset]) is not wiring.active_low
            for offset, wiring in self._wirings.items()
        }

    def watch(self, readable: Callable[[], None]) -> None:
        """Have `readable` called in the loop when there are edges to read, or the chip has gone."""
        self._readable = readable
        if self._events or self._gone:
            self._call()

    def read_edges(self) -> list[LineEdge]:
        """Return the edges that have come, oldest first; raise DeviceUnavailable if the chip has gone."""
        self._check()
        edges = list(self._events)
        self._events.clear()
        return edges

    def press(self, offset: int, pressed: bool) -> None:
        """Put a line into the state that makes it active or inactive, as a finger on its button does."""
        self._check()
        self.chip.pull(offset, pressed is not self._wirings[offset].active_low)

    def close(self) -> None:
        """Give the lines back."""
        if self._released:
            return
        self._released = True
        self._readable = None
        self._unwatch()
        for timer in self._settling.values():
            timer.cancel()
        if self._calling is not None:
            self._calling.cancel()
        self.chip.give_back(self._wirings, self._life)

    def _chip_gone(self) -> None:
        self._gone = True
        for timer in self._settling.values():
            timer.cancel()
        self._call()

    def _check(self) -> None:
        if self._released:
            raise DeviceUnavailable(errno.EPERM, f"the lines of {self.chip.label} have been released")
        self.chip.check_present(self._life)

    def _changed(self, offset: int) -> None:
        if seconds := self._wirings[offset].debounce:
            if timer := self._settling.get(offset):
                timer.cancel()
            self._settling[offset] = asyncio.get_running_loop().call_later(seconds, self._settled, offset)
        else:
            self._tell(offset)

    def _settled(self, offset: int) -> None:
        del self._settling[offset]
        if self.chip.levels[offset] is not self._told[offset]:
            self._tell(offset)

    def _tell(self, offset: int) -> None:
        level = self._told[offset] = self.chip.levels[offset]
        self._numbers[offset] += 1
        active = level is not self._wirings[offset].active_low
        self._events.append(LineEdge(offset, active, Loop.current().now(), self._numbers[offset]))
        self._call()

    def _call(self) -> None:
        if self._readable is not None and self._calling is None:
            self._calling = asyncio.get_running_loop().call_soon(self._called)

    def _called(self) -> None:
        self._calling = None
        if self._readable is not None:
            self._readable()
