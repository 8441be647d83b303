"""A run: devices, programs and transports from start to end."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import signal
from collections.abc import Awaitable, Callable
from typing import Any

from core.assembly import Assembly, ProgramStart
from core.errors import CoreError
from core.instance import Instance
from core.loop import Loop
from core.plugins import PluginSet
from core.plumbing import DeviceDriver, Router, Transport
from core.program_device import ProgramDevice

_log = logging.getLogger("core.app")

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
CLOSE_SECONDS = 0.9

Companion = Callable[["App"], Awaitable[None]]


class App:
    """Run an assembly: open its transports and devices, and close them when a signal or the last transport says so.

    `say` gets each line for people. `companion`, a view for instance, runs as long and is cancelled last.
    """

    def __init__(
        self,
        assembly: Assembly,
        plugins: PluginSet,
        *,
        say: Callable[[str], None],
        companion: Companion | None = None,
    ) -> None:
        self.assembly = assembly
        self.plugins = plugins
        self.instances = [
            Instance(device, assembly.plugins[name], self._beginning(name)) for name, device in assembly.devices.items()
        ]
        self._say = say
        self._companion = companion
        self._drivers: list[DeviceDriver] = []
        self._stopping: asyncio.Event = asyncio.Event()

    def stop(self) -> None:
        """End the run."""
        self._stopping.set()

    def run(self) -> None:
        """Run on a loop of its own until stopped; raise the CoreError of a transport that cannot be opened."""
        Loop().run(self.serve())

    async def serve(self) -> None:
        """Run on the loop that runs already, until stopped."""
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):  # not in the main thread
                loop.add_signal_handler(number, self.stop)
        try:
            await self._serve()
        finally:
            for number in SIGNALS:
                with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
                    loop.remove_signal_handler(number)

    async def _serve(self) -> None:
        opened: list[Transport] = []
        tasks: list[asyncio.Task[Any]] = []
        companion: asyncio.Task[Any] | None = None
        self._observe()
        try:
            for transport in self.assembly.transports:
                opened.append(transport)
                await transport.open(self._router_for(transport))
                self._say(transport.summary())
            for instance in self.instances:
                self._say(f"{instance.device.name}: {instance.device.summary()}")
                tasks.append(asyncio.create_task(instance.live(), name=f"device {instance.device.name}"))
            tasks += [
                asyncio.create_task(self._run_transport(transport), name=f"transport {transport.name}")
                for transport in opened
            ]
            if self._companion is not None:
                companion = asyncio.create_task(self._accompany(self._companion), name="companion")
            await self._stopping.wait()
        finally:
            await asyncio.shield(self._end(tasks, opened))
            if companion is not None:
                # Last, so that a view shows what has been left behind.
                companion.cancel()
                await asyncio.wait([companion])

    async def _run_transport(self, transport: Transport) -> None:
        try:
            await transport.run()
        except Exception as error:
            _log.error("transport %s failed: %s", transport.name, error, exc_info=not isinstance(error, CoreError))
        else:
            self.stop()

    async def _accompany(self, companion: Companion) -> None:
        try:
            await companion(self)
        except Exception:
            _log.exception("the view failed")

    async def _end(self, tasks: list[asyncio.Task[Any]], transports: list[Transport]) -> None:
        """Close the devices at once, then the transports."""
        for task in tasks:
            task.cancel()
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=CLOSE_SECONDS)
            for task in late:
                _log.error("%s did not end in time", task.get_name())
        for driver in self._drivers:
            await driver.close()
        for transport in transports:
            try:
                await transport.close()
            except Exception:
                _log.exception("transport %s failed while closing", transport.name)

    def _router_for(self, transport: Transport) -> Router:
        router = Router()
        for name in transport.devices(list(self.assembly.devices)):
            driver = DeviceDriver(self.assembly.devices[name], router)
            router.add(driver)
            self._drivers.append(driver)
        return router

    def _observe(self) -> None:
        for observer in self.plugins.observers.values():
            for device in self.assembly.devices.values():
                device.observe(functools.partial(observer, device))

    def _beginning(self, name: str) -> Callable[[], Awaitable[None]] | None:
        start: ProgramStart | None = self.assembly.programs.get(name)
        device = self.assembly.devices[name]
        if start is None or not isinstance(device, ProgramDevice):
            return None
        return functools.partial(device.begin_program, start.program, start.settings)
