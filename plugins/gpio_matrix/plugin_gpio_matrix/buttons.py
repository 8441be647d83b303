"""Buttons: their edges as a stream, what waits for a press, and what is called at one."""

from __future__ import annotations

import asyncio
import weakref
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from core import programs as p
from core.device import Device
from core.errors import DeviceUnavailable
from core.guard import is_failure
from core.sim.inputs import LineEdge, SimulatedInputs

__all__ = ["Button", "Edge", "Edges", "Inputs", "wait_button"]

WAITING_EDGES = 64
"""How many edges wait for a consumer before the oldest is lost."""


class Inputs(Protocol):
    """Be a request for input lines, with edges in both directions."""

    def get_values(self) -> Mapping[int, bool]:
        """Return which lines are active, by offset."""
        ...

    def watch(self, readable: Callable[[], None]) -> None:
        """Have `readable` called in the loop when there are edges to read, or the chip has gone."""
        ...

    def read_edges(self) -> Iterable[LineEdge]:
        """Return the edges that have come, oldest first, without waiting; raise OSError if the chip has gone."""
        ...

    def close(self) -> None:
        """Give the lines back."""
        ...


@dataclass(frozen=True, slots=True)
class Edge:
    """Be one press or release: `timestamp` in ns of CLOCK_MONOTONIC, as the kernel took it; `number` counts from 1."""

    pressed: bool
    timestamp: int
    number: int


class Edges(AsyncIterator[Edge]):
    """Be the edges of a button from now on: `async for edge in button.edges()`; end it by leaving the loop.

    At most `limit` edges wait; then the oldest is lost and `overflows` counts it, as the kernel does.
    """

    def __init__(self, limit: int = WAITING_EDGES) -> None:
        if limit < 1:
            raise ValueError("limit: at least one edge has to have room")
        self.limit = limit
        self.overflows = 0
        """How many edges were lost because they were not taken in time."""
        self._edges: deque[Edge] = deque()
        self._some = asyncio.Event()

    def put(self, edge: Edge) -> bool:
        """Take an edge in; return whether there was room for it. For the button."""
        fits = len(self._edges) < self.limit
        if not fits:
            self._edges.popleft()
            self.overflows += 1
        self._edges.append(edge)
        self._some.set()
        return fits

    def __len__(self) -> int:
        """Return how many edges wait."""
        return len(self._edges)

    async def __anext__(self) -> Edge:
        """Wait for the next edge; nothing is lost if the wait is cancelled."""
        while not self._edges:
            self._some.clear()
            await self._some.wait()
        return self._edges.popleft()


class Button:
    """Be one button of a device; it stays the same object when the device is closed and opened again."""

    def __init__(self, name: str, device: Device, *, simulated: bool = False) -> None:
        self.name = name
        self.pressed = False
        self.simulated = simulated
        """Whether `press` and `release` can be used."""
        self.presses = 0
        """How often it was pressed."""
        self.overflows = 0
        """How many edges were lost, in the kernel's buffer or in that of a consumer."""
        self._device = device
        self._inputs: Inputs | None = None
        self._offset = -1
        self._number = 0
        self._consumers: weakref.WeakSet[Edges] = weakref.WeakSet()
        self._callbacks: dict[object, tuple[bool, Callable[[Edge], Any]]] = {}

    def edges(self, *, limit: int = WAITING_EDGES) -> Edges:
        """Return the edges from now on, in a queue of at most `limit`; every caller gets all of them."""
        edges = Edges(limit)
        self._consumers.add(edges)
        return edges

    async def wait_press(self) -> Edge:
        """Wait until it is pressed, and let go before if it is pressed now; return the edge."""
        return await self._wait(True)

    async def wait_release(self) -> Edge:
        """Wait until it is let go; return the edge."""
        return await self._wait(False)

    def on_press(self, callback: Callable[[Edge], Any]) -> Callable[[], None]:
        """Have `callback(edge)` called at each press; call what is returned to end that.

        A coroutine function runs as a task of the device. What it raises is reported and stops nothing.
        """
        return self._call_at(True, callback)

    def on_release(self, callback: Callable[[Edge], Any]) -> Callable[[], None]:
        """Have `callback(edge)` called at each release, otherwise as `on_press`."""
        return self._call_at(False, callback)

    def press(self) -> None:
        """Press it, if it is simulated; raise DeviceUnavailable for a real one, or a closed one."""
        self._simulate(True)

    def release(self) -> None:
        """Let it go, if it is simulated; raise DeviceUnavailable for a real one, or a closed one."""
        self._simulate(False)

    # For the device that has it.

    def connect(self, inputs: Inputs, offset: int, pressed: bool) -> None:
        """Take its line."""
        self._inputs, self._offset, self._number = inputs, offset, 0
        self.pressed = pressed

    def disconnect(self) -> None:
        """Give its line up; who waits for an edge goes on waiting for the next opening."""
        self._inputs = None
        self.pressed = False

    def take(self, edge: LineEdge) -> None:
        """Pass on an edge of its line."""
        # What the kernel's buffer had no room for is missing in the numbers.
        self.overflows += edge.number - self._number - 1
        self._number = edge.number
        self.pressed = edge.active
        self.presses += edge.active
        news = Edge(edge.active, edge.timestamp, edge.number)
        for consumer in tuple(self._consumers):
            self.overflows += not consumer.put(news)
        for wanted, callback in tuple(self._callbacks.values()):
            if wanted is edge.active:
                self._call(callback, news)

    async def _wait(self, pressed: bool) -> Edge:
        edges = self.edges()
        while (edge := await anext(edges)).pressed is not pressed:
            pass
        return edge

    def _call_at(self, pressed: bool, callback: Callable[[Edge], Any]) -> Callable[[], None]:
        key = object()
        self._callbacks[key] = (pressed, callback)
        return lambda: self._callbacks.pop(key, None) and None

    def _call(self, callback: Callable[[Edge], Any], edge: Edge) -> None:
        where = f"{self._device.name}: button {self.name}"
        try:
            result = callback(edge)
        except BaseException as error:  # what a hook raises costs only that hook
            if not is_failure(error):
                raise
            self._device.report_failure(where, error)
            return
        if asyncio.iscoroutine(result):
            self._device.spawn(result, name=where)

    def _simulate(self, pressed: bool) -> None:
        where = f"button {self.name!r} of {self._device.name}"
        if not self.simulated:
            raise DeviceUnavailable(f"{where} is a real one, which only a finger can press")
        if not isinstance(self._inputs, SimulatedInputs):
            raise DeviceUnavailable(f"{where} cannot be pressed: {self._device.closed_because or 'it has no line'}")
        self._inputs.press(self._offset, pressed)


@p.program
async def wait_button(button: Button) -> None:
    """Wait until a button is pressed."""
    await button.wait_press()
