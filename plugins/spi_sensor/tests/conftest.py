"""What the tests of devices share: sensors that live as in a run, on a bus that nobody leaves open."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager

import pytest

from core import Device
from core.testing import DriverHarness
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

    return run


@pytest.fixture(autouse=True)
def no_bus_is_left(no_leaks: None) -> Iterator[None]:
    yield
    assert shared.open_buses() == {}
