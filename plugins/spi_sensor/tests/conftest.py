"""What the tests of devices share: sensors that live as in a run, on a bus that nobody leaves open."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, ExitStack, asynccontextmanager
from typing import Any

import pytest

from core import Device
from core.resource import Handle
from core.sim.spi import SimulatedSpiChip
from core.testing import DriverHarness
from core.testing.bus_record import BusRecord
from plugin_spi_sensor.bus import shared

Running = Callable[..., AbstractAsyncContextManager[None]]


@pytest.fixture
def running() -> Running:
    """Return a context in which devices live as in a run; it begins when they are ready."""

    @asynccontextmanager
    async def run(*devices: Device) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            for device in devices:
                await stack.enter_async_context(DriverHarness(device))
            yield
            # All at rest before the first is asked what it leaves behind: what others still do is not its.
            for device in devices:
                for tick in device.tick_templates:
                    await device.tick(tick).detach()

    return run


@pytest.fixture
def socket() -> Iterator[Callable[..., tuple[Handle[Any], BusRecord]]]:
    """Return a function that puts a chip on a bus and returns a handle of it, and the record of what is sent."""
    with ExitStack() as stack:

        def plugged(chip: SimulatedSpiChip) -> tuple[Handle[Any], BusRecord]:
            seat = shared.take_seat("simulated:desk", 0, "the test", baudrate=1_000_000)
            stack.callback(seat.leave)
            record = BusRecord(chip)
            seat.shared.bus.attach(0, record)
            return seat.handle, record

        yield plugged


@pytest.fixture(autouse=True)
def no_bus_is_left(no_leaks: None) -> Iterator[None]:
    yield
    assert shared.open_buses() == {}
