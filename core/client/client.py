"""Client: the devices of an INDI server as objects, awaited, set and followed."""

from __future__ import annotations

import asyncio
import contextlib
import math
import socket
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from core.client.blobs import BlobFeed
from core.client.errors import ClientError, ClientTimeout, PropertyMissing, SetRefused
from core.client.events import Audience, ClientEvent, EventFeed, Observer
from core.client.link import Address
from core.client.mirror import Mirror, RemoteDevices, RemoteVector
from core.client.new_values import new_message
from core.client.session import Endurance, Place, Session, Wishes
from core.indi import VERSION, GetProperties, VectorMessage
from core.indi.messages import BlobMode
from core.suggestions import nearest

Condition = Callable[[RemoteVector], object] | str | Mapping[str, Any]
"""What a property is waited to be: a function that says so, a state, or values of some members."""

QUIET = 1.0
"""For how many seconds a server has defined nothing before what it has not defined counts as not there."""

MAXIMUM_BLOB = 1 << 30

T = TypeVar("T")


class Client:
    """Be a client of an INDI server: `async with core.Client("localhost", 7624) as client`.

    `path` is a Unix socket instead of host and port ("@name" for an abstract one); `sock` a connected stream socket,
    which becomes the client's and cannot be connected again. `watch` names devices, or pairs of
    device and property, to hear of; everything where it is left out, nothing where it is empty. Entering connects and
    raises ClientError if that fails. A connection that is lost later is opened again with `reconnect`, after
    `first_delay` seconds, then after twice as long each time, up to `longest_delay`; until then the properties are
    stale. After `ping_interval` seconds without a word the server is probed, and is dead when it answers nothing; None
    never probes. A BLOB of more than `maximum_blob` bytes is lost. All times are in seconds of the loop.
    """

    def __init__(
        self,
        host: str = "localhost",
        port: int = 7624,
        *,
        path: str | None = None,
        sock: socket.socket | None = None,
        watch: Iterable[str | tuple[str, str]] | None = None,
        reconnect: bool = True,
        first_delay: float = 0.5,
        longest_delay: float = 30.0,
        ping_interval: float | None = 10.0,
        connect_timeout: float = 10.0,
        maximum_blob: int = MAXIMUM_BLOB,
    ) -> None:
        places: list[Place] = [(None, None)]
        if watch is not None:
            places = [(one, None) if isinstance(one, str) else one for one in watch]
        self._wishes = Wishes(places)
        self._mirror = Mirror()
        self._audience = Audience()
        self._locks: weakref.WeakValueDictionary[tuple[str, str], asyncio.Lock] = weakref.WeakValueDictionary()
        self._entered = False
        endurance = Endurance(reconnect and sock is None, first_delay, longest_delay, ping_interval, connect_timeout)
        address = Address(host, port, path, sock)
        self._session = Session(address, self._mirror, self._audience, self._wishes, endurance, maximum_blob)

    @property
    def devices(self) -> RemoteDevices:
        """Return the devices by name; they follow the server."""
        return self._mirror.devices

    @property
    def messages(self) -> deque[str]:
        """Return the last hundred things that the server said of no device."""
        return self._mirror.messages

    @property
    def connected(self) -> bool:
        """Return whether there is a connection now."""
        return self._session.link is not None

    async def __aenter__(self) -> Client:
        """Connect; raise ClientError with the cause and the cure if that fails."""
        if self._entered:
            raise ClientError("a Client connects once; make another one")
        self._entered = True
        await self._session.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the connection; whoever still waits gets a ClientError."""
        await self._session.close()

    def observe(self, observer: Observer, device: str | None = None, name: str | None = None) -> Callable[[], None]:
        """Call a function with every event of a device or property from now on; return a function that ends it.

        It runs at once when the event has happened and must not block; what it raises is logged.
        """
        return self._audience.add(observer, device, name)

    def events(self, device: str | None = None, name: str | None = None) -> EventFeed:
        """Return the events from now on, to be iterated over; those of a device or property where it is named."""
        return EventFeed(self._audience, device, name)

    async def watch(self, device: str, name: str | None = None) -> None:
        """Ask for a device or property that is not watched yet."""
        if (None, None) in self._wishes.watched or (device, name) in self._wishes.watched:
            return
        self._wishes.watched.append((device, name))
        if self.connected:
            await self._session.send(GetProperties(device, name, VERSION))

    async def settled(self, quiet: float = QUIET) -> None:
        """Wait until the server has defined nothing for `quiet` seconds: it has then told what there is.

        The protocol has no word for the end of an answer. Raises ClientError when the connection is lost for good.
        """
        loop = asyncio.get_running_loop()
        while (rest := self._session.last_definition + quiet - loop.time()) > 0:
            self._check_open()
            await asyncio.sleep(rest)
        self._check_open()

    async def find(self, device: str, name: str) -> RemoteVector:
        """Wait for a property and return it.

        Raises PropertyMissing, which names what there is, when the server has defined nothing for a second and it is
        not among that; ClientError when the connection is lost for good.
        """
        await self._ask_for(device, name)
        loop = asyncio.get_running_loop()
        while True:
            rest = self._session.last_definition + QUIET - loop.time()
            # A server that has said nothing at all may only be slow.
            if not self._session.heard_anything:
                rest = QUIET
            try:
                async with asyncio.timeout(rest) as limit:
                    with self._looking(lambda _: self._fresh(device, name), device, name) as found:
                        return await found
            except TimeoutError:
                if not limit.expired():
                    raise
            if self._session.heard_anything and loop.time() >= self._session.last_definition + QUIET:
                raise PropertyMissing(self._description(device, name))

    async def wait_for(
        self,
        device: str,
        name: str,
        condition: Condition | None = None,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - its error says more
    ) -> RemoteVector:
        """Wait until a property is there, and is what the condition says; return it.

        The condition is looked at now and at each word of the server, so that what holds for a moment is not missed.
        Raises ClientTimeout after `timeout` seconds, ClientError when the connection is lost for good, and what the
        condition raises.
        """
        holds = _predicate(condition)

        def look(_: ClientEvent | None) -> RemoteVector | None:
            vector = self._fresh(device, name)
            return vector if vector is not None and holds(vector) else None

        try:
            async with asyncio.timeout(timeout) as limit:
                await self._ask_for(device, name)
                with self._looking(look, device, name) as found:
                    return await found
        except TimeoutError:
            if not limit.expired():
                raise
        wanted = f" for {condition}" if isinstance(condition, (str, Mapping)) else ""
        raise ClientTimeout(f"{device}.{name}: waited {timeout:g} s in vain{wanted}; {self._description(device, name)}")

    async def set(
        self,
        device: str,
        name: str,
        values: Mapping[str, Any],
        *,
        timeout: float | None = 10.0,  # noqa: ASYNC109 - its error says more
        wait: bool = True,
    ) -> RemoteVector:
        """Set members of a property and wait until the server has done it: until the state is Ok or Idle, not Busy.

        Values are numbers or sexagesimal texts, texts, bools or "On" and "Off", and for BLOBs bytes, a BlobValue or the
        path of a file. Without `wait` it returns when they are sent. Calls for one property come one after another,
        since INDI does not tell which of them an answer belongs to. Raises SetRefused with the server's words if the
        state becomes Alert, or before anything is sent if there is no such property (as PropertyMissing) or member, or
        it cannot be written; ClientTimeout if no answer comes within `timeout` seconds; ClientError if the connection
        is lost meanwhile.
        """
        said: deque[str] = deque(maxlen=5)
        lock = self._locks.setdefault((device, name), asyncio.Lock())
        try:
            async with asyncio.timeout(timeout) as limit, lock:
                vector = await self.find(device, name)
                message = new_message(vector, values)
                if wait:
                    await self._send_and_wait(vector, message, said)
                else:
                    await self._send_through(message)
                return vector
        except TimeoutError:
            if not limit.expired():
                raise
        words = f"; the server said: {said[-1]}" if said else ""
        raise ClientTimeout(
            f"{device}.{name} was not set within {timeout:g} s; {self._description(device, name)}{words}"
        )

    def blobs(
        self, device: str | None = None, name: str | None = None, *, directory: str | Path | None = None
    ) -> BlobFeed:
        """Return the BLOBs of a property, a device or the server: `async with client.blobs(...) as images`.

        Entering permits the server to send them, leaving takes that back. With a `directory`, which must be there,
        they are written to files as they arrive, so that their size does not matter to memory.
        """
        return BlobFeed(
            device,
            name,
            Path(directory) if directory is not None else None,
            enter=self._add_feed,
            leave=self._remove_feed,
        )

    async def enable_blobs(self, mode: BlobMode, device: str | None = None, name: str | None = None) -> None:
        """Tell the server whether BLOBs are to come: "Never", "Also", or "Only" and nothing else.

        It counts for a property, a device or the whole connection, and again after a reconnection. `blobs` says what
        it needs by itself.
        """
        self._wishes.blob_modes[(device, name)] = mode
        await self._session.tell_blob_mode((device, name))

    async def _add_feed(self, feed: BlobFeed) -> None:
        self._check_open()
        self._wishes.feeds.append(feed)
        if feed.device is not None:
            await self.watch(feed.device, feed.name)
        await self._session.tell_blob_mode((feed.device, feed.name))

    async def _remove_feed(self, feed: BlobFeed) -> None:
        self._wishes.feeds.remove(feed)
        await self._session.tell_blob_mode((feed.device, feed.name))

    async def _send_and_wait(self, vector: RemoteVector, message: VectorMessage, said: deque[str]) -> None:
        fence = self._session.fence()
        went = False

        def look(event: ClientEvent | None) -> bool | None:
            nonlocal went
            if event is None:
                return None
            if event.kind == "disconnected":
                raise ClientError(f"{event.message}; whether {vector} was set is not known")
            if event.kind == "message" and event.message:
                said.append(event.message)
            if event.vector is not vector or (fence is not None and not fence[1].done()):
                return None
            went = went or event.kind == "deleted"
            # A definition is an answer only where the driver defines anew: others may have asked for it.
            if event.kind == "changed" or (event.kind == "defined" and went):
                if event.state == "Alert":
                    reason = event.message or (said[-1] if said else "the server gives no reason")
                    raise SetRefused(f"{vector} was refused: {reason}")
                return True if event.state in ("Ok", "Idle") else None
            return None

        try:
            with self._looking(look, vector.device, vector.name) as answer:
                await self._session.send(*([fence[0]] if fence is not None else []), message)
                await answer
        finally:
            if fence is not None:
                fence[1].cancel()

    async def _send_through(self, message: VectorMessage) -> None:
        """Send a message; where the server answers pings, wait until it has read it."""
        fence = self._session.fence()
        if fence is None and self._session.link is not None:
            self._session.link.unconfirmed = True
        await self._session.send(message, *([fence[0]] if fence is not None else []))
        if fence is not None and not await fence[1]:
            raise ClientError(f"the connection was lost; whether {message.device}.{message.name} was set is not known")

    async def _ask_for(self, device: str, name: str) -> None:
        self._check_open()
        if not self._wishes.covers(device, name):
            await self.watch(device, name)

    def _fresh(self, device: str, name: str) -> RemoteVector | None:
        vector = self.devices.find(device, name)
        return vector if vector is not None and not vector.stale else None

    @contextlib.contextmanager
    def _looking(
        self, look: Callable[[ClientEvent | None], T | None], device: str, name: str
    ) -> Iterator[asyncio.Future[T]]:
        """Give a future of what `look` first returns that is not None; it is called now and with each event."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()

        def observe(event: ClientEvent | None) -> None:
            if future.done():
                return
            try:
                if event is not None and event.kind == "closed":
                    self._check_open()
                found = look(event)
            except Exception as error:  # it reaches whoever waits
                future.set_exception(error)
            else:
                if found is not None:
                    future.set_result(found)

        end = self._audience.add(observe, device, name)
        try:
            observe(None)
            yield future
        finally:
            end()
            if future.done() and not future.cancelled():
                future.exception()  # whoever was cancelled at the same moment does not fetch it

    def _check_open(self) -> None:
        if not self._entered or self._session.ended:
            raise self._session.reason or ClientError(f"the client of {self._session.address} is not connected")

    def _description(self, device: str, name: str) -> str:
        """Say what there is of a property, or instead of it."""
        vector = self.devices.find(device, name)
        if vector is not None:
            return f"it is {vector.state}" + (", as it was when the connection was lost" if vector.stale else "")
        known = self.devices.get(device)
        names = list(self.devices if known is None else known)
        meant = nearest(device if known is None else name, names)
        hint = f"; did you mean {meant}?" if meant else ""
        listed = ", ".join(names) or "none"
        if known is None:
            return f"there is no device {device!r}; there is {listed}{hint}"
        return f"{device} has no property {name!r}; it has {listed}{hint}"


def _predicate(condition: Condition | None) -> Callable[[RemoteVector], object]:
    """Return a condition as a function."""
    if condition is None:
        return lambda _: True
    if isinstance(condition, str):
        return lambda vector: vector.state == condition
    if isinstance(condition, Mapping):
        wanted = dict(condition)
        return lambda vector: all(_is(vector, name, value) for name, value in wanted.items())
    return condition


def _is(vector: RemoteVector, name: str, value: Any) -> bool:
    member = vector.members.get(name)
    if member is None:
        return False
    if isinstance(member.value, float) and isinstance(value, (int, float)):
        return math.isclose(member.value, value, rel_tol=1e-9, abs_tol=1e-12)
    if isinstance(member.value, bool) and value in ("On", "Off"):
        return member.value is (value == "On")
    return bool(member.value == value)
