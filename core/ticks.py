"""Ticks: methods of a device that run at a frequency."""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar, overload

from core.errors import DefinitionError
from core.guard import is_failure
from core.loop import Timing

if TYPE_CHECKING:
    from core.duration import Duration
    from core.loop import Loop, ScheduledTask


class TickOwner(Protocol):
    """Be what has ticks: a device."""

    name: str

    def tick(self, name: str) -> BoundTick:
        """Return the tick that a method of the class is."""
        ...

    def report_failure(self, where: str, error: BaseException, vector: Any = None) -> None:
        """Take note that a tick has raised."""
        ...

    def report_success(self, where: str) -> None:
        """Take note that a tick has gone well."""
        ...


D = TypeVar("D", bound=TickOwner)
Method = Callable[[D], Awaitable[None]]


class Tick(Generic[D]):
    """Be a method of a device class that runs at a frequency; on an instance it is a BoundTick."""

    def __init__(self, rate: float | Duration | Timing, method: Method[D], vector: Any = None) -> None:
        self.rate = rate
        self.method = method
        self.vector = vector
        self.name = getattr(method, "__name__", "tick")
        self.__doc__ = method.__doc__

    def __set_name__(self, owner: type, attribute: str) -> None:
        """Take the attribute's name."""
        self.name = attribute

    @overload
    def __get__(self, device: None, owner: type) -> Tick[D]: ...
    @overload
    def __get__(self, device: D, owner: type) -> BoundTick: ...
    def __get__(self, device: D | None, owner: type) -> Tick[D] | BoundTick:
        """Return the tick of one device."""
        return self if device is None else device.tick(self.name)


class BoundTick:
    """Be the tick of one device: call it to run it once, change its rate, stop and start it."""

    def __init__(self, device: TickOwner, tick: Tick[Any], vector: Any = None) -> None:
        self.name = f"{device.name}.{tick.name}"
        self.rate = tick.rate
        self.vector = vector
        self.scheduled: ScheduledTask | None = None
        self._device = device
        self._method = tick.method
        self.failures = 0
        """How often it has raised."""
        self._stopped = False

    async def __call__(self) -> None:
        """Run it once, now."""
        await self._method(self._device)

    def change_rate(self, rate: float | Duration | Timing) -> None:
        """Run at another frequency (Hz) or period (Duration) from now on."""
        self.rate = rate
        if self.scheduled is not None:
            self.scheduled.change_rate(rate)

    def stop(self) -> None:
        """Run no more until `start` is called."""
        self._stopped = True
        if self.scheduled is not None:
            self.scheduled.stop()

    def start(self) -> None:
        """Run again."""
        self._stopped = False
        if self.scheduled is not None:
            self.scheduled.start()

    def attach(self, loop: Loop) -> None:
        """Begin to run on `loop`; the device is open."""
        timing = self.rate if isinstance(self.rate, Timing) else Timing(self.rate)
        self.scheduled = loop.schedule(dataclasses.replace(timing, name=self.name), self._run)
        if self._stopped:
            self.scheduled.stop()

    async def detach(self) -> None:
        """End, because the device is being closed; a tick that runs is cancelled and awaited."""
        scheduled, self.scheduled = self.scheduled, None
        if scheduled is not None:
            scheduled.cancel()
            await scheduled.finished()

    async def _run(self) -> None:
        try:
            await self._method(self._device)
        except BaseException as error:  # a plugin's exception, sys.exit included, stops nothing but its own tick
            if not is_failure(error):
                raise
            self.failures += 1
            self._device.report_failure(self.name, error, self.vector)
        else:
            self._device.report_success(self.name)


def every(rate: float | Duration | Timing, vector: Any = None) -> Callable[[Method[D]], Tick[D]]:
    """Run the decorated method at a frequency (Hz) or period (Duration) while the device is open.

    If it raises, `vector` becomes Alert with the reason; the next tick comes all the same.
    """

    def decorate(method: Method[D]) -> Tick[D]:
        if not callable(method):
            raise DefinitionError(f"every() decorates a method, not {method!r}")
        return Tick(rate, method, vector)

    return decorate


__all__ = ["BoundTick", "Tick", "every"]
