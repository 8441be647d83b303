"""How simulated devices and transports behave: exit states, a hundred openings, and hardware that goes."""

from __future__ import annotations

import asyncio
import gc
import logging
import weakref
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, get_args

import msgspec

from core.checklist.lines import Line, of_faults
from core.checklist.subject import SimulatedDevice, Subject
from core.errors import CoreError
from core.plumbing import Transport
from core.program_device import NONE, ProgramDevice
from core.testing.driver_harness import DriverHarness
from core.testing.leaks import Holdings
from core.testing.server_and_client import served_by
from core.testing.simulated_leds import SimulatedLeds
from core.testing.virtual_clock import VirtualClock

__all__ = ["exit_states", "opens_and_closes", "simulated_backend", "survives_vanishing"]

OPENINGS = 100
WARM_UP = 3
"""Openings before descriptors and threads are counted: some things are made once and kept."""
OPEN_SECONDS = 0.05
GONE_SECONDS = 10.0
BACK_SECONDS = 200.0
"""A device that has gone is tried again at least once a minute."""
PROGRAM_SECONDS = 5.0


def simulated_backend(subject: Subject) -> Line:
    """Open each device without hardware."""
    title = "simulated backend"
    if not subject.devices:
        return Line(title, "n/a", "it has no device")

    async def look(one: SimulatedDevice) -> None:
        device = one.make()
        async with DriverHarness(device):
            if device.simulation() is None:
                raise AssertionError("it opens, and simulation() returns nothing that tests could unplug")

    faults = [f"{kind}: {why}" for kind, why in subject.not_simulated.items()]
    faults += [f"{one.kind}: {why}" for one in subject.simulated if (why := _why(look, one))]
    cure = "propose a simulated one with demo in core_default_config, and return its hardware from simulation()"
    return of_faults(title, faults, f"opened without hardware: {', '.join(subject.devices)}", cure)


def exit_states(subject: Subject) -> Line:
    """Light and darken outputs, end, and look at what is left."""
    title = "exit states"
    hosts = [one for one in subject.simulated if issubclass(one.device_class, ProgramDevice)]
    faults = [f"{one.kind}: {why}" for one in hosts if (why := _exits(one))]
    faults += [why for why in (_ends_dark(subject, name, hosts) for name in subject.programs) if why]
    if not hosts and not subject.programs:
        return Line(title, "n/a", "it has no outputs")
    seen = f"{len(hosts)} devices, {len(subject.programs)} programs, and all outputs as they should be afterwards"
    cure = 'give its Options exit_state: Literal["off", "on", "keep"], and set the outputs so in close()'
    return of_faults(title, faults, seen, cure)


def _exits(one: SimulatedDevice) -> str:
    option = next((f for f in msgspec.structs.fields(one.device_class.Options) if f.name == "exit_state"), None)
    if option is None:
        return "there is no option exit_state"
    # An Annotated type holds what it annotates as its first argument.
    states = [value for value in ("off", "on", "keep") if value in _literals(option.type)]
    if "off" not in states:
        return "exit_state cannot be off"

    async def look(state: str) -> None:
        lit = state != "on"  # what has to change is looked at, and "keep" with LEDs lit
        device = one.make(exit_state=state)
        if not isinstance(device, ProgramDevice):
            return
        async with DriverHarness(device) as driver:
            for output in device.outputs():
                output.set(lit)
            await driver.settled()
            before = _only_lamps(device.picture())
            if not before or (not lit) in before:
                raise AssertionError(f"outputs are set {'on' if lit else 'off'}, and picture() does not show it")
        expected = {"off": False, "on": True, "keep": lit}[state]
        if _only_lamps(device.picture()) != {expected}:
            raise AssertionError(f"after the end with exit_state {state!r}, picture() shows {list(device.picture())}")

    return next((why for state in states if (why := _why(look, state))), "")


def _literals(annotation: Any) -> set[object]:
    found: set[object] = set()
    for argument in get_args(annotation):
        found |= _literals(argument) if get_args(argument) else ({argument} if isinstance(argument, str) else set())
    return found


def _only_lamps(picture: Any) -> set[bool]:
    return {mark == "X" for row in picture for mark in row if mark in "X."}


def _ends_dark(subject: Subject, name: str, hosts: list[SimulatedDevice]) -> str:
    program = subject.programs[name]
    makers: list[Callable[[], ProgramDevice]] = [SimulatedLeds, *(one.make for one in hosts)]  # type: ignore[list-item]
    makers = [make for make in makers if make().accepts(program)]
    if not makers:
        return ""  # it is for devices of another plugin

    async def look(make: Callable[[], ProgramDevice]) -> None:
        device = make()
        async with DriverHarness(device, programs=subject.programs.values()) as driver:
            await driver.set("program", {name: True})
            await driver.delay(PROGRAM_SECONDS)
            if driver["program"].state == "Alert":
                raise AssertionError(f"it fails: {driver.messages[-1:]}")
            await driver.set("program", {NONE: True})
            if True in _only_lamps(device.picture()):
                raise AssertionError(f"it has been ended, and picture() shows {list(device.picture())}")

    why = _why(look, makers[0])
    return f"program {name}: {why}" if why else ""


def opens_and_closes(subject: Subject) -> Line:
    """Open and close everything a hundred times, and look at what stays behind."""
    title = f"opens and closes {OPENINGS} times"
    if not subject.devices and not subject.transports:
        return Line(title, "n/a", "it has nothing to open")
    faults = [f"{one.kind}: {why}" for one in subject.simulated if (why := _why(_open_often, one))]
    faults += [f"{kind}: it cannot be opened here: {why}" for kind, why in subject.not_simulated.items()]
    skipped = []
    for kind, transport in subject.transports.items():
        options = _transport_options(transport)
        if transport.brings_devices or options is None:
            skipped.append(kind)
        elif why := _why(_serve_often, (transport, options), virtual=False):
            faults.append(f"{kind}: {why}")
    if skipped and len(skipped) == len(subject.transports) and not subject.devices:
        return Line(title, "n/a", f"only with options of yours: {', '.join(skipped)}")
    cure = "end in close() whatever open() begins, and keep no list of what is closed"
    return of_faults(title, faults, "no task, descriptor, thread or object is left", cure)


async def _open_often(one: SimulatedDevice) -> None:
    alive: list[weakref.ref[Any]] = []

    async def once() -> None:
        device = one.make()
        alive.append(weakref.ref(device))
        async with DriverHarness(device) as driver:
            await driver.delay(OPEN_SECONDS)

    await _often(once)
    if left := sum(one() is not None for one in alive):
        raise AssertionError(f"{left} of {len(alive)} closed devices are still held by something")


async def _serve_often(wanted: tuple[type[Transport], Any]) -> None:
    transport, options = wanted

    async def once() -> None:
        async with served_by(transport("checked", options)):
            await asyncio.sleep(0)

    await _often(once)


async def _often(once: Callable[[], Awaitable[None]]) -> None:
    tasks = asyncio.all_tasks()
    for _ in range(WARM_UP):
        await once()
    before = Holdings()
    for _ in range(OPENINGS):
        await once()
    await asyncio.sleep(0)
    gc.collect()
    left = [task.get_name() for task in asyncio.all_tasks() - tasks] + before.left()
    if left:
        raise AssertionError(f"{len(left)} things are left after {OPENINGS} times: {'; '.join(left[:5])}")


def _transport_options(transport: type[Transport]) -> Any:
    """Return options with which a transport can be opened anywhere, None if it has to be told more."""
    names = {one.name for one in msgspec.structs.fields(transport.Options)}
    try:
        return transport.Options(**({"port": 0} if "port" in names else {}))
    except TypeError:
        return None


def survives_vanishing(subject: Subject) -> Line:
    """Unplug the simulated hardware, look whether that is told, plug it in again, and look whether all works again."""
    title = "survives its device vanishing"
    if not subject.devices:
        return Line(title, "n/a", "it has no device")
    faults = [f"{one.kind}: {why}" for one in subject.simulated if (why := _why(_unplug, one))]
    faults += [f"{kind}: there is no simulated one to unplug" for kind in subject.not_simulated]
    cure = "raise DeviceUnavailable where the hardware does not answer, or call self.lose(error); catch nothing else"
    return of_faults(title, faults, "it tells that the device has gone, and works again when it is back", cure)


async def _unplug(one: SimulatedDevice) -> None:
    device = one.make()
    async with DriverHarness(device) as driver:
        simulation = device.simulation()
        if simulation is None:
            raise AssertionError("simulation() returns nothing that can be unplugged")
        await driver.delay(1)
        before = driver.instance.state, {vector.name: vector.state for vector in device.vectors.values()}
        said = len(driver.messages)
        simulation.vanish()
        await _use(driver, lit=True)
        await driver.delay(GONE_SECONDS)
        alert = [vector.name for vector in device.vectors.values() if vector.state == "Alert"]
        if not alert and len(driver.messages) == said and driver.instance.state == before[0]:
            raise AssertionError("it has gone, and nothing tells so: no Alert, no message")
        simulation.reappear()
        await driver.delay(BACK_SECONDS)
        if driver.instance.state != "ready":
            raise AssertionError(f"it is back, and the device stays {driver.instance.state}: {driver.instance.cause}")
        await _use(driver, lit=False)
        await driver.delay(GONE_SECONDS)
        still = [v.name for v in device.vectors.values() if v.state == "Alert" and before[1].get(v.name) != "Alert"]
        if still:
            raise AssertionError(f"it is back, and {', '.join(still)} stays Alert")


async def _use(driver: DriverHarness, *, lit: bool) -> None:
    """Make the device turn to its hardware: by its outputs, and by writing what it holds already."""
    device = driver.device
    if isinstance(device, ProgramDevice):
        for output in device.outputs():
            output.set(lit)
    for vector in tuple(device.vectors.values()):
        if vector.perm == "rw" and vector.kind in ("Number", "Text") and vector.name in device.handlers:
            driver.send(vector.name, dict(vector.values))
    await driver.settled()


def _why(look: Callable[[Any], Awaitable[None]], argument: Any, *, virtual: bool = True) -> str:
    """Run one look at the plugin, and return in one line why it fails; nothing where it does not."""

    async def main() -> None:
        await look(argument)

    with _quiet():
        try:
            if virtual:
                VirtualClock().run(main())
            else:
                asyncio.run(main())
        except (AssertionError, CoreError) as error:
            return " ".join(str(error).split())
        except Exception as error:  # a plugin may raise anything, and that is what is looked for
            return f"{type(error).__name__}: {' '.join(str(error).split())}"
    return ""


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the log of devices that are made to fail to ourselves."""
    previous = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(previous)
