"""A bus behind the kernel's spidev nodes, whichever package opens them: locks, settings and selects.

The kernel asserts a node's own select around each transfer. A transaction on such a select is therefore one transfer;
on a GPIO line, which stays low meanwhile, it can be several.
"""

from __future__ import annotations

import abc
import errno
from pathlib import Path
from typing import Generic, TypeVar

from core import DeviceUnavailable
from core.spi_bus import ClockSettings, LockableSpiBus

__all__ = ["KernelBus", "KernelSelect", "buffer_size", "why_not_opened"]

DEVICES = Path("/dev")
BUFFER_SIZE = Path("/sys/module/spidev/parameters/bufsiz")
DEFAULT_BUFFER = 4096
"""Bytes that the kernel takes in one transfer unless its parameter `spidev.bufsiz` says otherwise."""

N = TypeVar("N")


class KernelBus(LockableSpiBus, Generic[N]):
    """Be one controller with its nodes, as `busio.SPI` is; `N` is what a package has for an open node."""

    def __init__(self) -> None:
        super().__init__()
        self._nodes: dict[int, N] = {}
        self._applied: dict[int, ClockSettings] = {}
        self._selected: int | None = None
        self._held = False
        self._rest: int | None = None

    @property
    @abc.abstractmethod
    def controller(self) -> str:
        """Return what names the hardware under the bus."""

    @abc.abstractmethod
    def _open(self, number: int) -> N:
        """Open the node of a select; raise DeviceUnavailable with cause and cure."""

    @abc.abstractmethod
    def _close(self, node: N) -> None:
        """Close a node."""

    @abc.abstractmethod
    def _apply(self, node: N, settings: ClockSettings) -> None:
        """Set how the next transfers of a node go."""

    @abc.abstractmethod
    def _exchange(self, node: N, sent: bytes) -> bytes:
        """Send bytes in one transfer and return as many."""

    def chip_select(self, select: int) -> KernelSelect:
        """Return one of the controller's own selects, whose node is opened now and stays open with the bus."""
        self._check_open()
        if select not in self._nodes:
            self._nodes[select] = self._open(select)
        return KernelSelect(self, select)

    def deinit(self) -> None:
        """Close the bus with all its nodes; closing it twice is no error."""
        super().deinit()
        while self._nodes:
            self._close(self._nodes.popitem()[1])

    # What follows is for the lines that select.

    def use(self, select: int | None, *, held: bool = False) -> None:
        """Send what comes through the node of a select, or nothing any more; `held` says that a line stays low."""
        self._selected, self._held = select, held

    def rest_clock(self) -> None:
        """Let the clock rest at the level that is configured, before a chip that would count the edge is selected.

        Controllers take a new polarity with the next transfer, not when it is set; the byte that is sent goes to the
        node's own select, which has no device.
        """
        if self._rest != self.settings[1]:
            self._exchange_all(b"\x00")

    def _transfer(self, sent: bytes) -> bytes:
        number = self._selected
        if number is None:
            raise RuntimeError("the bus is used without a chip select")
        node = self._nodes[number]
        try:
            if self._applied.get(number) != self.settings:
                self._applied.pop(number, None)
                self._apply(node, self.settings)
                self._applied[number] = self.settings
            self._rest = self.settings[1]
            size = buffer_size()
            if len(sent) <= size:
                return self._exchange(node, sent)
            if not self._held:
                raise DeviceUnavailable(
                    errno.EMSGSIZE,
                    f"{len(sent)} bytes are more than the kernel takes in one transfer ({size}), and its select would "
                    "rise in between; set spidev.bufsiz=65536 in the kernel's command line, or use a GPIO line as "
                    "chip_select",
                )
            return b"".join(self._exchange(node, sent[at : at + size]) for at in range(0, len(sent), size))
        except DeviceUnavailable:
            raise
        except OSError as error:
            raise DeviceUnavailable(
                error.errno or errno.EIO,
                f"{self.controller}.{number}: a transfer of {len(sent)} bytes at {self.settings[0]} Hz failed: "
                f"{error.strerror or error}; check the option baudrate, and the kernel's log with dmesg",
            ) from error


class KernelSelect:
    """Be one of the controller's own selects: the kernel asserts it, with each transfer that goes through its node."""

    def __init__(self, bus: KernelBus[N], number: int) -> None:
        self.bus = bus
        self.number = number
        self._idle = True

    def switch_to_output(self, value: bool = True) -> None:
        """Do nothing: the line is the kernel's."""

    @property
    def value(self) -> bool:
        """Return False while transfers go to this chip."""
        return self._idle

    @value.setter
    def value(self, idle: bool) -> None:
        self._idle = idle
        self.bus.use(None if idle else self.number)


def why_not_opened(node: Path, error: OSError) -> DeviceUnavailable:
    """Return the error for a node that could not be opened: its cause, and its cure."""
    there = sorted(str(path) for path in DEVICES.glob("spidev*"))
    number = node.name.removeprefix("spidev").partition(".")[0]
    if error.errno in (errno.ENOENT, errno.ENODEV, errno.ENXIO) and there:
        cause, cure = "there is no such device", f"there is {', '.join(there)}; set bus and chip_select to one of them"
    elif error.errno in (errno.ENOENT, errno.ENODEV, errno.ENXIO):
        overlay = "dtparam=spi=on" if number == "0" else f"dtoverlay=spi{number}-1cs"
        cause = "there is no SPI device at all"
        cure = (
            f"on a Raspberry Pi write {overlay} into /boot/firmware/config.txt and start it again, or set "
            'bus = "simulated"'
        )
    elif error.errno in (errno.EACCES, errno.EPERM):
        cause, cure = "you may not", "add yourself to its group: sudo usermod -aG spi $USER, then log in again"
    elif error.errno == errno.EBUSY:
        cause, cure = "the kernel has given it to a driver of its own", "take that driver's dtoverlay away"
    else:
        cause, cure = error.strerror or str(error), "see the kernel's log with dmesg"
    return DeviceUnavailable(error.errno or errno.EIO, f"{node}: {cause}; {cure}")


def buffer_size() -> int:
    """Return how many bytes the kernel takes in one transfer."""
    try:
        return int(BUFFER_SIZE.read_text())
    except (OSError, ValueError):
        return DEFAULT_BUFFER
