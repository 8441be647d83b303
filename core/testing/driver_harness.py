"""DriverHarness: a device as a driver under test. Send it new values, await what comes out.

The device lives the life that it has in a run: it is opened, its ticks begin, it is tried again when it cannot be
opened, and it is closed at the end. What is sent and what comes out are the bytes that real clients send and get, only
without a socket, so that nothing takes time but what the device itself waits for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, TypeVar

from core.client.errors import SetRefused
from core.client.mirror import Mirror, RemoteVector
from core.device import Device
from core.indi import VERSION, DelProperty, Element, EnableBlob, GetProperties, Message, Notice, VectorMessage
from core.indi.blobs import encode_base64
from core.instance import Instance
from core.loop import Loop
from core.plumbing import DeviceDriver, Router
from core.program_device import ProgramDevice
from core.programs import Program
from core.properties import BlobValue
from core.suggestions import nearest
from core.testing.in_memory import MemoryPeer
from core.testing.leaks import tasks_left

__all__ = ["Condition", "DriverHarness", "Heard"]

Condition = Callable[[RemoteVector], object] | str | Mapping[str, Any]
"""What a property is waited to be: a function that says so, a state, or values of some members."""

T = TypeVar("T")

PATIENCE = 30.0
"""For how many seconds what a test awaits may take; with a virtual clock that costs nothing."""

ROUNDS = 2
"""How often the loop has to be about to wait: what is done then, a frame say, may give others something to do."""


@dataclass(frozen=True)
class Heard:
    """Be one thing that came out: a property defined, changed or deleted, or a message.

    `seconds` is the loop's time; `values` are those of the members that the driver named.
    """

    seconds: float
    kind: str
    name: str | None = None
    state: str | None = None
    values: dict[str, Any] = field(default_factory=dict)
    message: str | None = None


class DriverHarness:
    """Be the surroundings of one device: `async with DriverHarness(Thermo("thermo")) as driver`.

    Entering waits until the device is open and raises AssertionError with the cause if it cannot be, unless `may_fail`
    is given. Leaving closes it, and raises AssertionError if that fails or leaves a task behind. `programs` are offered
    to a device that runs programs.
    """

    def __init__(self, device: Device, *, programs: Iterable[Program] = (), may_fail: bool = False) -> None:
        self.device = device
        self.heard: list[Heard] = []
        """Everything that has come out, from the first definition on."""
        self.instance = Instance(device, "the plugin under test")
        self._may_fail = may_fail
        self._mirror = Mirror()
        self._taken = 0
        self._news = asyncio.Event()
        if isinstance(device, ProgramDevice):
            device.offer({program.name: program for program in programs})

    async def __aenter__(self) -> DriverHarness:
        """Open the device and ask for its properties."""
        self._before = asyncio.all_tasks()
        self._router = Router()
        self._driver = DeviceDriver(self.device, self._router)
        self._router.add(self._driver)
        self._peer = MemoryPeer(self._router, self._hear)
        self._peer.say(GetProperties(version=VERSION))
        self.forget()
        self._peer.say(EnableBlob(self.device.name, None, "Also"))
        self._driver.begin()
        known = asyncio.Event()
        end = self.device.observe(lambda event: known.set() if event.kind == "opened" else None)
        self._living = asyncio.create_task(self.instance.live(), name=f"life of {self.device.name}")
        try:
            async with asyncio.timeout(PATIENCE):
                await known.wait()
        except TimeoutError as error:
            await self._end()
            raise AssertionError(f"{self.device.name} is still opening after {PATIENCE:g} s") from error
        end()
        if not self._may_fail and (why := self.device.closed_because) is not None:
            await self._end()
            raise AssertionError(f"{self.device.name} cannot be opened: {why}")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the device as at the end of a run."""
        await self._end()
        left = tasks_left(self._before)
        if self.instance.close_failures and error is None:
            raise AssertionError(f"{self.device.name} cannot be closed: {'; '.join(self.instance.close_failures)}")
        if left and error is None:
            raise AssertionError(f"{self.device.name} has left tasks behind: {', '.join(left)}")

    async def _end(self) -> None:
        self._living.cancel()
        await asyncio.wait([self._living])
        await self._driver.close()
        self._peer.leave()

    # What a client does

    @property
    def messages(self) -> list[str]:
        """Return everything that was said to people."""
        return [heard.message for heard in self.heard if heard.message]

    def __getitem__(self, name: str) -> RemoteVector:
        """Return a property as clients know it; raise AssertionError that names those that there are."""
        vector = self._mirror.devices.find(self.device.name, name)
        if vector is None:
            known = [vector.name for vector in self._mirror.devices.vectors()]
            near = nearest(name, known)
            meant = f"; did you mean {near!r}?" if near else ""
            raise AssertionError(f"{self.device.name} has no property {name!r}, but {', '.join(known)}{meant}")
        return vector

    def send(self, name: str, values: Mapping[str, Any] | None = None, /, **more: Any) -> None:
        """Send new values without waiting: numbers, texts, bools, or bytes and BlobValues.

        Wrong ones are sent too, a text for a number say: what the driver makes of them may be what is tested.
        """
        vector = self[name]
        elements = [_element(member, value) for member, value in {**(values or {}), **more}.items()]
        self._peer.say(VectorMessage("new", vector.kind, self.device.name, name, {}, elements))

    def send_bytes(self, data: bytes) -> None:
        """Send any bytes, as a client that is not well might."""
        self._peer.say(data)

    async def set(self, name: str, values: Mapping[str, Any] | None = None, /, **more: Any) -> RemoteVector:
        """Send new values and wait until the driver has done with them; raise SetRefused, with its words, for Alert."""
        since = len(self.heard)
        self.send(name, values, **more)
        answer = await self._until(
            lambda: next(
                (one for one in self.heard[since:] if one.name == name and one.state not in (None, "Busy")), None
            ),
            f"an answer to new values of {name}",
        )
        if answer.state == "Alert":
            raise SetRefused(answer.message or f"{name} is Alert, without a reason")
        await self.settled()
        return self[name]

    async def next(self, name: str | None = None) -> Heard:
        """Wait for the next thing that comes out, of one property where it is named, and return it.

        Each is returned once: `next` goes through `heard` in its order, from behind the first definitions on, and
        skips what is of other properties.
        """

        def look() -> Heard | None:
            while self._taken < len(self.heard):
                heard = self.heard[self._taken]
                self._taken += 1
                if name is None or heard.name == name:
                    return heard
            return None

        return await self._until(look, f"the next word of {name or self.device.name}")

    def forget(self) -> None:
        """Have `next` return only what comes from now on."""
        self._taken = len(self.heard)

    async def wait_for(self, name: str, condition: Condition) -> RemoteVector:
        """Wait until a property is what the condition says; return it. It may be so already."""
        holds = _predicate(condition)

        def look() -> RemoteVector | None:
            vector = self._mirror.devices.find(self.device.name, name)
            return vector if vector is not None and holds(vector) else None

        wanted = condition if isinstance(condition, (str, Mapping)) else "what is waited for"
        return await self._until(look, f"{name} to be {wanted}")

    async def delay(self, seconds: float) -> None:
        """Let time pass; at the end everything has come out that is due until then."""
        await Loop.current().delay(seconds)

    async def settled(self) -> None:
        """Wait until nothing is left to do in this instant, frames that are made at its end included."""
        for _ in range(ROUNDS):
            idle = asyncio.Event()
            Loop.current().before_wait(idle.set)
            await idle.wait()

    # What comes out

    async def _until(self, look: Callable[[], T | None], what: str) -> T:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + PATIENCE
        while (found := look()) is None:
            self._news.clear()
            try:
                async with asyncio.timeout_at(deadline):
                    await self._news.wait()
            except TimeoutError:
                last = "; ".join(map(str, self.heard[-3:])) or "nothing"
                raise AssertionError(f"waited {PATIENCE:g} s in vain for {what}; heard last: {last}") from None
        return found

    def _hear(self, message: Message) -> None:
        if not isinstance(message, (VectorMessage, DelProperty, Notice)):
            return
        now = asyncio.get_running_loop().time()
        for event in self._mirror.apply(message):
            self.heard.append(Heard(now, event.kind, event.name, event.state, _values(message, event), event.message))
        self._news.set()


def _values(message: Message, event: Any) -> dict[str, Any]:
    if isinstance(message, VectorMessage) and message.kind == "BLOB":
        return {element.name: element.text for element in message.elements}
    return dict(event.values)


def _element(name: str, value: Any) -> Element:
    match value:
        case bool():
            return Element(name, "On" if value else "Off")
        case int() | float():
            return Element(name, repr(value))
        case bytes():
            return _element(name, BlobValue(value))
        case BlobValue(data, form):
            return Element(name, encode_base64(data).decode(), {"size": str(len(data)), "format": form})
        case _:
            return Element(name, str(value))


def _predicate(condition: Condition) -> Callable[[RemoteVector], object]:
    if isinstance(condition, str):
        return lambda vector: vector.state == condition
    if isinstance(condition, Mapping):
        return lambda vector: all(vector[name] == value for name, value in condition.items())
    return condition
