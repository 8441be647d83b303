"""A run: devices, programs and transports from start to end."""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from core.assembly import Assembly, ProgramStart
from core.device import Device
from core.errors import CoreError, PluginConflict
from core.guard import is_failure
from core.indi import proof
from core.instance import Instance
from core.interrupt import heeding_interrupts
from core.isolation import IsolatedInstance
from core.log.origin import INSTANCE
from core.loop import Loop
from core.observing_device import ObservingDevice
from core.plugin_code import said
from core.plugins import PluginSet
from core.plumbing import DeviceDriver, Router, Transport
from core.plumbing.allocator import settle_allocator
from core.program_device import ProgramDevice
from core.properties import Event
from core.saved_settings import SavedSettings
from core.signals import ended_by_signals
from core.time_limit import run_within

_log = logging.getLogger("core.app")

END_SECONDS = 0.95
"""How long the end of a run takes at most, whatever plugins do; each of its steps has less."""
DEVICES_SECONDS = 0.75
OBSERVED_SECONDS = 0.4
"""How long devices that observe others wait for those to close, before they are closed themselves."""
STEP_SECONDS = 0.1
LEAVE_SECONDS = 0.02
"""How long one who was cancelled at the end of all has to go."""

Companion = Callable[["App"], Awaitable[None]]
Watcher = Callable[[Device, Event], None]


class App:
    """Run an assembly: open its transports and devices, and close them when a signal or a transport says so.

    `say` gets each line for people. `companions`, a view or the control socket, run as long and are cancelled last.
    With `ends_with_drivers` the run fails when the last transport that brings devices has ended for good. What devices
    are to remember is kept in `state_folder`, nothing without one.
    """

    def __init__(
        self,
        assembly: Assembly,
        plugins: PluginSet,
        *,
        say: Callable[[str], None],
        companions: tuple[Companion, ...] = (),
        ends_with_drivers: bool = False,
        state_folder: Path | None = None,
    ) -> None:
        self.assembly = assembly
        self.plugins = plugins
        self.router = Router()
        self.state_folder = state_folder
        self.on_state: Callable[[], None] = lambda: None
        """Is called whenever the state of a device has changed."""
        self.on_hangup: Callable[[], None] = self.stop
        """Is called for SIGHUP: the end of a terminal, and with that of the run, unless something else is meant."""
        self.stopping: asyncio.Event = asyncio.Event()
        """Is set when the run has begun to end."""
        self.instances = [self._instance(assembly, name) for name in assembly.devices]
        self.transports: dict[str, Transport] = {}
        self.exit_status = 0
        self.unended: list[str] = []
        """What did not end with the run, by name; `run` returns all the same."""
        self._say = say
        self._companions = companions
        self._ends_with_drivers = ends_with_drivers
        self._drivers: dict[str, DeviceDriver] = {}
        self._lives: dict[str, asyncio.Task[None]] = {}
        self._watchers: list[Watcher] = []
        self._watched: dict[tuple[str, str], Callable[[], None]] = {}
        """What ends the watch of one device, the first name, over another."""
        self._serving: dict[str, asyncio.Task[None]] = {}
        self._ends_at = 0.0

    @property
    def isolated(self) -> list[IsolatedInstance]:
        """Return the instances that run in processes of their own."""
        return [one for one in self.transports.values() if isinstance(one, IsolatedInstance)]

    def add_companion(self, companion: Companion) -> None:
        """Let something more run as long as the run lasts; before it begins."""
        self._companions += (companion,)

    def watch(self, watcher: Watcher) -> Callable[[], None]:
        """Tell `watcher` every event of every device, also of later ones; call what is returned to end that."""
        self._watchers.append(watcher)
        return lambda: self._watchers.remove(watcher)

    def stop(self, exit_status: int = 0) -> None:
        """End the run."""
        self.exit_status = self.exit_status or exit_status
        self.stopping.set()

    def run(self, *, ignore_signals_afterwards: bool = False) -> int:
        """Run on a loop of its own until stopped, and return the exit status; see `unended` for what is left behind.

        Raises the CoreError of a transport that cannot be opened, and KeyboardInterrupt for a Ctrl-C before it begins.
        """
        settle_allocator()
        proof.load()
        with heeding_interrupts():
            try:
                _PluginLoop().run(self._serve_and_leave(ignore_signals_afterwards))
            except RuntimeError:  # how asyncio says that its loop was stopped by _leave
                if not self.unended:
                    raise
        return self.exit_status

    async def serve(self, *, ignore_signals_afterwards: bool = False) -> None:
        """Run on the loop that runs already, until stopped."""
        with ended_by_signals(self.stop, lambda: self.on_hangup(), ignored_afterwards=ignore_signals_afterwards):
            await self._serve()

    async def _serve_and_leave(self, ignore_signals_afterwards: bool) -> None:
        loop = asyncio.get_running_loop()
        house = asyncio.all_tasks()
        try:
            await self.serve(ignore_signals_afterwards=ignore_signals_afterwards)
        finally:
            left = max(self._ends_at - loop.time(), LEAVE_SECONDS)
            loop.call_later(left, self._leave, loop, house)

    def _leave(self, loop: asyncio.AbstractEventLoop, house: set[asyncio.Task[Any]]) -> None:
        """Stop the loop though something has not ended; again for each thing that asyncio waits for at its end."""
        if not self.unended:
            self.unended = sorted(task.get_name() for task in asyncio.all_tasks(loop) - house) or ["a thread"]
            _log.error("left behind, since it does not end: %s", ", ".join(self.unended))
        loop.call_later(LEAVE_SECONDS, self._leave, loop, house)
        loop.stop()

    async def add_transport(self, transport: Transport) -> None:
        """Open a transport and serve it; raise PluginConflict for a name that is taken, or why it cannot be opened."""
        if transport.name in self.transports:
            raise PluginConflict(f"there is a transport {transport.name!r} already")
        self.transports[transport.name] = transport
        if isinstance(transport, IsolatedInstance):
            for device in self.assembly.devices.values():
                if isinstance(device, ObservingDevice):
                    device.snoop(transport.name)
        try:
            await transport.open(self.router)
        except BaseException:  # whatever it was, the transport is not one of ours then
            del self.transports[transport.name]
            await self._close_transport(transport)
            raise
        self._say(said(transport.summary))
        serving = asyncio.create_task(self._serve_transport(transport), name=f"transport {transport.name}")
        self._serving[transport.name] = serving

    async def remove_transport(self, name: str) -> None:
        """End a transport; raise CoreError if there is none of that name."""
        if name not in self.transports:
            raise CoreError(f"there is no transport {name!r}; there is {', '.join(self.transports) or 'none'}")
        transport, serving = self.transports.pop(name), self._serving.pop(name)
        serving.cancel()
        await asyncio.wait([serving], timeout=END_SECONDS)
        await self._close_transport(transport)

    def add_device(self, assembly: Assembly, name: str) -> None:
        """Let a device of another assembly live in this run; raise PluginConflict for a name that is taken."""
        self.router.refuse_taken(name)
        self.assembly.adopt(assembly, name)
        instance = self._instance(assembly, name)
        self.instances.append(instance)
        self._add_driver(instance)
        driver = self._drivers[name]
        driver.announce()
        driver.begin()
        self._begin_life(instance)
        self.on_state()

    async def remove_device(self, name: str) -> None:
        """Close a device and take it away from everybody who knows it."""
        life, driver = self._lives.pop(name), self._drivers.pop(name)
        life.cancel()
        await asyncio.wait([life])
        self._end_watches(self.assembly.devices[name])
        error = await run_within(STEP_SECONDS, driver.close(), f"{name}: commands")
        if error is not None:
            _log.error("%s", error)
        self.router.remove(driver)
        self.instances = [one for one in self.instances if one.device.name != name]
        self.assembly.forget(name)
        self.on_state()

    async def begin_program(self, assembly: Assembly, name: str) -> None:
        """Begin with the programs that another assembly says for a device that stays, after all that run have ended."""
        self.assembly.programs.pop(name, None)
        if name in assembly.programs:
            self.assembly.programs[name] = assembly.programs[name]
        instance = next(one for one in self.instances if one.device.name == name)
        instance.begin = self._beginning(self.assembly, name)
        if instance.state == "ready" and isinstance(instance.device, ProgramDevice):
            await instance.device.end_program()
            await instance.begin()

    async def _serve(self) -> None:
        companions: list[asyncio.Task[Any]] = []
        for instance in self.instances:
            self._add_driver(instance)
        for driver in self._drivers.values():
            driver.begin()
        try:
            for transport in self.assembly.transports:
                await self.add_transport(transport)
            for instance in self.instances:
                self._begin_life(instance)
            companions += [asyncio.create_task(self._accompany(one)) for one in self._companions]
            await self.stopping.wait()
        finally:
            self.stopping.set()
            self.router.hear_no_clients()
            self._ends_at = asyncio.get_running_loop().time() + END_SECONDS
            await asyncio.shield(self._end(list(self._lives.values())))
            # Last, so that a view shows what has been left behind.
            await _cancel(companions, STEP_SECONDS)

    async def _serve_transport(self, transport: Transport) -> None:
        INSTANCE.set(transport.name)
        try:
            await transport.run()
        except BaseException as error:  # a transport that fails stops nobody else, not even by sys.exit
            if not is_failure(error):
                raise
            _log.error("transport %s failed: %s", transport.name, error, exc_info=not isinstance(error, CoreError))
        else:
            if not transport.brings_devices:
                self.stop()
        if transport.brings_devices and self.transports.get(transport.name) is transport:
            del self.transports[transport.name]
            self._serving.pop(transport.name, None)
            await self._close_transport(transport)
            if self._ends_with_drivers and not any(other.brings_devices for other in self.transports.values()):
                _log.error("the last driver has ended")
                self.stop(1)

    async def _accompany(self, companion: Companion) -> None:
        try:
            await companion(self)
        except BaseException as error:  # what is shown may fail, what runs may not
            if not is_failure(error):
                raise
            _log.exception("the view failed")

    async def _end(self, tasks: list[asyncio.Task[Any]]) -> None:
        """Take no more commands, close the devices at once, then the drivers and the transports."""
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + DEVICES_SECONDS
        for instance in self.instances:
            instance.device.closed_because = "it is being closed"
        observing = {one.device.name for one in self.instances if isinstance(one.device, ObservingDevice)}
        observers = [task for name, task in self._lives.items() if name in observing]
        tasks += self._serving.values()
        # Those who observe go last, and hear how the others are left; they wait for nobody who is late.
        for task in tasks:
            if task not in observers:
                task.cancel()
        if observers and (others := [task for task in tasks if task not in observers]):
            await asyncio.wait(others, timeout=OBSERVED_SECONDS)
        await _cancel(tasks, ends_at - loop.time())
        # Clients have been told how the devices were left; from here on their drivers are silent.
        closings = [run_within(STEP_SECONDS, one.close(), f"{one.device}: commands") for one in self._drivers.values()]
        for error in await asyncio.gather(*closings):
            if error is not None:
                _log.error("%s", error)
        await asyncio.gather(*(self._close_transport(transport) for transport in self.transports.values()))

    async def _close_transport(self, transport: Transport) -> None:
        # A transport may have processes to end, which get most of a second if devices have left them that.
        seconds = max(self._ends_at - asyncio.get_running_loop().time(), STEP_SECONDS) if self._ends_at else END_SECONDS
        error = await run_within(seconds, transport.close(), f"transport {transport.name}: close")
        if error is not None:  # one that cannot close keeps the others from nothing
            _log.error("transport %s failed while closing: %s", transport.name, error, exc_info=error)

    def _instance(self, assembly: Assembly, name: str) -> Instance:
        device = assembly.devices[name]
        settings = SavedSettings(device, self.state_folder) if self.state_folder is not None else None
        instance = Instance(device, assembly.plugins[name], self._beginning(assembly, name), settings)
        instance.on_state = lambda: self.on_state()
        return instance

    def _begin_life(self, instance: Instance) -> None:
        name = instance.device.name
        self._say(f"{name}: {said(instance.device.summary)}")
        self._lives[name] = asyncio.create_task(instance.live(), name=f"device {name}")

    def _add_driver(self, instance: Instance) -> None:
        device = instance.device
        for observer in self.plugins.observers.values():
            device.observe(functools.partial(observer, device))
        device.observe(functools.partial(self._watch, device))
        for name in self._drivers:
            self._let_watch(self.assembly.devices[name], device)
            self._let_watch(device, self.assembly.devices[name])
        if isinstance(device, ObservingDevice):
            for isolated in self.isolated:
                device.snoop(isolated.name)
        driver = self._drivers[device.name] = DeviceDriver(device, self.router)
        self.router.add(driver)
        instance.end_commands = driver.end_commands

    def _let_watch(self, watcher: Device, device: Device) -> None:
        if isinstance(watcher, ObservingDevice) and (listener := watcher.watch(device)) is not None:
            self._watched[watcher.name, device.name] = device.observe(listener)

    def _end_watches(self, device: Device) -> None:
        """End what a device that goes has watched, and what has watched it."""
        for watcher, watched in [names for names in self._watched if device.name in names]:
            self._watched.pop((watcher, watched))()
            if watched == device.name and isinstance(other := self.assembly.devices[watcher], ObservingDevice):
                other.unwatch(device)

    def _watch(self, device: Device, event: Event) -> None:
        for watcher in tuple(self._watchers):
            watcher(device, event)

    def _beginning(self, assembly: Assembly, name: str) -> Callable[[], Awaitable[None]]:
        starts = assembly.programs.get(name)
        device = assembly.devices[name]
        if not starts or not isinstance(device, ProgramDevice):
            return _nothing
        return functools.partial(_begin, device, starts)


async def _nothing() -> None:
    """Begin with nothing."""


async def _begin(device: ProgramDevice, starts: Sequence[ProgramStart]) -> None:
    """Start the programs that a device begins with; those that share LEDs one after another."""
    for start in starts:
        await device.begin_program(
            start.program, start.settings, region=start.region, if_busy=start.if_busy, asked_by=start.where
        )


class _PluginLoop(Loop):
    """Be a loop on which plugins run: what one of their tasks raises is logged and reaches nobody else.

    What they have scheduled goes on, ever more rarely while it fails.
    """

    unhandled = "retry"

    def fail(self, error: BaseException, name: str) -> None:
        """Log what nobody handles, where a bare program would end."""
        _log.error("the task %s has failed and ends: %s", name, str(error) or type(error).__name__, exc_info=error)


async def _cancel(tasks: list[asyncio.Task[Any]], seconds: float) -> None:
    """Cancel tasks and wait for them, but no longer than that; name those that are late."""
    for task in tasks:
        if not task.cancelling():
            task.cancel()
    if tasks:
        _, late = await asyncio.wait(tasks, timeout=seconds)
        for task in late:
            _log.error("%s did not end in time", task.get_name())
