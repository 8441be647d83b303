"""A GPIO line as chip select, through gpiod 2.x: an output at its inactive level in one step, and no pulse before."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import TYPE_CHECKING

from core import DeviceUnavailable
from plugin_spi_sensor.bus.kernel import DEVICES, KernelBus

if TYPE_CHECKING:
    import gpiod

__all__ = ["GpioSelect"]


class GpioSelect:
    """Be a line that selects a chip while it is low, on a bus whose transfers go through the node of select `idle`."""

    def __init__(self, bus: KernelBus[object], idle: int, name: str, consumer: str) -> None:
        """Take the line "<chip>:<line>"; raise DeviceUnavailable with cause and cure."""
        bus.chip_select(idle)
        self._bus = bus
        self._idle = idle
        self._request, self._offset = _requested(name, consumer)
        from gpiod.line import Value

        self._levels = (Value.INACTIVE, Value.ACTIVE)
        self._high = True

    def switch_to_output(self, value: bool = True) -> None:
        """Do nothing: it is an output at this level since it was taken."""

    @property
    def value(self) -> bool:
        """Return the level; the chip is selected while it is False."""
        return self._high

    @value.setter
    def value(self, high: bool) -> None:
        if not high:
            self._bus.use(self._idle, held=True)
            self._bus.rest_clock()
        self._request.set_value(self._offset, self._levels[high])
        self._high = high
        if high:
            self._bus.use(None)

    def close(self) -> None:
        """Give the line back to the kernel."""
        self._request.release()


def _requested(name: str, consumer: str) -> tuple[gpiod.LineRequest, int]:
    chip_name, _, line = name.rpartition(":")
    try:
        import gpiod
        from gpiod.line import Direction, Value
    except ImportError as error:
        raise DeviceUnavailable(
            f"chip_select {name!r} needs the package gpiod, which cannot be imported ({error}); "
            "pip install 'plugin-spi-sensor[gpio]'"
        ) from error
    with _chip(gpiod, chip_name) as chip:
        title = f"line {line} of {chip_name}"
        try:
            offset = chip.line_offset_from_id(int(line) if line.isdecimal() else line)
        except (OSError, ValueError) as error:
            raise DeviceUnavailable(
                errno.ENOENT, f"chip_select {name!r}: there is no {title}; see gpioinfo for its lines"
            ) from error
        settings = gpiod.LineSettings(direction=Direction.OUTPUT, output_value=Value.ACTIVE)
        try:
            return chip.request_lines(config={offset: settings}, consumer=consumer), offset
        except OSError as error:
            if error.errno == errno.EBUSY:
                holder = chip.get_line_info(offset).consumer
                raise DeviceUnavailable(
                    errno.EBUSY,
                    f"chip_select {name!r}: {title} is held by {holder!r}; if that is the kernel's SPI, set "
                    "chip_select to its number or write dtoverlay=spi0-0cs into /boot/firmware/config.txt, "
                    "else stop that or use another line",
                ) from error
            if error.errno == errno.EINVAL:
                raise DeviceUnavailable(
                    errno.ENOENT, f"chip_select {name!r}: there is no {title}; see gpioinfo for its lines"
                ) from error
            raise DeviceUnavailable(
                error.errno or errno.EIO, f"chip_select {name!r}: {title} cannot be had: {error.strerror or error}"
            ) from error


def _chip(gpiod: object, name: str) -> gpiod.Chip:
    """Return the open chip of a path, name or label; raise DeviceUnavailable with what there is."""
    open_chip = gpiod.Chip  # type: ignore[attr-defined]
    seen: list[str] = []
    refused: OSError | None = None
    paths = [Path(name)] if "/" in name else sorted(DEVICES.glob("gpiochip*"))
    for path in paths:
        try:
            chip = open_chip(str(path))
        except OSError as error:
            refused = error
            seen.append(f"{path} ({error.strerror})")
            continue
        info = chip.get_info()
        if "/" in name or name in (info.name, info.label):
            return chip  # type: ignore[no-any-return]
        seen.append(f"{path} ({info.label})")
        chip.close()
    cure = "set chip_select to a line of one of them, or to a number"
    if refused is not None and refused.errno == errno.EACCES:
        cure = "add yourself to the chips' group: sudo usermod -aG gpio $USER, then log in again"
    raise DeviceUnavailable(
        refused.errno if refused is not None and refused.errno else errno.ENOENT,
        f"chip_select: there is no GPIO chip {name!r}, but {', '.join(seen) or 'no chip at all'}; {cure}",
    )
