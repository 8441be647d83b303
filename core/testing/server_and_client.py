"""A real client against a real port: devices under test behind a server, and a client that is connected to it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass

from core.client import Client
from core.device import Device
from core.instance import Instance
from core.plumbing import DeviceDriver, Router, Transport
from core.program_device import ProgramDevice
from core.programs import Program
from core.transports.server import Server

__all__ = ["Served", "served_by", "serving"]


@dataclass(frozen=True)
class Served:
    """Be devices behind a server on a port of localhost, and a client that is connected to it."""

    port: int
    client: Client
    instances: dict[str, Instance]


@contextlib.asynccontextmanager
async def serving(*devices: Device, programs: Iterable[Program] = ()) -> AsyncIterator[Served]:
    """Serve devices on a port that the kernel chooses, and connect a client, which watches everything.

    The devices live as in a run; use the client's `find` or `wait_for` to await what they define.
    """
    server = Server("server", Server.Options(port=0))
    async with (
        served_by(server, *devices, programs=programs) as instances,
        Client("localhost", server.port) as client,
    ):
        yield Served(server.port, client, instances)


@contextlib.asynccontextmanager
async def served_by(
    transport: Transport, *devices: Device, programs: Iterable[Program] = ()
) -> AsyncIterator[dict[str, Instance]]:
    """Serve devices by a transport; give the devices' instances by name, while the transport runs.

    What the transport raises while it opens comes out here, and what it raises later at the end.
    """
    router = Router()
    offered = {program.name: program for program in programs}
    drivers = []
    for device in devices:
        if isinstance(device, ProgramDevice):
            device.offer(offered)
        drivers.append(DeviceDriver(device, router))
        router.add(drivers[-1])
    for driver in drivers:
        driver.begin()
    instances = {device.name: Instance(device, "the plugin under test") for device in devices}
    living: list[asyncio.Task[None]] = []
    running: asyncio.Task[None] | None = None
    try:
        await transport.open(router)
        running = asyncio.create_task(transport.run(), name=f"transport {transport.name}")
        living = [asyncio.create_task(one.live(), name=f"life of {name}") for name, one in instances.items()]
        yield instances
    finally:
        await _cancelled(living)
        for driver in drivers:
            await driver.close()
        if running is not None and not running.done():
            await _cancelled([running])
        await transport.close()
    if not running.cancelled() and (error := running.exception()) is not None:
        raise error


async def _cancelled(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)
