"""A bus by the PyPI package `spidev`: any node, one call a transfer, and closed at the end."""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING

from core import DeviceUnavailable
from core.spi_bus import ClockSettings
from plugin_spi_sensor.bus.kernel import DEVICES, KernelBus, why_not_opened

if TYPE_CHECKING:
    from spidev import SpiDev

__all__ = ["SpidevBus"]


class SpidevBus(KernelBus["SpiDev"]):
    """Be the controller `number`, whose nodes are /dev/spidev<number>.*."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self._number = number
        self._package = _package()

    @property
    def controller(self) -> str:
        """Return what names the hardware under the bus."""
        return f"/dev/spidev{self._number}"

    def _open(self, number: int) -> SpiDev:
        node = self._package.SpiDev()
        try:
            node.open(self._number, number)
        except OSError as error:
            raise why_not_opened(DEVICES / f"spidev{self._number}.{number}", error) from error
        return node

    def _close(self, node: SpiDev) -> None:
        node.close()

    def _apply(self, node: SpiDev, settings: ClockSettings) -> None:
        baudrate, polarity, phase = settings
        node.mode = polarity << 1 | phase
        node.max_speed_hz = baudrate

    def _exchange(self, node: SpiDev, sent: bytes) -> bytes:
        return bytes(node.xfer2(sent))


def _package() -> ModuleType:
    """Return the package spidev, imported now that it is needed; raise DeviceUnavailable with the cure."""
    try:
        import spidev
    except ImportError as error:
        raise DeviceUnavailable(
            f"the package spidev cannot be imported ({error}); pip install 'plugin-spi-sensor[spidev]'"
        ) from error
    return spidev  # type: ignore[no-any-return]  # it has no types
