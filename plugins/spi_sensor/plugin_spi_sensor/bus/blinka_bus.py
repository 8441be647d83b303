"""A bus by `busio.SPI` of adafruit-blinka, for boards that are set up for it.

Blinka opens the node of select 0 alone, and never closes it; that is done here.
"""

from __future__ import annotations

import errno
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core import DeviceUnavailable
from core.spi_bus import ClockSettings
from plugin_spi_sensor.bus.blinka_import import quietly
from plugin_spi_sensor.bus.kernel import DEVICES, KernelBus, why_not_opened

if TYPE_CHECKING:
    import busio

__all__ = ["BlinkaBus"]

FAILURES = (ImportError, NotImplementedError, RuntimeError, OSError, ValueError, TypeError, AttributeError)
"""What Blinka raises where a board, a package or a device is not as it expects."""


class BlinkaBus(KernelBus["busio.SPI"]):
    """Be the SPI port of a board: its pins SCK, MOSI and MISO, or SCK_1 and so on for port "1"."""

    def __init__(self, port: str = "") -> None:
        super().__init__()
        self._controller = f"/dev/spidev{port or 0}"
        spi = self._opened(port)
        node = Path(f"/proc/self/fd/{_handle(spi)}").readlink()
        self._controller = str(node).partition(".")[0]
        self._nodes[0] = spi

    @property
    def controller(self) -> str:
        """Return what names the hardware under the bus."""
        return self._controller

    def _opened(self, port: str) -> busio.SPI:
        with quietly():
            try:
                import board
                import busio

                end = f"_{port}" if port and port != "0" else ""
                clock = getattr(board, f"SCK{end}", None) or getattr(board, f"SCLK{end}")
                spi = busio.SPI(clock, getattr(board, f"MOSI{end}"), getattr(board, f"MISO{end}"))
            except FAILURES as error:
                raise self._why(error) from error
        if _handle(spi) is None:
            spi.deinit()
            raise DeviceUnavailable(
                "Blinka's SPI on this board is not the kernel's, so that nothing would select the chip; "
                'use a board with /dev/spidev*, or bus = "simulated"'
            )
        # The object is ours alone, and what it wants before `configure`.
        spi.try_lock()
        return spi

    def _why(self, error: Exception) -> DeviceUnavailable:
        node = DEVICES / f"{Path(self._controller).name}.0"
        if isinstance(error, OSError):
            # That a node is missing, it says in words alone.
            missing = re.fullmatch(r"(/dev/spidev\S+) does not exist", str(error))
            if missing:
                return why_not_opened(Path(missing[1]), OSError(errno.ENOENT, "missing"))
            return why_not_opened(Path(error.filename or node), error)
        if isinstance(error, ModuleNotFoundError):
            return DeviceUnavailable(f"Blinka cannot be imported ({error}); pip install 'plugin-spi-sensor[blinka]'")
        # What it has no pins for, its own modules fail to import.
        detail = "it has no pins for it" if isinstance(error, ImportError) else " ".join(str(error).split())
        known = getattr(sys.modules.get("board"), "board_id", None)
        machine = f"this machine, a {known} to Blinka," if known else "this machine"
        return DeviceUnavailable(
            f"Blinka has no such SPI on {machine}: {detail}; "
            f'set bus = "{node.name.partition(".")[0]}", which needs no Blinka, or bus = "simulated"'
        )

    def _open(self, number: int) -> busio.SPI:
        raise DeviceUnavailable(f"Blinka opens select 0 alone, not {number}; set chip_select = 0 or a GPIO line")

    def _close(self, node: busio.SPI) -> None:
        handle = _handle(node)
        node.deinit()
        if handle is not None:
            os.close(handle)

    def _apply(self, node: busio.SPI, settings: ClockSettings) -> None:
        baudrate, polarity, phase = settings
        node.configure(baudrate=baudrate, polarity=polarity, phase=phase)

    def _exchange(self, node: busio.SPI, sent: bytes) -> bytes:
        answer = bytearray(len(sent))
        node.write_readinto(sent, answer)
        return bytes(answer)


def _handle(spi: Any) -> int | None:
    """Return the file descriptor under a `busio.SPI`, None where it has none."""
    handle = getattr(getattr(getattr(spi, "_spi", None), "_spi", None), "handle", None)
    return handle if isinstance(handle, int) else None
