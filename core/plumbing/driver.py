"""A device of ours as a driver: its reader queue, and its events as messages."""

from __future__ import annotations

import asyncio
import functools
import inspect
import logging
from collections import deque
from collections.abc import Coroutine, Iterator, Sequence
from typing import Any

from core.device import Device
from core.errors import ProtocolError, ValueRefused
from core.indi import DelProperty, Frame, Run, VectorMessage
from core.log.origin import INSTANCE
from core.loop import Loop
from core.plumbing.commands import Command, CommandQueue
from core.plumbing.connection import Connection
from core.plumbing.router import Router
from core.plumbing.routes import Route
from core.plumbing.snooping import SnoopQueue
from core.plumbing.templates import SetTemplate
from core.plumbing.wire import definition, deletion, notice, setting
from core.properties import EVENT_KINDS, Event, Vector

_log = logging.getLogger("core.driver")

QUEUE_BYTES = 1 << 20
"""How many bytes of commands may wait before the peers that send them are read no more."""

COMMANDS_A_TURN = 100
"""After how many commands for one vector everybody else has a turn, if their handlers have not taken long before."""
TEMPLATES_A_VECTOR = 16
"""For how many sets of members a vector has templates: one for each way in which its device sets it."""


class Way:
    """Be what is known of how the values of one vector reach those who want them."""

    __slots__ = ("route", "templates")

    def __init__(self) -> None:
        self.route: Route | None = None
        self.templates: dict[tuple[str, ...], SetTemplate] = {}


class DeviceDriver:
    """Join a device to the router.

    Commands begin in the order in which they come. Those for one vector run one after another; a handler that waits
    does not hold up the other vectors, so that an exposure can be aborted.
    """

    def __init__(self, device: Device, router: Router) -> None:
        self._device = device
        self._router = router
        self._queues: dict[str, CommandQueue] = {}
        self._early: deque[Command] = deque()
        self._bytes = 0
        self._paused: set[Connection] = set()
        self.snooping = SnoopQueue(device, router.handling)
        """Where news of other drivers go."""
        self._snooped: set[tuple[str, str | None]] = set()
        self._ways: dict[str, Way] = {}
        others = [kind for kind in EVENT_KINDS if kind != "changed"]
        self._silences = (device.observe(self._tell, *others), device.observe(self._tell_change, "changed"))

    @property
    def device(self) -> str:
        """Return the name of the device."""
        return self._device.name

    def receive(self, frame: Frame, origin: Connection) -> None:
        """Queue new values."""
        self._take(frame.name or "", Command(origin, frame))

    def receive_blob(self, message: VectorMessage, origin: Connection) -> None:
        """Queue new BLOBs that have come in pieces."""
        self._take(message.name, Command(origin, message=message))

    def _take(self, name: str, command: Command) -> None:
        if name in self._device.vectors:
            self._queue(name, [command], command.length, command.origin)
            return
        known = ", ".join(self._device.vectors)
        command.origin.send(notice(f"{self.device} has no property {name!r}; it has {known}", self.device))

    def receive_run(self, run: Run, origin: Connection) -> None:
        """Queue a run of new values for one vector."""
        name = run.skeleton.name
        if name in self._device.vectors:
            self._queue(name, Command.of_run(origin, run), len(run.data), origin)
            return
        for raw in run.skeleton.each(run.data):
            self.receive(Frame(raw), origin)

    def _queue(self, name: str, commands: Sequence[Command], length: int, origin: Connection) -> None:
        self._bytes += length
        if self._device.is_opening and not self._device.takes_always(name):
            # It is known in a moment whether a command can be carried out; until then all keep their order.
            self._early.extend(commands)
            self._hold_at_much(origin)
            return
        queue = self._queues.get(name)
        if queue is None:
            queue = self._queues[name] = CommandQueue(self._device.vectors[name])
        queue.vector = self._device.vectors[name]
        queue.commands.extend(commands)
        self._hold_at_much(origin)
        self._advance(queue)

    def _hold_at_much(self, origin: Connection) -> None:
        if self._bytes > QUEUE_BYTES and origin not in self._paused:
            self._paused.add(origin)
            origin.hold(self)

    @property
    def busy(self) -> bool:
        """Return whether commands wait or run."""
        return bool(self._early) or any(queue.running is not None or queue.commands for queue in self._queues.values())

    def begin(self) -> None:
        """Ask for what the device wants to hear of others; the router knows this driver now."""
        self._snoop()

    def definitions(self, name: str | None) -> Iterator[VectorMessage]:
        """Yield the definitions of all properties or of one, in their order."""
        for vector in tuple(self._device.vectors.values()):
            if name is None or vector.name == name:
                yield definition(self.device, vector)

    def forget(self, origin: Connection) -> None:
        """Resume nothing for a peer that has gone; its commands are carried out all the same."""
        self._paused.discard(origin)

    def announce(self) -> None:
        """Define all properties to those who have asked for such a device before it was here."""
        for message in self.definitions(None):
            self._router.tell(message, self.device, message.name)

    async def end_commands(self) -> None:
        """Cancel and await the commands that run, before the device is closed under them."""
        running = {queue.running: queue for queue in self._queues.values() if queue.running is not None}
        for task in running:
            task.cancel()
        if not running:
            return
        await asyncio.wait(running)
        why = self._device.closed_because or "it is being closed"
        for queue in running.values():
            if queue.vector.state == "Busy" and queue.running is None:
                queue.vector.update(state="Alert", message=f"{self.device}.{queue.vector.name}: broken off: {why}")

    def drop_commands(self) -> None:
        """Forget the commands that wait."""
        for queue in self._queues.values():
            queue.commands.clear()
        self._early.clear()
        self._bytes = 0

    async def close(self) -> None:
        """Cancel and await the commands that run, and tell nothing any more."""
        self.drop_commands()
        for silence in self._silences:
            silence()
        await self.snooping.close()
        await self.end_commands()

    def _advance(self, queue: CommandQueue) -> None:
        """Carry out commands of one vector until one of them waits, or others have their turn."""
        if not queue.commands or queue.running is not None or queue.postponed:
            return
        if self._router.handling.is_over:
            self._postpone(queue)
        else:
            self._begin(queue)

    def _begin(self, queue: CommandQueue) -> None:
        work = self._carry_out(queue)
        queue.running = Loop.current().run_lent(work, functools.partial(self._ended, queue))
        if queue.running is None:
            if queue.commands:
                self._postpone(queue)
        elif inspect.getcoroutinestate(work) == inspect.CORO_SUSPENDED:
            queue.vector.mark_busy()
        else:  # its first step comes in the next turn, before what is asked for here
            asyncio.get_running_loop().call_soon(self._look, queue, work)
        self._resume_peers()

    def _postpone(self, queue: CommandQueue) -> None:
        queue.postponed = True
        self._router.handling.join(functools.partial(self._go_on, queue))

    def _go_on(self, queue: CommandQueue) -> None:
        queue.postponed = False
        if queue.commands and queue.running is None:
            self._begin(queue)

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
                peer.release(self)

    async def _carry_out(self, queue: CommandQueue) -> None:
        """Carry out some of what has come, one command after another; one that has waited is the last."""
        device = self._device
        echo, handling = self._router.echo, self._router.handling
        INSTANCE.set(device.name)
        now = Loop.current().now
        begun = now()
        for _ in range(COMMANDS_A_TURN):
            if not queue.commands:  # they were dropped before the first step
                return
            command = queue.commands.popleft()
            self._bytes = max(self._bytes - command.length, 0)
            vector = device.vectors.get(command.name)
            if vector is not None:
                try:
                    on_accepted = functools.partial(echo, command)
                    await device.take_new(vector, command.values(vector), on_accepted)
                except (ProtocolError, ValueRefused) as refusal:
                    command.origin.refusals.add(f"new values for {device.name}.{vector.name}", str(refusal))
                    self._refuse(vector, str(refusal), command.origin)
            if queue.running is not None:
                return
            ended = now()
            handling.spend(ended - begun)
            begun = ended
            if handling.is_over:
                return

    def _refuse(self, vector: Vector[Any, Any], why: str, origin: Connection) -> None:
        """Tell the sender alone: Alert, the reason, and the values that hold."""
        refusal = setting(self.device, vector, state="Alert", message=why)
        if origin.role == "server":
            # It passes it to all of its clients, so the true state has to follow.
            self._router.tell(refusal, self.device, vector.name)
            self._router.tell(setting(self.device, vector), self.device, vector.name)
        elif not origin.closed:
            origin.send(refusal)

    def _tell(self, event: Event) -> None:
        """Make a message of an event, if anybody wants it."""
        vector = event.vector
        if event.kind == "snooping":
            self._snoop()
        elif event.kind == "opened":
            early, self._early = self._early, deque()
            for command in early:
                self._bytes -= command.length
                if command.name in self._device.vectors:
                    self._queue(command.name, [command], command.length, command.origin)
        elif vector is None:
            if event.message and self._router.wanted(self.device):
                self._router.tell(notice(event.message, self.device), self.device)
        else:
            self._ways.pop(vector.name, None)
            if self._router.wanted(self.device, vector.name):
                self._router.tell(self._message(event, vector), self.device, vector.name)

    def _tell_change(self, event: Event) -> None:
        """Write the values that have changed, by a template where nothing but values is to be told."""
        _, vector, members, message = event
        if vector is None:
            return
        router, name = self._router, vector.name
        way = self._ways.get(name)
        if way is None:
            way = self._ways[name] = Way()
        route = way.route
        if route is None or route.version != router.version:
            route = way.route = router.route_of(self.device, name)
        if not route.outboxes and not route.snooped and vector.kind != "BLOB":
            return
        template = None
        if not message and not route.snooped:
            template = way.templates.get(members)
            if template is None or template.timeout != vector.timeout:
                template = self._new_template(way, vector, members)
        if template is None:
            router.tell(self._message(event, vector), self.device, name)
            return
        raw = template.write(vector.state, vector.values)
        if router.courtesies.wait:
            router.courtesies.show()
        for outbox in route.outboxes:
            outbox.send_sets(raw, template, template.device)

    def _new_template(self, way: Way, vector: Vector[Any, Any], names: tuple[str, ...]) -> SetTemplate | None:
        if len(way.templates) >= TEMPLATES_A_VECTOR or vector.kind == "BLOB":
            return None
        try:
            template = SetTemplate(self.device, vector, names or tuple(vector.members))
        except ValueError:  # a name that no template can have
            return None
        way.templates[names] = template
        return template

    def _message(self, event: Event, vector: Vector[Any, Any]) -> VectorMessage | DelProperty:
        match event.kind:
            case "defined":
                return definition(self.device, vector)
            case "deleted":
                return deletion(self.device, vector)
            case _:
                return setting(self.device, vector, event.members, message=event.message)

    def _snoop(self) -> None:
        for (device, name), blobs in self._device.snoops.items():
            if (device, name) not in self._snooped:
                self._snooped.add((device, name))
                self._router.snoop(self, device, name, blobs=blobs)
