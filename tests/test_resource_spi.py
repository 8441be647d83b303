"""ManagedSpi: chips are selected one at a time, with their own configuration."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from core.errors import ResourceError
from core.loop import delay
from core.spi import ManagedSpi
from core.testing import VirtualClock


class Bus:
    """Behave as busio.SPI does, and note what happens."""

    def __init__(self, log: list[Any]) -> None:
        self.log = log
        self.locked = False
        self.fails = False

    def try_lock(self) -> bool:
        if self.locked:
            return False
        self.locked = True
        return True

    def unlock(self) -> None:
        if not self.locked:
            raise ValueError("not locked")
        self.locked = False

    def configure(self, *, baudrate: int, polarity: int, phase: int, bits: int) -> None:
        if not self.locked:
            raise RuntimeError("First call try_lock()")
        if self.fails:
            raise OSError("no such rate")
        self.log.append((baudrate, polarity, phase, bits))


class Line:
    """Behave as digitalio.DigitalInOut does, and note each level."""

    def __init__(self, name: str, log: list[Any]) -> None:
        self._name = name
        self._log = log

    def switch_to_output(self, value: bool = False) -> None:
        self._log.append(f"{self._name} out {int(value)}")

    @property
    def value(self) -> bool:
        raise AssertionError("nobody reads it")

    @value.setter
    def value(self, value: bool) -> None:
        self._log.append(f"{self._name} {int(value)}")


def test_chips_are_selected_in_turn_each_with_its_configuration(clock: VirtualClock) -> None:
    log: list[Any] = []
    bus = Bus(log)
    spi = ManagedSpi(bus)
    sensor = spi.cs_handle(Line("sensor", log), baudrate=1_000_000, polarity=1, phase=1)
    card = spi.cs_handle(Line("card", log), active_high=True)
    assert log == ["sensor out 1", "card out 0"]
    log.clear()

    async def use(handle: Any) -> None:
        async with handle as got:
            assert got is bus
            assert bus.locked
            await delay(1)

    async def main() -> None:
        await asyncio.gather(use(sensor), use(card), use(spi.cs_handle(None)))

    clock.run(main())
    assert log == [
        (1_000_000, 1, 1, 8), "sensor 0", "sensor 1",
        (100_000, 0, 0, 8), "card 1", "card 0",
        (100_000, 0, 0, 8),
    ]  # fmt: skip
    assert not bus.locked
    assert spi.statistics().acquired == 3


def test_a_stranger_on_the_bus_is_an_error_that_says_so(clock: VirtualClock) -> None:
    bus = Bus([])
    handle = ManagedSpi(bus, name="spi0").cs_handle(None)

    async def main() -> None:
        bus.try_lock()
        with pytest.raises(ResourceError, match="spi0: the bus is locked by code that does not use"):
            async with handle:
                raise AssertionError("never")
        bus.unlock()
        async with handle:
            assert bus.locked

    clock.run(main())


def test_a_failing_configuration_leaves_the_bus_free(clock: VirtualClock) -> None:
    bus = Bus([])
    handle = ManagedSpi(bus).cs_handle(None)

    async def main() -> None:
        bus.fails = True
        with pytest.raises(OSError, match="no such rate"):
            async with handle:
                raise AssertionError("never")
        assert not bus.locked
        bus.fails = False
        async with handle:
            pass

    clock.run(main())
    assert not bus.locked


@pytest.mark.parametrize("options", [{"baudrate": 0}, {"baudrate": 1.5}, {"polarity": 2}, {"phase": -1}])
def test_impossible_configurations(options: dict[str, Any]) -> None:
    with pytest.raises(ResourceError):
        ManagedSpi(Bus([])).cs_handle(None, **options)
