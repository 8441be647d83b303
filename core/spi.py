"""ManagedSpi: one SPI bus for many chips, each with a chip-select line and a configuration of its own.

The bus is anything with busio's `try_lock`, `configure` and `unlock`; a chip-select line is anything with digitalio's
`switch_to_output` and `value`. No hardware library is imported here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from core.duration import Duration
from core.errors import ResourceError
from core.resource import Handle, ManagedResource, ResourceStatistics

__all__ = ["ChipSelect", "ManagedSpi", "SpiBus"]


class SpiBus(Protocol):
    """Be an SPI bus as busio has it."""

    def try_lock(self) -> bool:
        """Take the bus; return False if somebody has it."""

    def unlock(self) -> None:
        """Give the bus back."""

    def configure(self, *, baudrate: int, polarity: int, phase: int, bits: int) -> None:
        """Set how the next transfers go; the bus has to be locked."""


class ChipSelect(Protocol):
    """Be a line that selects a chip, as digitalio has it."""

    value: Any

    def switch_to_output(self, value: bool = ...) -> None:
        """Make it an output that starts at a level."""


B = TypeVar("B", bound=SpiBus)


@dataclass(frozen=True, slots=True)
class _Chip:
    line: ChipSelect | None
    active: bool
    configuration: dict[str, int]


class ManagedSpi(Generic[B]):
    """Share an SPI bus: `async with spi.cs_handle(line) as bus` selects the chip, and nobody else's meanwhile.

    Limits are those of ManagedResource.
    """

    def __init__(
        self,
        bus: B,
        *,
        wait_limit: Duration | None = None,
        hold_limit: Duration | None = None,
        name: str = "spi",
    ) -> None:
        self._managed: ManagedResource[B] = ManagedResource(
            bus, self._select, self._deselect, wait_limit=wait_limit, hold_limit=hold_limit, name=name
        )

    def cs_handle(
        self,
        chip_select: ChipSelect | None,
        *,
        active_high: bool = False,
        baudrate: int = 100_000,
        polarity: int = 0,
        phase: int = 0,
        bits: int = 8,
    ) -> Handle[B]:
        """Return a handle of one chip; its line becomes an output here, at its inactive level in one step.

        None as `chip_select` leaves selecting to the kernel. Baud rate in Hz above zero, polarity and phase 0 or 1.
        Raises ResourceError for others.
        """
        # A program without types may pass anything; True is an int, and no rate.
        rate: object = baudrate
        if isinstance(rate, bool) or not isinstance(rate, int) or rate <= 0:
            raise ResourceError(f"{self._managed.name}: baudrate must be a whole number of Hz, not {baudrate!r}")
        if polarity not in (0, 1) or phase not in (0, 1):
            raise ResourceError(f"{self._managed.name}: polarity and phase are 0 or 1, not {polarity!r} and {phase!r}")
        if chip_select is not None:
            chip_select.switch_to_output(value=not active_high)
        configuration = {"baudrate": baudrate, "polarity": polarity, "phase": phase, "bits": bits}
        return self._managed.handle(_Chip(chip_select, active_high, configuration))

    def statistics(self) -> ResourceStatistics:
        """Return how the bus has been used, and who has it now."""
        return self._managed.statistics()

    def _select(self, chip: _Chip) -> None:
        bus = self._managed.resource
        if not bus.try_lock():
            # Among the users of this object it is free, so that waiting would be for a stranger.
            raise ResourceError(
                f"{self._managed.name}: the bus is locked by code that does not use this ManagedSpi; "
                "give all its users handles of one ManagedSpi"
            )
        try:
            bus.configure(**chip.configuration)
            if chip.line is not None:
                chip.line.value = chip.active
        except BaseException:
            bus.unlock()
            raise

    def _deselect(self, chip: _Chip) -> None:
        try:
            if chip.line is not None:
                chip.line.value = not chip.active
        finally:
            self._managed.resource.unlock()
