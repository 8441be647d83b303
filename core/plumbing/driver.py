"""A device of ours as a driver: its reader queue, and its events as messages."""

from __future__ import annotations

import asyncio
import functools
import inspect
import logging
from collections import deque
from collections.abc import Coroutine
from typing import Any

from core.device import Device
from core.errors import ValueRefused
from core.indi import GetProperties, VectorMessage
from core.loop import Loop
from core.plumbing.connection import Connection
from core.plumbing.router import Router
from core.plumbing.wire import definition, deletion, new_values, notice, setting
from core.properties import Event, Vector

_log = logging.getLogger("core.driver")

QUEUE_BYTES = 1 << 20
"""How many bytes of commands may wait before the peers that send them are read no more."""

Command = tuple[VectorMessage, bytes, Connection]


class CommandQueue:
    """Hold the commands for one vector, and the task of the one that runs and waits for something."""

    def __init__(self, vector: Vector[Any, Any]) -> None:
        self.vector = vector
        self.commands: deque[Command] = deque()
        self.running: asyncio.Task[None] | None = None


class DeviceDriver:
    """Join a device to the router.

    Commands begin in the order in which they come. Those for one vector run one after another; a handler that waits
    does not hold up the other vectors, so that an exposure can be aborted.
    """

    def __init__(self, device: Device, router: Router) -> None:
        self._device = device
        self._router = router
        self._queues: dict[str, CommandQueue] = {}
        self._bytes = 0
        self._paused: set[Connection] = set()
        self._silence = device.observe(self._tell)

    @property
    def device(self) -> str:
        """Return the name of the device."""
        return self._device.name

    def receive(self, message: VectorMessage | GetProperties, raw: bytes, origin: Connection) -> None:
        """Answer a getProperties at once; queue new values."""
        if isinstance(message, GetProperties):
            self._define(message.name, origin)
            return
        vector = self._device.vectors.get(message.name)
        if vector is None:
            known = ", ".join(self._device.vectors)
            said = notice(f"{self.device} has no property {message.name!r}; it has {known}", self.device)
            self._router.from_driver(said, self.device, only=origin)
            return
        queue = self._queues.setdefault(message.name, CommandQueue(vector))
        queue.vector = vector
        queue.commands.append((message, raw, origin))
        self._bytes += len(raw)
        if self._bytes > QUEUE_BYTES and origin not in self._paused:
            self._paused.add(origin)
            origin.channel.pause()
        self._advance(queue)

    def forget(self, origin: Connection) -> None:
        """Resume nothing for a peer that has gone; its commands are carried out all the same."""
        self._paused.discard(origin)

    async def close(self) -> None:
        """Cancel and await the commands that run."""
        self._silence()
        running = [queue.running for queue in self._queues.values() if queue.running is not None]
        for queue in self._queues.values():
            queue.commands.clear()
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running)

    def _advance(self, queue: CommandQueue) -> None:
        """Carry out the commands of one vector until one of them waits."""
        while queue.commands and queue.running is None:
            message, raw, origin = queue.commands.popleft()
            self._bytes -= len(raw)
            ended = functools.partial(self._ended, queue)
            work = self._carry_out(message, raw, origin)
            queue.running = Loop.current().run_lent(work, ended)
            if queue.running is None:
                continue
            if inspect.getcoroutinestate(work) == inspect.CORO_SUSPENDED:
                queue.vector.mark_busy()
            else:  # its first step comes in the next turn, before what is asked for here
                asyncio.get_running_loop().call_soon(self._look, queue, work)
        self._resume_peers()

    def _look(self, queue: CommandQueue, work: Coroutine[Any, Any, None]) -> None:
        if inspect.getcoroutinestate(work) == inspect.CORO_SUSPENDED:
            queue.vector.mark_busy()

    def _ended(self, queue: CommandQueue, _result: None, error: BaseException | None) -> None:
        if error is not None and not isinstance(error, asyncio.CancelledError):
            _log.error("%s: a command for %s failed", self.device, queue.vector.name, exc_info=error)
        if queue.running is not None:
            queue.running = None
            self._advance(queue)

    def _resume_peers(self) -> None:
        if self._paused and self._bytes <= QUEUE_BYTES // 2:
            paused, self._paused = self._paused, set()
            for peer in paused:
                if not peer.closed:
                    peer.channel.resume()

    async def _carry_out(self, message: VectorMessage, raw: bytes, origin: Connection) -> None:
        vector = self._device.vectors.get(message.name)
        if vector is None:
            return
        try:
            if message.kind != vector.kind:
                raise ValueRefused(f"{vector.name} is a {vector.kind} vector, not {message.kind}")
            new = new_values(message)
            vector.check_new(new)
            self._router.echo(message, raw, origin)
            await self._device.take_new(vector, new)
        except ValueRefused as refusal:
            _log.info("%s: refused %s of %s: %s", self.device, message.name, origin.peer, refusal)
            self._refuse(vector, str(refusal), origin)

    def _refuse(self, vector: Vector[Any, Any], why: str, origin: Connection) -> None:
        """Tell the sender alone: Alert, the reason, and the values that hold."""
        if origin.role == "client":
            self._router.from_driver(
                setting(self.device, vector, state="Alert", message=why), self.device, vector.name, only=origin
            )
            return
        # The server above us passes it to all of its clients, so the true state has to follow.
        self._router.from_driver(setting(self.device, vector, state="Alert", message=why), self.device, vector.name)
        self._router.from_driver(setting(self.device, vector), self.device, vector.name)

    def _define(self, name: str | None, origin: Connection) -> None:
        for vector in self._device.vectors.values():
            if name is None or vector.name == name:
                self._router.from_driver(definition(self.device, vector), self.device, vector.name, only=origin)

    def _tell(self, event: Event) -> None:
        """Make a message of an event, if anybody wants it."""
        vector = event.vector
        if vector is None:
            if event.message and self._router.wanted(self.device):
                self._router.from_driver(notice(event.message, self.device), self.device)
            return
        if not self._router.wanted(self.device, vector.name):
            return
        match event.kind:
            case "defined":
                self._router.from_driver(definition(self.device, vector), self.device, vector.name)
            case "deleted":
                self._router.from_driver(deletion(self.device, vector), self.device, vector.name)
            case "changed":
                said = setting(self.device, vector, event.members, message=event.message)
                self._router.from_driver(said, self.device, vector.name)
